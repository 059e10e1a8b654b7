"""The scheduler against servers that make it hard: a rate limit, troubles of every kind, and latency.

    python benchmarks/hard_servers.py

The servers run in a process of their own; requests go through `execute` with the `openai_chat` driver into a new
ledger.
Writes benchmarks/results/hard_servers.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import multiprocessing
import os
import platform
import random
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import openai
from aiohttp import web
from tabulate import tabulate

from harness.core.prompting import make_prompt
from harness.core.records import Adapter, Failure, Limits, Request, Response, Settings
from harness.core.schemas import AnswerSchema
from harness.drivers.openai_chat import OpenAIChatDriver
from harness.execution.ledger import KeyMaker, Ledger
from harness.execution.scheduler import execute

RESULT = Path(__file__).parent / "results" / "hard_servers.md"
CASES = 2000
IN_FLIGHT = 64
PER_SECOND = 50
LATENCY_S = 0.1
TIMEOUT_S = 2.0
PROMPT = make_prompt("Route the ticket.", AnswerSchema({"type": "object", "properties": {"n": {"type": "integer"}}}))


# --------------------------------------------------------------------------------------------- in the server's process


class Server:
    """Echoes the ticket; `kind` is what makes it hard."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.random = random.Random(7)
        self.taken: deque[float] = deque()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        text = json.loads(await request.read())["messages"][-1]["content"]
        if self.kind.startswith("limit"):
            return self.limited(text)
        if self.kind == "troubled":
            return await self.troubled(request, text)
        if self.kind == "latency":
            await asyncio.sleep(LATENCY_S)
        return completion(text)

    def limited(self, text: str) -> web.Response:
        """At most PER_SECOND requests in any second; `Retry-After` is whole seconds, as it mostly is, or left out."""
        now = time.monotonic()
        while self.taken and self.taken[0] <= now - 1:
            self.taken.popleft()
        if len(self.taken) < PER_SECOND:
            self.taken.append(now)
            return completion(text)
        wait_s = self.taken[0] + 1 - now
        said = {"limit": {}, "limit, Retry-After": {"Retry-After": str(max(1, math.ceil(wait_s)))}}[self.kind]
        return web.json_response({"error": {"message": "slow down"}}, status=429, headers=said)

    async def troubled(self, request: web.Request, text: str) -> web.StreamResponse:
        """5% errors, 2% that never answer, 1% garbage, 1% cut connections."""
        chance = self.random.random()
        if chance < 0.05:
            return web.json_response({"error": {"message": "internal"}}, status=500)
        if chance < 0.07:
            await asyncio.sleep(10 * TIMEOUT_S)
        elif chance < 0.08:
            return web.Response(body=self.random.randbytes(300), content_type="application/json")
        elif chance < 0.09:
            assert request.transport is not None
            request.transport.close()
        return completion(text)


def completion(text: str) -> web.Response:
    return web.json_response(
        {
            "model": "echo",
            "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7},
        }
    )


def serve(kind: str, ready: Connection) -> None:
    async def main() -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", Server(kind).answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(main())


@contextmanager
def served(kind: str) -> Iterator[str]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(kind, theirs), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1"
    finally:
        process.terminate()
        process.join()


# ------------------------------------------------------------------------------------------------------ in this process


@dataclass
class Run:
    """What came of a run; `seconds` begin with the first request that is made."""

    seconds: float = 0.0
    replies: dict[str, Response | Failure] = field(default_factory=dict)
    stored: int = 0

    @property
    def texts(self) -> dict[str, str]:
        return {name: reply.text for name, reply in self.replies.items() if isinstance(reply, Response)}

    @property
    def failures(self) -> Counter[str]:
        return Counter(reply.kind for reply in self.replies.values() if isinstance(reply, Failure))


def requests(amount: int) -> Iterator[Request]:
    for i in range(amount):
        yield Request(prompt=PROMPT, case_id=f"c{i}", repeat=0, inputs={"text": f"ticket {i}"}, settings=Settings())


def run(kind: str, amount: int = CASES) -> Run:
    limits = Limits(concurrency=IN_FLIGHT, timeout_s=TIMEOUT_S, retries=5)
    with served(kind) as url, tempfile.TemporaryDirectory() as scratch, Ledger(Path(scratch) / "l.sqlite") as ledger:
        adapter = Adapter(name="echo", driver="openai_chat", model="echo", options={"base_url": url}, limits=limits)
        driver, done = OpenAIChatDriver(adapter, environment={}), Run()
        keys = KeyMaker("openai_chat", driver.identity())
        started = time.perf_counter()

        def sink(request: Request, reply: Response | Failure) -> None:
            done.replies[request.case_id] = reply

        execute(requests(amount), driver=driver, keys=keys, ledger=ledger, limits=limits, sink=sink)
        done.seconds = time.perf_counter() - started
        done.stored = len(ledger)
    return done


def limited_row(kind: str) -> list[str]:
    done = run(kind)
    rate = len(done.texts) / done.seconds
    header = "whole seconds in `Retry-After`" if "," in kind else "no header"
    return [
        f"{PER_SECOND} requests/s allowed, 429 beyond ({header})",
        "≥ 95% sustained, no case lost",
        f"{rate:.1f}/s ({100 * rate / PER_SECOND:.1f}%), {CASES - done.stored} lost, {done.seconds:.1f} s",
    ]


def troubled_row() -> list[str]:
    healthy, done = run("healthy"), run("troubled")
    different = sum(healthy.texts[name] != text for name, text in done.texts.items())
    lost = CASES - len(done.replies)
    failures = ", ".join(f"{kind} {count}" for kind, count in done.failures.items()) or "none"
    return [
        "5% 500s, 2% time-outs, 1% garbage, 1% cut connections",
        "all answered or accounted for, answers as of a healthy server",
        f"{len(done.texts)} answered, {lost} lost, failures: {failures}; {different} answers differ",
    ]


async def bare_loop(url: str) -> float:
    """Seconds of the client library alone: its untyped calls, without ledger, retries or scoring."""
    client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=openai.DefaultAioHttpClient())
    left = iter(range(CASES))

    async def work() -> None:
        for i in left:
            body = {"model": "echo", "messages": [{"role": "user", "content": f"ticket {i}"}]}
            await client.post("/chat/completions", cast_to=object, body=body)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    seconds = time.perf_counter() - started
    await client.close()
    return seconds


def latency_row() -> list[str]:
    ideal = CASES / IN_FLIGHT * LATENCY_S
    start_up = run("latency", 1).seconds - LATENCY_S
    done = run("latency")
    rest = done.seconds - start_up
    with served("latency") as url:
        bare = asyncio.run(bare_loop(url))
    return [
        f"{1000 * LATENCY_S:.0f} ms latency, {IN_FLIGHT} in flight",
        f"≤ 1.15 × {ideal:.1f} s, plus start-up",
        f"{rest:.2f} s ({rest / ideal:.2f} ×) and {start_up:.2f} s start-up, {len(done.texts)} answered; "
        f"the client alone: {bare:.2f} s",
    ]


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    run("healthy", 100)  # the client library is imported and warm then
    rows = [limited_row("limit, Retry-After"), limited_row("limit"), troubled_row(), latency_row()]
    page = [
        "# Servers that make it hard",
        "",
        f"`python benchmarks/hard_servers.py`, {platform.machine()}, {os.cpu_count()} cores that client and server "
        f"share; {CASES:,} cases each. The machine is shared, so times vary from run to run.",
        "",
        tabulate(rows, headers=["server", "goal", "measured"], tablefmt="pipe", disable_numparse=True),
        "",
        "The limit is of any second, not of each second on the clock: no burst is taken at a change of seconds.",
        "Rates are over the whole run, start-up included. The client alone is a loop of the library's untyped calls,",
        "as many in flight, in the same run: what it takes beyond the ideal is not the harness's.",
        "",
    ]
    RESULT.write_text("\n".join(page), encoding="utf-8")
    print("\n".join(page))


if __name__ == "__main__":
    main()
