"""Stopping early: cases go out in the order of their hashes until every claim that may block is settled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from harness.core import gate
from harness.core.gate import Claim, Verdict, VerdictStatus
from harness.core.metrics import METRICS
from harness.core.outcomes import Outcomes
from harness.core.records import Case, Measure
from harness.fixtures_io.locks import case_hash
from harness.reporting.model import EarlyStopped
from harness.runs.declared import DeclaredClaim
from harness.runs.session import SuiteSession
from harness.runs.settling import core_claim

FIRST = 32
GROWTH = 4
"""A batch is at least this part of what was asked before, so that few more cases are asked than were needed."""


class EarlyStop:
    """Runs the strategies of one suite in growing batches; a verdict that was reached stands."""

    def __init__(
        self, session: SuiteSession, claims: Sequence[DeclaredClaim], identical: Callable[[DeclaredClaim], bool]
    ) -> None:
        """`claims` are all of the suite that can be judged; `identical` tells whether both sides are the same run."""
        self._session = session
        self._identical = identical
        self._family = [claim for claim in claims if claim.role != "report"]
        self._order = sorted(session.cases, key=lambda case: (case_hash(case), case.id))
        self._left: dict[str, list[Case]] = {}
        self._last: dict[str, list[str]] = {}
        self._reached: dict[DeclaredClaim, Verdict] = {}
        for run in sorted({claim.measure.run for claim in self._family}):
            session.open(run)
            self._left[run] = self._order

    def covers(self, run: str) -> bool:
        """Whether a run has a claim that may block; others are asked whole, for there is nothing to wait for."""
        return run in self._left

    def execute(self, run: str) -> None:
        """Ask `run` for as many cases as its blocking claims need. Raises DriverError if its model can't be had."""
        own = [claim for claim in self._family if claim.measure.run == run]
        needs = {claim: self._needed(claim) for claim in own}
        least = max(FIRST, self._session.adapter(run).limits.concurrency)
        while True:
            left = self._left[run]
            unsettled = [claim for claim in own if claim not in self._reached]
            needed = set[str]().union(*(needs[claim] for claim in unsettled))
            wanted = [case for case in left if case.id in needed]
            if not wanted:
                return
            batch = wanted[: max(least, (len(self._order) - len(left)) // GROWTH)]
            self._last[run] = [claim.title for claim in unsettled if needs[claim]]
            self._session.extend(run, batch)
            asked = {case.id for case in batch}
            self._left[run] = [case for case in left if case.id not in asked]
            self._look()

    def verdicts(self, claims: Sequence[DeclaredClaim]) -> list[Verdict]:
        """The verdicts on `claims`, all of the suite's that can be judged, in their order."""
        found = gate.settle_early([self._claim(claim, self._session.outcomes) for claim in claims])
        return [self._reached.get(claim, verdict) for claim, verdict in zip(claims, found, strict=True)]

    def stopped(self) -> dict[str, EarlyStopped]:
        """How far each run went that could be stopped."""
        n = len(self._order)
        return {
            run: EarlyStopped(
                cases=n, asked=n - len(left), saved=self._session.unanswered(run, left), last=self._last.get(run, ())
            )
            for run, left in self._left.items()
            if run not in self._session.broken
        }

    def _look(self) -> None:
        family = [claim for claim in self._family if claim.measure.run not in self._session.broken]
        verdicts = gate.settle_early([self._claim(claim, self._known) for claim in family])
        for claim, verdict in zip(family, verdicts, strict=True):
            if verdict.status is not VerdictStatus.INCONCLUSIVE:
                self._reached.setdefault(claim, verdict)

    def _claim(self, claim: DeclaredClaim, outcomes: Callable[[Measure], Outcomes]) -> Claim:
        return core_claim(claim, outcomes, self._session.largest_cost, self._identical)

    def _known(self, measure: Measure) -> Outcomes:
        """The outcomes so far; edited inputs are asked about only when all is settled, and are missing until then."""
        if measure.metric in METRICS:
            return self._session.outcomes(measure)
        n = len(measure.variants)
        return Outcomes(values=np.full(n, np.nan), case_ids=range(n), clusters=[name for name, _ in measure.variants])

    def _needed(self, claim: DeclaredClaim) -> set[str]:
        """The ids of the cases that a claim is about."""
        measure = claim.measure
        if measure.metric not in METRICS:
            return set()
        kept = self._session.kept(measure.slice, claim.against)
        return {case.id for case, needed in zip(self._session.cases, kept, strict=True) if needed}


def execute(session: SuiteSession, run: str, claims: Sequence[DeclaredClaim], early: EarlyStop | None) -> None:
    """Ask for all that the claims about `run` need, edited inputs included. Raises HoldfastError where it can't be."""
    if early is not None and early.covers(run):
        with session.paying(run):
            early.execute(run)
        return
    session.table(run)
    for claim in claims:
        if claim.measure.run == run and claim.measure.variants:
            session.outcomes(claim.measure)
