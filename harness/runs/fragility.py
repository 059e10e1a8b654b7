"""`harness fragility`: ask a few-shot strategy with each of its examples dropped and with their order permuted.

The cases are labelled ones of the pool, so that the holdout stays unseen while prompts are being worked on.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import permutations
from pathlib import Path

from harness.core.errors import ClaimError, DriverError
from harness.core.fragility import Variant, fragility
from harness.core.prompting import inputs_text
from harness.core.records import Case, ExampleChoice, Outcome, Status, Strategy
from harness.execution.failures import NOT_ASKED
from harness.execution.ledger import paying_ledger
from harness.execution.scheduler import Progress
from harness.execution.spending import Account
from harness.fixtures_io.declarations import shown, suggestion
from harness.fixtures_io.suites import SUITE_FILE, FixtureMissing, Project, Suite, load_suite
from harness.reporting.files import write_text
from harness.reporting.fragility import fragility_lines, fragility_markdown
from harness.reporting.progress import ProgressLine
from harness.runs import LEDGER
from harness.runs.session import Drivers, SuiteSession
from harness.runs.settings import settings

SUITES = "suites"


class _Progress:
    """One line for all variants together; `total` is how many requests they have."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.total = 0
        self._line: ProgressLine | None = None
        self._done = Progress()

    def __enter__(self) -> None:
        self._line = ProgressLine(self._what, self.total)

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


def measure_fragility(
    name: str, *, root: Path, cases: int, orders: int, seed: int, out: Path | None = None
) -> Iterator[str]:
    """The lines to show of the strategy `name`, SUITE/STRATEGY; the number of calls comes before they are made.

    At most `cases` pool cases are asked, and at most `orders` other orders of the examples; `seed` chooses both. `out`
    takes the whole report as markdown. Raises ClaimError for what leaves nothing to measure, and DriverError where
    requests were not sent.
    """
    if cases < 1 or orders < 0:
        raise ClaimError(f"--cases is {cases}, --permutations {orders}; expected 1 or more, and 0 or more")
    suite, run = _suite(name, root)
    strategy = suite.strategies[run]
    progress = _Progress(f"fragility of {suite.name}/{run}")
    drivers = Drivers()
    declared = _session({run: replace(strategy, repeats=2)}, suite, root, drivers, progress)
    examples = declared.examples(run)
    if not examples:
        raise ClaimError(f"{suite.name}/{run} shows no examples; expected a strategy with `examples`")
    chosen = _cases(declared.pool, examples, cases, seed)
    drops, permuted = _drops(examples), _orders(examples, orders, seed)
    variants = {variant.name: _with_examples(strategy, variant) for variant in (*drops, *permuted)}
    varied = _session(variants, suite, root, drivers, progress, prove=False)
    declared.prepare([run])
    varied.prepare(list(variants))
    progress.total = len(chosen) * (2 + len(variants))
    missing = declared.unanswered(run, chosen) + sum(varied.unanswered(variant, chosen) for variant in variants)
    yield (
        f"{suite.name}/{run}: {len(chosen)} pool cases, seed {seed}; {_count(len(examples), 'example')}, each dropped "
        f"in turn, and {_count(len(permuted), 'other order')}"
    )
    stored = progress.total - missing
    yield f"{progress.total:,} requests: {stored:,} answers in the ledger, {missing:,} calls to be made"
    with progress:
        asked = _whole(declared.judge(run, chosen))
        arms = {variant: _whole(varied.judge(variant, chosen))[0] for variant in variants}
    found = fragility(
        f"{suite.name}/{run}",
        asked,
        [(variant, arms[variant.name]) for variant in drops],
        [(variant, arms[variant.name]) for variant in permuted],
        fields=suite.fixture.task.decision_fields,
        clusters=[case.cluster for case in chosen],
        examples=tuple(case.id for case in examples),
    )
    yield ""
    yield from fragility_lines(found)
    if out is not None:
        write_text(out, fragility_markdown(found, seed=seed, trained="lora" in declared.adapter(run).options))
        yield f"report: {shown(out)}"


def _suite(name: str, root: Path) -> tuple[Suite, str]:
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
    return suite, run


def _session(
    strategies: Mapping[str, Strategy],
    suite: Suite,
    root: Path,
    drivers: Drivers,
    progress: _Progress,
    *,
    prove: bool = True,
) -> SuiteSession:
    return SuiteSession(
        replace(suite, strategies=strategies),
        store=partial(paying_ledger, root / LEDGER),
        drivers=drivers,
        progress=progress.of,
        prove=prove,
    )


def _cases(pool: Sequence[Case], examples: Sequence[Case], most: int, seed: int) -> list[Case]:
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


def _drops(examples: Sequence[Case]) -> list[Variant]:
    ids = [case.id for case in examples]
    return [
        Variant(name=f"without {dropped}", examples=tuple(i for i in ids if i != dropped), dropped=dropped)
        for dropped in ids
    ]


def _orders(examples: Sequence[Case], most: int, seed: int) -> list[Variant]:
    """Different orders of the examples, none of them the declared one: all there are, or `most` that are drawn."""
    ids = tuple(case.id for case in examples)
    if math.factorial(len(ids)) - 1 <= most:
        found = [order for order in permutations(ids) if order != ids]
    else:
        shuffler, seen = random.Random(seed), {ids}
        while len(seen) <= most:
            seen.add(tuple(shuffler.sample(ids, len(ids))))
        found = sorted(seen - {ids})
    return [Variant(name=f"order {number}", examples=order) for number, order in enumerate(found, 1)]


def _with_examples(strategy: Strategy, variant: Variant) -> Strategy:
    choice = ExampleChoice(ids=variant.examples, k=len(variant.examples)) if variant.examples else None
    return replace(strategy, examples=choice, repeats=1)


def _whole(outcomes: list[list[Outcome]]) -> list[list[Outcome]]:
    """`outcomes`, if every request was sent. Raises DriverError otherwise; the same command goes on."""
    unsent = [o for arm in outcomes for o in arm if o.status is Status.ERROR and o.problem in NOT_ASKED]
    if unsent:
        raise DriverError(f"{len(unsent)} requests were not sent: {unsent[0].problem}; the same command goes on")
    return outcomes


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
