"""When the next request may be sent: by the declared limits, by the pauses that the server asks for, and by the rate
that it takes."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable

from harness.core.records import Limits
from harness.execution.taken_rate import TakenRate, caught_up

LONGEST_PAUSE_S = 60.0
"""No header makes a run wait longer before it tries again."""
FIRST_PAUSE_S = 0.1
PAUSE_GROWTH = 1.5
"""After a refusal without a word of when to come back, and by how much more after each that follows at once."""

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[bool]]
"""Waits for seconds; whether the run goes on then."""


class Lane:
    """Spreads amounts evenly over time: after each, the next waits as long as it takes at `per_s`."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self.ready_at = -math.inf

    def take(self, now: float, amount: float) -> None:
        self.ready_at = caught_up(self.ready_at, now) + amount / self._per_s

    def correct(self, amount: float) -> None:
        """`amount` more (or less, where negative) was taken than was said."""
        self.ready_at += amount / self._per_s


class Pace:
    """How long to wait before the next request, by limits and pauses. It belongs to no event loop."""

    def __init__(self, limits: Limits, *, clock: Clock) -> None:
        self._clock = clock
        self._requests = Lane(limits.requests_per_minute / 60) if limits.requests_per_minute else None
        self._tokens = Lane(limits.tokens_per_minute / 60) if limits.tokens_per_minute else None
        self._rate = TakenRate()
        self._paused_until = -math.inf
        self._resumed = True
        self._refused_at = -math.inf
        self._pauses_in_a_row = 0

    def answered(self, *, tokens: float, taken: float) -> None:
        """A request that was thought to take so many tokens has taken so many (0 where the server does not say)."""
        self._pauses_in_a_row = 0
        if self._tokens is not None and taken:
            self._tokens.correct(taken - tokens)

    def refused(self, *, sent_at: float, wait_s: float | None) -> None:
        """The server asked for fewer requests, and nobody sends until the time that it asks for is over.

        Refusals of requests that were sent before the last news say nothing new, so a burst of them counts once.
        `wait_s` None or 0 leaves the time to us.
        """
        now = self._clock()
        self._rate.not_taken(sent_at)
        if sent_at > self._refused_at:
            self._refused_at = now
            self._rate.refused(now)
            if not wait_s:
                wait_s = FIRST_PAUSE_S * PAUSE_GROWTH**self._pauses_in_a_row * random.uniform(0.5, 1.0)
                self._pauses_in_a_row += 1
        self.pause(wait_s or 0.0)

    def pause(self, wait_s: float) -> None:
        """Nobody sends for so many seconds, LONGEST_PAUSE_S at most."""
        until = self._clock() + min(max(wait_s, 0.0), LONGEST_PAUSE_S)
        if until > self._paused_until:
            self._paused_until, self._resumed = until, False

    def wait_s(self) -> float:
        """How many seconds no request may be sent; 0 or less where one may go now."""
        now = self._clock()
        if not self._resumed and now >= self._paused_until:
            self._resumed = True
            self._rate.resumed(now)
        ready = max(self._paused_until, self._rate.ready_at)
        for lane in (self._requests, self._tokens):
            if lane is not None:
                ready = max(ready, lane.ready_at)
        return ready - now

    def take(self, tokens: float) -> float:
        """A request of about so many tokens goes out; the time when it does."""
        now = self._clock()
        self._rate.sent(now)
        if self._requests is not None:
            self._requests.take(now, 1)
        if self._tokens is not None:
            self._tokens.take(now, tokens)
        return now


class Line:
    """Whose turn it is: one request after the other. It belongs to one event loop."""

    def __init__(self, pace: Pace, *, sleep: Sleep) -> None:
        self._pace = pace
        self._sleep = sleep
        self._first = asyncio.Lock()

    async def turn(self, tokens: float) -> float:
        """Wait until a request of about so many tokens may be sent; the time when it goes out."""
        if self._first.locked() or self._pace.wait_s() > 0:
            async with self._first:
                while (wait_s := self._pace.wait_s()) > 0 and await self._sleep(wait_s):
                    pass
                return self._pace.take(tokens)
        return self._pace.take(tokens)
