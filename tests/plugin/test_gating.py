"""Declare, execute, settle, then ordinary pytest."""

from __future__ import annotations

import json
import re

import pytest

ACCURACY = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))
"""


def test_a_claim_that_is_met_passes(project):
    project.suite(ACCURACY)
    result = project.run()
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    assert [claim["status"] for claim in project.claims] == ["PASS"]
    result.stdout.fnmatch_lines(["*fruit: 1 PASS; none blocking*", "*report: reports/latest/report.md*"])


def test_a_claim_that_fails_blocks_at_its_own_line_with_the_worst_cases(project):
    project.strategies(bad="shipped")
    project.suite(ACCURACY)
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">*gate.at_least(run.accuracy(), run.threshold(*",
            "*FAIL: bad, accuracy*",
            "*100 of 200*50.0%*",
            "*worst cases by cost*",
            "*c0000 (cost 4): apple 0*",
            "*kind: expected apple, answered pear*",
        ]
    )
    assert "BLOCKED: 1 claim not met" in project.report()


def test_an_unsettled_claim_warns_in_pr_and_blocks_in_release(project):
    project.strategies(fair="shipped")
    project.suite(ACCURACY)
    result = project.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*1 inconclusive*"])
    assert [claim["status"] for claim in project.claims] == ["INCONCLUSIVE"]
    result = project.run("--gate-profile", "release")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*INCONCLUSIVE: fair, accuracy*"])


def test_the_profile_can_stand_in_pyproject(project):
    project.strategies(fair="shipped")
    project.suite(ACCURACY)
    project.write("pyproject.toml", "[tool.holdfast]\nprofile = 'release'\n[tool.pytest.ini_options]\n")
    project.run().assert_outcomes(failed=1)
    project.write("pyproject.toml", "[tool.holdfast]\nprofil = 'release'\n[tool.pytest.ini_options]\n")
    assert "unknown key 'profil'" in project.run().stdout.str()


def test_what_an_inconclusive_gate_does_can_be_set(project):
    project.strategies(fair="shipped")
    project.suite(ACCURACY)
    setting = "[tool.holdfast]\ninconclusive = {0}\n[tool.pytest.ini_options]\n"
    project.write("pyproject.toml", setting.format('{pr = "block"}'))
    project.run().assert_outcomes(failed=1)
    project.run("--gate-profile", "release").assert_outcomes(failed=1)
    project.write("pyproject.toml", setting.format('{release = "warn"}'))
    for profile in ("pr", "release"):
        result = project.run("--gate-profile", profile)
        assert result.ret == 0
        result.stdout.fnmatch_lines(["*1 inconclusive*"])
        assert [(c["status"], c["effect"]) for c in project.claims] == [("INCONCLUSIVE", "warn")]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ('{nightly = "warn"}', "inconclusive has the unknown profile 'nightly'; expected one of pr, release"),
        ('{release = "ignore"}', "inconclusive.release is 'ignore'; expected warn or block"),
        ('{pr = "pass"}', "inconclusive.pr is 'pass'; expected warn or block"),
        ('"warn"', 'inconclusive is \'warn\'; expected a table such as {pr = "warn", release = "block"}'),
    ],
)
def test_a_setting_that_is_not_known_is_named_with_file_and_key(project, setting, told):
    project.suite(ACCURACY)
    project.write("pyproject.toml", f"[tool.holdfast]\ninconclusive = {setting}\n[tool.pytest.ini_options]\n")
    result = project.run()
    assert result.ret != 0
    assert f"pyproject.toml: [tool.holdfast] {told}" in result.stdout.str()
    assert project.calls == 0


def test_a_fail_may_be_held_to_a_level_of_its_own(project):
    project.adapter("edge", wrong=28)
    project.strategies(edge="shipped")
    claim = "def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.9{0})\n"
    found = {}
    for level in ("", ", alpha_fail=0.01", ", alpha=0.01", ", alpha=0.01, alpha_fail=0.05"):
        project.suite(claim.format(level))
        project.run()
        (row,) = project.claims
        found[level] = row["status"], row["alpha"], row["alpha_fail"]
    assert found == {
        "": ("FAIL", 0.05, 0.05),
        ", alpha_fail=0.01": ("INCONCLUSIVE", 0.05, 0.01),
        ", alpha=0.01": ("INCONCLUSIVE", 0.01, 0.01),
        ", alpha=0.01, alpha_fail=0.05": ("FAIL", 0.01, 0.05),
    }


def test_every_claim_with_a_p_value_takes_the_level_of_a_fail(project):
    project.suite(
        """
        def test_levels(run, baseline, gate):
            gate.at_least(run.accuracy(), 0.9, alpha_fail=0.01)
            gate.at_most(run.costly_error_rate(), 0.1, alpha_fail=0.02)
            gate.at_most(run.cost(), 8, alpha_fail=0.03)
            gate.no_worse(run.accuracy(), baseline.accuracy(), 0.1, alpha_fail=0.04)
            gate.no_worse(run.cost(), baseline.cost(), 5, alpha_fail=0.06)
        """
    )
    project.run("--gate-accept", "first release")
    project.run()
    assert [claim["alpha_fail"] for claim in project.claims] == [0.01, 0.02, 0.03, 0.04, 0.06]


@pytest.mark.parametrize("level", ["alpha=0.7", "alpha_fail=0.7", "alpha_fail=0"])
def test_a_level_outside_its_range_is_refused_before_any_call(project, level):
    project.suite(f"def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.9, {level})\n")
    result = project.run()
    result.assert_outcomes(failed=1)
    name, _, value = level.partition("=")
    result.stdout.fnmatch_lines([f"*{name} is {value}; expected a number between 0 and 0.5*"])
    assert project.calls == 0


def test_a_reference_is_measured_and_never_blocks(project):
    project.strategies(bad="reference", good="shipped")
    project.suite(ACCURACY)
    result = project.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*1 passed*1 missed*"])
    assert {c["run"]: (c["status"], c["effect"]) for c in project.claims} == {
        "bad": ("FAIL", "warn"),
        "good": ("PASS", "pass"),
    }


def test_an_impossible_claim_is_refused_before_any_call(project):
    project.strategies(thresholds="{accuracy: 0.999}", good="shipped")
    project.suite(ACCURACY)
    result = project.run()
    result.assert_outcomes(failed=1)
    assert project.calls == 0
    assert "0.999" in result.stdout.str()


def test_a_test_that_cannot_state_its_claims_stops_everything_before_any_call(project):
    project.suite(ACCURACY + '\ndef test_broken(run, gate):\n    gate.at_least(run.accuracy(slice="rear"), 0.5)\n')
    result = project.run()
    result.assert_outcomes(failed=2)
    assert project.calls == 0
    result.stdout.fnmatch_lines(["*not judged and no model called*test_broken*", "*no slice 'rear'; expected 'rare'*"])


def test_a_gated_test_without_a_claim_is_an_error(project):
    project.suite("def test_nothing(run, gate):\n    pass\n")
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*takes `gate` but makes no claim*"])


def test_a_claim_that_differs_the_second_time_is_an_error(project):
    project.suite(
        "import itertools\nbounds = itertools.count(1)\n"
        "def test_moving(run, gate):\n    gate.at_least(run.accuracy(), next(bounds) / 10)\n"
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*must make the same claims every time*"])


def test_a_skipped_test_claims_nothing(project):
    project.suite(ACCURACY + "\nimport pytest\ndef test_later(run, gate):\n    pytest.skip('not yet')\n")
    project.run().assert_outcomes(passed=1, skipped=1)


def test_a_second_run_asks_nothing_and_writes_the_same_bytes(project):
    project.suite(ACCURACY)
    project.run()
    assert project.calls == 200
    before = _written(project)
    project.run().assert_outcomes(passed=1)
    assert project.calls == 200
    assert _written(project) == before


def _written(project):
    """What the files hold but for the one line about what the run took."""
    files = [project.report(name) for name in ("verdicts.json", "outcomes.jsonl", "report.md")]
    return [re.sub(r"^The run took .*$", "", text, flags=re.MULTILINE) for text in files]


def test_an_interrupted_run_keeps_what_was_answered(project):
    project.adapter("good", stop_at=130)
    project.suite(ACCURACY)
    assert project.run_apart().ret == 2
    assert project.calls == 131
    project.adapter("good", stop_at=1000)
    assert project.run_apart().ret == 0
    assert project.calls == 131 + 200


def test_a_resumed_run_asks_only_for_the_rest(project):
    stop = project.root / "stop"
    model = (project.root / "adapters" / "model.py").read_text()
    project.write(
        "adapters/model.py",
        model.replace(
            "if stop_at is not None and int(number) == stop_at:",
            f"if int(number) == 130 and Path({str(stop)!r}).exists():",
        ),
    )
    project.suite(ACCURACY)
    stop.touch()
    assert project.run_apart().ret == 2
    stop.unlink()
    assert project.run_apart().ret == 0
    assert project.calls == 131 + 200 - 128


def test_workers_reach_the_same_verdicts_and_call_once(project):
    project.strategies(bad="reference", fair="candidate", good="shipped")
    project.suite(ACCURACY)
    serial = project.run()
    alone, calls = project.report("verdicts.json"), project.calls
    project.pytester.run("rm", "-rf", ".holdfast", "reports", "adapters/calls.log")
    spread = project.run_apart("-n", "2")
    assert project.report("verdicts.json") == alone
    assert project.calls == calls
    assert serial.ret == spread.ret
    spread.stdout.fnmatch_lines(["*fruit: *blocking*"])


def test_workers_agree_on_an_accepted_strategy_that_one_of_them_paid_for(project):
    project.suite(
        ACCURACY
        + "\ndef test_same(run, baseline, gate):\n    gate.no_worse(run.accuracy(), baseline.accuracy(), 0.05)\n"
    )
    project.run("--gate-accept", "first")
    project.run()
    alone = project.report("verdicts.json")
    project.pytester.run("rm", "-rf", ".holdfast", "adapters/calls.log")
    assert project.run_apart("-n", "2").ret == 0
    assert (project.report("verdicts.json"), project.calls) == (alone, 200)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_calls_that_follow_a_change_are_explained(project, workers):
    project.strategies(fair="candidate", good="shipped")
    project.suite(ACCURACY)
    first = project.run_apart(*workers)
    assert "calls, since" not in first.stdout.str()
    project.adapter("good", wrong=1)
    project.write("suites/fruit/prompts/p.md", "Name the fruit, please.\n")
    before = project.calls
    second = project.run_apart(*workers)
    assert project.calls == before + 400
    prompt = "the prompt, its examples or the schema"
    second.stdout.fnmatch_lines(
        [
            f"fruit/fair: 200 calls, since {prompt} changed",
            f"fruit/good: 200 calls, since the model or adapter and {prompt} changed",
        ]
    )
    assert "calls, since" not in project.run_apart(*workers).stdout.str()
    assert "since" not in project.report("verdicts.json")


def test_a_model_may_be_asked_in_tests_without_gate(project):
    project.suite(
        """
        def test_by_hand(run):
            assert run.outcomes.shape == (200, 1)
            assert run.answer({"text": "pear 500"}) == {"kind": "pear"}
        """
    )
    project.run().assert_outcomes(passed=1)


def test_a_gated_test_may_not_ask_the_model(project):
    project.suite("def test_mixed(run, gate):\n    gate.at_least(run.accuracy(), 0.5)\n    assert run.outcomes\n")
    result = project.run()
    result.assert_outcomes(failed=1)
    assert project.calls == 0
    result.stdout.fnmatch_lines(["*put asserts on `run.outcomes` or `run.answer` into a test of their own*"])


def test_zero_tolerance_on_a_critical_slice(project):
    body = "def test_never(run, gate, critical_slice):\n    gate.never(run.costly_errors(slice=critical_slice))\n"
    project.suite(body)
    project.run().assert_outcomes(passed=1)
    project.adapter("good", wrong=181)
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*FAIL: good, costly error rate on slice rare*", "*c0180 (cost 40)*"])


def test_costs_are_bounded_with_their_largest_possible_value(project):
    project.strategies(bad="shipped")
    project.suite("def test_cost(run, gate):\n    gate.at_most(run.cost(), 1.0)\n")
    project.run().assert_outcomes(failed=1)
    (claim,) = project.claims
    assert claim["estimate"] == 2.0
    assert claim["upper"] > 2.0


def test_invalid_answers_stay_in_the_denominator_at_their_maximum_cost(project):
    project.adapter("good", broken=50)
    project.suite("def test_format(run, gate):\n    gate.at_least(run.format_validity(), 0.9)\n")
    project.run().assert_outcomes(failed=1)
    (claim,) = project.claims
    assert (claim["n"], claim["estimate"]) == (200, 0.75)
    rows = [json.loads(line) for line in project.report("outcomes.jsonl").splitlines()]
    assert {row["cost"] for row in rows if row["status"] == "invalid"} == {25.0}
    assert "not json" in project.report()


def test_a_strategy_that_cannot_run_fails_its_tests_and_leaves_the_others(project):
    project.write("adapters/lost.yaml", "driver: python\nmodel: model.py:anser\n")
    project.strategies(lost="candidate", good="shipped")
    project.suite(ACCURACY)
    result = project.run()
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*lost could not be run*anser*"])
    assert "could not be run" in project.report()


def test_hostile_text_does_nothing_in_the_report(project):
    hostile = "quince 0 <script>alert(1)</script> | [x](http://example.com) @team `code`"
    row = {"id": "c0", "inputs": {"text": hostile}, "expected": {"kind": "quince"}}
    project.write("fixtures/fruit/holdout.jsonl", json.dumps(row) + "\n")
    project.freeze()
    project.strategies(bad="shipped")
    project.suite("def test_never(run, gate):\n    gate.never(run.costly_errors(), role='report')\n")
    project.run().assert_outcomes()
    page = project.report()
    assert "<script>" not in page
    assert "@team" not in page
    assert "](http" not in page
