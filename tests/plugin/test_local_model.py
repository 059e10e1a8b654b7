"""Whole runs with a local model: a tiny Llama with random weights, free and held to the schema."""

import re
import shutil
from pathlib import Path

import pytest
from support.tiny_llama import tiny_llama
from support.tiny_lora import tiny_lora

SUITE = """
def test_format(run, gate):
    gate.at_least(run.format_validity(), 0.5)
"""
STRATEGIES = """
task: fruit
adapter: llama
thresholds: {accuracy: 0.9}
strategies:
  free:  {stage: reference, prompt: prompts/p.md, sampling: {max_tokens: 8}}
  held:  {stage: shipped, prompt: prompts/p.md, decoding: json_schema, sampling: {max_tokens: 40}}
"""


@pytest.fixture(scope="module")
def llama(tmp_path_factory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def local(project, llama):
    project.holdout([("apple", 12), ("pear", 12), ("quince", 8)])
    project.freeze()
    project.suite(SUITE)
    project.write("suites/fruit/strategies.yaml", STRATEGIES)
    project.write("adapters/llama.yaml", f"driver: transformers_local\nmodel: {llama}\ndevice: cpu\n")
    return project


def without_run(report):
    """A report but for what the run took and its command, which names a folder of pytest's own."""
    return re.sub(r"^(The run took|To reproduce:) .*$", "", report, flags=re.MULTILINE)


def test_a_schema_makes_every_answer_usable_and_the_report_lists_what_was_proved(local):
    first = local.run_apart()
    assert first.ret == 0
    (claim,) = (claim for claim in local.claims if claim["run"] == "held")
    assert (claim["status"], claim["estimate"]) == ("PASS", 1.0)
    report = local.report()
    for proof in ("answers are held to the schema", "answers do not depend on the batch"):
        assert f"| {proof} | proved |" in report.replace("  ", "")
    verdicts = local.report("verdicts.json")
    again = local.run_apart()
    assert again.ret == 0
    assert local.report("verdicts.json") == verdicts
    assert without_run(local.report()) == without_run(report)


def test_a_lora_that_changes_nothing_stops_its_strategy(local, llama):
    tiny_lora(llama, local.root / "adapters/lora", size=0)
    local.write("adapters/llama.yaml", f"driver: transformers_local\nmodel: {llama}\ndevice: cpu\nlora: lora\n")
    result = local.run_apart()
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*no logit changes with the LoRA weights*"])
    shutil.rmtree(local.root / "adapters/lora")
    tiny_lora(llama, local.root / "adapters/lora")
    assert local.run_apart().ret == 0
