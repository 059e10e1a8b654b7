"""Outcome tables → values per case and repeat, which claims are made of, and the rates that reports show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from harness.core.consistency import disagreement, pass_hat
from harness.core.errors import ClaimError
from harness.core.outcomes import Outcomes
from harness.core.records import Answer, Case, Measure, Slice, Status, Task
from harness.core.schemas import label_text
from harness.core.tables import MISSING, STATUSES, OutcomeTable

Values = NDArray[np.float64]
CostOf = Callable[[str, object, object], float]
"""(field, expected, answered) → what that answer costs."""


def _is(table: OutcomeTable, status: Status) -> Values:
    flags: Values = (table.status == STATUSES.index(status)).astype(np.float64)
    return flags


def _field(table: OutcomeTable, name: str | None) -> Values:
    if name is None or name not in table.fields:
        raise ClaimError(f"there is no decision field {name!r}; there are: {', '.join(table.fields)}")
    return table.fields[name].astype(np.float64)


UNANSWERED_S = 1e9
"""The latency of a request without an answer, in seconds: longer than any answer takes."""


def _latency(table: OutcomeTable) -> Values:
    return np.nan_to_num(table.latency_s, nan=UNANSWERED_S)


METRICS: dict[str, Callable[[OutcomeTable, Task, Measure], Values]] = {
    "accuracy": lambda table, task, measure: _is(table, Status.CORRECT),
    "field_accuracy": lambda table, task, measure: _field(table, measure.field),
    "format_validity": lambda table, task, measure: table.valid.astype(np.float64),
    "unusable": lambda table, task, measure: (~table.valid).astype(np.float64),
    "costly_error_rate": lambda table, task, measure: costly(table, task).astype(np.float64),
    "cost": lambda table, task, measure: table.cost,
    "error_rate": lambda table, task, measure: _is(table, Status.ERROR),
    "review_rate": lambda table, task, measure: _is(table, Status.REVIEW),
    "latency": lambda table, task, measure: _latency(table),
    "pass_hat": lambda table, task, measure: pass_hat(table, measure.k or 1),
    "disagreement": lambda table, task, measure: disagreement(table),
}
"""Each gives one value per case and repeat; an answer that is not right for any reason counts against its metric.
The last two are about the repeats of a case, and give one value per case."""

HIGHER_IS_BETTER = frozenset({"accuracy", "field_accuracy", "format_validity", "pass_hat"})


def costly(table: OutcomeTable, task: Task) -> NDArray[np.bool_]:
    """Which outcomes are costly errors: not correct, and at or above the declared cost."""
    wrong = table.status != STATUSES.index(Status.CORRECT)
    result: NDArray[np.bool_] = wrong & (table.cost >= task.costs.costly_at_least)
    return result


def members(cases: Sequence[Case], part: Slice | None) -> NDArray[np.bool_]:
    """Which cases count: all that are no supplement, or all of a slice with its supplement."""
    if part is None:
        return np.array([not case.supplement for case in cases], dtype=np.bool_)
    return np.array([part.contains(case) for case in cases], dtype=np.bool_)


def outcomes_of(table: OutcomeTable, task: Task, keep: NDArray[np.bool_], measure: Measure) -> Outcomes:
    """The values of a measure over the kept cases; answers that are missing are NaN.

    Raises ClaimError for an unknown metric.
    """
    if measure.metric not in METRICS:
        raise ClaimError(f"there is no metric {measure.metric!r}; there are: {', '.join(METRICS)}")
    values = METRICS[measure.metric](table, task, measure)
    missing = table.status == MISSING
    if values.shape != missing.shape:
        missing = missing.any(axis=1, keepdims=True)
    return select(table, np.where(missing, np.nan, values), keep)


def select(table: OutcomeTable, values: Values, keep: NDArray[np.bool_]) -> Outcomes:
    """`values` of the kept cases, with their ids, and their clusters if any case has one."""
    clusters = tuple(compress(table.clusters, keep))
    return Outcomes(
        values=values[keep],
        case_ids=compress(table.case_ids, keep),
        clusters=clusters if any(c is not None for c in clusters) else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a report shows of one strategy on one set of cases; counts are over cases × repeats."""

    n: int
    correct: int
    valid: int
    costly: int
    errors: int
    reviews: int
    missing: int
    cost_per_1000: float
    field_correct: dict[str, int]

    @property
    def answered(self) -> int:
        """How many were asked for and came to some end, a failure included; all but those that are missing."""
        return self.n - self.missing


def rates(table: OutcomeTable, task: Task, keep: NDArray[np.bool_]) -> Rates:
    """Counts over the kept cases. The cost is the mean over what is there, per 1,000 decisions; NaN for no cases."""
    status = table.status[keep]
    cost = table.cost[keep]
    present = ~np.isnan(cost)
    return Rates(
        n=int(status.size),
        correct=int((status == STATUSES.index(Status.CORRECT)).sum()),
        valid=int(table.valid[keep].sum()),
        costly=int(costly(table, task)[keep].sum()),
        errors=int((status == STATUSES.index(Status.ERROR)).sum()),
        reviews=int((status == STATUSES.index(Status.REVIEW)).sum()),
        missing=int((status == MISSING).sum()),
        cost_per_1000=float(cost[present].mean() * 1000) if present.any() else float("nan"),
        field_correct={name: int(right[keep].sum()) for name, right in table.fields.items()},
    )


def dearest_errors(table: OutcomeTable, keep: NDArray[np.bool_], limit: int) -> list[tuple[int, float]]:
    """(row, cost) of the kept cases that are answered, and not always right, dearest first; at most `limit`."""
    wrong = ~np.isin(table.status, (STATUSES.index(Status.CORRECT), MISSING)).all(axis=1) & keep
    cost = np.nan_to_num(table.cost).max(axis=1)
    rows = sorted(np.flatnonzero(wrong).tolist(), key=lambda row: (-cost[row], table.case_ids[row]))
    return [(row, float(cost[row])) for row in rows[:limit]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often and at what summed cost one label of a field was answered as another."""

    field: str
    expected: str
    answered: str
    count: int
    cost: float


def confusions(table: OutcomeTable, cases: Sequence[Case], keep: NDArray[np.bool_], cost_of: CostOf) -> list[Confusion]:
    """The pairs of labels that were confused, dearest first; an answer that went to a person confuses nobody."""
    counts: Counter[tuple[str, str, str]] = Counter()
    costs: dict[tuple[str, str, str], float] = {}
    review = STATUSES.index(Status.REVIEW)
    for row in np.flatnonzero(keep).tolist():
        expected: Answer = cases[row].expected
        for repeat, answer in enumerate(table.answers[row]):
            if answer is None or table.status[row, repeat] == review:
                continue
            for name, rights in table.fields.items():
                right, given = expected[name], answer.get(name)
                if not rights[row, repeat]:
                    key = (name, label_text(right), label_text(given))
                    counts[key] += 1
                    costs[key] = cost_of(name, right, given)
    found = [
        Confusion(field=key[0], expected=key[1], answered=key[2], count=n, cost=n * costs[key])
        for key, n in counts.items()
    ]
    return sorted(found, key=lambda c: (-c.cost, -c.count, c.field, c.expected, c.answered))
