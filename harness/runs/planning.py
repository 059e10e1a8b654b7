"""What a run would ask: calls, tokens and cost per strategy, in the ledger and to be made. No model is asked.

Requests are rendered and looked up as a stream, in chunks, so that memory does not grow with their number.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from harness.core.errors import HoldfastError
from harness.core.estimating import TOKENS_PER_BYTE, RequestSize
from harness.core.prompting import render
from harness.core.records import Adapter, BatchDriver, Case, Price, RemoteDriver, Request, Usage
from harness.drivers.pricing import known_price
from harness.drivers.registry import READS_MESSAGES, make_driver
from harness.execution.ledger import Key, KeyMaker, Ledger
from harness.reporting.plan import MOST, PlannedRun, Tally, plan_table
from harness.runs.declared import DeclaredClaim
from harness.runs.session import SuiteSession

CHUNK = 500

Planned = tuple[SuiteSession, Sequence[str], Sequence[DeclaredClaim]]


def identifying_driver(adapter: Adapter) -> RemoteDriver | BatchDriver:
    """A driver that is asked only for its identity, which no key belongs to: a missing one is no trouble."""
    return make_driver(replace(adapter, options={k: v for k, v in adapter.options.items() if k != "api_key"}))


def plan_lines(
    suites: Sequence[Planned], ledger: Path, *, fresh: bool, asking: int, max_cost: float | None
) -> list[str]:
    """The table of a dry run: each suite with the strategies that its claims are about, and those claims.

    `fresh` asks again what the ledger knows. `asking` tests ask models by themselves; they can't be counted.
    """
    with Ledger(ledger) if ledger.is_file() else nullcontext() as opened:
        planner = _Planner(opened, fresh=fresh)
        runs = [planner.run(session, run, claims) for session, needed, claims in suites for run in needed]
    return plan_table(runs, asking=asking, max_cost=max_cost)


class _Planner:
    """Counts run after run; what an earlier one will have asked by then is not counted again."""

    def __init__(self, ledger: Ledger | None, *, fresh: bool) -> None:
        self._ledger = ledger
        self._fresh = fresh
        self._planned: dict[tuple[str, str, str, str], tuple[str, int]] = {}

    def run(self, session: SuiteSession, run: str, claims: Sequence[DeclaredClaim]) -> PlannedRun:
        """One strategy. What can't be known of it is said in its row."""
        name = f"{session.suite.name}/{run}"
        try:
            edited = _edited(session, run, claims)
            price = known_price(session.adapter(run))
        except HoldfastError as error:
            return PlannedRun(name=name, problem=str(error))
        try:
            identity = session.identity(run)
        except HoldfastError as error:
            found = self._count(session, run, edited, None, price)
            return replace(found, problem=f"the ledger can't be asked: {error}")
        return self._count(session, run, edited, KeyMaker(session.adapter(run).driver, identity), price)

    def _count(
        self, session: SuiteSession, run: str, edited: Sequence[Case], keys: KeyMaker | None, price: Price | None
    ) -> PlannedRun:
        strategy, prompt = session.strategy(run), session.prompt(run)
        reads = session.adapter(run).driver in READS_MESSAGES
        like = None if keys is None else keys.key(next(render(strategy, prompt, session.cases)))
        shared, repeats = self._shared(session, run, like)
        each, rule = self._output(like, strategy.sampling.max_tokens if reads else 0)
        found = PlannedRun(
            name=f"{session.suite.name}/{run}",
            stored=Tally(price=price),
            missing=Tally(price=price),
            output_by=rule,
            shared_with=shared,
        )
        size = RequestSize(messages=reads)
        self._tally(found, render(strategy, prompt, session.cases), keys, size, shared=repeats)
        self._tally(found, render(replace(strategy, repeats=1), prompt, edited), keys, size)
        found.missing.output_tokens = round(each * found.missing.calls)
        return found

    def _tally(
        self, found: PlannedRun, requests: Iterator[Request], keys: KeyMaker | None, size: RequestSize, shared: int = 0
    ) -> None:
        """Count requests, of whose missing answers the first `shared` repeats are counted elsewhere."""
        while chunk := list(itertools.islice(requests, CHUNK)):
            named = [None if keys is None else keys.key(request) for request in chunk]
            wanted = [key for key in named if key is not None]
            known = {} if self._ledger is None else self._ledger.get(wanted)
            for request, key in zip(chunk, named, strict=True):
                answer = None if key is None else known.get(key.digest)
                if answer is not None and not self._fresh:
                    found.stored.add(answer.usage)
                elif request.repeat >= shared:
                    guess = math.ceil(size(request) * TOKENS_PER_BYTE)
                    found.missing.add(Usage(input_tokens=answer.usage.input_tokens if answer else guess))

    def _shared(self, session: SuiteSession, run: str, key: Key | None) -> tuple[str, int]:
        """The earlier run that asks the same of all cases, and how many repeats; ("", 0) if there is none."""
        if key is None:
            return "", 0
        place = (str(session.suite.fixture.folder), key.identity, key.prompt, key.settings)
        found = self._planned.get(place, ("", 0))
        repeats = session.strategy(run).repeats
        if repeats > found[1]:
            self._planned[place] = (f"{session.suite.name}/{run}", repeats)
        return found

    def _output(self, key: Key | None, max_tokens: int) -> tuple[float, str]:
        """Expected output tokens of one call, and where that is from."""
        if key is not None:
            known = self._known
            own = known.get((key.identity, key.prompt, key.settings))
            if own is not None:
                return own[1] / own[0], "mean of strategy"
            same = [counts for (identity, _, _), counts in known.items() if identity == key.identity]
            if same:
                return sum(total for _, total in same) / sum(n for n, _ in same), "mean of adapter"
        return max_tokens, MOST if max_tokens else "none"

    @cached_property
    def _known(self) -> dict[tuple[str, str, str], tuple[int, int]]:
        return {} if self._ledger is None else self._ledger.output_tokens()


def _edited(session: SuiteSession, run: str, claims: Sequence[DeclaredClaim]) -> list[Case]:
    """The inputs that claims ask about besides the holdout, each once. Raises what makes the run impossible."""
    session.prepare([run])
    variants = {
        inputs: case_id for claim in claims if claim.measure.run == run for case_id, inputs in claim.measure.variants
    }
    originals = {tuple(case.inputs.items()) for case in session.cases} if variants else set()
    return [Case(id=i, inputs=dict(inputs), expected={}) for inputs, i in variants.items() if inputs not in originals]
