"""One suite beside its accepted predictions: whether they compare, what the baseline still asks for, and acceptance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from harness.core.errors import FixtureError
from harness.core.records import ANCHOR, BASELINE
from harness.fixtures_io.baselines import Baseline, read_baseline, write_baseline
from harness.fixtures_io.declarations import shown
from harness.reporting.model import AcceptedRun
from harness.runs.accepting import (
    baseline_table,
    known_cases,
    missing_claims,
    new_baseline,
    not_comparable,
    worsened_slices,
)
from harness.runs.declared import DeclaredClaim
from harness.runs.provenance import git_revision, versions
from harness.runs.reports import Settled
from harness.runs.session import SuiteSession
from harness.runs.treatments import accepted_run

ACCEPT = 'pytest suites/ --gate-accept "why"'


class _Predictions:
    """One file of accepted predictions of the shipped strategy, the run `name` of the session; read once."""

    def __init__(self, session: SuiteSession, name: str, path: Path, *, remedy: str) -> None:
        self._session = session
        self._name = name
        self.path = path
        self._remedy = remedy

    @cached_property
    def accepted(self) -> Baseline | None:
        """Raises FixtureError for a file that is no baseline."""
        return read_baseline(self.path)

    @cached_property
    def unusable(self) -> str:
        """Why they can't be compared with; "" once the session holds their outcomes."""
        if self.accepted is None:
            return f"no {self._name} yet: {shown(self.path)} is made by: {ACCEPT}"
        shipped = self._session.suite.shipped or ""
        if why := self._not_comparable(shipped):
            return f"{why}; {self._remedy}"
        scorer = self._session.scorer(shipped)
        known = known_cases(self.accepted, self._session)
        self._session.set_accepted(self._name, baseline_table(self.accepted, self._session, scorer), known)
        return ""

    def problem(self, run: str) -> str:
        """Why `run` can't be compared with them; "" if it can."""
        return self.unusable or self._not_comparable(run)

    def identical(self, run: str) -> bool:
        """Whether `run` is the accepted run: the same digest, and every answer to a case that it knows the same.

        Where an answer came from does not count, so that a resumed run, several processes, merged shards and a second
        run are judged alike. Only a run that was asked again on purpose is not the accepted one.
        """
        accepted, session = self.accepted, self._session
        if accepted is None or self.unusable or accepted.header["digest"] != session.digest(run):
            return False
        if session.was_asked_again(run):
            return False
        return session.table(run).same_answers(session.table(self._name), session.known(self._name))

    def _not_comparable(self, run: str) -> str:
        if self.accepted is None:
            return ""
        why = not_comparable(self.accepted, self._session, self._session.strategy(run).repeats)
        return f"{shown(self.path)} is {why}" if why else ""


class Comparison:
    """What a suite's shipped strategy was accepted with: the baseline, and the anchor, a release that stays pinned."""

    def __init__(self, session: SuiteSession, folder: Path) -> None:
        self._session = session
        self._shipped = session.suite.shipped or ""
        path = folder / session.suite.name / f"{self._shipped}.jsonl"
        pinned = path.parent / ANCHOR / path.name
        self._baseline = _Predictions(session, BASELINE, path, remedy=f"accept a new one with: {ACCEPT}")
        self._anchor = _Predictions(
            session, ANCHOR, pinned, remedy=f"accept a new baseline, then pin it: cp {shown(path)} {shown(pinned)}"
        )

    @property
    def accepted(self) -> AcceptedRun | None:
        """What the last accepted run was, comparable or not; None if there is none, or none that can be read."""
        try:
            baseline = self._baseline.accepted
        except FixtureError:  # told where the suite could not be run for it
            return None
        return None if baseline is None else accepted_run(baseline)

    def problem(self, claim: DeclaredClaim) -> str:
        """Why a claim can't be compared with what it is against; "" if it can, or is not paired."""
        return "" if claim.against is None else self._against(claim).problem(claim.measure.run)

    def identical(self, claim: DeclaredClaim) -> bool:
        """Whether a paired claim is about the very run that it is compared with."""
        return self._against(claim).identical(claim.measure.run)

    def _against(self, claim: DeclaredClaim) -> _Predictions:
        return self._anchor if claim.against == ANCHOR else self._baseline

    def missing_claims(self, declared: Sequence[DeclaredClaim]) -> list[str]:
        """The accepted claims that are no longer made, or only in a weaker form."""
        baseline = self._baseline.accepted
        if baseline is None:
            return []
        own = [claim for claim in declared if claim.measure.run == self._shipped]
        return [f"{self._session.suite.name}: {line}" for line in missing_claims(baseline.claims, own)]

    def accept(
        self,
        settled: Sequence[Settled],
        declared: Sequence[DeclaredClaim],
        *,
        reason: str,
        overrides: Sequence[str],
        refusal: str,
    ) -> tuple[list[str], bool]:
        """Write the shipped run as the baseline, or say why not: (lines to show, whether it was written).

        A suite that has no anchor yet gets it too. Refused for `refusal`, an inconclusive or failing gate, missing or
        failed answers, and a critical slice that got worse without an override.
        """
        name = f"{self._session.suite.name}/{self._shipped}"
        why = refusal or self._why_not(settled, declared, overrides)
        if why:
            return [f"not accepted, {name}: {why}"], False
        worse = self._worse()
        baseline = new_baseline(
            self._session,
            self._shipped,
            reason=reason,
            claims=declared,
            revision=git_revision(self._session.suite.folder),
            versions=versions(),
            overrides=[name for name in overrides if name in worse],
        )
        write_baseline(self._baseline.path, baseline)
        lines = [f"accepted, {name}: {shown(self._baseline.path)}"]
        if not self._anchor.path.exists():
            write_baseline(self._anchor.path, baseline)
            lines.append(f"pinned as the anchor, {name}: {shown(self._anchor.path)}")
        return lines, True

    def _why_not(self, settled: Sequence[Settled], declared: Sequence[DeclaredClaim], overrides: Sequence[str]) -> str:
        if not any(claim.measure.run == self._shipped for claim in declared):
            return "no claim was made about the shipped strategy"
        own = [(claim, verdict) for claim, verdict, _ in settled if claim.measure.run == self._shipped]
        unmet = [c.title for c, v in own if c.role == "gate" and str(v.status) != "PASS"]
        if unmet:
            return f"{len(unmet)} gate claims are not PASS, the first: {unmet[0]}"
        table = self._session.table(self._shipped)
        if table.missing:
            return f"{table.missing} answers are missing"
        worse = [name for name in self._worse() if name not in overrides]
        if worse:
            flags = " ".join(f"--gate-override-slice {name}" for name in worse)
            return f"critical slices got worse: {', '.join(worse)}; to accept that, add: {flags}"
        return ""

    def _worse(self) -> list[str]:
        if self._baseline.unusable:
            return []
        table = self._session.table(self._shipped)
        return worsened_slices(self._session.table(BASELINE), table, self._session)
