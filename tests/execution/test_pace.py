"""Whose turn it is: declared limits, pauses, and servers that refuse what is beyond theirs, in virtual time."""

import asyncio
import math
import random
from collections import deque

import pytest
from support.virtual_time import virtual

from harness.core.records import Limits
from harness.execution.concurrency import Window
from harness.execution.pace import LONGEST_PAUSE_S, Line, Pace
from harness.execution.taken_rate import HOLD_S


async def awake(seconds):
    await asyncio.sleep(seconds)
    return True


class Paced(Pace):
    """A pace and the line before it, in one event loop."""

    def __init__(self, sleep, **limits):
        super().__init__(Limits(**limits), clock=asyncio.get_running_loop().time)
        self.turn = Line(self, sleep=sleep).turn


def paced(**limits):
    return Paced(awake, **limits)


async def turns(pace, amount, tokens=0.0):
    return [await pace.turn(tokens) for _ in range(amount)]


def test_without_limits_there_is_nothing_to_wait_for():
    async def main():
        assert await turns(paced(), 1000, tokens=500) == [0.0] * 1000

    virtual(main())


def test_requests_are_spread_evenly_over_a_minute():
    async def main():
        at = await turns(paced(requests_per_minute=120), 121)
        assert at == pytest.approx([0.5 * turn for turn in range(121)])

    virtual(main())


def test_many_who_wait_share_one_limit():
    async def main():
        pace = paced(requests_per_minute=600)
        at = await asyncio.gather(*(pace.turn(0) for _ in range(50)))
        assert at == pytest.approx([0.1 * turn for turn in range(50)])

    virtual(main())


def test_what_was_missed_long_ago_is_not_made_up_for():
    async def main():
        pace = paced(requests_per_minute=60)
        await pace.turn(0)
        await asyncio.sleep(100)
        at = await turns(pace, 3)
        assert at[-1] - at[0] == pytest.approx(2, abs=0.02)

    virtual(main())


def test_tokens_are_spread_evenly_and_large_requests_wait_longer():
    async def main():
        pace = paced(tokens_per_minute=6000)  # 100 a second
        at = [await pace.turn(tokens) for tokens in (50, 200, 10, 10)]
        assert at == pytest.approx([0, 0.5, 2.5, 2.6])

    virtual(main())


def test_what_was_estimated_is_corrected_by_what_was_used():
    async def main():
        pace = paced(tokens_per_minute=6000)
        await pace.turn(1000)
        pace.answered(tokens=1000, taken=100)
        assert await pace.turn(100) == pytest.approx(1)
        pace.answered(tokens=100, taken=300)
        assert await pace.turn(0) == pytest.approx(4)
        pace.answered(tokens=100, taken=0)  # the server does not say
        assert await pace.turn(0) == pytest.approx(4)

    virtual(main())


def test_a_pause_is_for_all_who_wait():
    async def main():
        pace = paced()
        pace.pause(7)
        at = await asyncio.gather(*(pace.turn(0) for _ in range(10)))
        assert min(at) >= 7

    virtual(main())


def test_a_pause_is_for_those_who_already_wait_for_their_turn():
    async def main():
        pace = paced(requests_per_minute=60)
        await pace.turn(0)
        waiting = asyncio.create_task(pace.turn(0))
        await asyncio.sleep(0.5)
        pace.pause(10)
        assert await waiting == pytest.approx(10.5)

    virtual(main())


@pytest.mark.parametrize("asked", [1e9, math.inf])
def test_no_header_makes_a_run_wait_forever(asked):
    async def main():
        pace = paced()
        pace.pause(asked)
        pace.pause(-5)
        assert await pace.turn(0) == LONGEST_PAUSE_S

    virtual(main())


def test_who_is_told_to_stop_does_not_wait_for_the_pause():
    async def main():
        async def ended(seconds):
            await asyncio.sleep(0.1)
            return False

        pace = Paced(ended)
        pace.pause(60)
        assert await pace.turn(0) == pytest.approx(0.1)

    virtual(main())


# -------------------------------------------------------------------------------------------- servers with a limit


class Server:
    """Takes 50 requests a second, in some sense, and refuses the rest."""

    def __init__(self, sense, retry_after, latency):
        self.sense, self.retry_after, self.latency = sense, retry_after, latency
        self.window, self.used, self.taken, self.tokens, self.filled = -1, 0, deque(), 50.0, 0.0
        self.refusals = 0

    def wait_s(self, now):
        """0 for a request that is taken, or else how long there is no room."""
        if self.sense == "in each second":
            window = int(now + 1e-9)
            if window != self.window:
                self.window, self.used = window, 0
            self.used += 1
            return 0.0 if self.used <= 50 else window + 1 - now
        if self.sense == "in any second":
            while self.taken and self.taken[0] <= now - 1:
                self.taken.popleft()
            if len(self.taken) < 50:
                self.taken.append(now)
                return 0.0
            return self.taken[0] + 1 - now
        self.tokens, self.filled = min(50.0, self.tokens + 50 * (now - self.filled)), now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / 50

    async def answer(self):
        """None, or what it says in `Retry-After`."""
        wait_s = self.wait_s(asyncio.get_running_loop().time())
        if not wait_s:
            await asyncio.sleep(self.latency * random.uniform(0.7, 1.3))
            return None
        self.refusals += 1
        await asyncio.sleep(0.003)
        return {"none": 0.0, "seconds": max(1, math.ceil(wait_s)), "exact": wait_s}[self.retry_after]


async def ask(server, amount, concurrency=64):
    """How long it takes until all are answered."""
    loop = asyncio.get_running_loop()
    pace, window, left = paced(), Window(concurrency), iter(range(amount))

    async def work():
        for _ in left:
            while True:
                await window.enter()
                sent_at = await pace.turn(0)
                wait_s = await server.answer()
                if wait_s is None:
                    window.answered()
                    pace.answered(tokens=0, taken=0)
                    window.leave()
                    break
                window.refused()
                pace.refused(sent_at=sent_at, wait_s=wait_s)
                window.leave()

    await asyncio.gather(*(work() for _ in range(concurrency)))
    return loop.time()


@pytest.mark.parametrize("retry_after", ["none", "seconds", "exact"])
@pytest.mark.parametrize("sense", ["in each second", "in any second", "on average"])
@pytest.mark.parametrize("latency", [0.002, 0.1])
def test_a_limit_that_is_not_declared_is_found_and_used(sense, retry_after, latency):
    random.seed(1)
    server = Server(sense, retry_after, latency)
    seconds = virtual(ask(server, 2000))
    assert 2000 / seconds >= 0.95 * 50
    assert server.refusals < 100


@pytest.mark.parametrize("retry_after", ["none", "seconds", "exact"])
def test_a_limit_that_is_lower_for_a_while_is_followed_down_and_up_again(retry_after):
    class Changing(Server):
        def wait_s(self, now):
            if 40 < now < 80:
                busy, self.next_free = now < getattr(self, "next_free", 0), max(now, getattr(self, "next_free", 0))
                if busy:
                    return self.next_free - now
                self.next_free = now + 0.1
                return 0.0
            return super().wait_s(now)

    random.seed(1)
    server = Changing("on average", retry_after, 0.05)
    assert virtual(ask(server, 4000)) < 40 + 40 + (4000 - 40 * 50) / 50 + HOLD_S + 15
    assert server.refusals < 400


def test_a_server_that_says_to_come_back_at_once_is_not_hammered():
    class Closed(Server):
        def wait_s(self, now):
            return 1e-9 if now < 20 else super().wait_s(now)

    random.seed(1)
    server = Closed("on average", "exact", 0.01)
    virtual(ask(server, 100, concurrency=8))
    assert server.refusals < 600
