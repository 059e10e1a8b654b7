"""How many requests a second a server takes, learned from what it refuses."""

from __future__ import annotations

import math
from collections import deque

MEASURED_S = 2.0
LEAST_MEASURED_S = 0.5
"""How much of the last seconds is measured, at most and at least."""
GUESS_GROWTH_S = 3.0
FOUND_GROWTH_S = 15.0
"""How long it takes to raise a first guess, or a rate that was found, 2.7-fold: slowly first, then ever faster."""
HOLD_S = 45.0
"""How long a rate that was found is kept before it is raised."""
_MOST_GROWTH = 20.0
CATCH_UP_S = 0.01
"""Timers wake late; what they missed is made up for, up to this."""


class TakenRate:
    """Requests per second: no limit until the server refuses one, then a guess, then what was found, tried again.

    The first guess is what was taken until the first pause was over. It is raised, ever faster, until the server
    refuses again: that is about its limit. A rate just below is kept for HOLD_S and then raised carefully, for each
    refusal may cost a pause.
    """

    def __init__(self) -> None:
        self.ready_at = -math.inf
        self._base = math.inf
        self._grows_from = 0.0
        self._found = self._was_refused = False
        self._sent: deque[float] = deque()
        self._first = math.inf
        self._taken = self._taken_before = 0
        self._resumed_at = -math.inf

    def per_s(self, now: float) -> float:
        """The rate that is used now; infinite while nothing is known."""
        time_s = max(0.0, now - self._grows_from) / (FOUND_GROWTH_S if self._found else GUESS_GROWTH_S)
        return self._base * math.exp(min(time_s**2, _MOST_GROWTH))

    def sent(self, now: float) -> None:
        """A request goes out; it counts as taken until it is refused."""
        if self._first == math.inf:
            self._first = self._resumed_at = now
        self._taken += 1
        self._sent.append(now)
        while self._sent[0] < now - MEASURED_S:
            self._sent.popleft()
        if self._base < math.inf:
            self.ready_at = caught_up(self.ready_at, now) + 1 / self.per_s(now)

    def not_taken(self, sent_at: float) -> None:
        """The request that was sent at that time was refused."""
        self._taken -= 1
        if sent_at in self._sent:
            self._sent.remove(sent_at)

    def refused(self, now: float) -> None:
        """The first refusal of a burst."""
        self._was_refused = True
        known, rate = self._base < math.inf, self.per_s(now)
        used_s = min(now - self._resumed_at, MEASURED_S if self._found or not known else LEAST_MEASURED_S)
        if known and self._taken == self._taken_before:
            self._grows_from = max(
                self._grows_from, now
            )  # the last pause was too short, which says nothing of the rate
        elif used_s < LEAST_MEASURED_S:
            if known:
                self._set(0.9 * rate, now, found=self._found)
        else:
            taken = max(1, sum(at >= now - used_s for at in self._sent)) / used_s
            if self._found or not known:
                self._set(min(0.98 * taken, 0.97 * rate), now, found=True)
            else:  # the guess was rising while it was measured
                self._set(min(max(0.95 * taken, 0.8 * rate), 0.9 * rate), now, found=True)

    def resumed(self, now: float) -> None:
        """A pause is over."""
        self._resumed_at = now
        self._taken_before = self._taken
        self.ready_at = max(self.ready_at, now)
        if self._base == math.inf and self._was_refused:
            self._set(max(1, self._taken) / max(now - self._first, 1.0), now, found=False)

    def _set(self, per_s: float, now: float, *, found: bool) -> None:
        self._base, self._found = per_s, found
        self._grows_from = now + HOLD_S if found else now


def caught_up(ready_at: float, now: float) -> float:
    """From when the next interval counts: from when it was due, or a little before now where that is long ago."""
    return now if ready_at == -math.inf else max(ready_at, now - CATCH_UP_S)
