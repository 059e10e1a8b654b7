"""report.md: the decision first; every number and name where it belongs; untrusted text inert."""

import html
import json
import re

import pytest
from markdown_it import MarkdownIt
from support.small_report import (
    CASES,
    TASK,
    at_least,
    never,
    no_worse,
    repeated,
    report,
    right,
    suite_report,
    table,
    wrong_below,
)

from harness.core.records import Case, Decoding, Failure, Measure, ParseMode, Response, Stage
from harness.core.scoring import Scorer
from harness.reporting.deciding import decision
from harness.reporting.markdown import report_markdown
from harness.runs.declared import DeclaredClaim
from harness.runs.moved import Comparing

READER = MarkdownIt("commonmark").enable("table")


def page(runs=None, claims=(), **changes):
    return report_markdown(report(suite_report(runs or {"good": table(right)}, claims, **changes)))


def rows(text, heading):
    """The rows of the table under a heading, as a reader of markdown finds them."""
    part = text.split(f"### {heading}\n", 1)[1].split("\n#", 1)[0]
    found = re.search(r"<table>.*?</table>", READER.render(part), re.DOTALL)[0]
    lines = re.findall(r"<tr>(.*?)</tr>", found, re.DOTALL)
    return [
        [html.unescape(re.sub(r"<.*?>", "", cell)) for cell in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", line)]
        for line in lines
    ]


# ---------------------------------------------------------------------------------------------------- the decision


@pytest.mark.parametrize(
    ("wrong", "claims", "words"),
    [
        (0, [at_least("one", 0.8)], "PASS: no claim blocks, 1 claim met."),
        (30, [at_least("one", 0.8)], "BLOCKED: 1 claim not met."),
        (30, [at_least("one", 0.8), at_least("one", 0.7)], "BLOCKED: 2 claims not met."),
        (30, [at_least("one", 0.8, role="report")], "PASS: no claim blocks, 0 claims met; 1 claim not met or not "),
        (5, [at_least("one", 0.85)], "INCONCLUSIVE: no claim blocks, but 1 gate not settled; 0 claims met."),
        (0, [], "NOTHING JUDGED: no claim was settled."),
    ],
)
def test_the_decision_comes_first_in_one_sentence(wrong, claims, words):
    text = page({"one": table(wrong_below(wrong))}, claims)
    assert text.startswith("# Holdfast report\n\n**" + words)


def test_a_strategy_that_could_not_run_blocks():
    made = report(suite_report({"good": table(right)}, [at_least("good", 0.8)], broken={"gpt": "no <key>"}))
    assert decision(made) == "BLOCKED: 1 strategy could not be run."
    assert "- `kitchen/gpt` could not be run: no &lt;key&gt;" in report_markdown(made)


def test_a_gate_that_was_not_judged_whole_is_no_passed_one():
    notes = {"incomplete": ["slice `rare` was <left> out"], "unjudged": ["accuracy has no baseline"]}
    text = page(claims=[at_least("good", 0.8)], **notes)
    assert text.splitlines()[2].startswith("**INCOMPLETE, not a passed gate: no claim blocks, 1 claim met.**")
    assert "- slice \\`rare\\` was &lt;left&gt; out" in text.splitlines()
    assert "- accuracy has no baseline" in text.splitlines()
    blocked = page({"one": table(wrong_below(30))}, [at_least("one", 0.8)], **notes)
    assert "**BLOCKED: 1 claim not met.**" in blocked


def test_an_unsettled_gate_blocks_in_a_release_and_is_listed_in_both_profiles():
    runs, claims = {"one": table(wrong_below(5))}, [at_least("one", 0.85)]
    text = report_markdown(report(suite_report(runs, claims, profile="release"), profile="release"))
    assert text.splitlines()[2] == "**BLOCKED: 1 claim not met.** Profile `release`."
    assert "- **INCONCLUSIVE** `one`" in text
    assert "- INCONCLUSIVE `one`" in page(runs, claims)


def test_a_blocking_claim_is_told_in_words_with_its_numbers():
    text = page({"one": table(wrong_below(30))}, [at_least("one", 0.8)])
    (line,) = [line for line in text.splitlines() if line.startswith("- **FAIL**")]
    assert "`one`" in line
    assert "accuracy" in line
    assert "10 of 40 right (25.0%)" in line
    assert "80% asked" in line


# ------------------------------------------------------------------------------------------------------ the tables


def test_strategies_are_compared_on_natural_cases_with_intervals():
    text = page({"bad": table(wrong_below(10)), "good": table(right)})
    assert "40 holdout cases and 4 more that count for their slices only." in text
    head, bad, good = rows(text, "Strategies")
    assert head[:5] == ["strategy", "stage", "accuracy", "format validity", "costly errors"]
    assert bad == [
        "bad",
        "candidate",
        "75.0% (59.8–85.8)",
        "100.0% (91.2–100.0)",
        "0.0% (0.0–8.8)",
        "1,000",
        "0.00",
        "12.0 ms",
        "12.0 ms",
    ]
    assert good[:3] == ["good", "shipped", "100.0% (91.2–100.0)"]


def test_fields_are_shown_one_by_one():
    assert rows(page({"bad": table(wrong_below(10))}), "Field by field") == [
        ["strategy", "kind", "loud"],
        ["bad", "75.0%", "100.0%"],
    ]


def test_slices_are_shown_with_their_supplement_critical_ones_apart():
    text = page({"bad": table(wrong_below(10)), "good": table(right)})
    assert rows(text, "Critical slices")[1] == ["loud_ones", "11", "72.7% / 0.0%", "100.0% / 0.0%"]
    assert rows(text, "Other slices")[1] == ["marked", "3", "0.0% / 0.0%", "100.0% / 0.0%"]


def test_answers_that_cannot_be_used_are_counted_by_kind():
    def answer(case):
        number = int(case.id[1:])
        if number < 3:
            return Response(text="I would say soup.")
        if number < 5:
            return Response(text='{"kind": "hot_soup"}')
        return Failure(kind="timeout", message="too slow") if number == 5 else right(case)

    assert rows(page({"one": table(answer)}), "Answers that can't be used") == [
        ["kind", "status", "one"],
        ["not json", "invalid", "3"],
        ["missing field", "invalid", "2"],
        ["timeout", "error", "1"],
    ]
    assert "Answers that can't be used" not in page()


def test_missing_answers_are_shown_as_missing():
    text = page({"gone": table(None)})
    assert rows(text, "Strategies")[1][2:5] == ["–", "–", "–"]
    assert rows(text, "Strategies")[1][7:] == ["–", "–"]
    assert rows(text, "Answers that can't be used")[1] == ["missing", "missing", "44"]


def test_claims_are_listed_with_what_was_asked_and_why():
    claims = [
        at_least("good", 0.8),
        at_least("good", 0.6, slice="loud_ones"),
        never("good", "unusable", slice="loud_ones"),
    ]
    head, *found = rows(page(claims=claims), "Claims")
    assert head == ["strategy", "claim", "asked", "verdict", "role", "why"]
    assert [row[:5] for row in found] == [
        ["good", "accuracy", "≥ 0.8", "PASS", "gate"],
        ["good", "accuracy on loud_ones", "≥ 0.6", "PASS", "gate"],
        ["good", "unusable on loud_ones", "none", "PASS", "gate"],
    ]
    assert "40 of 40 right (100.0%)" in found[0][5]
    assert "no violation in 11 cases" in found[2][5]


def test_a_reviewer_sees_what_the_cases_could_not_have_seen():
    runs = {"base": table(right), "ref": table(right), "one": repeated([wrong_below(4), right])}
    claims = [
        at_least("one", 0.8),
        at_least("one", 0.5, metric="field_accuracy", field="loud", slice="loud_ones"),
        never("one", "unusable", slice="loud_ones"),
        DeclaredClaim(
            test="t", index=1, kind="at_most", measure=Measure(run="one", metric="cost"), bound=30.0, role="guard"
        ),
        at_least("ref", 0.8),
    ]
    made = suite_report(runs, claims, strategies={"ref": {"stage": Stage.REFERENCE}})
    head, *found = rows(report_markdown(report(made)), "What these cases can tell")
    assert head == [
        "strategy",
        "claim",
        "can stand",
        "smallest detectable difference",
        "independent cases",
        "p",
        "decided at",
    ]
    numbers = [c.verdict for c in made.claims]
    assert found[0] == [
        "one",
        "accuracy",
        f"allows {numbers[0].budget} failures in 40 cases",
        f"{round(100 * numbers[0].mde, 1):g} points",
        "40 asked 2 times each",
        f"{numbers[0].p:.4g}",
        f"{numbers[0].decided_at:.4g}",
    ]
    assert found[1][1:4] == ["field accuracy of loud on loud_ones", "allows 2 failures in 11 cases", "nothing varied"]
    assert found[2][2:] == ["allows no violation", "a rate of 23.8%", "11 asked 2 times each", "–", "–"]
    assert found[3][3] == f"{numbers[3].mde:.4g} per decision"
    assert len(found) == 4
    assert "What these cases can tell" not in page()


def test_the_worth_of_clustered_cases_and_of_a_change_is_told():
    cases = tuple(
        Case(id=c.id, inputs=c.inputs, expected=c.expected, cluster=f"k{int(c.id[1:]) // 4}") for c in CASES[:40]
    )
    runs = {"base": table(right, cases), "one": table(wrong_below(8), cases)}
    made = suite_report(runs, [no_worse("one", 0.6), never("one", "error_rate", role="guard")], cases=cases)
    change, rate = rows(report_markdown(report(made)), "What these cases can tell")[1:]
    verdict = made.claims[0].verdict
    assert change[1] == "change of accuracy since the baseline"
    assert change[4] == (f"40 in 10 groups; design effect {verdict.deff:.3g}, worth {round(40 / verdict.deff)}")
    assert rate[3] == "a rate of 25.9%"


def test_changed_cases_are_shown_with_before_and_after_dearest_first():
    def answer(case):
        if case.id == "c08":
            return Response(text='{"kind": "green_tea", "loud": false}')
        if case.id == "c11":
            return Response(text="<b>no</b> idea")
        return right(case)

    text = page({"mine": table(answer)}, baseline=table(wrong_below(3, "cold_soup")))
    assert rows(text, "Changed since the baseline") == [
        ["strategy", "what was changed", "lost", "gained", "cost up", "cost down"],
        ["mine", "not known", "2", "3", "55 in 2 cases", "12 in 3 cases"],
    ]
    part = text.split("### Changed since the baseline\n")[1].split("\n#")[0]
    assert [line for line in part.splitlines() if line.startswith(("-", "  >"))] == [
        "- lost by `mine`: `c08`, cost 30: `loud` is `true`, before `true`, now `false`",
        "  > text of case 8",
        "- lost by `mine`: `c11`, cost 25: `kind` is `hot_soup`, before `hot_soup`; `loud` is `false`, "
        "before `false`; now no usable answer (not\\_json)",
        "  > text of case 11",
        "- gained by `mine`: `c00`, cost 4 before: `kind` is `green_tea`, before `cold_soup`, now `green_tea`",
        "  > text of case 0",
        "- gained by `mine`: `c01`, cost 4 before: `kind` is `hot_soup`, before `cold_soup`, now `hot_soup`",
        "  > text of case 1",
        "- gained by `mine`: `c02`, cost 4 before: `kind` is `green_tea`, before `cold_soup`, now `green_tea`",
        "  > text of case 2",
    ]


def test_at_most_eight_changed_cases_a_side_are_shown_and_the_rest_counted():
    text = page({"mine": table(wrong_below(20))}, baseline=table(right))
    assert text.count("- lost by `mine`: `c") == 8
    assert "- lost by `mine`: 12 more" in text
    text = page({"mine": table(right)}, baseline=table(wrong_below(20)))
    assert text.count("- gained by `mine`: `c") == 8
    assert "- gained by `mine`: 12 more" in text


def test_of_several_repeats_the_one_that_went_wrong_is_shown():
    text = page({"mine": repeated([right, wrong_below(1), right])}, baseline=repeated([right] * 3))
    assert "- lost by `mine`: `c00`, cost 4: `kind` is `green_tea`, before `green_tea`, now `red_wine`" in text
    assert "- `c00`, cost 4: `kind` is `green_tea`, answered `red_wine`" in text


def test_a_case_that_a_person_is_asked_about_is_told_as_such():
    text = page({"mine": table(right, review_below=0.5)}, baseline=table(right))
    assert "- lost by `mine`: `c39`, cost 3: now sent to a person (confidence below 0.5)" in text


def test_confusions_and_worst_cases_are_those_of_the_shipped_strategy_dearest_first():
    def answer(case):
        if case.id == "c04":
            return Response(text='{"kind": "green_tea", "loud": false}')
        return wrong_below(3)(case)

    text = page({"other": table(wrong_below(44)), "mine": table(answer)})
    assert rows(text, "What `mine` confuses at the highest cost") == [
        ["field", "right", "answered", "times", "cost"],
        ["loud", "true", "false", "1", "30"],
        ["kind", "green_tea", "red_wine", "2", "8"],
        ["kind", "hot_soup", "red_wine", "1", "4"],
    ]
    worst = text.split("### Worst cases of `mine`\n")[1].split("\n#")[0]
    assert "1 of 44 cases, supplement included, hold a costly error." in worst
    assert [line for line in worst.splitlines() if line.startswith("- ")] == [
        "- `c04`, cost 30: `loud` is `true`, answered `false`",
        "- `c00`, cost 4: `kind` is `green_tea`, answered `red_wine`",
        "- `c01`, cost 4: `kind` is `hot_soup`, answered `red_wine`",
        "- `c02`, cost 4: `kind` is `green_tea`, answered `red_wine`",
    ]
    assert "  > text of case 4" in worst


def test_nothing_is_said_of_errors_where_there_are_none():
    text = page()
    assert "confuses" not in text
    assert "Worst cases" not in text


def test_what_is_unusual_is_said_below_the_table():
    runs = {"loose": table(right, parse_mode=ParseMode.LENIENT), "careful": table(right, review_below=0.5)}
    text = page(runs, strategies={"loose": {"parse": ParseMode.LENIENT}, "careful": {"review_below": 0.5}})
    assert "Not parsed strictly: `loose` (lenient)." in text
    assert "Sent to a person: `careful` 1." in text
    assert "parsed strictly" not in page()


def test_a_price_that_is_not_known_is_a_question_mark():
    made = suite_report({"one": table(right)})
    object.__setattr__(made.runs["one"], "usd_per_1000", None)
    assert rows(report_markdown(report(made)), "Strategies")[1][6] == "?"


def test_what_was_run_is_identified_by_digests():
    text = page(strategies={"good": {"decoding": Decoding.JSON_SCHEMA, "stage": Stage.SHIPPED}})
    assert rows(text, "What was run")[1] == [
        "good",
        "python: rules.py:answer",
        "0",
        "json_schema",
        "1",
        "cdcdcdcdcdcd",
        "python 1, source abababababab",
    ]
    assert f"Holdout `{'12' * 6}`, schema `{'34' * 6}`, scoring" in text
    assert text.endswith("Revision `abc123`; holdfast 0, numpy 2.\n\nTo reproduce: `pytest suites/`\n")


def test_the_source_of_the_data_is_named():
    assert "Data: Tickets, CC BY 4.0." in page(attribution="Tickets, CC BY 4.0")


def test_several_suites_stand_one_after_the_other():
    text = report_markdown(
        report(suite_report({"a": table(right)}, name="first"), suite_report({"b": table(right)}, name="second"))
    )
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == ["first", "second", "Provenance"]


def test_equal_inputs_give_equal_pages():
    claims = [at_least("good", 0.8)]
    assert page(claims=claims) == page(claims=claims)


# -------------------------------------------------------------------------------------------------- untrusted text

HOSTILE = "<script>alert(1)</script> | [x](http://example.com) ![y](http://z) `code` @team\n# Big\n\n| a | b |\n* * *"


def hostile_answers(text):
    scorer = Scorer(TASK)
    comparing = Comparing(scorer, TASK.decision_fields)
    old = right(CASES[0])
    new = Response(text=json.dumps({"kind": text, "loud": True}), provider_model=text, provider_fingerprint=text)
    comparing.add(CASES[0], 0, old, new)
    return comparing.finish()


def test_hostile_tickets_and_answers_do_nothing():
    cases = tuple(
        type(case)(id=case.id, inputs={"text": HOSTILE}, expected=case.expected, supplement=case.supplement)
        for case in CASES
    )
    said = HOSTILE.replace("\n", "\\n")
    made = suite_report(
        {"one": table(wrong_below(3, kind=said), cases)},
        cases=cases,
        attribution=HOSTILE,
        baseline=table(right, cases),
        asked_again={"one": hostile_answers(HOSTILE)},
    )
    text = report_markdown(report(made))
    assert rows(text, "What `one` confuses at the highest cost")[1][:2] == ["kind", "green_tea"]
    rendered = READER.render(text)
    assert "<script" not in rendered
    assert "<a " not in rendered
    assert "<img" not in rendered
    assert "Big" not in "".join(re.findall(r"<h\d>.*?</h\d>", rendered))
    assert "@team" not in re.sub(r"`[^`]*`", "", text)
    calm = READER.render(
        page(
            {"one": table(wrong_below(3))},
            attribution="x",
            baseline=table(right),
            asked_again={"one": hostile_answers("calm")},
        )
    )
    shape = [re.findall(r"</?(?:table|tr|td|th|h\d|ul|li|hr|blockquote)\b", part) for part in (rendered, calm)]
    assert shape[0] == shape[1]


def test_repeats_do_not_narrow_the_intervals_of_rates():
    once, often = (
        report_markdown(report(suite_report({"one": repeated([wrong_below(8)] * times)}))) for times in (1, 4)
    )
    assert "80.0% (65.2–89.5)" in once
    assert "80.0% (65.2–89.5)" in often
    assert "count in them as the independent cases" in often
    assert "count in them as the independent cases" not in once


@pytest.mark.parametrize(("failed", "median", "p95"), [(0, "12.0 ms", "12.0 ms"), (8, "12.0 ms", "no answer")])
def test_requests_without_an_answer_do_not_make_a_strategy_fast(failed, median, p95):
    def answer(case):
        return Failure(kind="timeout", message="") if int(case.id[1:]) < failed else right(case)

    (row,) = re.findall(r"^\| `one` .* ms .*$", page({"one": table(answer)}), re.MULTILINE)
    assert [cell.strip() for cell in row.split("|")[-3:-1]] == [median, p95]
