"""The cases behind a claim that is not met: a claim is looked into case by case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.core.metrics import METRICS, dearest_errors, members, outcomes_of
from harness.core.tables import OutcomeTable
from harness.reporting.model import JudgedClaim, SuiteReport

NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """The dearest cases with their costs, how many more there are, and whether all of them were lost."""

    cases: tuple[tuple[str, float], ...]
    more: int
    lost: bool

    def __str__(self) -> str:
        """In plain text, in which ids are as they are: for whoever makes them inert as a whole."""
        return self.told([name for name, _ in self.cases])

    def told(self, names: list[str]) -> str:
        """The cases by `names`, which are the ids in their order, made ready for where they are shown."""
        named = ", ".join(f"{name} (cost {cost:g})" for name, (_, cost) in zip(names, self.cases, strict=True))
        more = f" and {self.more} more" if self.more else ""
        return f"{'lost' if self.lost else 'cases'}, dearest first: {named}{more}"


def cases_behind(suite: SuiteReport, claim: JudgedClaim) -> Behind | None:
    """The cases that a claim which is not met is about; None where it is about none in particular."""
    run, verdict = suite.runs.get(claim.measure.run), claim.verdict
    if run is None:
        return None
    ids = {*verdict.lost_ids, *verdict.violation_ids} or set(_unmet(suite, run.table, claim))
    found = dearest_errors(run.table, np.array([name in ids for name in run.table.case_ids], dtype=np.bool_), NAMED)
    if not found:
        return None
    named = tuple((suite.cases[row].id, cost) for row, cost in found)
    return Behind(cases=named, more=max(0, len(ids) - len(found)), lost=bool(verdict.lost_ids))


def _unmet(suite: SuiteReport, table: OutcomeTable, claim: JudgedClaim) -> tuple[str, ...]:
    """The cases that count against a floor or a ceiling."""
    measure = claim.measure
    if measure.metric not in METRICS or measure.metric == "latency":
        return ()
    part = suite.task.slice(measure.slice) if measure.slice else None
    outcomes = outcomes_of(table, suite.task, members(suite.cases, part), measure)
    if claim.kind == "at_least":
        return outcomes.ids_where((outcomes.values < 1).any(axis=1))
    return outcomes.ids_where((outcomes.values > 0).any(axis=1)) if claim.kind == "at_most" else ()
