"""A run whose requests are sent in several parts is one run: its time, its end, and what it learned of the server."""

import time
from collections import Counter

from support.chat_server import ChatServer, answer, error
from support.scheduled import Scripted, Sink, echo, requests, run

from harness.core.records import Limits
from harness.execution.breaker import HOPELESS_IN_A_ROW
from harness.execution.ledger import KeyMaker
from harness.execution.run_state import RunState
from harness.execution.scheduler import BATCH, execute


def parts(n, of):
    """The requests of a run in so many parts."""
    every = list(requests(n))
    return [every[start : start + n // of] for start in range(0, n, n // of)]


class Slow(Scripted):
    def answer(self, requests):
        time.sleep(0.2)
        return super().answer(requests)


def test_the_parts_of_a_run_share_its_time_and_what_passes_between_them_is_free(ledger):
    driver, sink, limits = Slow([True] * 5 * BATCH), Sink(), Limits(run_timeout_s=0.5)
    state = RunState(limits)
    for part in parts(5 * BATCH, 5):
        execute(part, driver=driver, keys=KeyMaker("p", {}), ledger=ledger, limits=limits, sink=sink, state=state)
        time.sleep(0.2)
    assert len(ledger) == 3 * BATCH, "the third began in time, 0.4 s after the first, waits aside"
    assert Counter(failure.kind for failure in sink.failures()) == {"stopped": 2 * BATCH}


def test_a_deadline_in_the_second_part_ends_it_on_its_way(ledger):
    with ChatServer(lambda call: answer("yes", delay_s=0.1)) as server:
        run(server.base_url, ledger, requests(1))  # the client is imported
        state = RunState(Limits(concurrency=2, timeout_s=20, run_timeout_s=2.0))
        first = run(server.base_url, ledger, list(requests(21)), state=state, concurrency=2, run_timeout_s=2.0)
        assert not first.failures()
        second = run(server.base_url, ledger, list(requests(200))[21:], state=state, concurrency=2, run_timeout_s=2.0)
        assert 0 < server.count - 21 < 30
    assert {failure.kind for failure in second.failures()} == {"stopped"}


def test_what_was_learned_of_a_server_holds_in_the_next_part(ledger):
    """The server takes 40 requests in any second, and says so only by refusing the next."""
    taken, refused = [], [0]

    def limited(call):
        now = time.monotonic()
        taken[:] = [at for at in taken if at > now - 1]
        if len(taken) >= 40:
            refused[-1] += 1
            return error(429, headers={"retry-after": "1"})
        taken.append(now)
        return echo(call)

    with ChatServer(limited) as server:
        state = RunState(Limits(concurrency=32, timeout_s=20, retries=3))
        for part in parts(320, 4):
            sink = run(server.base_url, ledger, part, concurrency=32, state=state)
            assert not sink.failures()
            refused.append(0)
    assert len(ledger) == 320
    assert refused[0] > 0
    assert max(refused[1:]) <= 5, f"a burst of refusals in a later part: {refused}"


def test_an_endpoint_that_is_down_is_not_asked_again_by_the_next_part(ledger):
    with ChatServer(lambda call: error(401, "no such key")) as server:
        state = RunState(Limits(concurrency=1, timeout_s=20, retries=3))
        for part in parts(40, 2):
            sink = run(server.base_url, ledger, part, concurrency=1, state=state)
        assert server.count == HOPELESS_IN_A_ROW
    assert {failure.kind for failure in sink.failures()} == {"stopped"}
    assert len(sink.failures()) == 20
