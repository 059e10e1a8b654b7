"""`kill -9` in the middle of a run: nothing that was committed is lost, and the end is that of an undisturbed run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time

import pytest
from support.chat_server import ChatServer, answer

from harness.execution.ledger import Ledger
from harness.execution.scheduler import COMMIT_EVERY
from harness.runs import LEDGER

CONCURRENCY = 8
COMMAND = [sys.executable, "-m", "pytest", "suites", "-p", "no:randomly"]


@pytest.fixture
def server():
    def behave(call):
        kind, number = call.messages[-1]["content"].split()
        said = "pear" if int(number) < 20 else kind
        return answer(json.dumps({"kind": said}), delay_s=0.05)

    with ChatServer(behave, record=False) as running:
        yield running


def stored(project):
    with Ledger(project.root / LEDGER) as ledger:
        return len(ledger)


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_killed_run_is_resumed_to_the_same_verdicts(project, server):
    project.holdout([("apple", 300), ("pear", 260), ("quince", 40)])
    project.freeze()
    limits = f"limits: {{concurrency: {CONCURRENCY}}}"
    project.write("adapters/good.yaml", f"driver: openai_chat\nmodel: m\nbase_url: {server.base_url}\n{limits}\n")
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.9)\n")
    assert project.run_apart().ret == 0
    verdicts = project.report("verdicts.json")
    shutil.rmtree(project.root / ".holdfast")
    shutil.rmtree(project.root / "reports")
    server.count = lost = 0
    for until in (90, 101, 230):
        already, known = server.count, stored(project)
        with subprocess.Popen(COMMAND, cwd=project.root, stdout=subprocess.DEVNULL) as running:
            wait_for(lambda until=until, already=already: server.count >= already + until)
            running.kill()
        time.sleep(0.3)
        gone = server.count - already - (stored(project) - known)
        assert 0 <= gone <= CONCURRENCY + COMMIT_EVERY
        lost += gone
    assert 0 < stored(project) < 600
    assert project.run_apart().ret == 0
    assert project.report("verdicts.json") == verdicts
    assert server.count == 600 + lost
