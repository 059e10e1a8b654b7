"""How many requests are under way at once: additive increase, multiplicative decrease."""

from __future__ import annotations

import asyncio
from collections import deque

DECREASE = 0.7
STEPS_TO_FULL = 4
"""How many rounds of answers it takes from one request to all that are declared."""


class Window:
    """Lets at most `most` requests be under way, and fewer while the server asks for less. Waiting is in line."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._step = max(1.0, most / STEPS_TO_FULL)
        self._limit = float(most)
        self._under_way = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._left_of_round = 0

    @property
    def limit(self) -> int:
        """How many may be under way now."""
        return int(self._limit)

    async def enter(self) -> None:
        """Wait until one more may be under way."""
        if self._under_way < self.limit and not self._waiting:
            self._under_way += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the place was given to somebody who has just left
                self.leave()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """One less is under way."""
        self._under_way -= 1
        self._left_of_round -= 1
        self._admit()

    def answered(self) -> None:
        """The server took a request: a little more after each, a step after a round of them."""
        self._limit = min(self._most, self._limit + self._step / self._limit)
        self._admit()

    def refused(self) -> None:
        """The server asks for fewer requests: a decrease, once for a round of requests, so that a burst counts once."""
        if self._left_of_round <= 0:
            self._left_of_round = self.limit
            self._limit = max(1.0, self._limit * DECREASE)

    def _admit(self) -> None:
        while self._waiting and self._under_way < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._under_way += 1
                turn.set_result(None)
