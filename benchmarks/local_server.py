"""A chat-completions server that costs next to nothing, for measuring what is beside it.

`python benchmarks/local_server.py [--latency S]` prints its port and serves until its standard input closes. It speaks
just enough HTTP/1.1 for keep-alive clients that send a Content-Length, and gives one answer to everything, with the
log-probabilities of its tokens where they are asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOKENS = (('{"', 0.0), ("kind", -0.001), ('":', 0.0), (' "', 0.0), ("apple", -0.1), ('"}', -0.02))
ANSWER = "".join(token for token, _ in TOKENS)
ASKS_LOGPROBS = b'"logprobs":true'


def _reply(*, logprobs: bool) -> bytes:
    content = [{"token": t, "logprob": p, "bytes": list(t.encode()), "top_logprobs": []} for t, p in TOKENS]
    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "local",
            "system_fingerprint": "fp_1",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": ANSWER},
                    "logprobs": {"content": content, "refusal": None} if logprobs else None,
                }
            ],
            "usage": {"prompt_tokens": 120, "completion_tokens": 6, "total_tokens": 126},
        }
    ).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Serving(asyncio.Protocol):
    reply = _reply(logprobs=False)
    reply_with_logprobs = _reply(logprobs=True)
    latency_s = 0.0
    served = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = bytearray()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end]).lower()
            if head.startswith(b"get /served"):
                body = str(_Serving.served).encode()
                del self._received[: end + 4]
                self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
                continue
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            if len(self._received) < end + 4 + length:
                return
            asked = self._received.find(ASKS_LOGPROBS, end, end + 4 + length) >= 0
            reply = self.reply_with_logprobs if asked else self.reply
            del self._received[: end + 4 + length]
            _Serving.served += 1
            if self.latency_s:
                asyncio.get_running_loop().call_later(self.latency_s, self._transport.write, reply)
            else:
                self._transport.write(reply)


async def _serve(latency_s: float) -> None:
    _Serving.latency_s = latency_s
    server = await asyncio.get_running_loop().create_server(_Serving, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextmanager
def local_server(*, latency_s: float = 0.0) -> Iterator[str]:
    """The base URL of a server in a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--latency", str(latency_s)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, metavar="S", help="seconds before each answer")
    asyncio.run(_serve(parser.parse_args().latency))
