"""The scheduler: the ledger first, every answer stored once, order, batches, memory."""

import gc
import threading
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chat_server import ChatServer, answer, error
from support.scheduled import Scripted, Sink, echo, expected, press_ctrl_c, requests, run, run_batches

from harness.core.records import Limits, Response
from harness.execution.ledger import KeyMaker, Ledger
from harness.execution.scheduler import BATCH, LOOKUP, Progress, execute

# ----------------------------------------------------------------------------------------------------- a healthy server


def test_every_request_is_answered_once_and_a_second_run_asks_nothing(ledger):
    with ChatServer(echo) as server:
        first = run(server.base_url, ledger, requests(300))
        assert (first.texts(), server.count, len(ledger)) == (expected(300), 300, 300)
        second = run(server.base_url, ledger, requests(300))
        assert (second.replies, server.count) == (first.replies, 300)


def test_only_new_cases_are_asked(ledger):
    with ChatServer(echo) as server:
        run(server.base_url, ledger, requests(300))
        assert run(server.base_url, ledger, requests(330)).texts() == expected(330)
        assert server.count == 330


def test_nothing_is_asked_for_no_requests(ledger):
    with ChatServer(echo) as server:
        assert run(server.base_url, ledger, requests(0)).all() == []
        assert server.count == 0


@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_no_more_requests_are_under_way_than_the_limit_allows(ledger, concurrency):
    with ChatServer(lambda call: answer("{}", delay_s=0.15)) as server:
        run(server.base_url, ledger, requests(4 * concurrency), concurrency=concurrency)
    assert server.most_at_once == concurrency
    assert server.count == 4 * concurrency


def test_requests_per_minute_are_spread_evenly(ledger):
    arrivals = []

    def note(call):
        arrivals.append(time.monotonic())
        return answer("{}")

    with ChatServer(note) as server:
        started = time.monotonic()
        run(server.base_url, ledger, requests(9), requests_per_minute=1200)  # one in 0.05 s
    assert len(arrivals) == 9
    assert all(arrived - started >= turn * 0.05 for turn, arrived in enumerate(arrivals)), arrivals


def test_progress_counts_every_request_once(ledger):
    twice = [*requests(20), *requests(20)]  # the same inputs may stand in a holdout twice
    with ChatServer(lambda call: error(400) if call.messages[-1]["content"] == "ticket 7" else echo(call)) as server:
        seen, first, second = [], Progress(total=40), Progress(total=40)
        first.changed = lambda progress: seen.append(progress.done)
        run(server.base_url, ledger, twice, progress=first)
        run(server.base_url, ledger, twice, progress=second)
    assert (first.stored, first.answered, first.failed, first.done) == (0, 38, 2, 40)
    assert (second.stored, second.answered, second.failed, second.done) == (38, 0, 2, 40)
    assert seen == sorted(seen)


# ----------------------------------------------------------------------------------------------------- interrupted runs


def interrupt():
    raise KeyboardInterrupt


def test_a_run_that_breaks_keeps_what_was_answered(ledger):
    with ChatServer(echo) as server:
        stopped = Sink(stop_at=100, stop=interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(server.base_url, ledger, requests(500), sink=stopped, concurrency=4)
        gc.collect()  # asyncio logs the interrupted task now, and not into another test's output
        kept, before = len(ledger), server.count
        assert 100 <= kept < 500
        assert before <= kept + 4
        again = run(server.base_url, ledger, requests(500))
        assert server.count - before == 500 - kept
    assert again.texts() == expected(500)
    assert all(again.replies[name] == replies for name, replies in stopped.replies.items())


def test_connections_are_closed_after_a_run(ledger):
    with ChatServer(echo) as server:
        for _ in range(3):
            with Ledger(ledger.path.with_name(f"{time.monotonic_ns()}.sqlite")) as other:
                run(server.base_url, other, requests(20))
        assert server.count == 60
    assert [t.name for t in threading.enumerate() if "asyncio" in t.name] == []


# ---------------------------------------------------------------------------------------------- a model in this process


@settings(deadline=None, max_examples=40)
@given(st.lists(st.booleans() | st.just(True), max_size=3 * BATCH), st.integers(min_value=0, max_value=3))
def test_every_request_reaches_the_sink_exactly_once_and_only_failures_are_asked_again(
    tmp_path_factory, script, copies
):
    stream = list(requests(len(script))) * copies
    with Ledger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite") as ledger:
        driver = Scripted(script)
        first = run_batches(driver, ledger, stream)
        asked = driver.asked.copy()
        second = run_batches(driver, ledger, stream)
        assert len(ledger) == (sum(script) if copies else 0)
    for sink in (first, second):
        for i, right in enumerate(script):
            assert [isinstance(reply, Response) for reply in sink.replies[f"c{i}"]] == [right] * copies
    assert driver.asked - asked == Counter({f"c{i}": copies for i, right in enumerate(script) if not right and copies})
    assert driver.largest <= BATCH


def test_an_interrupted_model_keeps_what_was_answered(ledger):
    driver = Scripted([True] * 300)
    with pytest.raises(KeyboardInterrupt):
        run_batches(driver, ledger, requests(300), sink=Sink(stop_at=150, stop=interrupt))
    assert len(ledger) == 150
    run_batches(driver, ledger, requests(300))
    assert len(ledger) == 300
    assert sum(driver.asked.values()) == 3 * BATCH + 150


def test_ctrl_c_finishes_the_batch(ledger, listening):
    class Pressed(Scripted):
        def answer(self, requests):
            if requests[0].case_id == f"c{BATCH}":
                press_ctrl_c()
            return super().answer(requests)

    driver, sink = Pressed([True] * 300), Sink()
    with pytest.raises(KeyboardInterrupt):
        run_batches(driver, ledger, requests(300), sink=sink)
    assert len(ledger) == len(sink.replies) == sum(driver.asked.values()) == 2 * BATCH
    run_batches(Scripted([True] * 300), ledger, requests(300))
    assert len(ledger) == 300


def test_a_model_in_this_process_keeps_the_deadline_too(ledger):
    class Slow(Scripted):
        def answer(self, requests):
            time.sleep(0.2)
            return super().answer(requests)

    driver, sink = Slow([True] * 300), Sink()
    limits = Limits(run_timeout_s=0.1)
    execute(requests(300), driver=driver, keys=KeyMaker("python", {}), ledger=ledger, limits=limits, sink=sink)
    assert len(ledger) == BATCH
    assert Counter(failure.kind for failure in sink.failures()) == {"stopped": 300 - BATCH}


def test_an_answer_too_few_is_an_error_not_a_shift_of_answers(ledger):
    class Short(Scripted):
        def answer(self, requests):
            return super().answer(requests)[1:]

    with pytest.raises(ValueError, match="zip"):
        run_batches(Short([True] * 10), ledger, requests(10))


# --------------------------------------------------------------------------------------------------------------- memory


class Watched:
    """Requests, with the largest number that was ever taken and not yet answered."""

    def __init__(self, n):
        self.n, self.taken, self.answered, self.largest_lead = n, 0, 0, 0

    def __iter__(self):
        for request in requests(self.n):
            self.taken += 1
            self.largest_lead = max(self.largest_lead, self.taken - self.answered)
            yield request

    def sink(self, request, reply):
        self.answered += 1


@pytest.mark.parametrize("stored", [0, 1500, 3000])
def test_requests_are_taken_from_the_stream_as_they_are_answered(ledger, stored):
    driver = Scripted([True] * 3000)
    run_batches(driver, ledger, requests(stored))
    watched = Watched(3000)
    run_batches(driver, ledger, watched, sink=watched.sink)
    assert (watched.taken, watched.answered) == (3000, 3000)
    assert watched.largest_lead <= LOOKUP + BATCH


def test_a_remote_model_gets_its_requests_from_the_stream_too(ledger):
    watched = Watched(700)
    with ChatServer(echo, record=False) as server:
        run(server.base_url, ledger, watched, sink=watched.sink, concurrency=16)
    assert watched.answered == 700
    assert watched.largest_lead <= LOOKUP + 16
