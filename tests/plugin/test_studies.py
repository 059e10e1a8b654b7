"""The report shows what `harness ceiling` and `harness fragility` measured, of the very strategy that was run."""

from __future__ import annotations

import json

import pytest

from harness.cli import main

HEADING = "### Is the prompt at its ceiling?"
STRATEGIES = """
task: fruit
adapter: good
strategies:
  few: {stage: shipped, prompt: prompts/p.md, examples: {ids: [p0, p1]}}
"""


@pytest.fixture
def studied(project, capsys):
    rows = [{"id": f"p{i}", "inputs": {"text": f"apple {1000 + i}"}, "expected": {"kind": "apple"}} for i in range(250)]
    project.write("fixtures/fruit/pool.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    project.write("suites/fruit/strategies.yaml", STRATEGIES)
    project.freeze()
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.5)\n")
    assert main(["ceiling", "fruit/few"]) == 0
    assert main(["fragility", "fruit/few", "--cases", "9"]) == 0
    return project


def test_a_fitting_study_is_shown_however_often_each_case_is_asked(studied):
    studied.run("--gate-repeats", "2")
    section = studied.report().partition(HEADING)[2].partition("\n### ")[0]
    assert "`few`: 2 examples instead of 1 gained 0.0 points of accuracy" in section
    assert "at its ceiling" in section
    assert "Without one of its 2 examples, `few` decides 0.0 of 9 pool cases differently" in section
    verdicts = studied.report("verdicts.json")
    assert str(studied.root) not in verdicts + studied.report()


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("suites/fruit/prompts/p.md", "Name the fruit, please.\n"),
        ("suites/fruit/strategies.yaml", STRATEGIES.replace("p0, p1", "p1, p0")),
        ("adapters/good.yaml", "driver: python\nmodel: model.py:answer\noptions: {wrong: 1}\n"),
    ],
)
def test_the_study_of_another_prompt_other_examples_or_another_model_is_not_shown(studied, file, text):
    studied.write(file, text)
    studied.run()
    assert "points of accuracy" not in studied.report().partition(HEADING)[2]
    assert "Without one of its" not in studied.report()
    assert "`harness ceiling fruit/few`" in studied.report()


def test_a_study_is_found_in_the_folder_that_the_project_names(studied):
    studied.write("pyproject.toml", '[tool.holdfast]\nreports = "told"\n')
    (studied.root / "reports").rename(studied.root / "told")
    studied.run("--gate-report", "reports/latest")
    assert "at its ceiling" in studied.report()
