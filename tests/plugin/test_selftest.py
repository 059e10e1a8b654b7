"""--gate-selftest: the gate measured on the stored predictions of a suite."""

from __future__ import annotations

import re

import pytest

SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), 0.8)

def test_usable(run, gate, critical_slice):
    gate.never(run.unusable(slice=critical_slice))

def test_cost(run, gate):
    gate.at_most(run.cost(), 5)

def test_no_regression(run, baseline, gate):
    gate.no_worse(run.accuracy(), baseline.accuracy(), margin=0.05)
"""


@pytest.fixture
def accepted(project, monkeypatch):
    monkeypatch.setattr("harness.runs.planting.SIMULATIONS", 40)
    monkeypatch.setattr("harness.runs.selftest.PLANT_SIMULATIONS", 20)
    project.adapter("good", wrong=8)
    project.suite(SUITE)
    project.run("--gate-accept", "first")
    return project


def test_the_table_is_printed_and_in_the_report_without_a_call(accepted):
    accepted.run()
    calls, verdicts = accepted.calls, accepted.report("verdicts.json")
    result = accepted.run("--gate-selftest")
    result.assert_outcomes(passed=4)
    assert accepted.calls == calls
    assert accepted.report("verdicts.json") == verdicts
    printed = result.stdout.str()
    assert "good: accuracy ≥ 0.8" in printed
    assert "good: no unusable on rare" in printed
    section = accepted.report().split("### Self-test of this gate")[1].split("\n### ")[0]
    assert re.search(r"Any false alarm while nothing changed: \d\.\d% \(0\.0–\d+\.\d\), 5% promised", section)
    assert "5% of the cases were made to differ at random" in section
    rows = {row.split("|")[2].strip(): row.split("|") for row in section.splitlines() if row.startswith("| `good`")}
    assert {"accuracy ≥ 0.8", "no unusable on rare", "cost ≤ 5", "accuracy, loss < 0.05"} < set(rows)
    assert re.match(r" *\d+(\.\d)? points \(", rows["accuracy ≥ 0.8"][7])
    assert re.match(r" *\d(\.\d+)? \(", rows["cost ≤ 5"][7])
    assert rows["no unusable on rare"][4].strip() == "–"
    assert {"answers that are no JSON", "a wrong kind", "kind swapped in rare"} < set(rows)
    assert "errors at the dearest labels" not in rows  # each of this run's errors costs the same, whatever the label
    assert rows["answers that are no JSON"][-2].strip() == "no unusable on rare"
    assert rows["a wrong kind"][-3].strip() == "100%"


def test_lines_fit_a_terminal(accepted):
    printed = accepted.run("--gate-selftest").stdout.str().split(" holdfast ")[1]
    lines = printed.split("report:")[0].splitlines()[1:]
    assert len(lines) > 8
    assert max(map(len, lines)) <= 100


def test_equal_predictions_give_an_equal_report(accepted):
    accepted.run("--gate-selftest")
    first = accepted.report()
    accepted.run("--gate-selftest")
    assert accepted.report() == first


def test_a_gate_that_breaks_its_promise_fails_the_run(accepted, monkeypatch):
    """A correction for many claims that rejects everything is found out, although every test passes."""
    from harness.core.kinds import VerdictStatus

    monkeypatch.setattr("harness.runs.selftest.statuses", lambda claims, evidence: [VerdictStatus.FAIL] * len(claims))
    result = accepted.run("--gate-selftest")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*PROMISE BROKEN: any false alarm*"])


def test_a_claim_that_was_not_judged_is_named(project, monkeypatch):
    monkeypatch.setattr("harness.runs.planting.SIMULATIONS", 20)
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.9, role='report')\n")
    project.run("--gate-selftest").stdout.fnmatch_lines(["*self-test of fruit: no claim that may block was judged*"])
