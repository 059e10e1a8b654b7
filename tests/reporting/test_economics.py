"""The sections about money, from the text of a task.yaml to what a reader finds; the documented examples."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from support.small_report import CASES, at_least, report, right, suite_report, table, wrong_below

from harness.core.economics import Correction, Economics, ErrorCost, Fixed, Readiness, Volume
from harness.core.records import Case, Decoding, Failure, Response, Stage
from harness.fixtures_io.tasks import load_fixture
from harness.reporting.files import verdicts_json
from harness.reporting.markdown import report_markdown
from harness.reporting.model import EarlyStopped
from harness.reporting.recommendation import economics_numbers

PAGE = (Path(__file__).parents[2] / "docs" / "economics.md").read_text(encoding="utf-8")
COMPLAINTS, CORRECTIONS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^```markdown\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SIMPLE = Economics(currency="EUR", volume=Volume(number=1000), errors=ErrorCost(each=10))


@pytest.fixture
def declared(tmp_path):
    """The economics that the text of a task.yaml declares."""

    def read(text):
        schema = {"type": "object", "properties": {"kind": {"enum": ["hot_soup", "green_tea", "red_wine"]}}}
        (tmp_path / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
        (tmp_path / "task.yaml").write_text(text, encoding="utf-8")
        return load_fixture(tmp_path).economics

    return read


def holdout(n):
    return tuple(
        Case(
            id=f"c{i:05d}",
            inputs={"text": f"text {i}"},
            expected={"kind": "hot_soup" if i % 2 else "green_tea", "loud": False},
        )
        for i in range(n)
    )


def wrong_in(which, cases):
    """The outcomes of answers that are wrong in these cases."""

    def answer(case):
        reply = right(case)
        if int(case.id[1:]) in which:
            return Response(text=reply.text.replace(case.expected["kind"], "red_wine"))
        return reply

    return table(answer, cases)


def complaints(n, economics):
    """Rates of 10%, 3% and 2.5% wrong, on `n` cases; two of them share most of their errors."""
    cases = holdout(n)
    k = n // 200
    runs = {
        "base": wrong_in(range(20 * k), cases),
        "prompt": wrong_in(range(2 * k, 8 * k), cases),
        "fine_tuned": wrong_in(range(5 * k), cases),
    }
    claims = [at_least(name, 0.9) for name in runs]
    stages = {name: {"stage": Stage.CANDIDATE} for name in runs} | {"base": {"stage": Stage.SHIPPED}}
    return suite_report(runs, claims, cases=cases, economics=economics, strategies=stages)


def sections(suite):
    text = report_markdown(report(suite))
    start = text.index("### Economics")
    end = text.find("### Claims")
    return text[start : end if end > start else None]


# ---------------------------------------------------------------------------------- the examples of docs/economics.md


def test_fine_tuning_saves_more_and_prompting_nets_more(declared):
    suite = complaints(2000, declared(COMPLAINTS))
    numbers = economics_numbers(suite)
    tuned, prompt = (numbers["strategies"][name]["benefit"] for name in ("fine_tuned", "prompt"))
    assert (tuned["saved"]["estimate"], tuned["extra"], tuned["net"]["estimate"]) == (750_000, 300_000, 450_000)
    assert (prompt["saved"]["estimate"], prompt["extra"], prompt["net"]["estimate"]) == (700_000, 20_000, 680_000)
    assert numbers["recommendation"]["strategy"] == "prompt"
    text = sections(suite)
    assert SHOWN[0] in text
    assert "**Use `prompt`: of the 2 strategies that meet every gate it costs least, EUR 26,667 a month" in text


def test_few_cases_recommend_nothing_and_say_how_many_would(declared):
    suite = complaints(200, declared(COMPLAINTS))
    found = economics_numbers(suite)["recommendation"]
    assert (found["strategy"], found["more_cases"]) == (None, 129)
    assert "**No recommendation: the intervals overlap. `prompt` and `fine_tuned` meet every gate" in sections(suite)
    assert "129 more cases would settle it" in found["sentence"]
    assert "No recommendation: the intervals overlap" in PAGE


def test_a_strategy_at_95_percent_halves_the_hours_of_one_at_90(declared):
    cases = holdout(1000)
    runs = {"better": wrong_in(range(50), cases), "today": wrong_in(range(100), cases)}
    text = sections(suite_report(runs, cases=cases, economics=declared(CORRECTIONS)))
    assert SHOWN[1] in text
    assert "600: 5.0 to 6.7 hours" in text
    assert "300: 2.5 to 3.3 hours" in text


# ------------------------------------------------------------------------------------------------------ the sections


def test_without_declared_economics_a_line_says_what_to_declare_where_strategies_are_compared():
    one, two = {"one": table(right)}, {"one": table(right), "two": table(right)}
    assert "Economics" not in report_markdown(report(suite_report(one)))
    text = report_markdown(report(suite_report(two)))
    assert "declare `economics` in `task.yaml`, at least its `currency`, `decisions` and `errors`" in text
    assert "### Recommendation" not in text
    assert economics_numbers(suite_report(two)) is None


def test_a_run_without_outcomes_has_no_costs():
    assert economics_numbers(suite_report({}, economics=SIMPLE)) is None
    gone = suite_report({"gone": table(None)}, economics=SIMPLE)
    assert economics_numbers(gone) is None
    assert "### Recommendation" not in report_markdown(report(gone))


def test_supplement_cases_cost_nothing():
    suite = suite_report({"one": table(wrong_below(44))}, economics=SIMPLE)
    assert economics_numbers(suite)["strategies"]["one"]["cases"] == sum(not case.supplement for case in CASES)


def test_what_the_figures_were_taken_from_is_told():
    economics = Economics(
        currency="EUR",
        volume=Volume(number=1000),
        errors="costs",
        correction=Correction(seconds=(30, 30), hourly_wage=24, share=0.5),
        currency_per_usd=0.5,
        machine_per_hour=2,
        strategies={"one": Fixed(training=1200), "absent`|": Fixed(setup=1)},
    )
    suite = suite_report({"one": table(wrong_below(4))}, economics=economics)
    text = sections(suite)
    assert "Errors cost what the task's `costs` say." in text
    assert "50% of the wrong answers are put right by hand in 30 s, at EUR 24.00 an hour." in text
    assert "A US dollar is EUR 0.5." in text
    assert "One-off costs of EUR 1,200 behind `one` are spent, whatever is decided now, and do not count." in text
    assert "`gone` is declared as in use today, and was not run: no benefit is counted." in sections(
        suite_report({"one": table(right), "two": table(right)}, economics=replace(SIMPLE, today="gone"))
    )
    assert "Fixed costs are declared for `absent'¦` too, which was not run here." in text


def test_references_are_held_to_the_gates_of_the_others():
    runs = {"weak": table(wrong_below(30)), "good": table(right)}
    claims = [at_least("weak", 0.8, role="report"), at_least("good", 0.8)]
    stages = {"weak": {"stage": Stage.REFERENCE}}
    text = sections(suite_report(runs, claims, economics=SIMPLE, strategies=stages))
    assert "**Keep `good`: the only one of 2 strategies that meets every gate" in text
    assert "`weak`, the cheapest of the others, costs EUR 7,500 more a month" in text
    assert "and fails accuracy." in text


def test_whether_prompting_is_at_its_ceiling_is_told_where_examples_were_varied():
    runs = {"none": table(wrong_below(20)), "four": table(wrong_below(19)), "other": table(right)}
    suite = suite_report(runs, economics=SIMPLE, strategies={"other": {"prompt": "other.md"}})
    assert "Is prompting at its ceiling?" not in sections(suite)
    varied = replace(suite, runs={**suite.runs, "four": replace(suite.runs["four"], example_count=4)})
    (line,) = [line for line in sections(varied).splitlines() if line.startswith("- Is prompting at its ceiling?")]
    assert line.startswith("- Is prompting at its ceiling? `four`: 4 examples ")
    assert line.endswith("*(measured)*")
    keys = {check["key"] for check in economics_numbers(varied)["recommendation"]["checks"]}
    assert "ceiling" not in keys


def test_an_incomplete_gate_has_no_recommendation():
    changes = {"economics": SIMPLE, "incomplete": ["a slice is left out"]}
    text = sections(suite_report({"good": table(right)}, [at_least("good", 0.8)], **changes))
    assert "**No recommendation: not all claims were judged" in text


def test_what_people_wrote_and_labels_do_nothing_in_the_page():
    def hostile(case):
        return Response(text=json.dumps({"kind": "<script>alert(1)</script>", "loud": True}))

    cases = tuple(
        Case(
            id=f"c{i}",
            inputs={"text": "x"},
            expected={"kind": "<img src=x onerror=y>`|" if i % 2 else "b", "loud": True},
        )
        for i in range(40)
    )
    economics = Economics(
        currency="EUR",
        volume=Volume(number=1000),
        errors=ErrorCost(each=10),
        readiness=Readiness(retraining="<script>alert(2)</script> [x](javascript:alert(3)) `code"),
    )
    suite = suite_report({"one": table(hostile, cases)}, cases=cases, economics=economics)
    text = sections(suite)
    assert "Who trains again, and when? &lt;script&gt;" in text
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert "<script" not in shown
    assert "<img" not in shown
    assert 'href="javascript' not in shown


# ------------------------------------------------------------------------------------------------- verdicts.json


def test_the_same_figures_are_in_verdicts_json():
    strategies = {"good": {"decoding": Decoding.JSON_SCHEMA}}
    runs = {"bad": table(wrong_below(20)), "good": table(right)}
    suite = suite_report(runs, [at_least("good", 0.8)], economics=SIMPLE, strategies=strategies)
    first, second = verdicts_json(report(suite)), verdicts_json(report(suite))
    assert first == second
    found = json.loads(first)["suites"][0]["economics"]
    assert list(found["strategies"]) == ["bad", "good"]
    assert found["strategies"]["bad"]["per_1000"]["errors"] == 5000
    assert found["strategies"]["bad"]["monthly"]["estimate"] == 5000
    assert found["today"] == "good"
    assert found["recommendation"]["strategy"] == "good"
    assert [row["factor"] for row in found["sensitivity"]] == [0.5, 1, 2] * 3
    assert {check["basis"] for check in found["recommendation"]["checks"]} <= {"measured", "declared", "open"}


def test_a_volume_that_is_never_reached_is_null():
    economics = Economics(
        currency="EUR",
        volume=Volume(number=1000),
        errors=ErrorCost(each=10),
        strategies={"bad": Fixed(hosting_per_month=5)},
    )
    suite = suite_report({"bad": table(wrong_below(20)), "good": table(right)}, economics=economics)
    (pair,) = economics_numbers(suite)["break_even"]
    assert (pair["large"], pair["volume"], pair["lower"], pair["upper"]) == ("bad", None, None, None)
    assert "Where more volume pays" not in sections(suite)


def test_failures_cost_as_errors_do():
    suite = suite_report({"down": table(lambda case: Failure(kind="timeout", message="late"))}, economics=SIMPLE)
    assert economics_numbers(suite)["strategies"]["down"]["per_1000"]["errors"] == 10_000


@pytest.mark.parametrize(("asked", "told"), [(10, True), (40, False)])
def test_a_run_that_stopped_early_is_named_beside_its_money(asked, told):
    suite = suite_report({"one": table(right), "two": table(wrong_below(9))}, economics=SIMPLE)
    stopped = replace(suite.runs["two"], early=EarlyStopped(cases=40, asked=asked, saved=40 - asked))
    text = report_markdown(report(replace(suite, runs={**suite.runs, "two": stopped})))
    assert ("Stopped early: `two`. Intervals of money hold for a number of cases" in text) is told
    assert ("No recommendation: `two` stopped early, and costs are not known well enough then" in text) is told


def test_a_strategy_in_use_that_runs_on_several_adapters_has_to_be_named_with_one():
    runs = {"few@one": table(right), "few@two": table(wrong_below(9))}
    text = report_markdown(report(suite_report(runs, economics=replace(SIMPLE, today="few"))))
    assert "`few` is declared as in use today, and was run as `few@one`, `few@two`; name one of these: no benef" in text
    text = report_markdown(report(suite_report(runs, economics=replace(SIMPLE, today="few@two"))))
    assert "Against `few@two`, in use today" in text
