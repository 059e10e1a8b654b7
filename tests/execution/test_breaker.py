"""When a run gives up on its endpoint."""

import pytest

from harness.core.records import Failure, Response
from harness.execution.breaker import EXHAUSTED_IN_A_ROW, HOPELESS_IN_A_ROW, Breaker
from harness.execution.stopping import Stop

ANSWER = Response(text="{}")


def noted(*replies):
    stop = Stop()
    breaker = Breaker(stop)
    for reply in replies:
        breaker.note(reply)
    return stop.refusal


def failure(kind, *, retryable=False):
    return Failure(kind=kind, message=f"it was {kind}", retryable=retryable)


@pytest.mark.parametrize("kind", ["auth", "not_found", "connection", "rate_limited"])
def test_what_the_next_request_would_meet_too_stops_soon(kind):
    assert noted(*[failure(kind)] * (HOPELESS_IN_A_ROW - 1)) is None
    refusal = noted(*[failure(kind)] * HOPELESS_IN_A_ROW)
    assert refusal.kind == "stopped"
    assert refusal.message == f"not asked, since {HOPELESS_IN_A_ROW} in a row failed: it was {kind}"


@pytest.mark.parametrize("kind", ["server_error", "timeout", "bad_response"])
def test_what_was_retried_in_vain_stops_after_many(kind):
    assert noted(*[failure(kind, retryable=True)] * (EXHAUSTED_IN_A_ROW - 1)) is None
    refusal = noted(*[failure(kind, retryable=True)] * EXHAUSTED_IN_A_ROW)
    assert refusal.message == f"not asked, since {EXHAUSTED_IN_A_ROW} in a row failed: it was {kind}"


def test_kinds_add_up_to_an_outage():
    mixed = [failure("timeout", retryable=True), failure("connection", retryable=True)]
    assert noted(*mixed * (EXHAUSTED_IN_A_ROW // 2)) is not None


@pytest.mark.parametrize("between", [ANSWER, failure("bad_request")])
def test_a_sign_of_life_starts_the_count_anew(between):
    bad = [failure("auth")] * (HOPELESS_IN_A_ROW - 1)
    worse = [failure("server_error", retryable=True)] * (EXHAUSTED_IN_A_ROW - 1)
    assert noted(*bad, between, *bad, between, *worse, between, *worse) is None


def test_the_first_cause_is_the_one_that_is_told():
    refusal = noted(*[failure("auth")] * HOPELESS_IN_A_ROW, *[failure("not_found")] * HOPELESS_IN_A_ROW)
    assert "auth" in refusal.message
