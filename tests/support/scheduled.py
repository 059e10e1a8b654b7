"""Runs of the scheduler for tests: requests, what came back, the real driver, and a model in this process."""

from __future__ import annotations

import os
import signal
from collections import Counter, defaultdict

from support.chat_server import answer

from harness.core.prompting import make_prompt
from harness.core.records import Adapter, Failure, Limits, Request, Response, Settings
from harness.core.schemas import AnswerSchema
from harness.drivers.openai_chat import OpenAIChatDriver
from harness.execution.ledger import KeyMaker
from harness.execution.scheduler import execute

PROMPT = make_prompt("Route the ticket.", AnswerSchema({"type": "object", "properties": {"n": {"type": "integer"}}}))


def requests(n):
    for i in range(n):
        yield Request(prompt=PROMPT, case_id=f"c{i}", repeat=0, inputs={"text": f"ticket {i}"}, settings=Settings())


def echo(call):
    return answer(f"answer to {call.messages[-1]['content']}")


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


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


def run(base_url, ledger, stream, *, sink=None, progress=None, state=None, **limits):
    sink = sink or Sink()
    limits = Limits(**{"concurrency": 8, "retries": 3, "timeout_s": 20} | limits)
    adapter = Adapter(
        name="gpt", driver="openai_chat", model="m", options={"base_url": base_url}, limits=limits, file="gpt.yaml"
    )
    driver = OpenAIChatDriver(adapter, environment={})
    keys = KeyMaker("openai_chat", driver.identity())
    execute(stream, driver=driver, keys=keys, ledger=ledger, limits=limits, sink=sink, progress=progress, state=state)
    return sink


def expected(n):
    return {f"c{i}": [f"answer to ticket {i}"] for i in range(n)}


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
