"""How many requests may be under way."""

import asyncio

import pytest
from support.virtual_time import virtual

from harness.execution.concurrency import DECREASE, Window


async def filled(window, amount):
    for _ in range(amount):
        await window.enter()


@pytest.mark.parametrize("most", [1, 3, 64])
def test_at_first_as_many_may_be_under_way_as_are_declared(most):
    async def main():
        window = Window(most)
        await filled(window, most)
        one_more = asyncio.create_task(window.enter())
        await asyncio.sleep(1)
        assert not one_more.done()
        window.leave()
        await one_more

    virtual(main())


def test_who_waits_enters_in_line():
    async def main():
        window, entered = Window(1), []

        async def visit(name):
            await window.enter()
            entered.append(name)
            await asyncio.sleep(0.1)
            window.leave()

        await asyncio.gather(*(visit(name) for name in range(6)))
        assert entered == list(range(6))

    virtual(main())


def test_a_burst_of_refusals_is_one_decrease():
    async def main():
        window = Window(64)
        await filled(window, 64)
        for _ in range(64):
            window.refused()
            window.leave()
        assert window.limit == int(64 * DECREASE)
        window.refused()
        assert window.limit == int(64 * DECREASE * DECREASE)

    virtual(main())


def test_there_is_always_one_under_way():
    async def main():
        window = Window(8)
        for _ in range(200):
            await window.enter()
            window.refused()
            window.leave()
        assert window.limit == 1

    virtual(main())


def test_answers_raise_it_step_by_step_and_never_above_what_is_declared():
    async def main():
        window = Window(40)
        for _ in range(400):
            await window.enter()
            window.refused()
            window.leave()
        limits = []
        for _ in range(400):
            await window.enter()
            window.answered()
            window.leave()
            limits.append(window.limit)
        assert limits == sorted(limits)
        assert 1 < limits[1] < 40
        assert limits[-1] == 40

    virtual(main())


def test_who_stops_waiting_leaves_no_gap():
    async def main():
        window = Window(1)
        await window.enter()
        first, second = asyncio.create_task(window.enter()), asyncio.create_task(window.enter())
        await asyncio.sleep(1)
        first.cancel()
        window.leave()
        await asyncio.wait_for(second, 1)
        assert first.cancelled()
        third = asyncio.create_task(window.enter())
        await asyncio.sleep(1)
        second_place_given = asyncio.create_task(window.enter())
        window.leave()  # third has the place now, and is cancelled before it can use it
        third.cancel()
        await asyncio.wait_for(second_place_given, 1)
        assert third.cancelled()
        nobody_else = asyncio.create_task(window.enter())
        await asyncio.sleep(1)
        assert not nobody_else.done()
        nobody_else.cancel()

    virtual(main())


def test_whoever_was_cancelled_in_one_event_loop_holds_up_nobody_in_the_next():
    window = Window(1)

    async def cancelled():
        await window.enter()
        waiting = asyncio.create_task(window.enter())
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait([waiting])
        window.leave()

    async def next_one():
        await asyncio.wait_for(window.enter(), 1)

    virtual(cancelled())
    virtual(next_one())
