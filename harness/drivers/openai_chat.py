"""The driver of OpenAI-compatible servers: OpenAI itself, vLLM, Ollama, llama.cpp and most gateways.

Whatever a server sends is untrusted: an answer that is not a chat completion is a `Failure`, never an exception.
"""

from __future__ import annotations

import codecs
import json
import math
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.core.errors import DriverError
from harness.core.lowering import lower_for_response_format
from harness.core.prompting import TEMPLATE_VERSION, inputs_message, shared_messages
from harness.core.records import (
    LEAST_LOGPROB,
    Adapter,
    Decoding,
    Failure,
    Headroom,
    Logprobs,
    Prompt,
    Request,
    Response,
    Usage,
)
from harness.drivers.endpoint import read_endpoint
from harness.drivers.lazy import need

if TYPE_CHECKING:
    from harness.drivers.openai_transport import OpenAITransport

DRIVER_VERSION = "1"
EXAMPLES_AS = ("messages", "prompt")

_MAX_TOKENS = 10**9
_MAX_NAME_CHARS = 200
_MAX_LOGPROBS = 20_000
_LARGEST_LOGPROB = 0.01
"""Servers that add up in half precision give certain tokens a probability of a little more than 1."""


class OpenAIChatDriver:
    """A `RemoteDriver`: one attempt per request. Retries and pacing are the scheduler's.

    The connections belong to the event loop of the first answer: `close()` before another loop uses the driver.
    """

    def __init__(self, adapter: Adapter, *, environment: Mapping[str, str] | None = None) -> None:
        """`environment` (None: the process's) fills in `${NAME}`; raises DriverError for what is missing or wrong."""
        self._endpoint = read_endpoint(adapter, os.environ if environment is None else environment)
        self._model = adapter.model
        self._limits = adapter.limits
        self._examples_as = str(adapter.options.get("examples_as", EXAMPLES_AS[0]))
        if self._examples_as not in EXAMPLES_AS:
            raise DriverError(
                f"{self._endpoint.declared_in}: examples_as is {self._examples_as!r}; "
                f"expected {' or '.join(map(repr, EXAMPLES_AS))}"
            )
        self._logprobs = adapter.options.get("logprobs", False)
        if not isinstance(self._logprobs, bool):
            raise DriverError(f"{self._endpoint.declared_in}: logprobs is {self._logprobs!r}; expected true or false")
        self._transport: OpenAITransport | None = None
        self._shared: dict[str, tuple[list[dict[str, str]], dict[str, Any]]] = {}

    def identity(self) -> Mapping[str, str]:
        found = {
            "openai_chat": DRIVER_VERSION,
            "base_url": self._endpoint.url,
            "model": self._model,
            "template": TEMPLATE_VERSION,
            "examples_as": self._examples_as,
        }
        if self._logprobs:  # answers that were stored before there was this option keep their keys
            found["logprobs"] = "true"
        return found

    async def answer(self, request: Request) -> Response | Failure:
        """One attempt; raises DriverError only where the library is missing or the address can't be used."""
        transport = self._transport or self._connect()
        body = self._body(request)
        started = time.perf_counter()
        reply = await transport.post(body)
        latency_s = time.perf_counter() - started
        if isinstance(reply, Failure):
            return reply
        try:
            return read_completion(
                reply.body, latency_s=latency_s, headroom=reply.headroom, logprobs_asked=self._logprobs
            )
        except OddAnswer as odd:
            sent = (
                f"{self._endpoint.url} sent no chat completion: {odd}; it sent: {reply.body.decode(errors='replace')}"
            )
            return Failure(kind="bad_response", message=self._endpoint.message(sent), retryable=True)

    def rendered(self, request: Request) -> str:
        """The messages of a request, one after the other."""
        return "\n".join(message["content"] for message in self._body(request)["messages"])

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.close()
            self._transport = None

    def _connect(self) -> OpenAITransport:
        for library in ("openai", "aiohttp"):
            need(library, extra="openai")
        from harness.drivers.openai_transport import OpenAITransport

        self._transport = OpenAITransport(self._endpoint, self._limits, model=self._model)
        return self._transport

    def _body(self, request: Request) -> dict[str, Any]:
        settings = request.settings
        messages, response_format = self._of_prompt(request.prompt)
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [*messages, inputs_message(request.inputs)],
            "temperature": settings.temperature,
            # OpenAI has renamed it, but this is the name that every compatible server knows.
            "max_tokens": settings.max_tokens,
        }
        if settings.temperature > 0:
            body["seed"] = settings.seed + request.repeat
        if settings.decoding is Decoding.JSON_SCHEMA:
            body["response_format"] = response_format
        if self._logprobs:
            body["logprobs"] = True
        return body

    def _of_prompt(self, prompt: Prompt) -> tuple[list[dict[str, str]], dict[str, Any]]:
        """The messages and the response format that all requests of a prompt share, made once."""
        if prompt.digest not in self._shared:
            schema = lower_for_response_format(prompt.schema)
            self._shared[prompt.digest] = (
                shared_messages(prompt, examples_in_prompt=self._examples_as == "prompt"),
                {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}},
            )
        return self._shared[prompt.digest]


class OddAnswer(ValueError):
    """A server's answer that is not a chat completion."""


def read_completion(
    body: bytes, *, latency_s: float, headroom: Headroom | None = None, logprobs_asked: bool = False
) -> Response:
    """The response in the JSON `body` of a chat completion; raises OddAnswer with what is odd about it.

    Servers may leave out usage, model, fingerprint and finish reason; what is there must have its type. A content of
    null is a model that said nothing; lone surrogates, which no file can hold, become U+FFFD. Log-probabilities are
    read only where they were asked for, and may be missing there too.
    """
    try:
        whole = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise OddAnswer("not JSON" if body.strip() else "an empty body") from error
    choices = _object(whole, "the answer").get("choices")
    if not isinstance(choices, list) or not choices:
        raise OddAnswer("no `choices`")
    choice = _object(choices[0], "choices[0]")
    message = _object(choice.get("message"), "`message`")
    if "content" not in message and not message.get("refusal"):
        raise OddAnswer("no `content`")
    refused = bool(_text(message, "refusal"))
    return Response(
        text="" if refused else _text(message, "content"),
        finish_reason="refusal" if refused else _name(choice, "finish_reason") or "unknown",
        usage=_usage(whole.get("usage")),
        latency_s=latency_s,
        logprobs=_logprobs(choice.get("logprobs")) if logprobs_asked else None,
        provider_model=_name(whole, "model"),
        provider_fingerprint=_name(whole, "system_fingerprint"),
        headroom=headroom,
    )


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OddAnswer(f"{name} is not an object")
    return value


def _text(parent: Mapping[str, Any], name: str) -> str:
    value = parent.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise OddAnswer(f"`{name}` is not a text")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _name(parent: Mapping[str, Any], name: str) -> str:
    return _text(parent, name)[:_MAX_NAME_CHARS]


def _logprobs(value: Any) -> Logprobs | None:
    content = None if value is None else _object(value, "`logprobs`").get("content")
    if content is None:
        return None
    if not isinstance(content, list):
        raise OddAnswer("the content of `logprobs` is not a list")
    if len(content) > _MAX_LOGPROBS:
        raise OddAnswer(f"log-probabilities of {len(content)} tokens, where at most {_MAX_LOGPROBS} are read")
    characters = codecs.getincrementaldecoder("utf-8")("replace")
    entries = [_object(entry, "a token of `logprobs`") for entry in content]
    return tuple((_token(entry, characters), _logprob(entry.get("logprob"))) for entry in entries)


def _token(entry: Mapping[str, Any], characters: codecs.IncrementalDecoder) -> str:
    """The text of a token. Of a character whose `bytes` several tokens share, it is in the last of them."""
    text = entry.get("token")
    if not isinstance(text, str):
        raise OddAnswer("`token` is not a text")
    raw = entry.get("bytes")
    if raw is None:
        return _text(entry, "token")
    try:
        if isinstance(raw, list):
            return characters.decode(bytes(raw))
    except (TypeError, ValueError):  # entries that are no bytes
        pass
    raise OddAnswer("`bytes` of a token is not a list of bytes")


def _logprob(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not -math.inf < value <= _LARGEST_LOGPROB:
        raise OddAnswer("`logprob` is not the logarithm of a probability")
    return float(min(0.0, max(LEAST_LOGPROB, value)))


def _usage(value: Any) -> Usage:
    if value is None:
        return Usage()
    usage = _object(value, "`usage`")
    return Usage(
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
    )


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_TOKENS:
        raise OddAnswer(f"`{name}` is not a number of tokens")
    return value
