"""Regressions to plant in stored predictions: what each answer of a run would be, and count, if it carried one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from harness.core.comparisons import right
from harness.core.costs import field_cost
from harness.core.gate import Rule
from harness.core.metrics import HIGHER_IS_BETTER, METRICS, outcomes_of
from harness.core.outcomes import FloatArray
from harness.core.records import Answer, Case, FieldCost, Measure, Scalar, Status
from harness.core.schemas import label_text
from harness.core.tables import STATUSES, OutcomeTable
from harness.reporting.model import JudgedClaim, SelfTest
from harness.runs.selftest import SIMULATIONS, Subject, Told, self_test
from harness.runs.session import SuiteSession

_UNJUDGED = (Rule.INCOMPLETE, Rule.NOT_COMPARABLE)
Change = Callable[[Case, Answer], Answer]


def subjects(session: SuiteSession, claims: Sequence[JudgedClaim]) -> tuple[list[Subject], list[str]]:
    """The claims of a suite that may block, ready to be simulated; and in words those that can't be."""
    ready, skipped = [], []
    tables: dict[str, dict[str, OutcomeTable]] = {}
    units = _Units(session.cases)
    for judged in claims:
        if judged.role == "report":
            continue
        measure = judged.measure
        if judged.verdict.rule in _UNJUDGED:
            skipped.append(f"{measure}: not judged")
            continue
        if measure.metric == "latency":
            skipped.append(f"{measure}: times are not simulated")
            continue
        if measure.run not in tables:
            tables[measure.run] = planted_tables(session, measure.run)
        ready.append(_subject(session, judged, tables[measure.run], units))
    return ready, skipped


def suite_self_test(
    session: SuiteSession, claims: Sequence[JudgedClaim], *, told: Told = lambda steps: None
) -> SelfTest | None:
    """The self-test of one settled suite; None where no claim may block."""
    ready, skipped = subjects(session, claims)
    return self_test(ready, skipped=skipped, simulations=SIMULATIONS, told=told) if ready else None


class _Units:
    """Which unit each case belongs to, its cluster or itself, and its place in it."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.unit = {case.id: case.id if case.cluster is None else f"cluster {case.cluster}" for case in cases}
        self.place: dict[str, int] = {}
        size: dict[str, int] = {}
        for case in cases:
            unit = self.unit[case.id]
            self.place[case.id] = size[unit] = size.get(unit, -1) + 1


def _subject(session: SuiteSession, judged: JudgedClaim, tables: Mapping[str, OutcomeTable], units: _Units) -> Subject:
    measure, outcomes = judged.measure, judged.verdict.claim.outcomes
    if measure.metric in METRICS:
        ids: Sequence[str] = outcomes.case_ids
        places = [units.place[name] for name in ids]
    else:  # edited inputs: several rows of one case
        ids = [name.rsplit("#", 1)[0] for name in outcomes.case_ids]
        places = [0] * len(ids)
    planted = {}
    for name, table in tables.items() if measure.metric in METRICS else ():
        values = outcomes_of(table, session.task, session.kept(measure.slice, judged.against), measure).values
        if (values != outcomes.values).any():
            planted[name] = values
    return Subject(
        judged=judged,
        units=[units.unit[name] for name in ids],
        places=places,
        worse=_worse(session, measure, ids),
        plants=planted,
    )


def _worse(session: SuiteSession, measure: Measure, ids: Sequence[str]) -> FloatArray:
    """What each row counts when it goes as wrong as can be."""
    if measure.metric != "cost":
        return np.full(len(ids), 0.0 if measure.metric in HIGHER_IS_BETTER else 1.0)
    costs = session.scorer(measure.run).costs
    expected = {case.id: case.expected for case in session.cases}
    return np.array([costs.worst(expected[name]) for name in ids])


def planted_tables(session: SuiteSession, run: str) -> dict[str, OutcomeTable]:
    """By the name of the regression, the outcomes of `run` if every answer carried it.

    Broken answers; a wrong value of the first decision field; errors at the dearest labels, the right answers left
    alone; and for each critical slice the field that defines it (else the first) swapped for another label there.
    """
    labels = {name: _labels(session.cases, name) for name in session.task.decision_fields}
    first = session.task.decision_fields[0]
    table = session.table(run)
    planted = {
        "answers that are no JSON": _broken(session, run, table),
        f"a wrong {first}": _answered(session, run, table, _swap(first, labels[first])),
        "errors at the dearest labels": _answered(session, run, table, _dearest(session, labels)),
    }
    for part in session.task.slices:
        if part.critical:
            name = next((field for field in part.where if field in labels), first)
            swap = _swap(name, labels[name])
            keep = {case.id for case, kept in zip(session.cases, session.members(part.name), strict=True) if kept}
            planted[f"{name} swapped in {part.name}"] = _answered(session, run, table, swap, keep)
    return planted


def _labels(cases: Sequence[Case], name: str) -> list[Scalar]:
    by_text = {label_text(case.expected[name]): case.expected[name] for case in cases}
    return [by_text[text] for text in sorted(by_text)]


def _swap(name: str, labels: Sequence[Scalar]) -> Change:
    """The label after the right one, in the order of the alphabet; nothing where there is only one."""

    def change(case: Case, answer: Answer) -> Answer:
        at = labels.index(case.expected[name])
        return {**answer, name: labels[(at + 1) % len(labels)] if len(labels) > 1 else None}

    return change


def _dearest(session: SuiteSession, labels: Mapping[str, Sequence[Scalar]]) -> Change:
    costs = session.task.costs.fields

    def change(case: Case, answer: Answer) -> Answer:
        if all(right(session.task, name, case.expected[name], answer.get(name)) for name in labels):
            return answer
        return {
            name: max(known, key=lambda value: field_cost(costs.get(name, FieldCost()), case.expected[name], value))
            for name, known in labels.items()
        }

    return change


def _broken(session: SuiteSession, run: str, table: OutcomeTable) -> OutcomeTable:
    costs = session.scorer(run).costs
    worst = np.array([costs.worst(case.expected) for case in session.cases])
    return replace(
        table,
        status=np.full(table.shape, STATUSES.index(Status.INVALID), dtype=np.int8),
        valid=np.zeros(table.shape, dtype=np.bool_),
        cost=np.broadcast_to(worst[:, None], table.shape),
        fields={name: np.zeros(table.shape, dtype=np.bool_) for name in table.fields},
    )


def _answered(
    session: SuiteSession, run: str, table: OutcomeTable, change: Change, ids: set[str] | None = None
) -> OutcomeTable:
    """`table` with every answer (an unusable one: the right answer) changed, in the cases `ids` or in all."""
    scorer = session.scorer(run)
    status, valid, cost = table.status.copy(), table.valid.copy(), table.cost.copy()
    fields = {name: right.copy() for name, right in table.fields.items()}
    for row, case in enumerate(session.cases):
        if ids is not None and case.id not in ids:
            continue
        for repeat, answer in enumerate(table.answers[row]):
            outcome = scorer.judge(case, repeat, change(case, answer or case.expected))
            at = row, repeat
            status[at], valid[at], cost[at] = STATUSES.index(outcome.status), True, outcome.cost
            for name, is_right in outcome.fields.items():
                fields[name][at] = is_right
    return replace(table, status=status, valid=valid, cost=cost, fields=fields)
