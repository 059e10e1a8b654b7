"""The calls of one run under a limit: the most that each may cost is set aside until its reply tells the cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from harness.core.estimating import TOKENS_PER_BYTE
from harness.core.records import Failure, Price, Request, Response
from harness.execution.spending import Account, Spending, amount

UNAFFORDABLE: Final = "unaffordable"
"""The kind of failure of a request that was not sent, since it might have passed the limit."""
MAY_BE_BILLED = frozenset({"timeout", "bad_response"})
"""Failures of calls that the model may have answered all the same: they count as the most that they may cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What is set aside for a call in flight, as an amount, and the bytes that it sends."""

    most: int = 0
    size: int = 0


_NOTHING = Held()


class RunBudget:
    """Reserves before each call of one run, and settles after it.

    The most that a call may cost is its input, estimated by `size` and by the most tokens per byte seen so far, and
    `max_tokens` of output. A reply that tells no usage counts as that. `price` None is one that is not known.
    """

    def __init__(
        self, spending: Spending, account: Account, *, price: Price | None, size: Callable[[Request], int]
    ) -> None:
        self._spending = spending
        self._account = account
        self._account.priced = price is not None
        self._size = size
        self._input = price.input_per_million / 1e6 if price else 0.0
        self._output = price.output_per_million / 1e6 if price else 0.0
        self._tokens_per_byte = TOKENS_PER_BYTE
        self._in_flight = 0
        self._replied = asyncio.Event()
        self.unaffordable: int | None = None
        """What the first call that was refused might have cost, as an amount; None if none was."""

    async def hold(self, request: Request) -> Held | Failure:
        """Set aside what `request` may cost, once replies to calls in flight leave room; else a failure."""
        while (held := self._reserve(request)) is None:
            if self.unaffordable is not None:
                return refusal()
            await self._replied.wait()
        return held

    def hold_first(self, requests: Sequence[Request]) -> list[Held]:
        """Set aside what each of the first `requests` may cost, as far as the limit goes."""
        found: list[Held] = []
        for request in requests:
            held = self._reserve(request)
            if held is None:
                break
            found.append(held)
        return found

    def settle(self, held: Held, reply: Response | Failure) -> None:
        """The call that `held` was set aside for has come back."""
        self._in_flight -= 1
        self._spending.settle(held.most, self._cost(held, reply), self._account)
        replied, self._replied = self._replied, asyncio.Event()
        replied.set()

    def _reserve(self, request: Request) -> Held | None:
        """None where the call might pass the limit; final where no reply can leave more room."""
        held = self._held(request)
        if self.unaffordable is not None and held.most:
            return None
        if self._spending.reserve(held.most):
            self._in_flight += 1
            return held
        if not self._in_flight:
            self.unaffordable = held.most
        return None

    def _held(self, request: Request) -> Held:
        if not (self._input or self._output):
            return _NOTHING
        size = self._size(request)
        tokens = size * self._tokens_per_byte
        return Held(most=amount(tokens * self._input + request.settings.max_tokens * self._output), size=size)

    def _cost(self, held: Held, reply: Response | Failure) -> int:
        if isinstance(reply, Failure):
            return held.most if reply.kind in MAY_BE_BILLED else 0
        usage = reply.usage
        if not (usage.input_tokens or usage.output_tokens):
            return held.most
        if held.size:
            self._tokens_per_byte = max(self._tokens_per_byte, usage.input_tokens / held.size)
        return amount(usage.input_tokens * self._input + usage.output_tokens * self._output)


def unlimited() -> RunBudget:
    """The budget of a run that nobody counts."""
    return RunBudget(Spending(), Account(), price=None, size=lambda request: 0)


def refusal() -> Failure:
    """What becomes of a request that can't be afforded."""
    return Failure(kind=UNAFFORDABLE, message="not asked: it might have cost more than --gate-max-cost leaves")
