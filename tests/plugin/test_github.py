"""What a run leaves where GitHub shows it: annotations, the summary of the step, the comment; and nothing elsewhere."""

from __future__ import annotations

import pytest

SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), 0.88)


def test_guarded(run, gate, critical_slice):
    where = run.accuracy(slice=critical_slice)
    gate.at_least(where, 0.95, role="guard")


def test_told(run, gate):
    gate.at_least(run.accuracy(), 0.99, role="report")
"""


@pytest.fixture
def on_github(project, monkeypatch):
    project.strategies(bad="candidate", good="shipped")
    project.suite(SUITE)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.root))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.root / "step.md"))
    return project


def run(project, *workers):
    return project.run_apart(*workers) if workers else project.run()


def commands(result):
    return [line for line in result.outlines if line.startswith("::")]


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_blocking_claims_are_annotated_at_their_line_and_at_the_prompt(on_github, workers):
    result = run(on_github, *workers)
    assert result.ret == 1
    lost = (
        "100 of 200 right (50.0%25), at most 56.0%25 with 95%25 confidence; 88%25 asked"
        "%0Acases, dearest first: " + ", ".join(f"c000{number} (cost 4)" for number in range(8)) + " and 92 more"
    )
    few = "20 of 20 right (100.0%25), at least 86.1%25 with 95%25 confidence; 95%25 asked"
    few += "; 39 more cases would settle it"
    rare = "INCONCLUSIVE%3A bad%2C accuracy on rare%2C and 1 more"
    assert commands(result) == [
        f"::error file=suites/fruit/test_fruit.py,line=3,title=FAIL%3A bad%2C accuracy::{lost}",
        f"::error file=suites/fruit/prompts/p.md,line=1,title=FAIL%3A bad%2C accuracy::{lost}",
        f"::warning file=suites/fruit/test_fruit.py,line=8,title={rare}::"
        f"INCONCLUSIVE: bad, accuracy on rare: {few}%0AINCONCLUSIVE: good, accuracy on rare: {few}",
    ]


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_the_summary_of_the_step_is_the_report_written_once(on_github, workers):
    run(on_github, *workers)
    text = (on_github.root / "step.md").read_text(encoding="utf-8")
    assert text.startswith("# Holdfast report\n\n**BLOCKED: 1 claim not met.**")
    assert text.count("# Holdfast report") == 1
    assert "## Provenance" in text


def test_a_second_run_of_the_step_adds_its_report_in_the_room_that_is_left(on_github):
    on_github.run()
    step = on_github.root / "step.md"
    alone = step.stat().st_size
    on_github.run()
    assert step.stat().st_size == 2 * alone
    step.write_text("x" * (1024 * 1024 - 900), encoding="utf-8")
    on_github.run()
    assert step.stat().st_size <= 1024 * 1024
    assert "sections do not fit here and are in report.md" in step.read_text(encoding="utf-8")


def test_paths_count_from_the_root_of_the_repository(on_github, monkeypatch):
    monkeypatch.setenv("GITHUB_WORKSPACE", str(on_github.root.parent))
    found = commands(on_github.run())
    assert found[0].startswith(f"::error file={on_github.root.name}/suites/fruit/test_fruit.py,line=3,")


def test_a_strategy_that_could_not_run_is_annotated(on_github):
    on_github.write("adapters/lost.yaml", "driver: python\nmodel: model.py:anser\n")
    on_github.strategies(lost="candidate", good="shipped")
    (found, *_) = commands(on_github.run())
    assert found.startswith("::error file=suites/fruit/strategies.yaml,line=1,title=lost could not be run::")
    assert "anser" in found


def test_a_test_that_cannot_state_its_claims_is_annotated(on_github):
    on_github.suite("def test_one(run, gate):\n    gate.at_least(run.accuracy(), 0.999)\n")
    (found,) = commands(on_github.run("--gate-strategies", "good"))
    assert found.startswith("::error file=suites/fruit/test_fruit.py,line=1,title=test_one[good] could not state its")
    assert "can't be shown on 200 cases" in found


def test_a_summary_that_cannot_be_written_is_told_and_decides_nothing(on_github, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(on_github.root / "nowhere" / "step.md"))
    on_github.strategies(good="shipped")
    result = on_github.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["the summary of this step could not be written: No such file or directory"])


@pytest.mark.parametrize("value", [None, "false"])
def test_elsewhere_nothing_is_annotated(on_github, monkeypatch, value):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    monkeypatch.delenv("GITHUB_ACTIONS") if value is None else monkeypatch.setenv("GITHUB_ACTIONS", value)
    result = on_github.run()
    assert not commands(result)
    assert not (on_github.root / "step.md").exists()


def test_a_comment_for_the_pull_request_is_ready(on_github):
    on_github.run()
    lines = on_github.report("comment.md").splitlines()
    assert lines[0].startswith("<!-- holdfast")
    assert lines[1] == "### Holdfast: BLOCKED: 1 claim not met."
