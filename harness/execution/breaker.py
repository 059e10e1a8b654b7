"""Stops a run whose endpoint is down or refuses everything, instead of asking it thousands of times."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.records import Failure, Response
from harness.execution.stopping import Stop

HOPELESS = frozenset({"auth", "not_found", "connection", "rate_limited"})
"""Kinds of failure that the next request would meet as well."""
HOPELESS_IN_A_ROW = 5
EXHAUSTED_IN_A_ROW = 20
"""Requests that failed in all their retries: an outage, where a few may be bad luck."""


@dataclass(slots=True)
class Breaker:
    """Counts the requests in a row that came to nothing, retries included."""

    stop: Stop
    hopeless: int = 0
    exhausted: int = 0

    def note(self, reply: Response | Failure) -> None:
        """Stop the run where this reply is one too many of its kind."""
        if not isinstance(reply, Failure):
            self.hopeless = self.exhausted = 0
            return
        hopeless = reply.kind in HOPELESS
        self.hopeless = self.hopeless + 1 if hopeless else 0
        self.exhausted = self.exhausted + 1 if hopeless or reply.retryable else 0
        if self.hopeless >= HOPELESS_IN_A_ROW or self.exhausted >= EXHAUSTED_IN_A_ROW:
            self.stop.because(f"{max(self.hopeless, self.exhausted)} in a row failed: {reply.message}")
