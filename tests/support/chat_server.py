"""An OpenAI-compatible server on 127.0.0.1, scripted by one function per server: what it answers to each call.

with ChatServer(lambda call: answer('{"category": "refund"}')) as server:
    ...  # server.base_url, server.calls
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from aiohttp import web

START_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as it arrived; `number` counts from 0."""

    number: int
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any

    @property
    def messages(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.body["messages"]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server does about one call.

    `delay_s` passes before anything is sent. `manner` is `whole`; `cut` (the connection breaks without a status line),
    `half` (it breaks within the body), `hang` (nothing ever comes), `drip` (one byte of an endless body now and then)
    or `raw` (`body` instead of HTTP).
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    manner: str = "whole"


Behaviour = Callable[[Call], Reply]


def completion(text: str | None, **changes: Any) -> dict[str, Any]:
    """The JSON value of a chat completion that says `text`, with top-level entries replaced by `changes`."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted-1",
        "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    } | changes


def answer(text: str, *, delay_s: float = 0.0, **changes: Any) -> Reply:
    return json_reply(completion(text, **changes), delay_s=delay_s)


def tokens_reply(*tokens: tuple[str, float], **changes: Any) -> Reply:
    """The answer that these tokens spell, each with its log-probability, in the words of OpenAI."""
    return json_reply(completion(None, choices=[token_choice(*tokens)]) | changes)


def token_choice(*tokens: tuple[str, float]) -> dict[str, Any]:
    content = [{"token": t, "logprob": p, "bytes": list(t.encode()), "top_logprobs": []} for t, p in tokens]
    return {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": "".join(t for t, _ in tokens), "refusal": None},
        "logprobs": {"content": content, "refusal": None},
    }


def json_reply(
    value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None, delay_s: float = 0.0
) -> Reply:
    body = json.dumps(value).encode()
    return Reply(
        status=status,
        body=body,
        headers={"Content-Type": "application/json", **(headers or {})},
        delay_s=delay_s,
    )


def error(status: int, message: str = "no", *, headers: Mapping[str, str] | None = None, **entries: Any) -> Reply:
    """An error as OpenAI words it; `entries` join the message in the error object."""
    return json_reply({"error": {"message": message, **entries}}, status=status, headers=headers)


def html(status: int = 200) -> Reply:
    return Reply(
        status=status, body=b"<html><body><h1>Gateway</h1></body></html>", headers={"Content-Type": "text/html"}
    )


class ChatServer:
    """The running server. It listens from `__enter__` to `__exit__` on a free port, in a thread of its own.

    `record` False keeps no calls, for long runs; `count` and `most_at_once` are kept either way.
    """

    def __init__(self, behaviour: Behaviour, *, record: bool = True) -> None:
        self.behaviour = behaviour
        self.calls: list[Call] = []
        self.count = 0
        self.most_at_once = 0
        self._record = record
        self._at_once = 0
        self._ready = threading.Event()
        self._stop: asyncio.Event
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> ChatServer:
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S):
            raise RuntimeError("the test server did not start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_TIMEOUT_S)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_post("/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            call = Call(
                number=self.count,
                path=request.path,
                query=dict(request.query),
                headers=dict(request.headers),
                body=json.loads(await request.read()),
            )
            self.count += 1
            if self._record:
                self.calls.append(call)
            return await self._perform(request, self.behaviour(call))
        finally:
            self._at_once -= 1

    async def _perform(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        if reply.manner == "whole":
            return web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        transport = request.transport
        assert transport is not None
        stream = web.StreamResponse(status=reply.status, headers=reply.headers)
        if reply.manner == "hang":
            await self._stop.wait()
        elif reply.manner == "drip":
            await stream.prepare(request)
            while not (self._stop.is_set() or transport.is_closing()):
                await stream.write(b" ")
                await asyncio.sleep(0.05)
        elif reply.manner == "half":
            stream.content_length = len(reply.body) + 1000
            await stream.prepare(request)
            await stream.write(reply.body)
        elif reply.manner == "raw":
            transport.write(reply.body)
        transport.close()
        return stream
