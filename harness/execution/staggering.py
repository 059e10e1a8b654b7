"""Requests leave one after the other, not in clumps."""

from __future__ import annotations

import asyncio
from collections import deque

TURNS_OF_LOOP = 3
"""How often the event loop goes round before the next request may be made: a client library hands what it writes from
task to task, so that a request is on the wire two rounds after it was made."""


class Stagger:
    """Spreads the sending of requests that could all be sent in the same round of the event loop.

    Left alone, workers whose answers come together make their next requests together, and none is sent before all are
    made; their answers come together again, so that every request waits for the work on all others, round after round.
    Made and used within one event loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._taken = False

    async def turn(self) -> None:
        """Return when no other request is being made, in the order of the calls."""
        if self._taken:
            mine = self._loop.create_future()
            self._waiting.append(mine)
            try:
                await mine
            except asyncio.CancelledError:
                if mine.done() and not mine.cancelled():
                    self._next()
                raise
        self._taken = True
        self._free(TURNS_OF_LOOP)

    def _free(self, rounds: int) -> None:
        if rounds:
            self._loop.call_soon(self._free, rounds - 1)
        else:
            self._next()

    def _next(self) -> None:
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(None)
                return
        self._taken = False
