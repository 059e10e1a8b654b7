"""The OpenAI-compatible driver through the real client library, against a server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as generators
from support.chat_server import Behaviour, ChatServer, Reply, answer, completion, error, html, json_reply, tokens_reply

from harness.core.errors import DriverError
from harness.core.prompting import make_prompt
from harness.core.records import Adapter, Decoding, Failure, Limits, Prompt, Request, Response, Settings, Usage
from harness.core.schemas import AnswerSchema
from harness.drivers.openai_chat import OddAnswer, OpenAIChatDriver, read_completion
from harness.drivers.openai_transport import MAX_BODY_BYTES
from harness.drivers.rate_headers import retry_after_s

KEY = "sk-live-0123456789"
SCHEMA = {
    "title": "ticket",
    "type": "object",
    "additionalProperties": False,
    "required": ["team", "urgent"],
    "properties": {"team": {"enum": ["billing", "support"]}, "urgent": {"type": "boolean"}},
    "if": {"properties": {"team": {"const": "billing"}}},
    "then": {"properties": {"urgent": {"const": False}}},
}
EXAMPLES = (
    ({"ticket": "Refund, please."}, {"urgent": False, "team": "billing"}),
    ({"ticket": "It is down!"}, {"team": "support", "urgent": True}),
)


def make_driver(
    server: ChatServer | str, *, limits: Limits | None = None, environment: dict[str, str] | None = None, **options: Any
) -> OpenAIChatDriver:
    base_url = server if isinstance(server, str) else server.base_url
    adapter = Adapter(
        name="gpt",
        driver="openai_chat",
        model="gpt-test",
        options={"base_url": base_url, "api_key": "${TEST_KEY}"} | options,
        limits=limits or Limits(timeout_s=20),
        file="adapters/gpt.yaml",
    )
    return OpenAIChatDriver(adapter, environment={"TEST_KEY": KEY} if environment is None else environment)


def prompt(*examples: Any) -> Prompt:
    return make_prompt("Route the ticket.", AnswerSchema(SCHEMA), examples)


def request(
    text: str = "Where is my invoice?", *, of: Prompt | None = None, repeat: int = 0, **changes: Any
) -> Request:
    return Request(
        prompt=of or prompt(), case_id="t1", repeat=repeat, inputs={"ticket": text}, settings=Settings(**changes)
    )


async def ask_and_close(driver: OpenAIChatDriver, *requests: Request) -> list[Response | Failure]:
    try:
        return await asyncio.gather(*(driver.answer(r) for r in requests))
    finally:
        await driver.close()


def ask(driver: OpenAIChatDriver, of: Request | None = None) -> Response | Failure:
    return asyncio.run(ask_and_close(driver, of or request()))[0]


def fail(behaviour: Reply | Behaviour, **options: Any) -> Failure:
    with ChatServer((lambda call: behaviour) if isinstance(behaviour, Reply) else behaviour) as server:
        reply = ask(make_driver(server, **options))
    assert isinstance(reply, Failure)
    return reply


def sent(of: Request | None = None, **options: Any) -> dict[str, Any]:
    """The body that arrives at the server for one request."""
    with ChatServer(lambda call: answer("{}")) as server:
        assert isinstance(ask(make_driver(server, **options), of), Response)
    assert server.calls[0].path == "/v1/chat/completions"
    body: dict[str, Any] = server.calls[0].body
    return body


# ------------------------------------------------------------------------------------------------- what is asked


def test_a_request_is_sent_as_instructions_example_pairs_and_the_case() -> None:
    body = sent(request("Where is my invoice?", of=prompt(*EXAMPLES)))
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "user", "assistant", "user"]
    system, *pairs, case = [m["content"] for m in body["messages"]]
    assert system.startswith("Route the ticket.\n\n")
    assert system.endswith(json.dumps(SCHEMA))
    assert pairs == [
        "Refund, please.",
        '{"team": "billing", "urgent": false}',
        "It is down!",
        '{"team": "support", "urgent": true}',
    ]
    assert case == "Where is my invoice?"
    assert {k: v for k, v in body.items() if k != "messages"} == {
        "model": "gpt-test",
        "temperature": 0.0,
        "max_tokens": 256,
    }


def test_examples_can_stand_inside_the_prompt() -> None:
    body = sent(request(of=prompt(*EXAMPLES)), examples_as="prompt")
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert body["messages"][0]["content"] == (
        "Route the ticket.\n\nExamples:\n\n"
        'Input:\nRefund, please.\nAnswer:\n{"team": "billing", "urgent": false}\n\n'
        'Input:\nIt is down!\nAnswer:\n{"team": "support", "urgent": true}\n\n'
        f"Answer with one JSON object and nothing else. It must fit this JSON Schema:\n{json.dumps(SCHEMA)}"
    )


def test_without_examples_both_forms_are_the_same() -> None:
    assert sent()["messages"] == sent(examples_as="prompt")["messages"]


def test_constrained_decoding_sends_the_lowered_schema() -> None:
    assert sent(request(decoding=Decoding.JSON_SCHEMA))["response_format"] == {
        "type": "json_schema",
        "json_schema": {
            "name": "answer",
            "strict": True,
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "required": ["team", "urgent"],
                "properties": {
                    "team": {"type": "string", "enum": ["billing", "support"]},
                    "urgent": {"type": "boolean"},
                },
            },
        },
    }


def test_a_seed_is_sent_for_sampling_and_differs_by_repeat() -> None:
    assert "seed" not in sent(request(seed=5, repeat=2))
    body = sent(request(seed=5, repeat=2, temperature=0.7, max_tokens=99))
    assert (body["seed"], body["temperature"], body["max_tokens"]) == (7, 0.7, 99)


def test_prompts_of_one_driver_are_not_mixed_up() -> None:
    first, second = prompt(), make_prompt("Another.", AnswerSchema(SCHEMA))
    with ChatServer(lambda call: answer("{}")) as server:
        asyncio.run(ask_and_close(make_driver(server), *(request(of=p) for p in (first, second, first))))
    starts = sorted(call.messages[0]["content"][:8] for call in server.calls)
    assert starts == ["Another.", "Route th", "Route th"]


def test_the_key_is_sent_as_bearer_token_and_a_placeholder_without_one() -> None:
    with ChatServer(lambda call: answer("{}")) as server:
        ask(make_driver(server))
        adapter = Adapter(name="local", driver="openai_chat", model="m", options={"base_url": server.base_url})
        ask(OpenAIChatDriver(adapter, environment={}))
    assert [call.headers["Authorization"] for call in server.calls] == [f"Bearer {KEY}", "Bearer none"]


def test_nothing_is_told_about_the_machine_that_asks() -> None:
    with ChatServer(lambda call: answer("{}")) as server:
        ask(make_driver(server))
    assert [name for name in server.calls[0].headers if name.lower().startswith("x-stainless")] == []


def test_query_and_credentials_of_the_address_are_sent() -> None:
    with ChatServer(lambda call: answer("{}")) as server:
        host = server.base_url.removeprefix("http://")
        ask(make_driver(f"http://me:password@{host}?api-version=2025-01-01"))
    call = server.calls[0]
    assert (call.path, call.query) == ("/v1/chat/completions", {"api-version": "2025-01-01"})
    assert call.headers["Authorization"] == "Basic bWU6cGFzc3dvcmQ="


def test_a_text_that_is_no_unicode_is_a_failure_not_a_crash() -> None:
    with ChatServer(lambda call: answer("{}")) as server:
        reply = ask(make_driver(server), request("\ud800"))
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.retryable, server.count) == ("bad_request", False, 0)


# ---------------------------------------------------------------------------------------------- what is answered


def test_a_completion_becomes_a_response() -> None:
    with ChatServer(lambda call: answer('{"team": "billing"}', delay_s=0.05)) as server:
        reply = ask(make_driver(server))
    assert isinstance(reply, Response)
    assert 0.05 <= reply.latency_s < 5
    assert reply == Response(
        text='{"team": "billing"}',
        finish_reason="stop",
        usage=Usage(input_tokens=11, output_tokens=7),
        latency_s=reply.latency_s,
        provider_model="scripted-1",
        provider_fingerprint="fp_1",
    )


def test_unicode_survives_both_ways() -> None:
    text = "Grüße 😀 \u202e漢字 \x00 ﷽"
    with ChatServer(lambda call: answer(call.messages[-1]["content"])) as server:
        reply = ask(make_driver(server), request(text))
    assert isinstance(reply, Response)
    assert reply.text == text


def choice(finish_reason: Any = "stop", **message: Any) -> list[Any]:
    return [{"finish_reason": finish_reason, "message": message}]


@pytest.mark.parametrize(
    ("changes", "text", "finish_reason"),
    [
        ({"choices": choice("length", content='{"te')}, '{"te', "length"),
        ({"choices": choice("length", content=None)}, "", "length"),
        ({"choices": choice("content_filter", content=None)}, "", "content_filter"),
        ({"choices": choice(content=None, refusal="I can't help with that.")}, "", "refusal"),
        ({"choices": choice(refusal="No.")}, "", "refusal"),
        ({"choices": choice(content="yes", refusal=None)}, "yes", "stop"),
        ({"choices": choice(None, content="yes")}, "yes", "unknown"),
        ({"choices": choice(content="a\ud83dZ")}, "a\ufffdZ", "stop"),
        ({"choices": choice("x" * 1000, content="yes")}, "yes", "x" * 200),
    ],
)
def test_how_an_answer_ended_is_kept(changes: dict[str, Any], text: str, finish_reason: str) -> None:
    with ChatServer(lambda call: json_reply(completion("") | changes)) as server:
        reply = ask(make_driver(server))
    assert isinstance(reply, Response)
    assert (reply.text, reply.finish_reason) == (text, finish_reason)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}])
def test_servers_may_leave_out_what_is_not_the_answer(usage: Any) -> None:
    whole = {"choices": choice(content="yes"), "usage": usage}
    assert read_completion(json.dumps(whole).encode(), latency_s=1.0) == Response(text="yes", latency_s=1.0)


def test_the_content_type_does_not_matter() -> None:
    with ChatServer(lambda call: Reply(body=json.dumps(completion("yes")).encode())) as server:
        assert isinstance(ask(make_driver(server)), Response)


# ---------------------------------------------------------------------------------------------- log-probabilities

SPELT = (('{"team": "', -0.001), ("billing", -0.25), ('"}', 0.0))


def read(*entries: Any, text: str = "yes", **logprobs: Any) -> Response:
    """What is read of an answer whose tokens are `entries`."""
    told = {"content": list(entries)} | logprobs
    whole = {"choices": [{"message": {"content": text}, "logprobs": told}]}
    return read_completion(json.dumps(whole).encode(), latency_s=1.0, logprobs_asked=True)


def test_log_probabilities_are_asked_for_and_kept_where_the_adapter_says_so() -> None:
    with ChatServer(lambda call: tokens_reply(*SPELT)) as server:
        asked, plain = (ask(make_driver(server, logprobs=on)) for on in (True, False))
    assert [call.body.get("logprobs", "not sent") for call in server.calls] == [True, "not sent"]
    assert isinstance(asked, Response)
    assert isinstance(plain, Response)
    assert (asked.logprobs, plain.logprobs) == (SPELT, None)
    assert asked.text == plain.text == '{"team": "billing"}'
    assert sent() == sent(logprobs=False)
    assert sent(logprobs=True) == sent() | {"logprobs": True}


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None, "refusal": []}])
def test_a_server_may_give_no_log_probabilities(logprobs: Any) -> None:
    whole = {"choices": [{"finish_reason": "stop", "message": {"content": "yes"}, "logprobs": logprobs}]}
    assert read_completion(json.dumps(whole).encode(), latency_s=0, logprobs_asked=True) == Response(text="yes")


def test_a_character_of_several_tokens_is_in_the_last_of_them() -> None:
    first, second = "ß漢".encode()[:3], "漢!".encode()[1:]
    reply = read(
        {"token": "\\xc3\\x9f\\xe6", "logprob": -1, "bytes": list(first)},
        {"token": "\ufffd", "logprob": -2, "bytes": list(second[:1])},
        {"token": "\ufffd!", "logprob": -4, "bytes": list(second[1:])},
        {"token": "\ud83d", "logprob": 0},
    )
    assert reply.logprobs == (("ß", -1.0), ("", -2.0), ("漢!", -4.0), ("\ufffd", 0.0))


@pytest.mark.parametrize(
    ("given", "kept"),
    [(0, 0.0), (-3, -3.0), (1e-4, 0.0), (-9999.0, -9999.0), (-3.4e38, -9999.0), (-(10**400), -9999.0)],
)
def test_log_probabilities_are_kept_within_their_limits(given: float, kept: float) -> None:
    assert read({"token": "yes", "logprob": given}).logprobs == (("yes", kept),)


ODD_TOKENS: dict[str, Any] = {
    "a text": "yes",
    "null": None,
    "nothing in it": {},
    "no token": {"logprob": -1},
    "token is a number": {"token": 3, "logprob": -1},
    "no logprob": {"token": "yes"},
    "logprob is a text": {"token": "yes", "logprob": "-1"},
    "logprob is a boolean": {"token": "yes", "logprob": False},
    "more than certain": {"token": "yes", "logprob": 0.5},
    "a probability without end": {"token": "yes", "logprob": 10**400},
    "not a number": {"token": "yes", "logprob": float("nan")},
    "minus infinity": {"token": "yes", "logprob": float("-inf")},
    "infinity": {"token": "yes", "logprob": float("inf")},
    "bytes is a number": {"token": "yes", "logprob": -1, "bytes": 10**9},
    "bytes is a text": {"token": "yes", "logprob": -1, "bytes": "yes"},
    "bytes are too large": {"token": "yes", "logprob": -1, "bytes": [256]},
    "bytes are negative": {"token": "yes", "logprob": -1, "bytes": [-1]},
    "bytes are fractions": {"token": "yes", "logprob": -1, "bytes": [1.5]},
    "bytes in bytes": {"token": "yes", "logprob": -1, "bytes": [[1]]},
}


@pytest.mark.parametrize("entry", ODD_TOKENS.values(), ids=ODD_TOKENS.keys())
def test_tokens_that_are_none_are_a_bad_response(entry: Any) -> None:
    with pytest.raises(OddAnswer, match=r"token|logprob|bytes"):
        read({"token": "y", "logprob": -1}, entry)
    choices = [{"message": {"content": "yes"}, "logprobs": {"content": [entry]}}]
    failure = fail(json_reply(completion("yes", choices=choices)), logprobs=True)
    assert (failure.kind, failure.retryable) == ("bad_response", True)


@pytest.mark.parametrize(
    ("logprobs", "told"),
    [
        ([], "`logprobs` is not an object"),
        ("yes", "`logprobs` is not an object"),
        ({"content": {}}, "the content of `logprobs` is not a list"),
        ({"content": [{"token": "", "logprob": 0}] * 20_001}, "log-probabilities of 20001 tokens, where at most 20000"),
    ],
)
def test_log_probabilities_of_another_form_are_a_bad_response(logprobs: Any, told: str) -> None:
    whole = {"choices": [{"message": {"content": "yes"}, "logprobs": logprobs}]}
    with pytest.raises(OddAnswer, match=told):
        read_completion(json.dumps(whole).encode(), latency_s=0, logprobs_asked=True)


def test_log_probabilities_that_nobody_asked_for_are_not_read() -> None:
    whole = {"choices": [{"finish_reason": "stop", "message": {"content": "yes"}, "logprobs": "odd"}]}
    assert read_completion(json.dumps(whole).encode(), latency_s=0) == Response(text="yes")


# ------------------------------------------------------------------------------------------- what is no completion

ODD: dict[str, Any] = {
    "a list": [],
    "a text": "hello",
    "null": None,
    "nothing in it": {},
    "no choices": {"choices": []},
    "choices is an object": {"choices": {}},
    "a choice is null": {"choices": [None]},
    "no message": {"choices": [{}]},
    "message is a text": {"choices": [{"message": "yes"}]},
    "no content": {"choices": choice()},
    "content is a list": {"choices": choice(content=[{"type": "text", "text": "yes"}])},
    "content is a number": {"choices": choice(content=1)},
    "refusal is an object": {"choices": choice(content="yes", refusal={"x": 1})},
    "finish reason is a number": {"choices": choice(7, content="yes")},
    "usage is a list": {"choices": choice(content="yes"), "usage": [1]},
    "negative tokens": {"choices": choice(content="yes"), "usage": {"prompt_tokens": -1}},
    "tokens as text": {"choices": choice(content="yes"), "usage": {"prompt_tokens": "1"}},
    "tokens as boolean": {"choices": choice(content="yes"), "usage": {"completion_tokens": True}},
    "tokens without end": {"choices": choice(content="yes"), "usage": {"prompt_tokens": 10**30}},
    "tokens not a number": {"choices": choice(content="yes"), "usage": {"prompt_tokens": float("nan")}},
    "model is a number": {"choices": choice(content="yes"), "model": 4},
    "fingerprint is a list": {"choices": choice(content="yes"), "system_fingerprint": []},
    "an error in a success": {"error": {"message": "upstream is gone"}},
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD.keys())
def test_an_answer_that_is_no_completion_is_a_bad_response(value: Any) -> None:
    failure = fail(json_reply(value))
    assert (failure.kind, failure.retryable) == ("bad_response", True)
    assert "sent no chat completion" in failure.message


@pytest.mark.parametrize(
    "body", [b"", b"  ", b"{", b"\xff\xfe", b"[" * 100_000, b'{"choices": ' + b"9" * 5000 + b"}", b"data: {}\n\n"]
)
def test_a_body_that_is_no_json_is_a_bad_response(body: bytes) -> None:
    assert fail(Reply(body=body, headers={"Content-Type": "application/json"})).kind == "bad_response"
    with pytest.raises(OddAnswer):
        read_completion(body, latency_s=0)


def test_a_web_page_is_named_as_what_it_is() -> None:
    failure = fail(html())
    assert failure.kind == "bad_response"
    assert "not JSON; it sent: <html><body><h1>Gateway" in failure.message


# ------------------------------------------------------------------------------------------------------- failures

PADDED = {"code": "x", "type": "y"}


@pytest.mark.parametrize(
    ("reply", "kind", "retryable", "said"),
    [
        (error(401, "bad key"), "auth", False, "check the environment variable TEST_KEY; it says: bad key"),
        (error(403, "region"), "auth", False, "check the environment variable TEST_KEY; it says: region"),
        (error(404, "no such model"), "not_found", False, "gpt-test (404): check base_url and model in adapters/gpt.y"),
        (error(400, "bad schema", **PADDED), "bad_request", False, "refused the request (400); it says: bad schema"),
        (json_reply({"detail": "too long"}, status=422), "bad_request", False, "(422); it says: too long"),
        (json_reply({"message": "vllm"}, status=413), "bad_request", False, "(413); it says: vllm"),
        (error(429, "slow down"), "rate_limited", True, "(429); it says: slow down"),
        (error(429, "no credit", code="insufficient_quota"), "rate_limited", False, "it says: no credit"),
        (error(408), "server_error", True, "failed (408)"),
        (error(409), "server_error", True, "failed (409)"),
        (error(500), "server_error", True, "failed (500)"),
        (html(502), "server_error", True, "failed (502); it says: <html>"),
        (Reply(status=503), "server_error", True, "it says: nothing"),
        (json_reply([1, 2], status=504), "server_error", True, "it says: [1, 2]"),
        (json_reply({"error": {"message": {"a": 1}}}, status=500), "server_error", True, "failed (500)"),
        (Reply(status=500, body=b"x", headers={"Content-Type": "text/html; charset=base64"}), "bad_response", True, ""),
        (Reply(status=204), "bad_response", True, "an empty body"),
        (Reply(manner="raw", body=b"SSH-2.0-OpenSSH\r\n\r\n"), "bad_response", True, "SSH-2.0"),
        (Reply(body=b"not gzip", headers={"Content-Encoding": "gzip"}), "bad_response", True, "can't be decoded"),
        (Reply(manner="cut"), "connection", True, "is the server running?"),
        (Reply(manner="half", body=b'{"choices"'), "connection", True, "no answer from http://127.0.0.1"),
    ],
)
def test_every_kind_of_trouble_is_a_failure_that_says_what_to_do(
    reply: Reply, kind: str, retryable: bool, said: str
) -> None:
    failure = fail(reply)
    assert (failure.kind, failure.retryable) == (kind, retryable)
    assert said in failure.message
    assert "http://127.0.0.1:" in failure.message


@pytest.mark.parametrize("manner", ["hang", "drip"])
def test_an_answer_that_does_not_end_is_a_timeout(manner: str) -> None:
    started = time.monotonic()
    failure = fail(Reply(manner=manner), limits=Limits(timeout_s=0.3))
    assert (failure.kind, failure.retryable) == ("timeout", True)
    assert "within 0.3 s" in failure.message
    assert time.monotonic() - started < 5


def test_a_slow_answer_within_the_limit_is_an_answer() -> None:
    with ChatServer(lambda call: answer("{}", delay_s=0.3)) as server:
        assert isinstance(ask(make_driver(server, limits=Limits(timeout_s=10))), Response)


def test_a_refused_connection_names_the_address() -> None:
    with ChatServer(lambda call: answer("{}")) as server:
        url = server.base_url
    reply = ask(make_driver(url))
    assert isinstance(reply, Failure)
    assert (reply.kind, reply.retryable) == ("connection", True)
    assert reply.message.startswith(f"no answer from {url}: is the server running? (ConnectionRefusedError")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b" " * (MAX_BODY_BYTES + 1)),
        Reply(status=500, body=b" " * (MAX_BODY_BYTES + 1)),
        Reply(body=gzip.compress(b" " * 100 * MAX_BODY_BYTES, 1), headers={"Content-Encoding": "gzip"}),
    ],
    ids=["huge", "huge error", "compressed bomb"],
)
def test_a_huge_body_is_cut_off(reply: Reply) -> None:
    failure = fail(reply)
    assert (failure.kind, failure.retryable) == ("bad_response", True)
    assert "bytes and was cut off" in failure.message


def test_compressed_answers_that_nobody_asked_for_are_still_read() -> None:
    body = gzip.compress(json.dumps(completion("yes")).encode())
    with ChatServer(lambda call: Reply(body=body, headers={"Content-Encoding": "gzip"})) as server:
        assert isinstance(ask(make_driver(server)), Response)
    assert server.calls[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_cases_do_not_follow_a_redirect_to_another_server(status: int) -> None:
    with ChatServer(lambda call: answer("{}")) as other:
        failure = fail(Reply(status=status, headers={"Location": f"{other.base_url}/chat/completions"}))
        assert other.count == 0
    assert (failure.kind, failure.retryable) == ("not_found", False)
    assert f"moved to {other.base_url}" in failure.message


def test_one_answer_is_one_attempt() -> None:
    with ChatServer(lambda call: error(500)) as server:
        ask(make_driver(server))
    assert server.count == 1


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "Retry-After": "3"}, 0.25),
        ({"retry-after-ms": "soon", "Retry-After": "3"}, 3.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "tomorrow"}, None),
    ],
)
def test_the_wait_that_the_server_asks_for_is_passed_on(
    status: int, headers: dict[str, str], expected: float | None
) -> None:
    assert fail(error(status, headers=headers)).retry_after_s == expected


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_from_utc")
def test_a_wait_may_be_a_date() -> None:
    failure = fail(lambda call: error(429, headers={"Retry-After": formatdate(time.time() + 60, usegmt=True)}))
    assert failure.retry_after_s is not None
    assert 50 < failure.retry_after_s <= 60
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for at, expected in ((now + timedelta(seconds=9), 9.0), (now - timedelta(days=1), 0.0)):
        assert retry_after_s({"retry-after": format_datetime(at)}, now=now.timestamp()) == expected
    without_zone = "Thu, 01 Jan 2026 00:00:09 -0000"
    assert retry_after_s({"retry-after": without_zone}, now=now.timestamp()) == 9.0


# -------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "behaviour",
    [
        lambda call: error(401, f"Incorrect API key provided: {call.headers['Authorization']}"),
        lambda call: error(500, "x" * 250 + call.headers["Authorization"]),
        lambda call: Reply(body=call.headers["Authorization"].encode()),
        lambda call: Reply(body=b" " * 2380 + call.headers["Authorization"].encode()),
        lambda call: Reply(status=307, headers={"Location": f"http://h/?{call.headers['Authorization']}"}),
        lambda call: Reply(manner="raw", body=call.headers["Authorization"].encode() + b"\r\n\r\n"),
    ],
)
def test_a_server_that_echoes_the_key_does_not_get_it_into_a_message(behaviour: Behaviour) -> None:
    message = fail(behaviour).message
    assert "sk-live" not in message
    assert "***" in message or len(message) == 300


@pytest.mark.parametrize("body", ["x" * 100_000, "\n" * 100_000, "é" * 5000, "\x1b[2J" * 1000])
def test_messages_are_short_and_on_one_line(body: str) -> None:
    for failure in (fail(Reply(body=body.encode())), fail(error(400, body))):
        assert len(failure.message) <= 300
        assert failure.message.isprintable()


def test_the_identity_tells_the_model_and_no_secret() -> None:
    driver = make_driver(f"https://me:password@h/v1/?key={KEY}", examples_as="prompt")
    assert driver.identity() == {
        "openai_chat": "1",
        "base_url": "https://h/v1",
        "model": "gpt-test",
        "template": "1",
        "examples_as": "prompt",
    }
    assert KEY not in repr(driver)


def test_asking_for_log_probabilities_is_part_of_the_identity_and_not_asking_is_not() -> None:
    plain, off, on = (make_driver("http://h/v1", **o).identity() for o in ({}, {"logprobs": False}, {"logprobs": True}))
    assert plain == off
    assert on == {**plain, "logprobs": "true"}


def test_the_key_does_not_change_the_identity() -> None:
    one, other = (make_driver("http://h/v1", environment={"TEST_KEY": key}) for key in (KEY, "sk-another-key"))
    assert one.identity() == other.identity()


# -------------------------------------------------------------------------------------------------- configuration


def test_a_missing_key_is_told_before_any_call() -> None:
    with pytest.raises(DriverError, match=r"^adapters/gpt.yaml: api_key needs the environment variable TEST_KEY; set"):
        make_driver("http://h/v1", environment={})


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_TEST_URL", "http://from-environment/v1")
    adapter = Adapter(name="x", driver="openai_chat", model="m", options={"base_url": "${HOLDFAST_TEST_URL}"})
    assert OpenAIChatDriver(adapter).identity()["base_url"] == "http://from-environment/v1"


def test_an_unknown_way_of_showing_examples_is_refused() -> None:
    with pytest.raises(DriverError, match=r"examples_as is 'pairs'; expected 'messages' or 'prompt'"):
        make_driver("http://h/v1", examples_as="pairs")


def test_log_probabilities_are_asked_for_or_not() -> None:
    with pytest.raises(DriverError, match=r"adapters/gpt.yaml: logprobs is 'yes'; expected true or false"):
        make_driver("http://h/v1", logprobs="yes")


def test_an_address_that_the_library_refuses_is_an_error_of_the_configuration() -> None:
    with pytest.raises(DriverError, match=r"adapters/gpt.yaml: base_url http://ü\S+/v1 is not an address: "):
        ask(make_driver(f"http://ü{'x' * 70}/v1"))


# ---------------------------------------------------------------------------------------------------- many at once


def test_64_calls_are_in_flight_at_once_and_keep_their_answers() -> None:
    with ChatServer(lambda call: answer(call.messages[-1]["content"], delay_s=0.5)) as server:
        driver = make_driver(server, limits=Limits(concurrency=64, timeout_s=20))
        replies = asyncio.run(ask_and_close(driver, *(request(str(n)) for n in range(64))))
    assert [r.text for r in replies if isinstance(r, Response)] == [str(n) for n in range(64)]
    assert server.most_at_once == 64


def test_the_pool_is_as_large_as_the_limit() -> None:
    with ChatServer(lambda call: answer("{}", delay_s=0.05)) as server:
        driver = make_driver(server, limits=Limits(concurrency=4, timeout_s=20))
        replies = asyncio.run(ask_and_close(driver, *(request(str(n)) for n in range(16))))
    assert all(isinstance(r, Response) for r in replies)
    assert server.most_at_once == 4


def test_a_failed_call_leaves_the_others_alone() -> None:
    def behaviour(call: Any) -> Reply:
        return Reply(manner="cut") if call.number % 3 == 0 else answer("{}")

    with ChatServer(behaviour) as server:
        replies = asyncio.run(ask_and_close(make_driver(server), *(request(str(n)) for n in range(30))))
    assert sum(isinstance(r, Response) for r in replies) == 20
    assert {r.kind for r in replies if isinstance(r, Failure)} == {"connection"}


def test_a_closed_driver_can_be_used_again_in_another_loop() -> None:
    with ChatServer(lambda call: answer("{}")) as server:
        driver = make_driver(server)
        assert isinstance(ask(driver), Response)
        assert isinstance(ask(driver), Response)


def test_a_cancelled_call_stays_cancelled() -> None:
    async def cancel(driver: OpenAIChatDriver) -> None:
        task = asyncio.create_task(driver.answer(request()))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await driver.close()

    with ChatServer(lambda call: Reply(manner="hang")) as server:
        asyncio.run(cancel(make_driver(server)))


# ---------------------------------------------------------------------------------------------- whatever is sent


@dataclass
class Wire:
    """A server, a driver and a loop that stay open while Hypothesis makes up answers."""

    runner: asyncio.Runner
    driver: OpenAIChatDriver
    replies: list[Reply] = field(default_factory=list)

    def ask(self, reply: Reply) -> Response | Failure:
        self.replies[:] = [reply]
        return self.runner.run(self.driver.answer(request()))


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    replies: list[Reply] = []
    with ChatServer(lambda call: replies[0], record=False) as server, asyncio.Runner() as runner:
        driver = make_driver(server)
        yield Wire(runner, driver, replies)
        runner.run(driver.close())


json_values = generators.recursive(
    generators.none() | generators.booleans() | generators.integers() | generators.floats() | generators.text(),
    lambda inner: generators.lists(inner, max_size=3) | generators.dictionaries(generators.text(), inner, max_size=3),
    max_leaves=8,
)


@generators.composite
def near_completions(draw: generators.DrawFn) -> Any:
    """A valid completion of which some entries are left out or replaced by anything."""
    whole = completion(draw(generators.text()))
    first = whole["choices"][0]
    for place in (whole, first, first["message"], whole["usage"]):
        for name in draw(generators.sets(generators.sampled_from(sorted(place)), max_size=2)):
            if draw(generators.booleans()):
                place[name] = draw(json_values)
            else:
                del place[name]
    return whole


@given(
    body=json_values | near_completions() | generators.fixed_dictionaries({"error": json_values}),
    status=generators.sampled_from([200, 200, 200, 201, 400, 401, 404, 429, 500]),
)
@settings(max_examples=150, deadline=None)
def test_no_json_from_a_server_raises(wire: Wire, body: Any, status: int) -> None:
    reply = wire.ask(json_reply(body, status=status))
    if isinstance(reply, Response):
        assert status in (200, 201)
        assert isinstance(reply.text, str)
        reply.text.encode()
        assert reply.usage.input_tokens >= 0
    else:
        assert len(reply.message) <= 300
        assert reply.message.isprintable()
        assert KEY not in reply.message


@given(
    body=generators.binary(max_size=200),
    content_type=generators.sampled_from(["application/json", "text/html; charset=rot13", "text/event-stream", "x"]),
    status=generators.sampled_from([200, 200, 403, 503]),
)
@settings(max_examples=100, deadline=None)
def test_no_bytes_from_a_server_raise(wire: Wire, body: bytes, content_type: str, status: int) -> None:
    reply = wire.ask(Reply(status=status, body=body, headers={"Content-Type": content_type}))
    assert isinstance(reply, Failure)
