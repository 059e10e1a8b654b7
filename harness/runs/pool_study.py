"""Variants of one declared strategy, asked on labelled cases of the pool, so that the holdout stays unseen.

Calls are counted before they are made, go through the ledger, and show their progress on one line.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness.core.errors import ClaimError, DriverError
from harness.core.prompting import inputs_text
from harness.core.records import Case, ExampleChoice, Strategy
from harness.core.tables import OutcomeTable
from harness.execution.failures import NOT_ASKED
from harness.execution.ledger import paying_ledger
from harness.execution.scheduler import Progress
from harness.execution.spending import Account
from harness.fixtures_io.declarations import shown, suggestion
from harness.fixtures_io.suites import SUITE_FILE, SUITES, FixtureMissing, Project, Suite, load_suite
from harness.reporting.progress import ProgressLine, Screen
from harness.runs import LEDGER
from harness.runs.session import Drivers, SuiteSession
from harness.runs.settings import settings


class PoolStudy:
    """The strategy that `name`, SUITE/STRATEGY, stands for, and what its variants answer to `cases` of its pool."""

    def __init__(self, name: str, *, root: Path, what: str, cases: int, seed: int, repeats: int = 1) -> None:
        """`what` names the study on the progress line; the strategy as declared is asked `repeats` times.

        At most `cases` cases are asked; `seed` chooses them. Raises ClaimError for what leaves nothing to study.
        """
        self.project, self.suite, self.run = _named(name, root)
        self._progress = _OneLine(f"{what} of {self.name}")
        self._root = root
        self._drivers = Drivers()
        strategy = self.suite.strategies[self.run]
        self._varied = self._session({}, prove=False)
        self._declared = self._session({self.run: replace(strategy, repeats=repeats)}, prove=True)
        self.examples = self._declared.examples(self.run)
        if not self.examples:
            raise ClaimError(f"{self.name} shows no examples; expected a strategy with `examples`")
        self.cases = _chosen(self._declared.pool, self.examples, cases, seed)

    @property
    def name(self) -> str:
        return f"{self.suite.name}/{self.run}"

    @property
    def digest(self) -> str:
        """Of everything that determines an answer of the strategy as declared."""
        return self._declared.answer_digest(self.run)

    @property
    def trained(self) -> bool:
        """Whether the model's weights may have been trained on these cases."""
        return "lora" in self._declared.adapter(self.run).options

    def prepare(self, variants: Mapping[str, Sequence[str]]) -> str:
        """Get ready to ask the strategy as declared, and with other examples: variant → ids, in their order.

        Returns in words how many requests that takes, and how many of them the model has to answer.
        """
        strategy = self.suite.strategies[self.run]
        self._varied = self._session({name: _showing(strategy, ids) for name, ids in variants.items()}, prove=False)
        self._declared.prepare([self.run])
        self._varied.prepare(list(variants))
        repeats = self._declared.strategy(self.run).repeats
        self._progress.total = total = len(self.cases) * (repeats + len(variants))
        missing = self._declared.unanswered(self.run, self.cases)
        missing += sum(self._varied.unanswered(name, self.cases) for name in variants)
        return f"{total:,} requests: {total - missing:,} answers in the ledger, {missing:,} calls to be made"

    def ask(self) -> tuple[OutcomeTable, dict[str, OutcomeTable]]:
        """The outcomes of the strategy as declared, and of each variant. Raises DriverError for requests not sent."""
        with self._progress:
            declared = _whole(self._declared.judge(self.run, self.cases))
            varied = {name: _whole(self._varied.judge(name, self.cases)) for name in self._varied.suite.strategies}
        return declared, varied

    def _session(self, strategies: Mapping[str, Strategy], *, prove: bool) -> SuiteSession:
        return SuiteSession(
            replace(self.suite, strategies=strategies),
            store=partial(paying_ledger, self._root / LEDGER),
            drivers=self._drivers,
            progress=self._progress.of,
            prove=prove,
        )


class _OneLine:
    """One line of progress for all variants together; `total` is how many requests they have."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.total = 0
        self._line: ProgressLine | None = None
        self._done = Progress()

    def __enter__(self) -> None:
        self._line = ProgressLine(self._what, self.total, Screen())

    def __exit__(self, *error: object) -> None:
        if self._line is not None:
            self._line.close()

    @contextmanager
    def of(self, run: str, total: int, account: Account) -> Iterator[Progress]:
        """The progress of one variant."""

        def changed(now: Progress) -> None:
            if self._line is not None:
                done = self._done
                self._line.show(done.done + now.done, free=done.stored + now.stored, failed=done.failed + now.failed)

        progress = Progress(total=total, changed=changed)
        yield progress
        self._done.add(stored=progress.stored, answered=progress.answered, failed=progress.failed)


def _named(name: str, root: Path) -> tuple[Project, Suite, str]:
    """The suite and the run that SUITE/STRATEGY names; the suite as a name or as a folder."""
    folder, _, run = name.rpartition("/")
    declared = settings(root)
    project = Project(root=root, **{k: v for k, v in declared.items() if k in ("fixtures", "adapters", "reports")})
    path = next((p for p in (root / SUITES / folder, root / folder) if folder and (p / SUITE_FILE).is_file()), None)
    if path is None:
        known = sorted(p.parent.name for p in (root / SUITES).glob(f"*/{SUITE_FILE}"))
        near = suggestion(folder, known) if folder and known else f"SUITE/STRATEGY, SUITE one of {', '.join(known)}"
        raise ClaimError(f"{name!r} names no suite; expected {near}")
    try:
        suite = load_suite(path / SUITE_FILE, project)
    except FixtureMissing as missing:
        raise ClaimError(f"{shown(path)}: no fixture yet; import it with: {missing}") from missing
    if run not in suite.strategies:
        near = suggestion(run, sorted(suite.strategies))
        raise ClaimError(f"{shown(path / SUITE_FILE)} has no strategy {run!r}; expected {near}")
    return project, suite, run


def _chosen(pool: Sequence[Case], examples: Sequence[Case], most: int, seed: int) -> list[Case]:
    """A seeded sample of the pool without the examples, their copies, and cases from the same clusters."""
    clusters = {case.cluster for case in examples if case.cluster is not None}
    texts = {inputs_text(case.inputs) for case in examples}
    free = [case for case in pool if case.cluster not in clusters and inputs_text(case.inputs) not in texts]
    if not free:
        raise ClaimError(
            "the pool has no case besides the examples and their clusters; add labelled cases to pool.jsonl"
        )
    free.sort(key=lambda case: case.id)
    return sorted(random.Random(seed).sample(free, min(most, len(free))), key=lambda case: case.id)


def _showing(strategy: Strategy, ids: Sequence[str]) -> Strategy:
    choice = ExampleChoice(ids=tuple(ids), k=len(ids)) if ids else None
    return replace(strategy, examples=choice, repeats=1)


def _whole(table: OutcomeTable) -> OutcomeTable:
    """`table`, if every request was sent. Raises DriverError otherwise; the same command goes on."""
    unsent = [problem for problem in table.problems.flat if problem in NOT_ASKED]
    if unsent:
        raise DriverError(f"{len(unsent)} requests were not sent: {unsent[0]}; the same command goes on")
    return table
