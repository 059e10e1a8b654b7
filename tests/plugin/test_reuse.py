"""How often a holdout was used: counted, committed with a baseline, shown, and warned of."""

from __future__ import annotations

import json

import pytest

from harness.fixtures_io.uses import Use, append_uses
from harness.runs.reusing import JUDGED

SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))
"""


@pytest.fixture
def judged(project):
    """A project whose strategy has been judged once."""
    project.suite(SUITE)
    assert project.run().ret == 0
    return project


def committed(project):
    path = project.root / "fixtures/fruit/uses.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_version_of_a_strategy_counts_once_however_often_it_is_judged(judged):
    assert "One strategy has been judged on it." in judged.report()
    judged.run()
    assert "One strategy has been judged on it." in judged.report()
    judged.adapter("good", wrong=1)
    judged.run()
    text = judged.report()
    assert "2 different strategies have been judged on it. If all were equally good, the best by score" in text
    assert "better than it is by 0.56 standard errors, 0.4 points of accuracy." in text


def test_what_was_judged_is_committed_with_a_baseline_and_not_before(judged):
    judged.adapter("good", wrong=1)
    judged.run()
    assert committed(judged) == []
    result = judged.run("--gate-accept", "release")
    result.stdout.fnmatch_lines(["*fixtures/fruit/uses.jsonl: strategies judged on this holdout so far: 2"])
    rows = committed(judged)
    holdout = json.loads((judged.root / "fixtures/fruit/lock.json").read_text())["holdout"]
    assert [(row["suite"], row["strategy"], row["holdout"]) for row in rows] == [("fruit", "good", holdout)] * 2
    assert len({row["digest"] for row in rows}) == 2


def test_committed_uses_count_on_another_machine(judged):
    judged.run("--gate-accept", "release")
    (judged.root / JUDGED).unlink()
    judged.adapter("good", wrong=1)
    judged.run()
    assert "2 different strategies have been judged on it" in judged.report()


def test_a_refused_acceptance_commits_no_uses(judged):
    judged.adapter("good", wrong=100)
    assert judged.run("--gate-accept", "release").ret == 1
    assert committed(judged) == []


def test_a_dry_run_is_no_use(project):
    project.suite(SUITE)
    project.run("--gate-dry-run")
    assert not (project.root / JUDGED).exists()


def test_many_uses_are_warned_of_with_what_they_may_be_worth(judged):
    (use,) = [json.loads(line) for line in (judged.root / JUDGED).read_text().splitlines()]
    append_uses(judged.root / JUDGED, [Use(use["holdout"], "fruit", "good", f"d{i}") for i in range(24)])
    result = judged.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["fruit: 25 strategies were judged on this holdout; by luck alone the best of them may look *harness freeze*"]
    )
    assert "**That is more than a 95% interval allows for**" in judged.report()


def test_uses_of_another_holdout_do_not_count_and_those_of_the_one_it_came_from_do(judged):
    append_uses(judged.root / JUDGED, [Use("f" * 64, "fruit", "good", "d1")])
    judged.run()
    assert "One strategy has been judged on it." in judged.report()
    judged.holdout([("apple", 100), ("pear", 80), ("quince", 21)])
    judged.freeze()
    judged.adapter("good", wrong=1)
    judged.run()
    assert "2 different strategies have been judged on it" in judged.report()
