"""`--gate-shard`: one machine's part of the calls goes into its ledger; nothing is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.core.errors import HoldfastError
from harness.core.records import Measure
from harness.core.shards import Shard
from harness.execution.failures import NOT_ASKED, FailureLog, put_failures
from harness.execution.ledger import Ledger
from harness.runs.session import SuiteSession


class Collecting:
    """Asks for one shard of every suite, and keeps what failed beside what was answered.

    `lines` say what was done; `complete` is whether every request of the shard was answered or has failed for good.
    """

    def __init__(self, shard: Shard, ledger: Path) -> None:
        self.shard = shard
        self.log = FailureLog()
        self.lines: list[str] = []
        self.complete = True
        self._ledger = ledger

    def collect(self, session: SuiteSession, measures: Iterable[Measure]) -> None:
        """Ask for the shard's part of everything that `measures` need."""
        wanted: dict[str, list[Measure]] = {}
        for measure in measures:
            wanted.setdefault(measure.run, []).append(measure)
        runs = [run for run in session.suite.strategies if run in wanted]
        try:
            session.prepare(runs)
            cases = self.shard.cases(session.cases)
        except HoldfastError as error:
            self._trouble(f"{session.suite.name}: {error}")
            return
        for run in runs:
            try:
                session.extend(run, cases)
                if edited := self._edited(wanted[run]):
                    session.ask(run, edited)
            except HoldfastError as error:
                self._trouble(f"{session.suite.name}/{run} could not be run: {error}")
            self.keep_failures(f"{session.suite.name}/{run}")
        asked = f"{len(cases)} of {len(session.cases)} cases asked"
        self.lines.append(f"{session.suite.name}: {self.shard}: {asked}; merge the ledgers to judge")

    def keep_failures(self, run: str) -> None:
        """Store what failed since the last time; requests that were never sent make the shard incomplete."""
        failures = self.log.take()
        failed = [(key, failure) for key, failure in failures if failure.kind not in NOT_ASKED]
        unsent = [failure for _, failure in failures if failure.kind in NOT_ASKED]
        if failed:
            with Ledger(self._ledger) as ledger:
                put_failures(ledger, failed)
            kinds = Counter(failure.kind for _, failure in failed)
            told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            self.lines.append(
                f"{run}: {len(failed)} requests failed ({told}) and are judged so; the same command asks them again"
            )
        if unsent:
            self._trouble(f"{run}: {len(unsent)} requests were not sent: {unsent[0].message}")

    def _edited(self, measures: Sequence[Measure]) -> list[Mapping[str, str]]:
        """The shard's part of the edited inputs, each once."""
        inputs = {edited for measure in measures for _, edited in measure.variants}
        return [dict(edited) for edited in sorted(inputs) if self.shard.asks(dict(edited))]

    def _trouble(self, line: str) -> None:
        self.lines.append(f"NOT COMPLETE: {line}")
        self.complete = False
