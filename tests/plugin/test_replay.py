"""Recorded predictions are judged again without the model, to the same bytes."""

from __future__ import annotations

import shutil

import pytest

ACCURACY = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))
"""


@pytest.fixture
def recorded(project):
    """A recorded project whose model and ledger are gone."""
    project.strategies(fair="candidate", good="shipped")
    project.adapter("good", broken=3)
    project.suite(ACCURACY)
    result = project.run("--gate-record", "run.jsonl")
    result.stdout.fnmatch_lines(["*recorded: run.jsonl*"])
    shutil.rmtree(project.root / ".holdfast")
    (project.root / "adapters" / "model.py").unlink()
    return project


def test_a_replay_reaches_the_same_verdicts_byte_for_byte(recorded):
    before = [recorded.report(name) for name in ("verdicts.json", "outcomes.jsonl")]
    calls = recorded.calls
    assert recorded.run("--gate-replay", "run.jsonl").ret == 0
    assert [recorded.report(name) for name in ("verdicts.json", "outcomes.jsonl")] == before
    assert recorded.calls == calls
    assert not (recorded.root / ".holdfast" / "ledger.sqlite").exists()


def test_recording_the_same_run_twice_gives_the_same_bytes(recorded):
    first = (recorded.root / "run.jsonl").read_bytes()
    recorded.run("--gate-replay", "run.jsonl", "--gate-record", "again.jsonl")
    assert (recorded.root / "again.jsonl").read_bytes() == first


def test_a_new_policy_is_judged_on_old_predictions(recorded):
    recorded.strategies(thresholds="{accuracy: 0.5}", fair="candidate", good="shipped")
    recorded.run("--gate-replay", "run.jsonl").assert_outcomes(passed=2)


def test_what_was_not_recorded_is_an_error_that_names_what_changed(recorded):
    recorded.write("suites/fruit/prompts/p.md", "Name the fruit, please.\n")
    result = recorded.run("--gate-replay", "run.jsonl")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*has no prediction for case c0000*changed since the recording: the prompt, its examples or the schema*"]
    )


def test_an_adapter_that_was_not_recorded_is_named(recorded):
    recorded.strategies(bad="candidate", good="shipped")
    result = recorded.run("--gate-replay", "run.jsonl")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*holds nothing of the adapter bad; it holds: fair, good*"])


@pytest.mark.parametrize("text", ["", "{}\n", "no json\n", '{"recording": 1}\n'])
def test_a_file_that_is_no_recording_says_how_to_make_one(recorded, text):
    (recorded.root / "run.jsonl").write_text(text)
    result = recorded.run("--gate-replay", "run.jsonl")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*is not a recording*--gate-record*"])


def test_failures_are_replayed_as_failures(project):
    project.write("adapters/model.py", "def answer(inputs):\n    raise ValueError('no fruit today')\n")
    project.write("adapters/good.yaml", "driver: python\nmodel: model.py:answer\n")
    project.suite("def test_all(run, gate):\n    gate.at_most(run.error_rate(), 0.5, role='report')\n")
    project.run("--gate-record", "run.jsonl")
    before = project.report("verdicts.json")
    project.run("--gate-replay", "run.jsonl")
    assert project.report("verdicts.json") == before
    assert project.claims[0]["estimate"] == 1.0
