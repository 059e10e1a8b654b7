"""One suite being run: requests rendered, answered through the ledger, scored, and turned into measures."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.core.comparisons import first_choice
from harness.core.digests import digest
from harness.core.errors import DeclarationError, DriverError, HoldfastError, Problem
from harness.core.estimating import RequestSize
from harness.core.metrics import members, outcomes_of
from harness.core.outcomes import Outcomes
from harness.core.prompting import make_prompt, render
from harness.core.records import (
    BASELINE,
    Adapter,
    Answer,
    BatchDriver,
    Case,
    Failure,
    Measure,
    Prompt,
    Proof,
    RemoteDriver,
    Request,
    Response,
    Strategy,
)
from harness.core.schemas import AnswerSchema
from harness.core.scoring import SCORING_VERSION, Scorer
from harness.core.tables import OutcomeTable, TableBuilder
from harness.drivers.pricing import known_price
from harness.drivers.registry import READS_MESSAGES, make_driver
from harness.execution.budget import UNAFFORDABLE, RunBudget
from harness.execution.fresh import FreshAnswers
from harness.execution.ledger import KeyMaker
from harness.execution.recording import ReplyLog
from harness.execution.run_state import RunState
from harness.execution.scheduler import Progress, Sink, Store, execute
from harness.execution.spending import Account, Spending
from harness.fixtures_io.example_locks import locked_examples
from harness.fixtures_io.suites import SUITE_FILE, Suite
from harness.fixtures_io.tasks import Frozen
from harness.reporting.model import AskedAgain
from harness.runs.moved import Comparing
from harness.runs.proving import Proving
from harness.runs.spent import stopped
from harness.runs.under_way import UnderWay

ProgressFor = Callable[[str, int, Account], AbstractContextManager[Progress]]
StoreFor = Callable[[str], AbstractContextManager[Store]]


class Drivers:
    """The drivers of one process, made at first use, one per adapter."""

    def __init__(self, make: Callable[[Adapter], RemoteDriver | BatchDriver] = make_driver) -> None:
        self._make = make
        self._made: dict[str, RemoteDriver | BatchDriver] = {}
        self._identities: dict[str, Mapping[str, str]] = {}

    def get(self, adapter: Adapter) -> RemoteDriver | BatchDriver:
        if adapter.file not in self._made:
            self._made[adapter.file] = self._make(adapter)
        return self._made[adapter.file]

    def identity(self, adapter: Adapter) -> Mapping[str, str]:
        if adapter.file not in self._identities:
            self._identities[adapter.file] = self.get(adapter).identity()
        return self._identities[adapter.file]


class SuiteSession:
    """Answers and outcomes of one suite. Strategies run when `execute` or a measure first needs them."""

    def __init__(
        self,
        suite: Suite,
        *,
        store: StoreFor,
        drivers: Drivers,
        progress: ProgressFor = lambda run, total, account: nullcontext(Progress(total=total)),
        spending: Spending | None = None,
        recorder: ReplyLog | None = None,
        fresh: FreshAnswers | None = None,
        prove: bool = True,
    ) -> None:
        """`prove` False leaves out the proofs of treatment, for many variants of one that was proved."""
        self.suite = suite
        self.task = suite.fixture.task
        self._store = store
        self._recorder = recorder
        self._fresh = fresh
        self._drivers = drivers
        self._progress = progress
        self._spending = spending or Spending()
        self._tables: dict[str, OutcomeTable] = {}
        self._prompts: dict[str, Prompt] = {}
        self._builders: dict[str, TableBuilder] = {}
        self._scorers: dict[str, Scorer] = {}
        self._flipped: dict[Measure, list[float]] = {}
        self.broken: dict[str, str] = {}
        self._members: dict[str | None, NDArray[np.bool_]] = {}
        self._known: dict[str, NDArray[np.bool_]] = {}
        self._largest: dict[str, float] = {}
        self._comparing: dict[str, Comparing] = {}
        self._states: dict[str, RunState] = {}
        self._paying: dict[str, Store] = {}
        self.asked_again: dict[str, AskedAgain] = {}
        self._proving = Proving(self, wanted=prove)

    @cached_property
    def _holdout(self) -> Frozen:
        return self.suite.fixture.frozen()

    @property
    def cases(self) -> Sequence[Case]:
        """The frozen holdout, verified. Raises FixtureError if it is not the frozen one."""
        return self._holdout.cases

    @cached_property
    def pool(self) -> Sequence[Case]:
        """The labelled cases for examples. Raises FixtureError if they can't be read."""
        return self.suite.fixture.pool()

    @property
    def holdout_digest(self) -> str:
        return self._holdout.lock.digest

    @property
    def earlier_holdouts(self) -> tuple[str, ...]:
        """The digests of the holdouts that this one came from."""
        return self._holdout.lock.earlier

    @property
    def outdated_lock(self) -> str:
        """What the lock of the holdout does not cover, and how to renew it; "" where it covers all."""
        return self._holdout.lock.outdated

    def members(self, part: str | None) -> NDArray[np.bool_]:
        """Which cases belong to a slice, by its name, or to the natural holdout for None."""
        if part not in self._members:
            self._members[part] = members(self.cases, self.task.slice(part) if part else None)
        return self._members[part]

    def kept(self, part: str | None, against: str | None = None) -> NDArray[np.bool_]:
        """`members`; of accepted predictions, and of what is compared `against` them, those that they know."""
        if against is None or against not in self._known:
            return self.members(part)
        return self.members(part) & self._known[against]

    def known(self, run: str) -> NDArray[np.bool_]:
        """The cases that a run was asked: all, but for accepted predictions of a holdout that was extended since."""
        return self._known[run] if run in self._known else np.ones(len(self.cases), dtype=np.bool_)

    @cached_property
    def schema(self) -> AnswerSchema:
        return AnswerSchema(self.task.schema)

    def strategy(self, run: str) -> Strategy:
        return self.suite.strategies[run]

    def adapter(self, run: str) -> Adapter:
        return self.suite.adapters[self.strategy(run).adapter]

    def prompt(self, run: str) -> Prompt:
        """The shared part of the requests of a run. Raises FixtureError for stale, unknown or leaked examples."""
        if run not in self._prompts:
            text = self.suite.prompts[self.strategy(run).prompt]
            examples = [(case.inputs, first_choice(self.task, case.expected)) for case in self.examples(run)]
            self._prompts[run] = make_prompt(text, self.schema, examples)
        return self._prompts[run]

    def examples(self, run: str) -> Sequence[Case]:
        """The pool cases that a run shows, in their order. Raises FixtureError as `prompt` does."""
        strategy = self.strategy(run)
        if strategy.examples is None:
            return ()
        ids = frozenset(case.id for case in self.cases)
        return locked_examples(self.suite.folder, strategy, self.pool, ids)

    def proofs(self, run: str) -> Sequence[Proof] | None:
        """That the run's treatment reached its model; None where stored answers came without proofs."""
        return self._proving.of(run)

    def digest(self, run: str) -> str:
        """A digest of everything that determines the answers and outcomes of a run, the cases aside."""
        return digest({**self._determinants(run), "repeats": self.strategy(run).repeats})

    def answer_digest(self, run: str) -> str:
        """`digest`, however often each case is asked."""
        return digest(self._determinants(run))

    def _determinants(self, run: str) -> dict[str, object]:
        strategy = self.strategy(run)
        return {
            "prompt": self.prompt(run).digest,
            "identity": dict(self._drivers.identity(self.adapter(run))),
            "decoding": str(strategy.decoding),
            "sampling": [strategy.sampling.temperature, strategy.sampling.max_tokens, strategy.sampling.seed],
            "parse": str(strategy.parse),
            "validator": strategy.validator,
            "review_below": strategy.review_below,
            "scoring": SCORING_VERSION,
        }

    def identity(self, run: str) -> Mapping[str, str]:
        """What the run's driver says it is: digests and versions."""
        return self._drivers.identity(self.adapter(run))

    def prepare(self, runs: Sequence[str]) -> None:
        """Find what can be wrong before anything is paid for: the lock, examples, external adapters."""
        for run in runs:
            self.prompt(run)
            self.scorer(run)
            if self.adapter(run).external and not self.task.personal_data_masked:
                raise DeclarationError(
                    [
                        Problem(
                            file=self.adapter(run).file,
                            line=1,
                            key="external",
                            message=f"task {self.task.name} has unmasked personal data, and this model is external",
                            expected="a local adapter, or `personal_data: masked` in task.yaml once it is masked",
                        )
                    ]
                )

    def scorer(self, run: str) -> Scorer:
        """The scorer of a run, made once. Raises DeclarationError if the strategy's validator can't be imported."""
        if run not in self._scorers:
            self._scorers[run] = self._make_scorer(self.strategy(run))
        return self._scorers[run]

    def _make_scorer(self, strategy: Strategy) -> Scorer:
        validator = None
        if strategy.validator is not None:
            module, _, name = strategy.validator.partition(":")
            try:
                validator = getattr(importlib.import_module(module), name)
            except (ImportError, AttributeError) as error:
                problem = Problem(
                    file=str(self.suite.folder / SUITE_FILE),
                    line=1,
                    key=f"strategies.{strategy.name}.validator",
                    message=str(error),
                    expected="module:function",
                )
                raise DeclarationError([problem]) from error
        return Scorer(self.task, parse_mode=strategy.parse, validator=validator, review_below=strategy.review_below)

    def set_accepted(self, run: str, table: OutcomeTable, known: NDArray[np.bool_] | None = None) -> None:
        """The outcomes of the run BASELINE or ANCHOR; `known` are the cases that it knows, None if it knows all."""
        self._tables[run] = table
        if known is not None:
            self._known[run] = known

    @property
    def baseline(self) -> OutcomeTable | None:
        """The outcomes of the last accepted predictions, if there are comparable ones."""
        return self._tables.get(BASELINE)

    def was_asked_again(self, run: str) -> bool:
        """Whether a run was asked again although the ledger may know its answers."""
        return run in self._comparing

    def table(self, run: str) -> OutcomeTable:
        """The outcomes of a run, which is executed if it was not. Raises DriverError if its model can't be had."""
        if run in self.broken:
            raise DriverError(self.broken[run])
        if run not in self._tables:
            self.extend(run, self.cases)
            del self._builders[run]  # nothing is to come, and its index is as large as the table
        return self._tables[run]

    def extend(self, run: str, cases: Sequence[Case]) -> None:
        """Ask a run for these cases of the holdout; its table holds them besides those asked for before.

        Raises DriverError if its model can't be had.
        """
        self.open(run)
        strategy, scorer, builder = self.strategy(run), self.scorer(run), self._builders[run]
        under_way = UnderWay(cases, strategy.repeats)
        comparing = self._comparing_with(run)

        def sink(request: Request, reply: Response | Failure) -> None:
            builder.add(scorer.score(under_way.done(request), request.repeat, reply), reply)

        requests = render(strategy, self.prompt(run), under_way)
        try:
            self._execute(
                run, requests, len(cases) * strategy.repeats, self._comparing_sink(run, comparing, under_way, sink)
            )
        except HoldfastError as error:
            self._note_broken(run, error)
            raise
        self._tables[run] = builder.finish()
        if comparing is not None:
            self.asked_again[run] = comparing.finish()

    @contextmanager
    def paying(self, run: str) -> Iterator[None]:
        """Keep the right to pay for `run`, so that no other process pays for a part of it. Raises HoldfastError."""
        try:
            with self._store(f"{self.suite.name}/{run}") as store:
                self._paying[run] = store
                try:
                    yield
                finally:
                    del self._paying[run]
        except HoldfastError as error:
            self._note_broken(run, error)
            raise

    def _opened(self, run: str) -> AbstractContextManager[Store]:
        """The store of `run`, with the right to pay for it."""
        held = self._paying.get(run)
        return self._store(f"{self.suite.name}/{run}") if held is None else nullcontext(held)

    def _note_broken(self, run: str, error: HoldfastError) -> None:
        """What a run was to be judged on can't be had: it has no outcomes."""
        self.broken[run] = str(error)
        self._tables.pop(run, None)

    def _comparing_with(self, run: str) -> Comparing | None:
        """What compares a run that is asked again with what the ledger holds; None where the ledger is asked."""
        if self._fresh is not None and run not in self._comparing:
            self._comparing[run] = Comparing(self.scorer(run), self.task.decision_fields)
        return self._comparing.get(run)

    def open(self, run: str) -> None:
        """Give a run a table that misses all answers, so that it can be extended step by step."""
        if run not in self._builders:
            self._builders[run] = TableBuilder(
                cases=self.cases,
                repeats=self.strategy(run).repeats,
                decision_fields=self.task.decision_fields,
                largest_cost=self._largest_cost(run),
            )
            self._tables[run] = self._builders[run].finish()

    def unanswered(self, run: str, cases: Sequence[Case]) -> int:
        """How many requests for these cases would have to be answered by the model, since the ledger can't."""
        keys = self._keys(run)
        wanted = [keys.key(request) for request in render(self.strategy(run), self.prompt(run), cases)]
        with self._opened(run) as store:
            return len(wanted) - len(store.get(wanted))

    def _comparing_sink(self, run: str, comparing: Comparing | None, cases: UnderWay, sink: Sink) -> Sink:
        """`sink`, which also tells `comparing` of each reply, where the run is asked again."""
        fresh = self._fresh
        if comparing is None or fresh is None:
            return sink
        keys = self._keys(run)

        def both(request: Request, reply: Response | Failure) -> None:
            before = fresh.before(keys.key(request))
            comparing.add(cases[request.case_id], request.repeat, before, reply)
            sink(request, reply)

        return both

    def _keys(self, run: str) -> KeyMaker:
        adapter = self.adapter(run)
        return KeyMaker(adapter.driver, self._drivers.identity(adapter))

    def executed(self) -> dict[str, OutcomeTable]:
        """The tables there are so far, in the suite's order."""
        return {run: self._tables[run] for run in self.suite.strategies if run in self._tables}

    def outcomes(self, measure: Measure) -> Outcomes:
        """The values of a measure; runs what it needs."""
        if measure.metric == "flip_rate":
            return self._flips(measure)
        return outcomes_of(self.table(measure.run), self.task, self.kept(measure.slice, measure.run), measure)

    def size(self, measure: Measure) -> int:
        """How many cases a measure is over, known without asking a model."""
        if measure.metric == "flip_rate":
            return len({case_id for case_id, _ in measure.variants})
        return int(self.members(measure.slice).sum())

    def largest_cost(self, measure: Measure) -> float:
        return self._largest_cost(measure.run)

    def _largest_cost(self, run: str) -> float:
        if run not in self._largest:
            self._largest[run] = self.scorer(run).costs.largest(case.expected for case in self.cases)
        return self._largest[run]

    def ask(self, run: str, inputs: Sequence[Mapping[str, str]]) -> list[Answer | None]:
        """The answers to other inputs than the holdout's, through the ledger; None for an unusable answer."""
        strategy, scorer = self.strategy(run), self.scorer(run)
        single = replace(strategy, repeats=1)
        cases = [Case(id=str(i), inputs=given, expected={}) for i, given in enumerate(inputs)]
        answers: list[Answer | None] = [None] * len(cases)

        def sink(request: Request, reply: Response | Failure) -> None:
            if isinstance(reply, Response):
                answers[int(request.case_id)] = scorer.read(reply)[0]

        self._execute(run, render(single, self.prompt(run), cases), len(cases), sink)
        return answers

    def judge(self, run: str, cases: Sequence[Case]) -> OutcomeTable:
        """How a run does on labelled cases outside the holdout."""
        strategy, scorer = self.strategy(run), self.scorer(run)
        under_way, largest = UnderWay(cases, strategy.repeats), scorer.costs.largest(case.expected for case in cases)
        builder = TableBuilder(
            cases=cases, repeats=strategy.repeats, decision_fields=self.task.decision_fields, largest_cost=largest
        )

        def sink(request: Request, reply: Response | Failure) -> None:
            builder.add(scorer.score(under_way.done(request), request.repeat, reply), reply)

        requests = render(strategy, self.prompt(run), under_way)
        self._execute(run, requests, len(cases) * strategy.repeats, sink)
        return builder.finish()

    def _flips(self, measure: Measure) -> Outcomes:
        """1 for each edited input whose answer differs from the one to the original; clusters are the cases."""
        if measure not in self._flipped:
            wanted = {case_id for case_id, _ in measure.variants}
            by_id = {case.id: case.inputs for case in self.cases if case.id in wanted}
            originals = [by_id[case_id] for case_id, _ in measure.variants]
            try:
                answers = self.ask(measure.run, [*originals, *(dict(inputs) for _, inputs in measure.variants)])
            except HoldfastError as error:
                self._note_broken(measure.run, error)
                raise
            pairs = zip(answers[: len(originals)], answers[len(originals) :], strict=True)
            self._flipped[measure] = [float(before is None or before != after) for before, after in pairs]
        return Outcomes(
            values=np.array(self._flipped[measure]).reshape(-1, 1),
            case_ids=tuple(f"{case_id}#{i}" for i, (case_id, _) in enumerate(measure.variants)),
            clusters=tuple(case_id for case_id, _ in measure.variants),
        )

    def _execute(self, run: str, requests: Iterator[Request], total: int, sink: Sink) -> None:
        adapter = self.adapter(run)
        account = self._spending.account(f"{self.suite.name}/{run}")
        size = RequestSize(messages=adapter.driver in READS_MESSAGES)
        budget = RunBudget(self._spending, account, price=known_price(adapter), size=size)
        keys = self._keys(run)
        if self._recorder is not None:
            self._recorder.add_identity(adapter.name, self._drivers.identity(adapter))
            sink = self._recording_sink(self._recorder, keys, sink)
        if run not in self._states:
            self._states[run] = RunState(adapter.limits)
        with self._opened(run) as store, self._progress(run, total, account) as progress:
            driver = self._drivers.get(adapter)
            execute(
                requests,
                driver=driver,
                keys=keys,
                ledger=self._proving.watched(run, store, keys, driver),
                limits=adapter.limits,
                sink=sink,
                progress=progress,
                budget=budget,
                state=self._states[run],
            )
        account.stored += progress.stored
        if self._recorder is not None and (proofs := self.proofs(run)) is not None:
            self._recorder.add_proofs(self._proving.key(run, keys), proofs)
        if budget.unaffordable is not None:
            answered = progress.stored + progress.answered
            raise DriverError(
                stopped(run, self._spending, budget.unaffordable, answered, total, resumes=self._fresh is None)
            )

    @staticmethod
    def _recording_sink(recorder: ReplyLog, keys: KeyMaker, sink: Sink) -> Sink:
        def both(request: Request, reply: Response | Failure) -> None:
            if not (isinstance(reply, Failure) and reply.kind == UNAFFORDABLE):
                recorder.add(keys.key(request), reply)
            sink(request, reply)

        return both
