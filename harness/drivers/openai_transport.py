"""One attempt at a chat completion through the openai library: the body of the answer, or why there is none.

Imported at the first call, because the library behind it is heavy.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import httpx2
import openai

from harness.core.errors import DriverError
from harness.core.records import Failure, Headroom, Limits
from harness.drivers.endpoint import Endpoint
from harness.drivers.rate_headers import headroom, retry_after_s

MAX_BODY_BYTES = 4_000_000
"""Far above any answer that can be parsed, far below what 64 hostile answers at once would need to fill the memory."""

_MAX_COMPRESSED_BYTES = MAX_BODY_BYTES // 64
_KEEPALIVE_S = 4.0
"""Below the 5 s after which uvicorn servers close idle connections, so that no request meets a closing one."""

_RETRYABLE_4XX = (408, 409)

_UNSAID = [
    "Lang",
    "Package-Version",
    "OS",
    "Arch",
    "Runtime",
    "Runtime-Version",
    "Async",
    "Retry-Count",
    "Read-Timeout",
]
"""What the library tells of its user's machine in headers that no answer depends on; making them costs time, too."""

_WITHOUT_THEM = openai.RequestOptions(headers={f"X-Stainless-{name}": openai.omit for name in _UNSAID})


@dataclass(frozen=True, slots=True)
class Answered:
    """The raw body of an answer, and what its headers say is left of the rate limits."""

    body: bytes
    headroom: Headroom | None


class BodyTooLarge(openai.OpenAIError):
    """The server sent more than an answer can have."""


class _CappedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, limit: int) -> None:
        self._stream = stream
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > self._limit:
                raise BodyTooLarge(f"more than {self._limit} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _cap(response: httpx2.Response) -> None:
    # A compressed body that nobody asked for may be a thousand times larger once it is read.
    compressed = response.headers.get("content-encoding", "identity") != "identity"
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _CappedStream(response.stream, _MAX_COMPRESSED_BYTES if compressed else MAX_BODY_BYTES)


class OpenAITransport:
    """A pool of connections to one endpoint, bound to the event loop of its first call."""

    def __init__(self, endpoint: Endpoint, limits: Limits, *, model: str) -> None:
        """Raises DriverError for a base URL that the library can't use."""
        self._endpoint = endpoint
        self._model = model
        self._timeout_s = limits.timeout_s
        pool = httpx2.Limits(
            max_connections=limits.concurrency,
            max_keepalive_connections=limits.concurrency,
            keepalive_expiry=_KEEPALIVE_S,
        )
        try:
            self._client = openai.AsyncOpenAI(
                base_url=endpoint.url,
                api_key=endpoint.key,
                max_retries=0,
                timeout=limits.timeout_s,
                default_query=dict(endpoint.query),
                default_headers={"Accept-Encoding": "identity", **endpoint.headers},
                # A redirect would take the cases to an address that nobody declared.
                http_client=openai.DefaultAioHttpClient(
                    limits=pool, event_hooks={"response": [_cap]}, follow_redirects=False
                ),
            )
        except httpx2.InvalidURL as error:
            raise DriverError(f"{endpoint.declared_in}: base_url {endpoint.url} is not an address: {error}") from error

    async def post(self, body: Mapping[str, object]) -> Answered | Failure:
        """The raw answer to a chat completion request; a failure says whether another attempt may help."""
        try:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
            # The library's own limit is per read: a server that sends a byte now and then would never meet it.
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.post(
                    "/chat/completions", cast_to=httpx2.Response, content=content, options=_WITHOUT_THEM
                )
                return Answered(response.content, headroom(response.headers, now=time.time()))
        except openai.APIStatusError as error:
            return self._refusal(error)
        except openai.APIConnectionError as error:
            return self._no_connection(error)
        except TimeoutError:
            return self._timed_out()
        except BodyTooLarge as error:
            return self._failure("bad_response", f"{self._endpoint.url} sent {error} and was cut off", retryable=True)
        except UnicodeEncodeError as error:
            return self._failure("bad_request", f"the case or the prompt can't be sent as UTF-8: {error.reason}")
        # Libraries that decode what an untrusted server sends raise anything: no answer of it may end the run.
        except Exception as error:
            what = f"{self._endpoint.url} answered with something that is not HTTP as it should be: "
            return self._failure("bad_response", f"{what}{type(error).__name__}: {error}", retryable=True)

    async def close(self) -> None:
        await self._client.close()

    def _failure(
        self,
        kind: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after_s: float | None = None,
        headroom: Headroom | None = None,
    ) -> Failure:
        return Failure(
            kind=kind,
            message=self._endpoint.message(message),
            retryable=retryable,
            retry_after_s=retry_after_s,
            headroom=headroom,
        )

    def _timed_out(self) -> Failure:
        return self._failure(
            "timeout",
            f"{self._endpoint.url} did not answer within {self._timeout_s:g} s; `limits: {{timeout_s: ...}}` in "
            f"{self._endpoint.declared_in} allows more",
            retryable=True,
        )

    def _no_connection(self, error: openai.APIConnectionError) -> Failure:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
            if isinstance(cause, httpx2.DecodingError):
                return self._failure(
                    "bad_response", f"{self._endpoint.url} sent a body that can't be decoded: {cause}", retryable=True
                )
        # The aiohttp transport reports refused and cut connections as time-outs; only the root tells them apart.
        if isinstance(cause, TimeoutError):
            return self._timed_out()
        return self._failure(
            "connection",
            f"no answer from {self._endpoint.url}: is the server running? ({type(cause).__name__}: {cause})",
            retryable=True,
        )

    def _refusal(self, error: openai.APIStatusError) -> Failure:
        status, place, now = error.status_code, self._endpoint, time.time()
        said = _said(error)
        if status in (401, 403):
            names = " and ".join(place.key_variables)
            todo = (
                f"check the environment variable {names}"
                if names
                else f"{place.declared_in} has no api_key: add `api_key: ${{NAME}}`"
            )
            return self._failure("auth", f"{place.url} refused access ({status}): {todo}; it says: {said}")
        if status == 429:
            return self._failure(
                "rate_limited",
                f"{place.url} asks for fewer requests (429); it says: {said}",
                retryable=error.code != "insufficient_quota",
                retry_after_s=retry_after_s(error.response.headers, now=now),
                headroom=headroom(error.response.headers, now=now),
            )
        if status in _RETRYABLE_4XX or status >= 500:
            return self._failure(
                "server_error",
                f"{place.url} failed ({status}); it says: {said}",
                retryable=True,
                retry_after_s=retry_after_s(error.response.headers, now=now),
            )
        if status == 404 or status < 400:
            moved = error.response.headers.get("location")
            return self._failure(
                "not_found",
                f"{place.url} has no chat completions for model {self._model} ({status}): check base_url and model in "
                f"{place.declared_in}; it says: {f'moved to {moved}' if moved else said}",
            )
        return self._failure("bad_request", f"{place.url} refused the request ({status}); it says: {said}")


def _said(error: openai.APIStatusError) -> str:
    """What the server wrote about the error, as plainly as it can be found."""
    if isinstance(error.body, Mapping):
        for name in ("message", "detail", "error"):
            value = error.body.get(name)
            if isinstance(value, str) and value:
                return value
    return error.response.text or "nothing"
