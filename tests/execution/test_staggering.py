"""Requests leave one after the other: which are made in the same round of the event loop, and what cancelling does."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from harness.execution.staggering import TURNS_OF_LOOP, Stagger


async def _rounds(workers: int) -> list[tuple[int, int]]:
    """(worker, round of the loop) for each worker that gets its turn, in the order of the turns."""
    stagger, loop = Stagger(), asyncio.get_running_loop()
    got: list[tuple[int, int]] = []
    rounds = 0

    def count() -> None:
        nonlocal rounds
        rounds += 1
        if len(got) < workers:
            loop.call_soon(count)

    async def work(name: int) -> None:
        await stagger.turn()
        got.append((name, rounds))

    loop.call_soon(count)
    await asyncio.gather(*(work(name) for name in range(workers)))
    return got


def test_turns_come_in_order_and_far_enough_apart_for_a_request_to_leave() -> None:
    got = asyncio.run(_rounds(5))

    assert [name for name, _ in got] == [0, 1, 2, 3, 4]
    rounds = [at for _, at in got]
    assert all(after - before >= TURNS_OF_LOOP for before, after in pairwise(rounds))


def test_a_lone_worker_does_not_wait() -> None:
    async def main() -> None:
        with pytest.raises(StopIteration):
            Stagger().turn().send(None)

    asyncio.run(main())


@pytest.mark.parametrize("cancelled", [{1}, {2}, {1, 2}, {1, 2, 3}])
def test_who_is_cancelled_holds_nobody_up(cancelled: set[int]) -> None:
    async def main() -> list[int]:
        stagger, got = Stagger(), list[int]()

        async def work(name: int) -> None:
            await stagger.turn()
            got.append(name)

        tasks = [asyncio.create_task(work(name)) for name in range(5)]
        await asyncio.sleep(0)
        for name in cancelled:
            tasks[name].cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)
            await stagger.turn()
        return got

    assert asyncio.run(main()) == [name for name in range(5) if name not in cancelled]


def test_who_is_cancelled_when_its_turn_has_just_come_passes_it_on() -> None:
    async def main() -> list[str]:
        stagger, got = Stagger(), list[str]()

        async def work(name: str) -> None:
            await stagger.turn()
            got.append(name)

        first, second, third = (asyncio.create_task(work(name)) for name in "abc")
        waiting = stagger._waiting
        while "a" not in got or len(waiting) > 1:
            await asyncio.sleep(0)
        second.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(first, second, third, return_exceptions=True)
        return got

    assert asyncio.run(main()) == ["a", "c"]
