"""--gate-repeats: pass^k and the share of cases whose answers differ, in the report and as claims."""

from __future__ import annotations

import json

import pytest

FLAKY = '''
"""Answers right, but every other time "pear" to texts whose number is below `flaky`."""
from collections import Counter

SEEN = Counter()


def answer(inputs, flaky=0):
    kind, number = inputs["text"].split()
    SEEN[number] += 1
    return {"kind": "pear" if int(number) < flaky and SEEN[number] % 2 else kind}
'''
SUITE = """
def test_pass_hat(run, gate):
    gate.at_least(run.pass_hat(k=2), 0.6)


def test_all(run, gate):
    gate.at_least(run.pass_hat(k=4), 0.6)


def test_disagreement(run, gate):
    gate.at_most(run.disagreement(), 0.1)
"""


@pytest.fixture
def flaky(project):
    """Cases 0 to 39, apples, are right in 2 of 4 answers."""
    project.write("adapters/flaky.py", FLAKY)
    project.write("adapters/good.yaml", "driver: python\nmodel: flaky.py:answer\noptions: {flaky: 40}\n")
    project.suite(SUITE)
    return project


def test_claims_about_repeats_are_judged_by_the_shares_of_their_cases(flaky):
    result = flaky.run("--gate-repeats", "4")
    result.assert_outcomes(passed=2, failed=1)
    claims = {(claim["metric"], claim.get("k")): claim for claim in flaky.claims}
    assert claims["pass_hat", 2]["estimate"] == pytest.approx(0.8 + 0.2 / 6)
    assert claims["pass_hat", 4]["estimate"] == 0.8
    assert claims["disagreement", None]["estimate"] == 0.2
    assert {claim["repeats"] for claim in claims.values()} == {1}
    assert claims["pass_hat", 2]["sentence"].startswith("83.3% of 200 cases, at least ")
    told = result.stdout.str()
    assert "answers differ in 40 cases, most often in:" in told
    assert "c0000: 2 × apple, 2 × pear" in told


def test_the_report_shows_pass_hat_for_each_k_and_the_disagreement(flaky):
    flaky.run("--gate-repeats", "4")
    section = flaky.report().partition("### Consistency\n\n")[2].partition("###")[0]
    cells = [[cell.strip() for cell in row.split("|")[1:3]] for row in section.splitlines()[2:7]]
    assert [(name, text.split()[0]) for name, text in cells] == [
        ("pass^1", "90.0%"),
        ("pass^2", "83.3%"),
        ("pass^3", "80.0%"),
        ("pass^4", "80.0%"),
        ("answers differ", "20.0%"),
    ]
    assert "pass^2" in flaky.report().partition("### Claims")[2]
    (suite,) = json.loads(flaky.report("verdicts.json"))["suites"]
    found = suite["runs"]["good"]["consistency"]
    assert (found["cases"], found["repeats"], found["disagreement"]["estimate"]) == (200, 4, 0.2)
    assert [share["estimate"] for share in found["pass_hat"]] == pytest.approx([0.9, 0.8 + 0.2 / 6, 0.8, 0.8])
    assert all(share["lower"] < share["estimate"] < share["upper"] for share in found["pass_hat"])
    verdicts = flaky.report("verdicts.json")
    flaky.run("--gate-repeats", "4")
    assert flaky.report("verdicts.json") == verdicts


def test_one_answer_per_case_has_no_consistency(project):
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.5)\n")
    project.run()
    assert "Consistency" not in project.report()
    assert json.loads(project.report("verdicts.json"))["suites"][0]["runs"]["good"]["consistency"] is None


def test_accepted_claims_about_repeats_are_remembered_with_their_k(flaky):
    flaky.adapter("good")
    assert flaky.run("--gate-repeats", "4", "--gate-accept", "first").ret == 0
    flaky.suite(SUITE.replace("k=2", "k=1"))
    flaky.run("--gate-repeats", "4").stdout.fnmatch_lines(["*at_least pass_hat k=2: accepted, and not made now*"])


def test_the_selftest_takes_claims_about_repeats(flaky):
    flaky.write("adapters/good.yaml", "driver: python\nmodel: flaky.py:answer\noptions: {flaky: 2}\n")
    result = flaky.run("--gate-repeats", "4", "--gate-selftest")
    result.assert_outcomes(passed=3)
    assert "pass^2 ≥ 0.6" in result.stdout.str()


def test_stopping_early_reaches_a_verdict(flaky):
    result = flaky.run("--gate-repeats", "4", "--gate-early-stop")
    result.assert_outcomes(passed=2, failed=1)


@pytest.mark.parametrize(
    ("line", "repeats", "told"),
    [
        (
            "gate.at_least(run.pass_hat(k=3), 0.5)",
            2,
            "each case is answered 2 times; expected a k from 1 to 2, or more",
        ),
        ("gate.at_most(run.disagreement(), 0.5)", 1, "each case is answered once; expected more answers: `repeats: 5`"),
        ("gate.at_most(run.pass_hat(k=1), 0.5)", 2, "can only be claimed with gate.at_least, not with gate.at_most"),
        ("gate.at_least(run.disagreement(), 0.5)", 2, "only be claimed with gate.at_most or gate.never, not with"),
        (
            "gate.no_worse(run.pass_hat(k=2), baseline.pass_hat(k=2), margin=0.1)",
            2,
            "pass_hat(k=2) can only be claimed of `run`, not of `baseline`: compare their accuracy",
        ),
    ],
)
def test_claims_that_make_no_sense_are_refused_before_a_model_is_asked(project, line, repeats, told):
    project.suite(f"def test_it(run, baseline, gate):\n    {line}\n")
    result = project.run("--gate-repeats", str(repeats))
    assert told in " ".join(result.stdout.str().split())
    assert project.calls == 0
