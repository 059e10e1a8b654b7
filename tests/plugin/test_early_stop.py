"""--gate-early-stop: no more cases than the claims that may block need, and verdicts that stand."""

from __future__ import annotations

import json

import pytest

SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), 0.8)
"""
N = 1000


@pytest.fixture
def large(project):
    project.holdout([("apple", 500), ("pear", 400), ("quince", 100)])
    project.freeze()
    project.suite(SUITE)
    return project


def suite_json(project):
    return json.loads(project.report("verdicts.json"))["suites"][0]


def test_a_good_run_ends_when_it_is_settled(large):
    result = large.run("--gate-early-stop")
    result.assert_outcomes(passed=1)
    asked = large.calls
    assert 10 < asked < 200
    result.stdout.fnmatch_lines([f"fruit: good asked {asked} of {N} cases, {N - asked} model calls saved*"])
    (claim,) = large.claims
    assert (claim["status"], claim["rule"], claim["n"]) == ("PASS", "anytime", asked)
    assert suite_json(large)["runs"]["good"]["missing"] == N - asked
    report = large.report()
    assert f"`good`: stopped early, asked {asked} of {N} cases, {N - asked} model calls saved" in report
    assert "anytime-valid" in report
    assert "**PASS: no claim blocks, 1 claim met.**" in report
    assert "100.0% (" in report.split("| `good`")[1]
    assert "missing" not in report


def test_a_bad_run_ends_with_a_failure_that_names_cases(large):
    large.adapter("good", wrong=600)
    result = large.run("--gate-early-stop")
    result.assert_outcomes(failed=1)
    assert large.calls < 200
    assert large.claims[0]["rule"] == "anytime"
    result.stdout.fnmatch_lines(["*expected apple, answered pear*"])


def test_the_same_again_asks_nothing_and_says_the_same(large):
    large.run("--gate-early-stop")
    calls, verdicts = large.calls, large.report("verdicts.json")
    large.run("--gate-early-stop").assert_outcomes(passed=1)
    assert (large.calls, large.report("verdicts.json")) == (calls, verdicts)
    large.run("--gate-early-stop", "-n", "2").assert_outcomes(passed=1)
    assert (large.calls, large.report("verdicts.json")) == (calls, verdicts)


def test_what_the_ledger_knows_saves_no_call(large):
    large.run()
    assert large.calls == N
    result = large.run("--gate-early-stop")
    result.stdout.fnmatch_lines([f"fruit: good asked * of {N} cases, 0 model calls saved*"])


def test_only_the_cases_of_unsettled_claims_go_on(large):
    """Zero tolerance on a slice needs all of the slice, and nothing else."""
    large.suite(
        SUITE + "\ndef test_rare(run, gate, critical_slice):\n    gate.never(run.unusable(slice=critical_slice))\n"
    )
    result = large.run("--gate-early-stop")
    result.assert_outcomes(passed=2)
    asked = {line.split()[1] for line in (large.root / "adapters" / "calls.log").read_text().splitlines()}
    rare = {str(number) for number in range(900, 1000)}
    assert rare <= asked
    assert len(asked - rare) < 150
    result.stdout.fnmatch_lines(
        ["fruit: good asked * model calls saved; the last cases were for unusable(good,", "  slice=rare)"]
    )


def test_a_cost_has_no_such_bound_and_is_judged_on_all_cases(large):
    large.suite("def test_cost(run, gate):\n    gate.at_most(run.cost(), 5)\n")
    result = large.run("--gate-early-stop")
    result.stdout.fnmatch_lines(
        [f"fruit: good asked {N} of {N} cases, 0 model calls saved; the last cases were for cost(good)"]
    )
    assert large.claims[0]["rule"] == "upper_bound"


def test_a_run_without_blocking_claims_is_asked_whole(large):
    large.strategies(good="shipped", fair="reference")
    result = large.run("--gate-early-stop")
    assert "fair asked" not in result.stdout.str()
    runs = suite_json(large)["runs"]
    assert runs["fair"]["missing"] == 0
    assert runs["good"]["missing"] > 0


def test_a_change_against_the_baseline_stops_early_too(large):
    large.suite(
        "def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.3)\n"
        "def test_no_regression(run, baseline, gate):\n"
        "    gate.no_worse(run.accuracy(), baseline.accuracy(), margin=0.1)\n"
    )
    large.run("--gate-accept", "first")
    large.adapter("good", wrong=300)
    before = large.calls
    result = large.run("--gate-early-stop")
    result.assert_outcomes(passed=1, failed=1)
    assert large.calls - before < 250
    result.stdout.fnmatch_lines(["*lost since the baseline*", "*before apple, now answered pear*"])


def test_a_model_that_can_not_be_had_is_broken_as_always(large):
    large.write("adapters/good.yaml", "driver: python\nmodel: model.py:nothing\n")
    result = large.run("--gate-early-stop")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*good could not be run*"])


SLOW = """    import os, time
    time.sleep(0.002)
    with CALLS.with_name("pids.log").open("a") as log:
        log.write(f"{os.getpid()}\\n")
    kind, number"""


def slow(large):
    model = (large.root / "adapters" / "model.py").read_text()
    large.write("adapters/model.py", model.replace("    kind, number", SLOW, 1))


def test_the_time_of_a_run_is_that_of_all_its_batches(large):
    slow(large)
    large.write("adapters/good.yaml", "driver: python\nmodel: model.py:answer\nlimits: {run_timeout_s: 0.5}\n")
    large.suite("def test_cost(run, gate):\n    gate.at_most(run.cost(), 5)\n")
    large.run("--gate-early-stop")
    assert 32 <= large.calls <= 250 + 64
    assert suite_json(large)["runs"]["good"]["missing"] == 0, "what was not asked has failed"


def test_one_worker_pays_for_all_batches_of_a_run(large):
    slow(large)
    large.suite("def test_cost(run, gate):\n    gate.at_most(run.cost(), 5)\n")
    large.run_apart("--gate-early-stop", "-n", "2").assert_outcomes(passed=1)
    assert large.calls == N
    assert len(set((large.root / "adapters" / "pids.log").read_text().splitlines())) == 1
