"""What headers say about rate limits, well-meant and not."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as generators

from harness.core.records import Headroom
from harness.drivers.rate_headers import LONGEST_S, headroom, reset_s


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("20ms", 0.02),
        ("6m0s", 360.0),
        ("1m3.951s", 63.951),
        ("1h2m3s", 3723.0),
        ("0s", 0.0),
        ("0.5", 0.5),
        (" 7 ", 7.0),
        ("1970-01-01T00:16:45Z", 5.0),
        ("1970-01-01T00:00:00+00:00", 0.0),
    ],
)
def test_a_reset_is_read_in_every_form(text, seconds):
    assert reset_s(text, now=1000.0) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "-1", "-5s", "1e999", "nan", "inf", "1767225600", "99d", "1s2", "s", "9" * 5000 + "s", "1s" * 99],
)
def test_a_reset_that_makes_no_sense_is_not_believed(text):
    assert reset_s(text, now=1000.0) is None


def test_openai_headers():
    headers = {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert headroom(headers, now=0) == Headroom(requests=0, requests_reset_s=1.0, tokens=149984, tokens_reset_s=360.0)


def test_anthropic_headers():
    headers = {
        "anthropic-ratelimit-requests-remaining": "3",
        "anthropic-ratelimit-requests-reset": "1970-01-01T00:00:09Z",
    }
    assert headroom(headers, now=5) == Headroom(requests=3, requests_reset_s=4.0)


@pytest.mark.parametrize("value", ["", "many", "-1", "nan", "inf", "1" * 100])
def test_a_remainder_that_is_no_amount_says_nothing(value):
    assert headroom({"x-ratelimit-remaining-requests": value, "x-ratelimit-reset-requests": "1s"}, now=0) is None


def test_other_headers_say_nothing():
    assert headroom({"content-type": "application/json", "x-ratelimit-reset-requests": "1s"}, now=0) is None


@given(generators.text(max_size=80))
def test_whatever_a_server_sends_is_bounded(text):
    found = reset_s(text, now=1e9)
    assert found is None or (math.isfinite(found) and 0 <= found <= LONGEST_S)
