"""Models over a network, from a real server: limits that it has, troubles, deadlines, Ctrl-C."""

import asyncio
import gc
import itertools
import signal
import socket
import threading
import time
from collections import Counter

import pytest
from support.chat_server import ChatServer, Reply, answer, completion, error, html, json_reply
from support.scheduled import Sink, echo, expected, press_ctrl_c, requests, run

from harness.core.errors import DriverError
from harness.core.records import Failure, Limits, Response
from harness.execution import remote
from harness.execution.breaker import EXHAUSTED_IN_A_ROW, HOPELESS_IN_A_ROW
from harness.execution.ledger import KeyMaker
from harness.execution.scheduler import Progress, execute

# ----------------------------------------------------------------------------------------------- a server with troubles


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


# ------------------------------------------------------------------------------------------------- a server with limits


def test_rate_limits_take_no_retries(ledger):
    with ChatServer(lambda call: error(429) if call.number < 12 else echo(call)) as server:
        sink = run(server.base_url, ledger, requests(5), concurrency=1, retries=0)
    assert sink.texts() == expected(5)


def test_after_a_refusal_nobody_sends_until_the_server_allows_it(ledger):
    arrivals = []

    def busy_once(call):
        arrivals.append(time.monotonic())
        if call.number == 8:
            return error(429, headers={"Retry-After": "0.6"})
        return answer(f"answer to {call.messages[-1]['content']}", delay_s=0.1)

    with ChatServer(busy_once) as server:
        sink = run(server.base_url, ledger, requests(40), concurrency=8)
    assert sink.texts() == expected(40)
    refused_at = arrivals[8]
    assert not [at for at in arrivals if refused_at + 0.25 < at < refused_at + 0.6]


def test_a_limit_of_the_server_is_kept_when_it_says_that_nothing_is_left(ledger):
    arrivals = []

    def counting(call):
        arrivals.append(time.monotonic())
        left = 4 - call.number % 5
        headers = {"x-ratelimit-remaining-requests": str(left), "x-ratelimit-reset-requests": "300ms"}
        return json_reply(completion("{}"), headers=headers)

    with ChatServer(counting) as server:
        run(server.base_url, ledger, requests(20), concurrency=1)
    waits = [later - before for before, later in itertools.pairwise(arrivals)]
    assert [turn for turn, wait in enumerate(waits) if wait >= 0.3] == [4, 9, 14]


def test_a_limit_of_tokens_that_is_used_up_is_waited_for(ledger):
    arrivals = []

    def counting(call):
        arrivals.append(time.monotonic())
        left = "10" if call.number == 3 else "5000"  # an answer takes 18
        return json_reply(
            completion("{}"), headers={"x-ratelimit-remaining-tokens": left, "x-ratelimit-reset-tokens": "400ms"}
        )

    with ChatServer(counting) as server:
        run(server.base_url, ledger, requests(6), concurrency=1)
    waits = [later - before for before, later in itertools.pairwise(arrivals)]
    assert [turn for turn, wait in enumerate(waits) if wait >= 0.4] == [3]


def test_a_request_that_meets_nothing_but_rate_limits_is_given_up(ledger, monkeypatch):
    monkeypatch.setattr(remote, "RATE_LIMITED_FOR_S", 0.3)
    with ChatServer(lambda call: error(429, "come back tomorrow")) as server:
        sink = run(server.base_url, ledger, requests(300), concurrency=8)
        assert server.count < 300
    kinds = Counter(failure.kind for failure in sink.failures())
    assert kinds["rate_limited"] >= HOPELESS_IN_A_ROW
    assert kinds["stopped"] + kinds["rate_limited"] == 300
    assert "come back tomorrow" in next(f.message for f in sink.failures() if f.kind == "stopped")


def test_tokens_per_minute_are_spread_evenly(ledger):
    arrivals = []

    def note(call):
        arrivals.append(time.monotonic())
        return answer("{}")  # 18 tokens

    with ChatServer(note) as server:
        run(server.base_url, ledger, requests(8), concurrency=1, tokens_per_minute=18 * 60 * 10)  # ten answers a second
    waits = [later - before for before, later in itertools.pairwise(arrivals)]
    assert sum(waits[1:]) >= 6 * 0.08


def test_a_server_that_only_fails_is_not_asked_for_an_hour(ledger, impatient):
    with ChatServer(lambda call: error(500, "out of memory")) as server:
        sink = run(server.base_url, ledger, requests(2000), retries=2)
        assert server.count < 3 * (EXHAUSTED_IN_A_ROW + 8)
    kinds = Counter(failure.kind for failure in sink.failures())
    assert kinds["server_error"] + kinds["stopped"] == 2000
    assert kinds["server_error"] >= EXHAUSTED_IN_A_ROW
    message = next(failure.message for failure in sink.failures() if failure.kind == "stopped")
    assert message.startswith(f"not asked, since {EXHAUSTED_IN_A_ROW} in a row failed: http://127.0.0.1:")
    assert "out of memory" in message


def test_latency_is_that_of_the_attempt_that_succeeded(ledger, impatient):
    def slow_failure(call):
        return Reply(status=500, delay_s=0.5) if call.number == 0 else answer("{}", delay_s=0.1)

    with ChatServer(slow_failure) as server:
        ((reply,),) = run(server.base_url, ledger, requests(1)).replies.values()
        ((again,),) = run(server.base_url, ledger, requests(1)).replies.values()
    assert 0.1 <= reply.latency_s < 0.4
    assert again.latency_s == reply.latency_s


# -------------------------------------------------------------------------------------------------- a hopeless endpoint


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


# --------------------------------------------------------------------------------------------------------------- Ctrl-C


def test_ctrl_c_finishes_what_is_under_way_and_sends_nothing_more(ledger, listening):
    with ChatServer(lambda call: answer(call.messages[-1]["content"], delay_s=0.2)) as server:
        progress = Progress(total=500)
        threading.Timer(0.5, press_ctrl_c).start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            run(server.base_url, ledger, requests(500), sink=Sink(), concurrency=16, progress=progress)
        assert time.monotonic() - started < 3
        assert 16 <= server.count < 100
        assert len(ledger) == progress.answered == server.count
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_while_the_server_asks_to_wait_ends_at_once(ledger, listening):
    with ChatServer(lambda call: error(429, headers={"Retry-After": "50"})) as server:
        threading.Timer(0.5, press_ctrl_c).start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            run(server.base_url, ledger, requests(50), concurrency=4)
        assert time.monotonic() - started < 3
        assert server.count <= 4


def test_a_second_ctrl_c_does_not_wait_for_what_is_under_way(ledger, listening):
    def first_then_nothing(call):
        return echo(call) if call.number < 5 else Reply(manner="hang")

    with ChatServer(first_then_nothing) as server:
        for after_s in (0.5, 1.0):
            threading.Timer(after_s, press_ctrl_c).start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            run(server.base_url, ledger, requests(50), concurrency=4, timeout_s=30)
        assert time.monotonic() - started < 5
        gc.collect()
    assert len(ledger) == 5


def test_what_is_under_way_after_ctrl_c_gets_the_time_of_one_attempt(ledger, listening):
    with ChatServer(lambda call: Reply(manner="drip")) as server:
        threading.Timer(0.2, press_ctrl_c).start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            run(server.base_url, ledger, requests(50), concurrency=4, timeout_s=0.5)
        assert time.monotonic() - started < 3
        assert server.count == 4


# ------------------------------------------------------------------------------------------------------------ deadlines


def test_a_run_that_takes_too_long_stops_and_resumes(ledger):
    with ChatServer(lambda call: answer(f"answer to {call.messages[-1]['content']}", delay_s=0.1)) as server:
        sink = run(server.base_url, ledger, requests(200), concurrency=4, run_timeout_s=0.55)
        answered = server.count
        assert 8 <= answered < 40
        assert len(ledger) == answered
        stopped = [failure for failure in sink.failures() if failure.kind == "stopped"]
        assert len(stopped) == 200 - answered == len(sink.failures())
        (message,) = {failure.message for failure in stopped}
        assert message == (
            "not asked, since the run took longer than its 0.55 s (`limits: {run_timeout_s: ...}` of the adapter); the "
            "same command asks for the rest"
        )
        assert run(server.base_url, ledger, requests(200), concurrency=64).texts() == expected(200)
        assert server.count == 200


def test_a_driver_that_has_no_deadline_of_its_own_is_not_waited_for_forever(ledger):
    class Deaf:
        def identity(self):
            return {"deaf": "1"}

        async def answer(self, request):
            await asyncio.sleep(60)

        async def close(self):
            """Nothing is open."""

    sink, started = Sink(), time.monotonic()
    limits = Limits(concurrency=3, run_timeout_s=0.2, timeout_s=0.3)
    execute(requests(9), driver=Deaf(), keys=KeyMaker("deaf", {}), ledger=ledger, limits=limits, sink=sink)
    assert time.monotonic() - started < 3
    assert Counter(failure.kind for failure in sink.failures()) == {"stopped": 9}
    assert sum(failure.message.startswith("no answer within 0.3 s after") for failure in sink.failures()) == 3
