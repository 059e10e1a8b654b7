"""The accepted baseline: comparing with it, what it still asks for, and when it may move."""

from __future__ import annotations

import json

import pytest

SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))

def test_no_regression(run, baseline, gate):
    gate.no_worse(run.accuracy(), baseline.accuracy(), margin=0.05)

def test_critical(run, baseline, gate, critical_slice):
    gate.no_worse(run.accuracy(slice=critical_slice), baseline.accuracy(slice=critical_slice), margin=0.2, role="guard")
"""


@pytest.fixture
def accepted(project):
    """A project whose shipped strategy answers everything right and was accepted."""
    project.suite(SUITE)
    result = project.run("--gate-accept", "first release")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*accepted, fruit/good: *good.jsonl*"])
    return project


def edit_header(project, change, name="good.jsonl"):
    """Rewrite the header of a baseline file by `change(header)`."""
    path = project.root / "reports/baselines/fruit" / name
    first, rest = path.read_text().split("\n", 1)
    header = json.loads(first)
    change(header)
    path.write_text(json.dumps(header) + "\n" + rest)


def lines(project):
    return (project.root / "reports/baselines/fruit/good.jsonl").read_text().splitlines()


def test_a_missing_baseline_is_reported_and_blocks_a_release(project):
    project.suite(SUITE)
    result = project.run()
    assert result.ret == 0
    assert "no baseline yet" in project.report()
    result = project.run("--gate-profile", "release")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*no baseline yet*pytest suites/ --gate-accept*"])


def test_the_baseline_is_a_line_per_case_behind_a_header(accepted):
    header, *rows = [json.loads(line) for line in lines(accepted)]
    assert header["reason"] == "first release"
    assert {"date", "revision", "versions", "holdout", "schema", "scoring", "digest", "claims"} <= set(header)
    assert [row["case"] for row in rows] == sorted(row["case"] for row in rows)
    assert rows[0] == {"case": "c0000", "answers": [{"kind": "apple"}], "statuses": ["correct"]}


def test_an_unchanged_strategy_is_identical_and_passes_every_margin(accepted):
    result = accepted.run()
    result.assert_outcomes(passed=3)
    paired = [claim for claim in accepted.claims if claim["kind"] == "no_worse"]
    assert {(claim["status"], claim["rule"]) for claim in paired} == {("PASS", "identical")}


def test_a_regression_blocks_and_names_what_was_lost(accepted):
    accepted.adapter("good", wrong=30)
    result = accepted.run()
    result.stdout.fnmatch_lines(
        [
            "*FAIL: good, accuracy*",
            "*lost 30 cases, gained 0 of 200*",
            "*lost since the baseline (30), dearest first*",
            "*c0000 (cost 4): apple 0*",
            "*kind: expected apple, before apple, now answered pear*",
        ]
    )
    assert "- lost by `good`: `c0000`" in accepted.report()
    (claim,) = [c for c in accepted.claims if c["kind"] == "no_worse" and c.get("slice") is None]
    assert (claim["status"], claim["losses"], claim["gains"]) == ("FAIL", 30, 0)


def test_a_regression_in_a_critical_slice_blocks_by_itself(accepted):
    accepted.adapter("good", broken=0)
    model = (accepted.root / "adapters/model.py").read_text()
    accepted.write(
        "adapters/model.py", model.replace("if int(number) < wrong:", 'if kind == "quince" and int(number) < 192:')
    )
    result = accepted.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*FAIL: good, accuracy on slice rare*"])


def test_a_candidate_is_compared_with_the_shipped_predictions(accepted):
    accepted.strategies(fair="candidate", bad="reference", good="shipped")
    result = accepted.run()
    assert result.ret == 1
    found = {(c["run"], c.get("slice")): (c["status"], c["effect"]) for c in accepted.claims if c["kind"] == "no_worse"}
    assert found["fair", None] == ("FAIL", "block")
    assert found["bad", None] == ("FAIL", "warn")
    assert found["good", None] == ("PASS", "pass")


def test_a_removed_or_loosened_claim_makes_the_gate_incomplete(accepted):
    accepted.suite(SUITE.replace("margin=0.05", "margin=0.10"))
    result = accepted.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*INCOMPLETE, not a passed gate: *no_worse accuracy: looser than accepted*0.1*0.05*"])
    assert accepted.run("--gate-profile", "release").ret == 1
    accepted.suite(SUITE.partition("def test_critical")[0])
    accepted.run().stdout.fnmatch_lines(["*no_worse accuracy on rare: accepted, and not made now*"])
    assert "INCOMPLETE, not a passed gate" in accepted.report()


def test_a_fail_that_became_harder_is_looser(accepted):
    accepted.suite(SUITE.replace("margin=0.05", "margin=0.05, alpha_fail=0.01"))
    accepted.run().stdout.fnmatch_lines(
        ["*no_worse accuracy: looser than accepted*alpha 0.05, alpha_fail 0.01 instead of*alpha_fail 0.05*"]
    )
    accepted.suite(SUITE.replace("margin=0.05", "margin=0.05, alpha=0.04"))
    accepted.run().stdout.fnmatch_lines(["*no_worse accuracy: looser than accepted*alpha_fail 0.04 instead of*"])
    accepted.suite(SUITE.replace("margin=0.05", "margin=0.05, alpha=0.04, alpha_fail=0.06"))
    assert "INCOMPLETE" not in accepted.run().stdout.str()


def test_a_header_from_before_alpha_fail_asks_for_alpha(accepted):
    def older(header):
        for claim in header["claims"]:
            assert claim.pop("alpha_fail") == claim["alpha"]

    edit_header(accepted, older)
    assert "INCOMPLETE" not in accepted.run().stdout.str()
    accepted.suite(SUITE.replace("margin=0.05", "margin=0.05, alpha_fail=0.01"))
    accepted.run().stdout.fnmatch_lines(["*looser than accepted*alpha_fail 0.01 instead of*alpha_fail 0.05*"])


@pytest.mark.parametrize("selection", [("-k", "regression"), ("suites/fruit/test_fruit.py::test_accuracy",)])
def test_a_selection_is_never_a_passed_gate(accepted, selection):
    result = accepted.pytester.runpytest_inprocess(*(("suites",) if selection[0] == "-k" else ()), *selection)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*INCOMPLETE, not a passed gate*"])
    before = lines(accepted)
    result = accepted.pytester.runpytest_inprocess(
        *(("suites",) if selection[0] == "-k" else ()), *selection, "--gate-accept", "no"
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*not accepted, fruit/good: the run is incomplete*"])
    assert lines(accepted) == before


def test_a_failing_or_inconclusive_run_is_not_accepted(accepted):
    before = lines(accepted)
    accepted.adapter("good", wrong=60)
    accepted.run("--gate-accept", "worse").stdout.fnmatch_lines(["*not accepted, fruit/good: tests failed*"])
    accepted.adapter("good", wrong=1)
    accepted.strategies(thresholds="{accuracy: 0.98}", good="shipped")
    result = accepted.run("--gate-accept", "unsure")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*not accepted, fruit/good: 1 gate claims are not PASS*"])
    assert lines(accepted) == before


@pytest.mark.parametrize("spread", [("-n", "2"), ("--dist", "load", "--tx", "popen")])
def test_acceptance_by_workers_is_refused_before_anything_is_asked(project, spread):
    project.suite(SUITE)
    result = project.run_apart("--gate-accept", "first release", *spread)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--gate-accept can't be used with -n*accept without -n (or with -n 0)*"])
    assert project.calls == 0
    assert not (project.root / "reports").exists()


def test_acceptance_in_one_process_may_say_so(project):
    project.suite(SUITE)
    assert project.run_apart("--gate-accept", "first release", "-n", "0").ret == 0
    assert lines(project)


def test_a_run_without_the_shipped_strategy_is_not_accepted(project):
    project.strategies(thresholds="{accuracy: 0.5}", fair="candidate", good="shipped")
    project.suite(SUITE.partition("def test_no_regression")[0])
    result = project.run("--gate-strategies", "fair", "--gate-accept", "in part")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*not accepted, fruit/good: no claim was made about the shipped strategy*"])


def test_a_worse_critical_slice_needs_an_override_that_is_recorded(accepted):
    model = (accepted.root / "adapters/model.py").read_text()
    accepted.write("adapters/model.py", model.replace("if int(number) < wrong:", "if int(number) == 199:"))
    result = accepted.run("--gate-accept", "one quince less")
    result.stdout.fnmatch_lines(["*critical slices got worse: rare; to accept that, add: --gate-override-slice rare*"])
    result = accepted.run("--gate-accept", "one quince less", "--gate-override-slice", "rare")
    assert result.ret == 0
    assert json.loads(lines(accepted)[0])["overrides"] == ["rare"]


def test_a_baseline_of_other_cases_is_not_compared(accepted):
    accepted.holdout([("apple", 90), ("pear", 90), ("quince", 20)])
    accepted.freeze()
    result = accepted.run("--gate-profile", "release")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*not comparable: another holdout than when it was accepted*"])


def test_other_repeats_are_not_compared(accepted):
    assert "run with 2" in accepted.run("--gate-repeats", "2", "--gate-profile", "release").stdout.str()


def test_a_damaged_baseline_says_what_to_do_before_a_model_is_asked(accepted):
    accepted.write("reports/baselines/fruit/good.jsonl", "{}")
    accepted.adapter("good", wrong=7)
    calls = accepted.calls
    result = accepted.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*reports/baselines/fruit/good.jsonl is not a baseline*restore it from git*"])
    assert "INTERNALERROR" not in result.stdout.str()
    assert accepted.calls == calls


def test_a_loosened_assurance_is_named(project):
    suite = "def test_usable(run, gate):\n    gate.never(run.unusable(), assure=0.02)\n"
    project.suite(suite)
    project.run("--gate-accept", "first")
    project.run().assert_outcomes(passed=1)
    for looser in ("assure=0.05", "assure=None"):
        project.suite(suite.replace("assure=0.02", looser))
        project.run().stdout.fnmatch_lines(["*never unusable: looser than accepted (* instead of *assure 0.02)*"])
    project.suite(suite.replace("assure=0.02", "assure=0.019"))
    assert "INCOMPLETE" not in project.run().stdout.str()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "gate.at_least(baseline.accuracy(), 0.5)",
            "a claim can't be about accuracy(baseline)*second argument of gate.no_worse",
        ),
        (
            "edits = [('c0001', {'text': 'x'})]; gate.no_worse(run.flip_rate(edits), baseline.flip_rate(edits), 0.5)",
            "*hold no answers to edited inputs*",
        ),
    ],
)
def test_what_accepted_predictions_can_not_do_is_said_when_claims_are_declared(project, line, message):
    project.suite(f"def test_it(run, baseline, gate):\n    {line}\n")
    result = project.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*{message}*"])
    assert project.calls == 0


def test_a_new_policy_is_applied_to_accepted_predictions(accepted):
    accepted.suite(
        """
        def test_cost(run, baseline, gate):
            gate.no_worse(run.cost(), baseline.cost(), margin=2.0, role="report")
        """
    )
    calls = accepted.calls
    task = accepted.root / "fixtures/fruit/task.yaml"
    task.write_text(task.read_text().replace("default: 4", "default: 7"))
    accepted.freeze()
    accepted.run()
    assert accepted.calls == calls
    (claim,) = accepted.claims
    assert claim["estimate"] == 0.0


def test_a_changed_prompt_is_shown_with_its_difference_from_the_accepted_one(accepted):
    accepted.write("suites/fruit/prompts/p.md", "Say which fruit it is.\nOnly the kind.\n")
    assert accepted.run().ret == 0
    part = accepted.report().partition("### Changed since the baseline")[2].partition("\n### ")[0]
    assert "first release" in part
    assert "- **prompt**: " in part
    assert "+Only the kind." in part.splitlines()
    (suite,) = json.loads(accepted.report("verdicts.json"))["suites"]
    assert list(suite["runs"]["good"]["changed"]) == ["prompt"]


def test_a_baseline_from_before_treatments_were_kept_still_compares(accepted):
    edit_header(accepted, lambda header: header.pop("treatment"))
    assert accepted.run().ret == 0
    assert "before prompts and settings were kept with it" in accepted.report()


def test_a_damaged_header_is_told_with_what_is_missing(accepted):
    edit_header(accepted, lambda header: header.update(treatment={"prompt": "x"}))
    result = accepted.run()
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*good.jsonl is not a baseline (KeyError*restore it from git*"])
