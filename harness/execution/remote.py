"""Requests to a model over a network: many under way at once, retried, paced, and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator

from harness.core.records import Failure, Headroom, RemoteDriver, Request, Response
from harness.execution.budget import RunBudget
from harness.execution.ledger import Key
from harness.execution.pace import Line
from harness.execution.run_state import RunState
from harness.execution.staggering import Stagger

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
RATE_LIMITED = "rate_limited"
RATE_LIMITED_FOR_S = 300.0
"""How long a request is asked again that meets nothing but rate limits. They are no fault of its own, so that they
take none of its retries."""

Finish = Callable[[Request, Key, Response | Failure], None]


class Remote:
    """Sends requests of one run. Made and used within one event loop; what outlives it is in `state`."""

    def __init__(self, driver: RemoteDriver, state: RunState, *, budget: RunBudget, finish: Finish) -> None:
        self._driver = driver
        self._state = state
        self._limits = state.limits
        self._budget = budget
        self._stop = state.stop
        self._breaker = state.breaker
        self._finish = finish
        self._loop = asyncio.get_running_loop()
        self._window = state.window
        self._pace = state.pace
        self._line = Line(state.pace, sleep=self._sleep)
        self._stagger = Stagger()
        self._tokens = state.tokens
        self._stopped = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._gave_up = False

    async def run(self, missing: Iterator[tuple[Request, Key]]) -> None:
        """Finish every missing request; after an interruption only those that were under way."""
        self._stop.told = self._tell
        self._watch_the_time()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._limits.concurrency):
                    group.create_task(self._work(missing))
        except ExceptionGroup as errors:  # all workers meet the same one, and callers wait for it, not for a group
            raise errors.exceptions[0] from None
        finally:
            self._stop.told = None
            for timer in self._timers:
                timer.cancel()
            await self._driver.close()

    def _watch_the_time(self) -> None:
        self._state.end_if_over()
        if self._stop.refusal is None and (left_s := self._state.left_s) is not None:
            self._timers.append(self._loop.call_later(left_s, self._watch_the_time))

    async def _work(self, missing: Iterator[tuple[Request, Key]]) -> None:
        for request, key in missing:
            if self._stop.interrupted:
                return
            reply = self._stop.refusal or await self._answer(request)
            self._breaker.note(reply)
            self._finish(request, key, reply)

    async def _answer(self, request: Request) -> Response | Failure:
        """One request with its retries. Waits grow twofold with jitter, or last as long as the server asks."""
        faults, limited_since = 0, None
        while True:
            reply = await self._attempt(request)
            if isinstance(reply, Response) or not reply.retryable:
                return reply
            if reply.kind == RATE_LIMITED:
                limited_since = self._loop.time() if limited_since is None else limited_since
                if self._loop.time() - limited_since >= RATE_LIMITED_FOR_S:
                    return reply
            elif faults >= self._limits.retries:
                return reply
            else:
                await self._sleep(min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**faults) * random.uniform(0.5, 1.0))
                faults += 1
            if self._stop.refusal is not None:
                return self._stop.refusal

    async def _attempt(self, request: Request) -> Response | Failure:
        """One attempt, if it can be afforded."""
        held = await self._budget.hold(request)
        if isinstance(held, Failure):
            return held
        reply: Response | Failure = Failure(kind="stopped", message="not sent")
        try:
            reply = await self._paced(request)
            return reply
        finally:
            self._budget.settle(held, reply)

    async def _paced(self, request: Request) -> Response | Failure:
        """One attempt, when it may be made, and what its reply says about the next ones."""
        tokens = self._tokens.estimate(request)
        await self._window.enter()
        try:
            sent_at = await self._line.turn(tokens)
            await self._stagger.turn()
            if self._stop.refusal is not None:
                return self._stop.refusal
            reply = await self._send(request)
            self._heed(reply, sent_at=sent_at, tokens=tokens)
            return reply
        finally:
            self._window.leave()

    async def _send(self, request: Request) -> Response | Failure:
        """The one place where a request leaves and its reply comes."""
        task = asyncio.current_task()
        assert task is not None
        self._sending.add(task)
        try:
            return await self._driver.answer(request)
        except asyncio.CancelledError:
            if self._stop.refusal is None or not self._gave_up:
                raise
            ended = f"no answer within {self._limits.timeout_s:g} s after the run had ended"
            return Failure(kind="stopped", message=f"{ended}: {self._stop.refusal.message}")
        finally:
            self._sending.discard(task)

    def _heed(self, reply: Response | Failure, *, sent_at: float, tokens: float) -> None:
        if isinstance(reply, Response):
            self._window.answered()
            self._pace.answered(tokens=tokens, taken=self._tokens.note(reply.usage))
        elif reply.kind == RATE_LIMITED and reply.retryable:
            self._window.refused()
            wait_s = reply.retry_after_s or self._wait_for_room(reply.headroom)
            self._pace.refused(sent_at=sent_at, wait_s=wait_s)
            return
        elif reply.retry_after_s:
            self._pace.pause(reply.retry_after_s)
        if reply.headroom is not None:
            self._pace.pause(self._wait_for_room(reply.headroom))

    def _wait_for_room(self, headroom: Headroom | None) -> float:
        """How long the provider has no room for a request like the last ones."""
        if headroom is None:
            return 0.0
        rooms = (
            (headroom.requests, headroom.requests_reset_s, 1.0),
            (headroom.tokens, headroom.tokens_reset_s, max(1.0, self._tokens.mean)),
        )
        return max(reset_s if left is not None and reset_s and left < least else 0.0 for left, reset_s, least in rooms)

    async def _sleep(self, seconds: float) -> bool:
        """Wait, or less where the run stops meanwhile; whether it goes on."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        return not self._stopped.is_set()

    def _tell(self) -> None:
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        """Wake all who wait to send; those that wait for an answer get the time of one attempt."""
        self._stopped.set()
        self._timers.append(self._loop.call_later(self._limits.timeout_s, self._give_up))

    def _give_up(self) -> None:
        self._gave_up = True
        for task in self._sending:
            task.cancel()
