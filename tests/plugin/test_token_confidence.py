"""Log-probabilities of tokens, from the server to who reviews: asked for once, then in ledger and recording."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
from support.chat_server import ChatServer, answer, tokens_reply

from harness.cli import main
from harness.runs import LEDGER

SUITE = """
def test_review(run, gate):
    gate.at_most(run.review_rate(), 0.2)
"""
STRATEGIES = """
task: fruit
adapter: good
strategies:
  good: {stage: shipped, prompt: prompts/p.md, review_below: 0.7}
"""


def unsure_of_quinces(call):
    """Gives log-probabilities where they are asked for."""
    kind = call.messages[-1]["content"].split()[0]
    if not call.body.get("logprobs"):
        return answer(json.dumps({"kind": kind}))
    return tokens_reply(('{"kind": "', -0.01), (kind, math.log(0.6 if kind == "quince" else 0.8)), ('"}', -0.02))


@pytest.fixture
def server():
    with ChatServer(unsure_of_quinces) as running:
        yield running


@pytest.fixture
def served(project, server):
    project.write("suites/fruit/strategies.yaml", STRATEGIES)
    adapter(project, server, "logprobs: true")
    project.suite(SUITE)
    return project


def adapter(project, server, *lines):
    text = "\n".join(["driver: openai_chat", "model: m", f"base_url: {server.base_url}", *lines])
    project.write("adapters/good.yaml", text + "\n")


def reviewed(project):
    """The kinds of fruit that a person must look at, and why."""
    rows = [json.loads(line) for line in project.report("outcomes.jsonl").splitlines()]
    return {(row["expected"]["kind"], row["problem"]) for row in rows if row["status"] == "review"}


def test_answers_whose_tokens_are_not_sure_enough_go_to_a_person(served, server):
    assert served.run("--gate-record", "run.jsonl").ret == 0
    assert reviewed(served) == {("quince", "confidence below 0.7")}
    assert served.claims[0]["estimate"] == 0.1
    verdicts = served.report("verdicts.json")
    served.run()
    assert (served.report("verdicts.json"), server.count) == (verdicts, 200)
    shutil.rmtree(served.root / ".holdfast")
    served.run("--gate-replay", "run.jsonl")
    assert (served.report("verdicts.json"), server.count) == (verdicts, 200)


def test_an_exported_ledger_is_judged_alike(served, server, capsys):
    served.run()
    verdicts = served.report("verdicts.json")
    assert main(["ledger", "export", "all.jsonl"]) == 0
    shutil.rmtree(served.root / ".holdfast")
    assert main(["ledger", "import", "all.jsonl"]) == 0
    served.run("--gate-replay", str(LEDGER))
    assert (served.report("verdicts.json"), server.count) == (verdicts, 200)
    key = json.loads(Path("all.jsonl").read_text().splitlines()[0])["key"]
    capsys.readouterr()
    assert main(["ledger", "explain", key]) == 0
    assert '\nlog-probabilities [["{\\"kind\\": \\"", -0.01], ["' in capsys.readouterr().out


def test_without_the_option_nothing_is_known_and_other_answers_are_asked(served, server):
    served.run()
    adapter(served, server)
    served.run()
    assert server.count == 400
    assert reviewed(served) == {(kind, "no confidence given") for kind in ("apple", "pear", "quince")}


def test_an_option_that_is_neither_true_nor_false_is_named_with_its_line(served, server):
    adapter(served, server, "logprobs: 5")
    served.run().stdout.fnmatch_lines(["*adapters/good.yaml:4: logprobs: 5 does not fit; expected true asks for*"])
    assert server.count == 0
