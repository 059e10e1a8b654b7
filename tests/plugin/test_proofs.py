"""Proof of treatment: asked for before a strategy is scored, kept with its answers, and listed in the report."""

from __future__ import annotations

import json
import shutil

import pytest
from support.chat_server import ChatServer, answer
from support.embedded import MODEL, ROOT, SHA256

from harness.cli import main
from harness.runs import LEDGER

SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), 0.5)
"""
STRATEGIES = """
task: fruit
adapter: good
strategies:
  few: {stage: candidate, prompt: prompts/p.md, examples: {ids: [p1, p0]}}
  plain: {stage: candidate, prompt: prompts/p.md}
  loose: {stage: shipped, prompt: prompts/p.md, examples: {ids: [p1, p0]}, parse: lenient}
"""


@pytest.fixture
def server():
    with ChatServer(lambda call: answer(json.dumps({"kind": call.messages[-1]["content"].split()[0]}))) as running:
        yield running


@pytest.fixture
def shown(project, server):
    """Strategies with examples on a chat model."""
    rows = [{"id": f"p{i}", "inputs": {"text": f"pear, pool {i}"}, "expected": {"kind": "pear"}} for i in range(3)]
    project.write("fixtures/fruit/pool.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    project.write("suites/fruit/strategies.yaml", STRATEGIES)
    project.write("adapters/good.yaml", f"driver: openai_chat\nmodel: m\nbase_url: {server.base_url}\n")
    project.suite(SUITE)
    return project


def section(project):
    return project.report().partition("### Proof of treatment\n\n")[2].partition("###")[0]


def kept(project):
    """What later runs must repeat."""
    return section(project), project.report("verdicts.json")


def test_examples_in_the_messages_are_proved_without_a_call(shown, server):
    shown.run().assert_outcomes(passed=3)
    assert server.count == 400
    rows = section(shown).splitlines()[2:4]
    assert [[cell.strip() for cell in row.split("|")][1:4] for row in rows] == [
        ["`few`", "examples shown", "proved"],
        ["`loose`", "examples shown", "proved"],
    ]
    assert "the texts of 8 probe requests hold the 2 examples declared, in their order and before the case" in rows[0]
    runs = json.loads(shown.report("verdicts.json"))["suites"][0]["runs"]
    assert {name: run["proofs"] for name, run in runs.items()} == {
        "few": {"examples shown": "proved"},
        "plain": {},
        "loose": {"examples shown": "proved"},
    }


def test_a_run_from_the_ledger_a_recording_or_an_export_shows_the_same_proofs(shown, server):
    shown.run("--gate-record", "run.jsonl")
    first = kept(shown)
    shown.run()
    assert kept(shown) == first
    assert main(["ledger", "export", "all.jsonl"]) == 0
    shutil.rmtree(shown.root / ".holdfast")
    shown.run("--gate-replay", "run.jsonl")
    assert kept(shown) == first
    assert main(["ledger", "import", "all.jsonl"]) == 0
    shown.run("--gate-replay", str(LEDGER))
    assert kept(shown) == first
    assert server.count == 400


def test_shards_bring_their_proofs(shown):
    shown.run()
    first = kept(shown)
    for number in (1, 2):
        shutil.rmtree(shown.root / ".holdfast")
        shown.run("--gate-shard", f"{number}/2")
        shutil.copy(shown.root / LEDGER, shown.root / f"{number}.sqlite")
    shutil.rmtree(shown.root / ".holdfast")
    assert main(["merge", "1.sqlite", "2.sqlite"]) == 0
    assert kept(shown) == first


def test_answers_without_proofs_are_said_to_have_none(shown):
    shown.run("--gate-record", "run.jsonl")
    header, _, rest = (shown.root / "run.jsonl").read_text().partition("\n")
    old = {name: value for name, value in json.loads(header).items() if name != "proofs"}
    shown.write("old.jsonl", json.dumps(old) + "\n" + rest)
    shown.run("--gate-replay", "old.jsonl").assert_outcomes(passed=3)
    assert section(shown).startswith("Not known of `few`, `plain`, `loose`: all answers were stored, and no proofs")


def test_a_driver_that_renders_no_text_is_reported(project):
    row = {"id": "p0", "inputs": {"text": "pear of the pool, once more"}, "expected": {"kind": "pear"}}
    project.write("fixtures/fruit/pool.jsonl", json.dumps(row) + "\n")
    project.write(
        "suites/fruit/strategies.yaml",
        "task: fruit\nadapter: good\n"
        "strategies: {good: {stage: shipped, prompt: prompts/p.md, examples: {ids: [p0]}}}\n",
    )
    project.suite(SUITE)
    project.run().assert_outcomes(passed=1)
    assert project.calls == 200
    assert "| reported | the prompt holds the 1 example declared, in their order; the driver" in section(project)


def test_weights_that_did_not_load_stop_the_strategy_before_it_is_scored(project):
    from safetensors.torch import load_file, save_file

    shutil.copytree(ROOT / "adapters" / "lora" / "banking77", project.root / "adapters" / "lora")
    path = project.root / "adapters" / "lora" / "adapter_model.safetensors"
    save_file({name: rows * (0 if "lora_B" in name else 1) for name, rows in load_file(path).items()}, path)
    project.write("adapters/tuned.yaml", f"driver: encoder\nmodel: {MODEL}\nsha256: {SHA256}\nlora: lora\n")
    project.strategies(tuned="candidate", good="shipped")
    project.suite(SUITE)
    result = project.run()
    result.assert_outcomes(passed=1, failed=1)
    told = result.stdout.str()
    assert "its treatment is not what is declared (LoRA changes the embeddings: the embeddings of 8 probe" in told
    assert "harness train adapters/tuned.yaml" in told
    assert "`fruit/tuned` could not be run" in project.report()
    assert list(json.loads(project.report("verdicts.json"))["suites"][0]["runs"]) == ["good"]
