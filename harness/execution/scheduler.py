"""Requests → replies: the ledger first, the driver for the rest, every answer stored as it arrives.

The scheduler owns concurrency, retries, limits, order and storage; drivers only answer. Requests are taken from a
stream, so memory does not grow with their number. This module has the stream and what is stored; models over a network
are asked by `remote`, with `concurrency` and `pace` for how much at once, and `breaker` and `stopping` for when to end.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Protocol, cast

from harness.core.records import BatchDriver, Failure, Limits, Proof, RemoteDriver, Request, Response
from harness.execution.budget import RunBudget, refusal, unlimited
from harness.execution.ledger import Key, KeyMaker
from harness.execution.remote import Finish, Remote
from harness.execution.stopping import Stop, deadline, interruptible

LOOKUP = 256
BATCH = 64
COMMIT_EVERY = 64
COMMIT_SECONDS = 0.5


class Store(Protocol):
    """Where answers are kept: a ledger, or a recording."""

    def get(self, keys: Sequence[Key]) -> dict[str, Response]: ...

    def put(self, answers: Iterable[tuple[Key, Response]]) -> None: ...

    def get_proofs(self, key: Key) -> tuple[Proof, ...] | None: ...

    def put_proofs(self, key: Key, proofs: Sequence[Proof]) -> None: ...


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
    retried `limits.retries` times. Where the endpoint is down, or `limits.run_timeout_s` is over, the rest are
    `stopped` failures. Ctrl-C ends the run with KeyboardInterrupt when what was under way is answered and stored; a
    second one at once. Calls that `budget` can't afford are failures too, and are not made.
    """
    progress = progress or Progress()
    budget = budget or unlimited()
    missing = _from_ledger(requests, keys, ledger, sink, progress)
    pending = _Pending(ledger)
    stop = Stop()

    def finish(request: Request, key: Key, reply: Response | Failure) -> None:
        if isinstance(reply, Response):
            pending.add(key, reply)
            progress.add(answered=1)
        else:
            progress.add(failed=1)
        sink(request, reply)

    with interruptible(stop):
        try:
            if iscoroutinefunction(driver.answer):
                asyncio.run(_remote(missing, cast(RemoteDriver, driver), limits, budget, stop, finish))
            else:
                _batches(missing, cast(BatchDriver, driver), limits, budget, stop, finish)
        finally:
            pending.flush()
    if stop.interrupted:
        raise KeyboardInterrupt


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


def _batches(
    missing: Iterator[tuple[Request, Key]],
    driver: BatchDriver,
    limits: Limits,
    budget: RunBudget,
    stop: Stop,
    finish: Finish,
) -> None:
    started = time.monotonic()
    while batch := list(itertools.islice(missing, BATCH)):
        if limits.run_timeout_s is not None and time.monotonic() - started >= limits.run_timeout_s:
            stop.because(deadline(limits.run_timeout_s))
        if stop.interrupted:
            return
        while stop.refusal is None and (held := budget.hold_first([request for request, _ in batch])):
            now, batch = batch[: len(held)], batch[len(held) :]
            replies = driver.answer([request for request, _ in now])
            for (request, key), hold, reply in zip(now, held, replies, strict=True):
                budget.settle(hold, reply)
                finish(request, key, reply)
        for request, key in batch:
            finish(request, key, stop.refusal or refusal())


async def _remote(
    missing: Iterator[tuple[Request, Key]],
    driver: RemoteDriver,
    limits: Limits,
    budget: RunBudget,
    stop: Stop,
    finish: Finish,
) -> None:
    await Remote(driver, limits, budget=budget, stop=stop, finish=finish).run(missing)
