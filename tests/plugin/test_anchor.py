"""The pinned anchor: a release that later ones are compared with, so that small losses can't add up unseen."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

BASELINE = "reports/baselines/fruit/good.jsonl"
ANCHOR = "reports/baselines/fruit/anchor/good.jsonl"
REGRESSION = """
def test_no_regression(run, baseline, gate):
    gate.no_worse(run.accuracy(), baseline.accuracy(), margin=0.08)
"""
CUMULATIVE = """
def test_no_cumulative_loss(run, anchor, gate):
    gate.no_worse(run.accuracy(), anchor.accuracy(), margin=0.1)
"""


@pytest.fixture
def pinned(project):
    """A project whose shipped strategy answers everything right, was accepted, and is the anchor."""
    project.suite(REGRESSION + CUMULATIVE)
    result = project.run("--gate-accept", "first release")
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"*accepted, fruit/good: {BASELINE}*", f"*pinned as the anchor, *: {ANCHOR}*"])
    return project


def text(project, path):
    return (project.root / path).read_text()


def edit_header(project, path, change):
    first, rest = text(project, path).split("\n", 1)
    header = json.loads(first)
    change(header)
    (project.root / path).write_text(json.dumps(header) + "\n" + rest)


def judged(project):
    return {claim["against"]: (claim["status"], claim["rule"]) for claim in project.claims}


def test_small_losses_that_add_up_are_found_and_a_later_release_can_be_pinned(pinned):
    first = text(pinned, ANCHOR)
    assert first == text(pinned, BASELINE)
    for wrong in (6, 12):
        pinned.adapter("good", wrong=wrong)
        assert pinned.run("--gate-accept", f"{wrong} lost").ret == 0
        assert text(pinned, ANCHOR) == first != text(pinned, BASELINE)

    pinned.adapter("good", wrong=18)
    result = pinned.run("--gate-accept", "18 lost")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*FAIL: good, accuracy against the anchor*",
            "*lost 18 cases, gained 0 of 200*",
            "*lost since the anchor (18), dearest first*",
            "*c0000 (cost 4): apple 0*",
            "*kind: expected apple, before apple, now answered pear*",
            "*not accepted, fruit/good: tests failed*",
        ]
    )
    assert judged(pinned) == {"baseline": ("PASS", "lower_bound"), "anchor": ("FAIL", "exact_p")}

    (pinned.root / ANCHOR).write_text(text(pinned, BASELINE))
    assert pinned.run().ret == 0
    assert json.loads(text(pinned, ANCHOR).split("\n", 1)[0])["reason"] == "12 lost"
    assert judged(pinned)["anchor"] == ("PASS", "lower_bound")


def test_a_release_is_judged_against_both_and_each_claim_says_against_which(pinned):
    pinned.suite(REGRESSION + CUMULATIVE + "\ndef test_floor(run, gate):\n    gate.at_least(run.accuracy(), 0.9)\n")
    pinned.run().assert_outcomes(passed=3)
    assert [(claim["title"], claim["against"], claim["rule"]) for claim in pinned.claims] == [
        ("accuracy(good)", None, "lower_bound"),
        ("accuracy(good) against the anchor", "anchor", "identical"),
        ("accuracy(good)", "baseline", "identical"),
    ]


def test_a_missing_anchor_is_reported_and_blocks_a_release_and_acceptance_makes_it(pinned):
    (pinned.root / ANCHOR).unlink()
    assert pinned.run().ret == 0
    assert judged(pinned) == {"baseline": ("PASS", "identical")}
    told = f'no anchor yet: {ANCHOR} is made by: pytest suites/ --gate-accept "why"'
    (suite,) = json.loads(pinned.report("verdicts.json"))["suites"]
    assert suite["unjudged"] == [told]
    result = pinned.run("--gate-profile", "release")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([f"*{told}*"])
    assert pinned.run("--gate-accept", "pin it").ret == 0
    assert pinned.run("--gate-profile", "release").ret == 0


@pytest.mark.parametrize("part", ["holdout", "schema", "scoring"])
def test_an_anchor_of_other_circumstances_is_not_compared(pinned, part):
    edit_header(pinned, ANCHOR, lambda header: header.update({part: "other"}))
    result = pinned.run("--gate-profile", "release")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([f"*{ANCHOR} is not comparable: another {part} than when it was accepted; *"])
    assert judged(pinned) == {"baseline": ("PASS", "identical")}


def test_after_a_change_of_cases_the_new_baseline_is_pinned_by_the_command_that_is_shown(pinned):
    pinned.holdout([("apple", 90), ("pear", 90), ("quince", 20)])
    pinned.freeze()
    before = text(pinned, ANCHOR)
    result = pinned.run("--gate-accept", "other cases")
    assert result.ret == 0
    assert text(pinned, ANCHOR) == before
    command = re.search(r"accept a new baseline, then pin it: (cp \S+ \S+)", pinned.report())[1]
    subprocess.run(command.split(), cwd=pinned.root, check=True)
    assert pinned.run("--gate-profile", "release").ret == 0
    assert judged(pinned)["anchor"] == ("PASS", "identical")


def test_other_repeats_are_not_compared(pinned):
    assert pinned.run("--gate-repeats", "2").ret == 0
    (suite,) = json.loads(pinned.report("verdicts.json"))["suites"]
    assert suite["claims"] == []
    assert [line.partition(";")[0] for line in suite["unjudged"]] == [
        f"{path} is not comparable: accepted with 1 answers per case, run with 2" for path in (ANCHOR, BASELINE)
    ]


def test_a_claim_against_the_anchor_can_only_be_replaced_by_one_against_the_anchor(pinned):
    pinned.suite(REGRESSION)
    told = [line for line in pinned.run().outlines if "INCOMPLETE, not a passed gate: fruit" in line]
    assert len(told) == 1
    assert told[0].endswith("fruit: no_worse accuracy against the anchor: accepted, and not made now")
    assert pinned.run("--gate-profile", "release").ret == 1
    pinned.suite(CUMULATIVE.replace("0.1", "0.12"))
    pinned.run().stdout.fnmatch_lines(
        [
            "*no_worse accuracy: accepted, and not made now",
            "*no_worse accuracy against the anchor: looser than accepted*0.12*0.1*",
        ]
    )


def test_a_header_from_before_the_anchor_asks_for_claims_against_the_baseline(pinned):
    def older(header):
        header["claims"] = [claim for claim in header["claims"] if claim.pop("against") != "anchor"]
        assert header["claims"]

    edit_header(pinned, BASELINE, older)
    pinned.suite(REGRESSION)
    assert "INCOMPLETE" not in pinned.run().stdout.str()
    pinned.suite(CUMULATIVE)
    pinned.run().stdout.fnmatch_lines(["*INCOMPLETE*: fruit: no_worse accuracy: accepted, and not made now"])


@pytest.mark.parametrize("other", ["anchor.format_validity()", 'baseline.accuracy(slice="rare")', "run.accuracy()"])
def test_only_the_same_measure_of_accepted_predictions_is_compared_with(project, other):
    project.suite(f"def test_a(run, baseline, anchor, gate):\n    gate.no_worse(run.accuracy(), {other}, 0.1)\n")
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*accuracy(good) can't be compared with *; expected the same measure of `baseline` or `anchor`*"]
    )
    assert project.calls == 0
