"""The end of a run at a terminal: the decision, what blocks with its cases, the counts, and no line too long."""

import pytest
from support.small_report import at_least, never, no_worse, report, right, suite_report, table, wrong_below

from harness.reporting.summary import summary_lines


def test_the_decision_comes_first_then_what_blocks_with_its_cases_then_the_counts():
    runs = {"base": table(right), "poor": table(wrong_below(30))}
    claims = [at_least("base", 0.95, role="guard"), no_worse("poor", 0.1), *[at_least("poor", 0.9)] * 12]
    lines = summary_lines(report(suite_report(runs, claims)))
    assert lines[0] == "BLOCKED: 13 claims not met."
    assert (
        lines[1] == "  FAIL: poor, accuracy: lost 30 cases, gained 0 of 40; the loss is real, at least 62.4 points with"
    )
    assert lines[3].startswith("    lost, dearest first: c00 (cost 4), c01 (cost 4), c02 (cost 4), ")
    assert lines[4] == "      (cost 4), c06 (cost 4), c07 (cost 4) and 22 more"
    assert any(line.startswith("    cases, dearest first: c00 (cost 4), ") for line in lines)
    assert sum(line.startswith("  FAIL: ") for line in lines) == 10
    assert lines[-3:] == [
        "  and 3 more that block",
        "kitchen: 1 INCONCLUSIVE, 13 FAIL; 13 blocking",
        "  and 1 more that are not PASS",
    ]
    assert all(len(line) <= 100 for line in lines)


def test_what_is_not_met_and_does_not_block_comes_after_the_counts():
    runs = {"base": table(right), "good": table(right)}
    lines = summary_lines(report(suite_report(runs, [at_least("good", 0.95, role="guard")])))
    assert lines[:2] == [
        "PASS: no claim blocks, 0 claims met; 1 claim not met or not settled that may not block.",
        "kitchen: 1 INCONCLUSIVE; none blocking",
    ]
    assert lines[2].startswith("  INCONCLUSIVE: good, accuracy: 40 of 40 right")


def test_zero_tolerance_names_the_violations():
    claims = [never("poor", "costly_error_rate"), never("poor", "cost")]
    lines = summary_lines(report(suite_report({"poor": table(wrong_below(2))}, claims)))
    assert "    cases, dearest first: c00 (cost 4), c01 (cost 4)" in lines


def test_a_strategy_that_could_not_run_is_told_within_the_columns():
    lines = summary_lines(report(suite_report({"good": table(right)}, broken={"gpt": "no key " * 40})))
    assert lines[0] == "BLOCKED: 1 strategy could not be run."
    assert lines[2].startswith("kitchen: gpt could not be run: no key")
    assert all(len(line) <= 100 for line in lines)


@pytest.mark.parametrize("names", [("kitchen",), ("kitchen", "cellar")])
def test_the_suite_is_named_where_there_are_several(names):
    made = [suite_report({"poor": table(wrong_below(30))}, [at_least("poor", 0.9)], name=name) for name in names]
    lines = [line for line in summary_lines(report(*made)) if line.startswith("  FAIL: ")]
    assert [line.split(",")[0] for line in lines] == [
        f"  FAIL: {f'{name}/' if len(names) > 1 else ''}poor" for name in names
    ]
