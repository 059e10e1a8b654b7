"""Requests → replies: the ledger first, the driver for the rest, every answer stored as it arrives.

The scheduler owns concurrency, retries, limits, order and storage; drivers only answer. Requests are taken from a
stream, so memory does not grow with their number.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Protocol, cast

from harness.core.records import BatchDriver, Failure, Limits, RemoteDriver, Request, Response
from harness.execution.budget import RunBudget, refusal, unlimited
from harness.execution.ledger import Key, KeyMaker

LOOKUP = 256
BATCH = 64
COMMIT_EVERY = 64
COMMIT_SECONDS = 0.5
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
HOPELESS = frozenset({"auth", "not_found", "connection"})
"""Kinds of failure that the next request would meet as well."""
HOPELESS_IN_A_ROW = 5


class Store(Protocol):
    """Where answers are kept: a ledger, or a recording."""

    def get(self, keys: Sequence[Key]) -> dict[str, Response]: ...

    def put(self, answers: Iterable[tuple[Key, Response]]) -> None: ...


Sink = Callable[[Request, Response | Failure], None]


@dataclass(slots=True)
class Progress:
    """Counts of one run so far; `changed` is called after each change."""

    total: int = 0
    stored: int = 0
    answered: int = 0
    failed: int = 0
    changed: Callable[[Progress], None] = lambda progress: None

    @property
    def done(self) -> int:
        return self.stored + self.answered + self.failed

    def add(self, *, stored: int = 0, answered: int = 0, failed: int = 0) -> None:
        self.stored += stored
        self.answered += answered
        self.failed += failed
        self.changed(self)


@dataclass(slots=True)
class _Breaker:
    """Stops a run whose endpoint is down or refuses everything, instead of asking it thousands of times."""

    in_a_row: int = 0
    reason: Failure | None = None

    def note(self, reply: Response | Failure) -> None:
        if self.reason is not None:
            return
        if isinstance(reply, Failure) and reply.kind in HOPELESS:
            self.in_a_row += 1
            if self.in_a_row >= HOPELESS_IN_A_ROW:
                self.reason = reply
        else:
            self.in_a_row = 0

    def refusal(self) -> Failure | None:
        if self.reason is None:
            return None
        return Failure(
            kind="stopped", message=f"not asked, since {self.in_a_row} in a row failed: {self.reason.message}"
        )


@dataclass(slots=True)
class _Pending:
    """Answers not yet committed."""

    ledger: Store
    answers: list[tuple[Key, Response]] = field(default_factory=list)
    since: float = 0.0

    def add(self, key: Key, response: Response) -> None:
        if not self.answers:
            self.since = time.monotonic()
        self.answers.append((key, response))
        if len(self.answers) >= COMMIT_EVERY or time.monotonic() - self.since >= COMMIT_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self.answers:
            self.ledger.put(self.answers)
            self.answers = []


def execute(
    requests: Iterable[Request],
    *,
    driver: RemoteDriver | BatchDriver,
    keys: KeyMaker,
    ledger: Store,
    limits: Limits,
    sink: Sink,
    progress: Progress | None = None,
    budget: RunBudget | None = None,
) -> None:
    """Give every request's reply to `sink`, in the order in which replies come.

    Answers reach the ledger in small batches, also when the run is interrupted. A failure that a retry may mend is
    retried `limits.retries` times. After HOPELESS_IN_A_ROW failures that say that nothing will be answered, the rest
    are `stopped` failures. Calls that `budget` can't afford are failures too, and are not made.
    """
    progress = progress or Progress()
    budget = budget or unlimited()
    missing = _from_ledger(requests, keys, ledger, sink, progress)
    pending = _Pending(ledger)
    breaker = _Breaker()

    def finish(request: Request, key: Key, reply: Response | Failure) -> None:
        breaker.note(reply)
        if isinstance(reply, Response):
            pending.add(key, reply)
            progress.add(answered=1)
        else:
            progress.add(failed=1)
        sink(request, reply)

    try:
        if iscoroutinefunction(driver.answer):
            asyncio.run(_remote(missing, cast(RemoteDriver, driver), limits, budget, breaker, finish))
        else:
            _batches(missing, cast(BatchDriver, driver), budget, finish)
    finally:
        pending.flush()


def _from_ledger(
    requests: Iterable[Request], keys: KeyMaker, ledger: Store, sink: Sink, progress: Progress
) -> Iterator[tuple[Request, Key]]:
    """Give what is stored to `sink` and yield the rest."""
    stream = iter(requests)
    while chunk := [(request, keys.key(request)) for request in itertools.islice(stream, LOOKUP)]:
        known = ledger.get([key for _, key in chunk])
        stored = 0
        for request, key in chunk:
            response = known.get(key.digest)
            if response is None:
                yield request, key
            else:
                sink(request, response)
                stored += 1
        progress.add(stored=stored)


Finish = Callable[[Request, Key, Response | Failure], None]


def _batches(missing: Iterator[tuple[Request, Key]], driver: BatchDriver, budget: RunBudget, finish: Finish) -> None:
    while batch := list(itertools.islice(missing, BATCH)):
        while held := budget.hold_first([request for request, _ in batch]):
            now, batch = batch[: len(held)], batch[len(held) :]
            replies = driver.answer([request for request, _ in now])
            for (request, key), hold, reply in zip(now, held, replies, strict=True):
                budget.settle(hold, reply)
                finish(request, key, reply)
        for request, key in batch:
            finish(request, key, refusal())


async def _remote(
    missing: Iterator[tuple[Request, Key]],
    driver: RemoteDriver,
    limits: Limits,
    budget: RunBudget,
    breaker: _Breaker,
    finish: Finish,
) -> None:
    pace = _Pace(limits.requests_per_minute)

    async def work() -> None:
        for request, key in missing:
            refusal = breaker.refusal()
            finish(request, key, refusal or await _answer(driver, request, limits, budget, pace, breaker))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(limits.concurrency):
                group.create_task(work())
    except ExceptionGroup as errors:  # all workers meet the same one, and callers wait for it, not for a group
        raise errors.exceptions[0] from None
    finally:
        await driver.close()


async def _answer(
    driver: RemoteDriver, request: Request, limits: Limits, budget: RunBudget, pace: _Pace, breaker: _Breaker
) -> Response | Failure:
    """One request with its retries: waits grow twofold with jitter, or last as long as the server asks."""
    for attempt in itertools.count():
        held = await budget.hold(request)
        if isinstance(held, Failure):
            return held
        await pace.turn()
        reply = await driver.answer(request)
        budget.settle(held, reply)
        if isinstance(reply, Response) or not reply.retryable or attempt >= limits.retries or breaker.refusal():
            return reply
        backoff = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**attempt) * random.uniform(0.5, 1.0)
        await asyncio.sleep(max(backoff, reply.retry_after_s or 0.0))
    raise AssertionError("unreachable")


class _Pace:
    """Spreads requests evenly over a minute where the provider limits their number."""

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def turn(self) -> None:
        if not self._gap:
            return
        now = time.monotonic()
        self._next = max(now, self._next + self._gap)
        await asyncio.sleep(self._next - now)
