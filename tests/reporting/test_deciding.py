"""What blocks is told with the cases that it is about."""

import pytest
from support.small_report import at_least, never, no_worse, report, right, suite_report, table, wrong_below

from harness.core.records import Response, Stage
from harness.reporting.deciding import decision
from harness.reporting.markdown import report_markdown


def below_the_decision(runs, claims, **changes):
    text = report_markdown(report(suite_report(runs, claims, **changes)))
    return [line for line in text.split("## kitchen")[0].splitlines() if line.startswith("  - ")]


def unheard(case):
    """Wrong in c00 to c02 at a cost of 4, and in c04 at 30."""
    if case.id == "c04":
        return Response(text='{"kind": "green_tea", "loud": false}')
    return wrong_below(3)(case)


def test_an_unmet_floor_names_what_counts_against_it_dearest_first():
    (line,) = below_the_decision({"one": table(unheard)}, [at_least("one", 0.9)], profile="release")
    assert line == "  - cases, dearest first: `c04` (cost 30), `c00` (cost 4), `c01` (cost 4), `c02` (cost 4)"


def test_only_cases_of_the_slice_and_of_the_field_are_named():
    runs = {"one": table(unheard)}
    (line,) = below_the_decision(runs, [at_least("one", 0.75, slice="loud_ones")], profile="release")
    assert line == "  - cases, dearest first: `c04` (cost 30), `c00` (cost 4)"
    field = at_least("one", 0.92, metric="field_accuracy", field="loud")
    (line,) = below_the_decision(runs, [field], profile="release")
    assert line == "  - cases, dearest first: `c04` (cost 30)"


def test_a_regression_names_the_lost_cases_and_zero_tolerance_the_violations():
    runs = {"base": table(wrong_below(2)), "one": table(wrong_below(30))}
    (line,) = below_the_decision(runs, [no_worse("one", 0.1)])
    assert line.startswith("  - lost, dearest first: `c02` (cost 4), `c03` (cost 4), ")
    assert line.endswith("`c09` (cost 4) and 20 more")
    (line,) = below_the_decision({"one": table(unheard)}, [never("one", "costly_error_rate")])
    assert line == "  - cases, dearest first: `c04` (cost 30)"


@pytest.mark.parametrize("claims", [[at_least("one", 0.5)], [at_least("one", 0.9, role="report")]])
def test_what_does_not_block_names_no_cases(claims):
    assert below_the_decision({"one": table(unheard)}, claims) == []


def test_claims_about_references_do_not_count_in_the_decision():
    runs = {"old": table(wrong_below(30)), "one": table(right)}
    claims = [at_least("old", 0.5, role="report"), at_least("old", 0.1, role="report"), at_least("one", 0.8)]
    stages = {"old": {"stage": Stage.REFERENCE}}
    assert decision(report(suite_report(runs, claims, strategies=stages))) == "PASS: no claim blocks, 1 claim met."
    alone = suite_report(runs, claims[:2], strategies=stages)
    assert decision(report(alone)) == "PASS: no claim blocks, 0 claims met."


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ("pr", "PASS: no claim blocks, 1 claim met."),
        ("release", "INCOMPLETE, not a passed gate: claims could not be judged; 1 claim met."),
    ],
)
def test_a_release_with_claims_that_could_not_be_judged_is_no_passed_gate(profile, told):
    made = suite_report({"one": table(right)}, [at_least("one", 0.8)], profile=profile, unjudged=["no baseline yet"])
    assert decision(report(made, profile=profile)) == told
