"""The scheduler with the real driver against a real server that fails on purpose, and with a model in this process."""

import gc
import itertools
import signal
import socket
import threading
import time
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chat_server import ChatServer, Reply, answer, error, html, json_reply

from harness.core.errors import DriverError
from harness.core.prompting import make_prompt
from harness.core.records import Adapter, Failure, Limits, Request, Response, Settings
from harness.core.schemas import AnswerSchema
from harness.drivers.openai_chat import OpenAIChatDriver
from harness.execution import remote
from harness.execution.breaker import HOPELESS_IN_A_ROW
from harness.execution.ledger import KeyMaker, Ledger
from harness.execution.scheduler import BATCH, LOOKUP, Progress, execute

PROMPT = make_prompt("Route the ticket.", AnswerSchema({"type": "object", "properties": {"n": {"type": "integer"}}}))


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture
def impatient(monkeypatch):
    """Retries without the wait, for tests that are about something else."""
    monkeypatch.setattr(remote, "FIRST_BACKOFF_S", 0.01)


def requests(n):
    for i in range(n):
        yield Request(prompt=PROMPT, case_id=f"c{i}", repeat=0, inputs={"text": f"ticket {i}"}, settings=Settings())


def echo(call):
    return answer(f"answer to {call.messages[-1]['content']}")


class Sink:
    """What came back, by case; at the reply `stop_at`, `stop` is called."""

    def __init__(self, *, stop_at=None, stop=None):
        self.replies = defaultdict(list)
        self.stop_at, self.stop = stop_at, stop

    def __call__(self, request, reply):
        self.replies[request.case_id].append(reply)
        if sum(map(len, self.replies.values())) == self.stop_at:
            self.stop()

    def all(self):
        return [reply for replies in self.replies.values() for reply in replies]

    def texts(self):
        return {name: [r.text for r in replies if isinstance(r, Response)] for name, replies in self.replies.items()}

    def failures(self):
        return [reply for reply in self.all() if isinstance(reply, Failure)]


def run(base_url, ledger, stream, *, sink=None, progress=None, **limits):
    sink = sink or Sink()
    limits = Limits(**{"concurrency": 8, "retries": 3, "timeout_s": 20} | limits)
    adapter = Adapter(
        name="gpt", driver="openai_chat", model="m", options={"base_url": base_url}, limits=limits, file="gpt.yaml"
    )
    driver = OpenAIChatDriver(adapter, environment={})
    keys = KeyMaker("openai_chat", driver.identity())
    execute(stream, driver=driver, keys=keys, ledger=ledger, limits=limits, sink=sink, progress=progress)
    return sink


def expected(n):
    return {f"c{i}": [f"answer to ticket {i}"] for i in range(n)}


# ------------------------------------------------------------------------------------------------- a healthy server


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


# -------------------------------------------------------------------------------------------- a server with troubles


def test_a_server_that_asks_to_wait_is_asked_again_after_that_time(ledger, impatient):
    arrivals = []

    def busy_twice(call):
        arrivals.append(time.monotonic())
        return error(429, "slow down", headers={"Retry-After": "0.3"}) if call.number < 2 else echo(call)

    with ChatServer(busy_twice) as server:
        sink = run(server.base_url, ledger, requests(1))
    assert sink.texts() == expected(1)
    assert [later - before >= 0.3 for before, later in itertools.pairwise(arrivals)] == [True, True]


def test_waits_between_retries_grow(ledger, monkeypatch):
    monkeypatch.setattr(remote, "FIRST_BACKOFF_S", 0.1)
    arrivals = []

    def broken(call):
        arrivals.append(time.monotonic())
        return error(500)

    with ChatServer(broken) as server:
        run(server.base_url, ledger, requests(1), retries=2)
    first, second = (later - before for before, later in itertools.pairwise(arrivals))
    assert first >= 0.05
    assert 0.1 <= second < 5


def test_exhausted_retries_are_a_failure_that_is_asked_again_next_time(ledger, impatient):
    with ChatServer(lambda call: error(503, "overloaded")) as server:
        sink = run(server.base_url, ledger, requests(3), retries=2)
        assert server.count == 3 * 3
        server.behaviour = echo
        assert run(server.base_url, ledger, requests(3)).texts() == expected(3)
    assert {failure.kind for failure in sink.failures()} == {"server_error"}
    assert len(sink.failures()) == 3
    assert len(ledger) == 3


def test_what_no_retry_can_mend_is_not_retried(ledger):
    with ChatServer(lambda call: error(400, "too long") if call.number % 2 else echo(call)) as server:
        sink = run(server.base_url, ledger, requests(40), concurrency=1)
        assert server.count == 40
    assert Counter(type(reply) for reply in sink.all()) == {Response: 20, Failure: 20}
    assert {failure.kind for failure in sink.failures()} == {"bad_request"}


TROUBLES = (
    error(500),
    error(429, headers={"retry-after-ms": "5"}),
    html(502),
    json_reply({"choices": []}),
    Reply(manner="cut"),
    Reply(manner="half", body=b'{"choices"'),
    Reply(manner="raw", body=b"SSH-2.0-OpenSSH\r\n\r\n"),
)


def test_with_troubles_in_a_twentieth_of_the_calls_the_answers_are_those_of_a_healthy_server(ledger, impatient):
    kinds = itertools.cycle(TROUBLES)

    def troubled(call):
        return next(kinds) if call.number % 20 == 11 else echo(call)

    with ChatServer(troubled) as server:
        sink = run(server.base_url, ledger, requests(400), concurrency=16)
        assert server.count > 400
    assert sink.texts() == expected(400)


@pytest.mark.parametrize(
    "reply",
    [Reply(manner="raw", body=b"\x00\xff" * 50), html(), Reply(body=b"[" * 10_000), json_reply({"choices": "none"})],
    ids=["no HTTP", "a web page", "brackets", "no completion"],
)
def test_garbage_is_a_failure_of_its_case_and_does_not_end_the_run(ledger, impatient, reply):
    with ChatServer(lambda call: reply if call.messages[-1]["content"] == "ticket 3" else echo(call)) as server:
        sink = run(server.base_url, ledger, requests(10), retries=1)
        assert server.count == 11
    (failure,) = sink.replies["c3"]
    assert failure.kind == "bad_response"
    assert sink.texts() == expected(10) | {"c3": []}


def test_a_server_that_never_answers_is_a_timeout(ledger):
    with ChatServer(lambda call: Reply(manner="hang")) as server:
        sink = run(server.base_url, ledger, requests(6), timeout_s=0.2, retries=0)
    assert [failure.kind for failure in sink.failures()] == ["timeout"] * 6
    assert "did not answer within 0.2 s" in sink.failures()[0].message
    assert len(ledger) == 0


# ----------------------------------------------------------------------------------------------- a hopeless endpoint


def no_server():
    """The address of a port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def test_a_dead_server_stops_the_run_with_one_message(ledger, impatient):
    started = time.monotonic()
    sink = run(no_server(), ledger, requests(5000), retries=1)
    assert time.monotonic() - started < 20
    kinds = Counter(failure.kind for failure in sink.failures())
    assert sum(kinds.values()) == len(sink.replies) == 5000
    assert HOPELESS_IN_A_ROW <= kinds["connection"] < HOPELESS_IN_A_ROW + 8
    (message,) = {failure.message for failure in sink.failures() if failure.kind == "stopped"}
    assert message.startswith(f"not asked, since {HOPELESS_IN_A_ROW} in a row failed: no answer from http://127.0.0.1:")
    assert "is the server running?" in message


@pytest.mark.parametrize(("status", "kind"), [(401, "auth"), (404, "not_found")])
def test_a_server_that_refuses_everything_is_not_asked_thousands_of_times(ledger, status, kind):
    with ChatServer(lambda call: error(status, "no")) as server:
        sink = run(server.base_url, ledger, requests(2000))
    assert HOPELESS_IN_A_ROW <= server.count < HOPELESS_IN_A_ROW + 8
    kinds = Counter(failure.kind for failure in sink.failures())
    assert kinds == {kind: server.count, "stopped": 2000 - server.count}


def test_refusals_between_answers_stop_nothing(ledger):
    with ChatServer(lambda call: error(404) if call.number % HOPELESS_IN_A_ROW else echo(call)) as server:
        sink = run(server.base_url, ledger, requests(100), concurrency=1)
        assert server.count == 100
    assert Counter(failure.kind for failure in sink.failures()) == {"not_found": 80}


def test_a_run_after_a_stopped_one_asks_for_the_rest(ledger):
    with ChatServer(lambda call: echo(call) if call.number < 30 else error(401)) as server:
        sink = run(server.base_url, ledger, requests(100), concurrency=2)
        answered = len(ledger)
        assert answered == 30
        assert {failure.kind for failure in sink.failures()} == {"auth", "stopped"}
        server.behaviour, before = echo, server.count
        assert run(server.base_url, ledger, requests(100)).texts() == expected(100)
        assert server.count - before == 70


def test_an_address_that_the_client_refuses_is_one_error_with_what_to_do(ledger):
    with pytest.raises(DriverError, match=r"gpt\.yaml: base_url .* is not an address"):
        run("http://ü" + "x" * 80 + "/v1", ledger, requests(20))


# -------------------------------------------------------------------------------------------------- interrupted runs


def interrupt():
    raise KeyboardInterrupt


def press_ctrl_c():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("stop", [interrupt, press_ctrl_c], ids=["raised", "Ctrl-C"])
def test_an_interrupted_run_keeps_what_was_answered(ledger, stop):
    with ChatServer(echo) as server:
        stopped = Sink(stop_at=100, stop=stop)
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


# ------------------------------------------------------------------------------------------- a model in this process


class Scripted:
    """Answers by a script of one entry per case: True an answer, False a failure."""

    def __init__(self, script):
        self.script = script
        self.asked = Counter()
        self.largest = 0

    def identity(self):
        return {"scripted": "1"}

    def answer(self, requests):
        self.largest = max(self.largest, len(requests))
        self.asked.update(request.case_id for request in requests)
        return [
            Response(text=request.case_id)
            if self.script[int(request.case_id[1:])]
            else Failure(kind="exception", message="no")
            for request in requests
        ]

    def close(self):
        """Nothing is held open."""


def run_batches(driver, ledger, stream, *, sink=None):
    sink = sink or Sink()
    keys = KeyMaker("python", driver.identity())
    execute(stream, driver=driver, keys=keys, ledger=ledger, limits=Limits(), sink=sink)
    return sink


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


def test_an_answer_too_few_is_an_error_not_a_shift_of_answers(ledger):
    class Short(Scripted):
        def answer(self, requests):
            return super().answer(requests)[1:]

    with pytest.raises(ValueError, match="zip"):
        run_batches(Short([True] * 10), ledger, requests(10))


# ------------------------------------------------------------------------------------------------------------ memory


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
