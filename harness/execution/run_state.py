"""What belongs to one strategy's run, in however many parts its requests are sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness.core.records import Limits
from harness.execution.breaker import Breaker
from harness.execution.concurrency import Window
from harness.execution.pace import Pace
from harness.execution.stopping import Stop, deadline
from harness.execution.token_counts import TokenCounts


class RunState:
    """The time that a run has taken, why it stopped, and what it has learned of the server.

    It outlives the event loops of its parts: all times in it are those of `time.monotonic`.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.stop = Stop()
        self.breaker = Breaker(self.stop)
        self.window = Window(limits.concurrency)
        self.pace = Pace(limits, clock=time.monotonic)
        self.tokens = TokenCounts()
        self._taken_s = 0.0
        self._since: float | None = None

    @property
    def left_s(self) -> float | None:
        """How many seconds the run may still take; None for as long as it needs."""
        if self.limits.run_timeout_s is None:
            return None
        running_s = 0.0 if self._since is None else time.monotonic() - self._since
        return max(0.0, self.limits.run_timeout_s - self._taken_s - running_s)

    @contextmanager
    def running(self) -> Iterator[None]:
        """A part of the run: only these count as its time, not what passes between them."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._taken_s += time.monotonic() - self._since
            self._since = None

    def end_if_over(self) -> None:
        """Send nothing more if the run has taken its time."""
        if self.limits.run_timeout_s is not None and self.left_s == 0:
            self.stop.because(deadline(self.limits.run_timeout_s))
