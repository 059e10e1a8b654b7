"""The confusion matrix of one decision field in money: what it cost to answer one label where another is right."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.core.metrics import Confusion, CostOf, confusions
from harness.core.records import Case, Status
from harness.core.schemas import label_text
from harness.core.tables import STATUSES, OutcomeTable

MOST = 12
OTHER = "other labels"
UNUSABLE = "no usable answer"
REVIEWED = "sent to a person"
_UNUSABLE = [STATUSES.index(Status.INVALID), STATUSES.index(Status.ERROR)]
_REVIEWED = STATUSES.index(Status.REVIEW)
_Cell = tuple[str, str, int, float]
"""(right label, answered label, how often, summed cost)"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MoneyConfusion:
    """How the decision field `field` was answered wrong, and what that cost, over cases × repeats.

    `counts` and `costs` have a row for each right label, named by `rows`, and a column for each answered one, named by
    `columns`. Both begin with the same labels, the dearest first, and with OTHER behind them where there are more. The
    last columns are UNUSABLE and, where there were any, REVIEWED, at what such a case costs as a whole, whatever its
    other fields. `right` says how often each row's labels were answered right, at no cost; those answers are not in
    `counts`, whose diagonal is therefore empty but for confusions within OTHER. `costs` are summed, in the task's unit.
    A heat map draws `costs`, tells `counts`, and may show `right` on the diagonal.
    """

    field: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    right: NDArray[np.int64]
    counts: NDArray[np.int64]
    costs: NDArray[np.float64]


def money_confusion(
    table: OutcomeTable,
    cases: Sequence[Case],
    keep: NDArray[np.bool_],
    cost_of: CostOf,
    *,
    fields: Sequence[str] | None = None,
    most: int = MOST,
) -> MoneyConfusion | None:
    """The matrix of the field among `fields` (None: all) whose wrong labels cost most, over the kept cases.

    At most `most` labels stand alone. Answers that are missing are left out. None where none is wrong or unusable, and
    for no fields.
    """
    names = tuple(table.fields) if fields is None else tuple(fields)
    if not names:
        return None
    pairs = confusions(table, cases, keep, cost_of)
    lost = np.isin(table.status, [*_UNUSABLE, _REVIEWED]) & keep[:, None]
    if not pairs and not lost.any():
        return None
    name = _dearest(pairs, names)
    found = [(p.expected, p.answered, p.count, p.cost) for p in pairs if p.field == name]
    apart = _apart(table, cases, lost, name)
    right = _right(table, cases, keep, name)
    labels, more = _ranked(found, apart, right, most)
    rows = (*labels, OTHER) if more else labels
    reviewed = any(why == REVIEWED for _, why, _, _ in apart)
    columns = (*rows, UNUSABLE, REVIEWED) if reviewed else (*rows, UNUSABLE)
    at = {label: i for i, label in enumerate(labels)}
    last = {UNUSABLE: len(rows), REVIEWED: len(rows) + 1}
    cells = [(at.get(e, len(labels)), at.get(a, len(labels)), count, cost) for e, a, count, cost in found]
    cells += [(at.get(e, len(labels)), last[why], count, cost) for e, why, count, cost in apart]
    counts, costs = np.zeros((len(rows), len(columns)), dtype=np.int64), np.zeros((len(rows), len(columns)))
    for row, column, count, cost in cells:
        counts[row, column] += count
        costs[row, column] += cost
    rights = np.zeros(len(rows), dtype=np.int64)
    for label, count in right.items():
        rights[at.get(label, len(labels))] += count
    return MoneyConfusion(field=name, rows=rows, columns=columns, right=rights, counts=counts, costs=costs)


def _dearest(pairs: Sequence[Confusion], fields: Sequence[str]) -> str:
    """The field whose confusions cost most; of equal ones the one confused most often, then the first."""
    cost = {name: sum(p.cost for p in pairs if p.field == name) for name in fields}
    count = {name: sum(p.count for p in pairs if p.field == name) for name in fields}
    return max(fields, key=lambda name: (cost[name], count[name]))


def _right(table: OutcomeTable, cases: Sequence[Case], keep: NDArray[np.bool_], name: str) -> Counter[str]:
    """How often each label was answered where it is right."""
    sent = table.valid & (table.status != _REVIEWED)
    times = (table.fields[name] & sent).sum(axis=1) * keep
    found: Counter[str] = Counter()
    for row in np.flatnonzero(times).tolist():
        found[label_text(cases[row].expected[name])] += int(times[row])
    return found


def _apart(table: OutcomeTable, cases: Sequence[Case], lost: NDArray[np.bool_], name: str) -> list[_Cell]:
    """What was not answered with a label: UNUSABLE or REVIEWED stands for the answered one."""
    counts: Counter[tuple[str, str]] = Counter()
    costs: dict[tuple[str, str], float] = defaultdict(float)
    for row, repeat in np.argwhere(lost).tolist():
        why = REVIEWED if table.status[row, repeat] == _REVIEWED else UNUSABLE
        key = label_text(cases[row].expected[name]), why
        counts[key] += 1
        costs[key] += float(table.cost[row, repeat])
    return [(*key, count, costs[key]) for key, count in counts.items()]


def _ranked(
    found: Sequence[_Cell], apart: Sequence[_Cell], right: Mapping[str, int], most: int
) -> tuple[tuple[str, ...], bool]:
    """The `most` dearest labels, whether expected or answered, and whether there are more.

    Of equally dear ones those that were confused more often come first, then those that were right more often.
    """
    cost: dict[str, float] = defaultdict(float)
    count: Counter[str] = Counter()
    for expected, answered, times, summed in found:
        for label in {expected, answered}:
            cost[label] += summed
            count[label] += times
    for expected, _, times, summed in apart:
        cost[expected] += summed
        count[expected] += times
    every = sorted({*count, *right}, key=lambda label: (-cost[label], -count[label], -right.get(label, 0), label))
    return tuple(every[:most]), len(every) > most
