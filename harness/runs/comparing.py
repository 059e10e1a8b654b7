"""One suite beside its accepted baseline: whether they compare, what the baseline still asks for, and acceptance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from harness.core.records import Stage
from harness.fixtures_io.baselines import Baseline, read_baseline, write_baseline
from harness.fixtures_io.declarations import shown
from harness.runs.accepting import baseline_table, missing_claims, new_baseline, not_comparable, worsened_slices
from harness.runs.declared import DeclaredClaim
from harness.runs.reports import Settled, git_revision, versions
from harness.runs.session import BASELINE, SuiteSession

ACCEPT = 'pytest suites/ --gate-accept "why"'


class Comparison:
    """The baseline of a suite's shipped strategy, read once."""

    def __init__(self, session: SuiteSession, folder: Path) -> None:
        self._session = session
        self._shipped = session.suite.shipped or ""
        self._path = folder / session.suite.name / f"{self._shipped}.jsonl"

    @cached_property
    def baseline(self) -> Baseline | None:
        """Raises FixtureError for a file that is no baseline."""
        return read_baseline(self._path)

    @cached_property
    def _comparable(self) -> str:
        """Why the baseline can't be compared with; "" once the session holds its outcomes."""
        if self.baseline is None:
            return f"no baseline yet: {shown(self._path)} is made by: {ACCEPT}"
        repeats = self._session.strategy(self._shipped).repeats
        why = not_comparable(self.baseline, self._session, repeats)
        if why:
            return f"{shown(self._path)} is {why}; accept a new one with: {ACCEPT}"
        scorer = self._session.scorer(self._shipped)
        self._session.set_baseline(baseline_table(self.baseline, self._session, scorer))
        return ""

    def problem(self, run: str) -> str:
        """Why `run` can't be compared with the baseline; "" if it can."""
        if self._comparable or self.baseline is None:
            return self._comparable
        if self._session.strategy(run).repeats != self.baseline.repeats:
            return not_comparable(self.baseline, self._session, self._session.strategy(run).repeats)
        return ""

    def identical(self, run: str) -> bool:
        """Whether `run` is the accepted run: the same digest, and every answer from the ledger."""
        accepted = self.baseline
        return (
            accepted is not None
            and accepted.header["digest"] == self._session.digest(run)
            and self._session.all_stored(run)
        )

    def missing_claims(self, declared: Sequence[DeclaredClaim]) -> list[str]:
        """The accepted claims that are no longer made, or only in a weaker form."""
        if self.baseline is None:
            return []
        own = [claim for claim in declared if claim.measure.run == self._shipped]
        return [f"{self._session.suite.name}: {line}" for line in missing_claims(self.baseline.claims, own)]

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

        Refused for `refusal`, an inconclusive or failing gate, missing or failed answers, and a critical slice that got
        worse without an override.
        """
        name = f"{self._session.suite.name}/{self._shipped}"
        why = refusal or self._why_not(settled, overrides)
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
        write_baseline(self._path, baseline)
        return [f"accepted, {name}: {shown(self._path)}"], True

    def _why_not(self, settled: Sequence[Settled], overrides: Sequence[str]) -> str:
        own = [(claim, verdict) for claim, verdict, _ in settled if claim.measure.run == self._shipped]
        if self._session.strategy(self._shipped).stage is not Stage.SHIPPED or not own:
            return "the shipped strategy was not judged"
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
        if self._comparable:
            return []
        table = self._session.table(self._shipped)
        return worsened_slices(self._session.table(BASELINE), table, self._session)
