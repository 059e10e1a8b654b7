"""JUnit: every claim with its numbers on its test case, and the decision on the suite."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

SUITE = """
def test_both(run, gate):
    gate.at_least(run.accuracy(), 0.88, name="INCONCLUSIVE, they said")
    gate.at_most(run.cost(), 3.0)


def test_paired(run, baseline, gate):
    gate.no_worse(run.accuracy(), baseline.accuracy(), 0.05, role="guard")
"""


def properties(element):
    return [(one.get("name"), one.get("value")) for one in element.find("properties").iter("property")]


def parsed(project):
    return ET.parse(project.root / "junit.xml").getroot().find("testsuite")


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_each_claim_has_its_properties_on_its_test_case(project, workers):
    project.strategies(good="shipped")
    project.suite(SUITE)
    project.run("--gate-accept", "first")
    project.strategies(bad="candidate", good="shipped")
    result = (project.run_apart if workers else project.run)("--junit-xml", "junit.xml", *workers)
    assert result.ret == 1
    cases = {case.get("name"): dict(properties(case)) for case in parsed(project).iter("testcase")}
    (accuracy,) = [c for c in project.claims if c["run"] == "good" and c["metric"] == "accuracy" and not c["against"]]
    assert cases["test_both[good]"] == {
        "claim[0]": "PASS",
        "claim[0].title": "INCONCLUSIVE, they said",
        "claim[0].role": "gate",
        "claim[0].status": "PASS",
        "claim[0].effect": "pass",
        "claim[0].estimate": "1.0",
        "claim[0].lower": repr(accuracy["lower"]),
        "claim[0].upper": "1.0",
        "claim[0].p": repr(accuracy["p"]),
        **{name: value for name, value in cases["test_both[good]"].items() if name.startswith("claim[1]")},
    }
    assert cases["test_both[good]"]["claim[1].title"] == "cost(good)"
    failed = cases["test_both[bad]"]
    assert (failed["claim[0]"], failed["claim[0].effect"], failed["claim[0].estimate"]) == ("FAIL", "block", "0.5")
    assert not any(name.startswith("claim[1]") for name in failed)
    assert cases["test_paired[good]"]["claim[0]"] == "PASS"
    assert cases["test_paired[bad]"]["claim[0].role"] == "guard"


def test_a_title_is_no_status(project):
    project.suite("def test_one(run, gate):\n    gate.at_least(run.accuracy(), 0.5, name='INCONCLUSIVE')\n")
    result = project.run()
    result.assert_outcomes(passed=1)
    assert "inconclusive" not in result.outlines[-1]


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_the_suite_has_the_decision(project, workers):
    project.strategies(fair="shipped")
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.88)\n")
    (project.run_apart if workers else project.run)("--junit-xml", "junit.xml", *workers)
    content = json.loads(project.report("verdicts.json"))
    assert properties(parsed(project)) == [
        (
            "holdfast.decision",
            "INCONCLUSIVE: no claim blocks, but 1 gate not settled; 0 claims met.",
        ),
        ("holdfast.profile", "pr"),
        ("holdfast.fruit.pass", "0"),
        ("holdfast.fruit.warn", "1"),
        ("holdfast.fruit.block", "0"),
        ("holdfast.fruit.broken", "0"),
        ("holdfast.fruit.holdout", content["suites"][0]["holdout"]),
    ]


def test_a_claim_without_a_verdict_says_what_it_was(project):
    project.suite(
        "def test_paired(run, baseline, gate):\n    gate.no_worse(run.accuracy(), baseline.accuracy(), 0.05)\n"
    )
    project.run("--junit-xml", "junit.xml")
    (case,) = parsed(project).iter("testcase")
    assert properties(case) == [
        ("claim[0]", "NO BASELINE"),
        ("claim[0].title", "accuracy(good)"),
        ("claim[0].role", "gate"),
    ]
