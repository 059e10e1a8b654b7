"""The section on the ceiling of prompts: curves, tokens, shared errors, fragility."""

import html
import re
from dataclasses import replace

import numpy as np
import pytest
from markdown_it import MarkdownIt
from support.small_report import CASES, repeated, right, suite_report, table, wrong_below

from harness.core.ceiling import Arm, curve
from harness.core.consistency import Share
from harness.core.fragility import Fragility, Group, Moved, Variant
from harness.core.metrics import members
from harness.core.records import Case, Usage
from harness.reporting.ceiling import TABLES, ceiling_lines, ceiling_section, prompt_ceilings
from harness.reporting.model import TrainedEpoch, TrainedWeights

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NATURAL = members(CASES, None)


def suite(runs, *, examples=None, **changes):
    """A report of these tables; `examples` says how many each run shows."""
    made = suite_report(runs, **changes)
    shown = {name: replace(run, example_count=(examples or {}).get(name, 0)) for name, run in made.runs.items()}
    return replace(made, runs=shown)


def section(*given, **changes):
    made = suite(*given, **changes)
    return "\n".join(ceiling_section(made, members(made.cases, None)))


def cells(text):
    lines = re.findall(r"<tr>(.*?)</tr>", READER.render(text), re.S)
    return [
        [html.unescape(re.sub("<.*?>", "", c)) for c in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", line)] for line in lines
    ]


def lengthy(answerer, tokens):
    """The same answers, after requests of so many tokens."""

    def answer(case):
        return replace(answerer(case), usage=Usage(input_tokens=tokens))

    return table(answer)


def measured(points, n=1000, **options):
    arms = [
        Arm(name=f"{k} examples", examples=k, tokens=None, right=(np.arange(n) < hits).astype(float))
        for k, hits in points.items()
    ]
    return curve("kitchen/few", arms, [None] * n, source="pool", **options)


# -------------------------------------------------------------------------------------------------------- the curve


def test_a_measured_curve_is_shown_with_its_conclusion_first():
    text = section({"few": table(right)}, ceilings={"few": measured({0: 700, 4: 850, 8: 851})}, examples={"few": 8})
    lines = text.splitlines()
    assert lines[0] == "### Is the prompt at its ceiling?"
    assert lines[2].startswith("**`few`: 8 examples instead of 4 gained 0.1 points of accuracy (")
    assert lines[2].endswith("at its ceiling, for less than 2 points are left to be gained by more examples.**")
    head, *rows = cells(text)
    assert head == ["examples", "input tokens", "accuracy", "change to the line above"]
    assert [row[:2] for row in rows] == [["0", "–"], ["4", "–"], ["8", "–"]]
    assert rows[1][3].startswith("+15.0 (+12.")
    assert re.search(r"^8 more examples on average: \+15\.\d", text, re.M)
    assert "harness ceiling" not in text


def test_without_a_measured_curve_that_of_the_strategies_counts_and_the_command_is_named():
    runs = {"none": table(wrong_below(30)), "other": table(wrong_below(35)), "few": table(wrong_below(5))}
    prompts = {"none": {"prompt": "p.md"}, "other": {"prompt": "q.md"}, "few": {"prompt": "p.md"}}
    made = suite(runs, examples={"few": 8}, strategies=prompts)
    found = prompt_ceilings(made, NATURAL)
    assert list(found) == ["few"]
    assert [(p.name, p.examples, p.accuracy.estimate) for p in found["few"].points] == [
        ("none", 0, 0.25),
        ("few", 8, 0.875),
    ]
    text = section(runs, examples={"few": 8}, strategies=prompts)
    assert "8 examples instead of none gained 62.5 points of accuracy" in text
    assert "on 40 holdout cases: examples help, and whether more of them would is open" in text
    assert "How `few` would do with fewer examples was not measured; on pool cases it is by\n`harness ceiling " in text


def test_strategies_that_differ_in_more_than_their_prompt_are_not_compared():
    runs = {"none": table(wrong_below(30)), "few": table(wrong_below(5))}
    for difference in ({"adapter": "gpt"}, {"decoding": "json_schema"}, {"review_below": 0.5}):
        assert prompt_ceilings(suite(runs, examples={"few": 8}, strategies={"none": difference}), NATURAL) == {}


def test_only_cases_that_all_answered_count():
    half = [case for i, case in enumerate(CASES) if i % 2]
    some = table(wrong_below(20), half)
    partial = replace(table(None), status=np.full((44, 1), -1, dtype=np.int8))
    partial.status[1::2] = some.status
    found = prompt_ceilings(suite({"none": partial, "few": table(right)}, examples={"few": 4}), NATURAL)
    assert found["few"].cases == 20
    gone = prompt_ceilings(suite({"none": table(None), "few": table(right)}, examples={"few": 4}), NATURAL)
    assert gone == {}


def test_failures_and_weights_that_may_know_the_cases_are_told():
    curve = measured({0: 700, 8: 850}, failed=3)
    weights = TrainedWeights(
        runs=["few"],
        training_cases=9,
        validation_cases=3,
        curve=[TrainedEpoch(number=1, training_loss=1.0, validation_loss=1.0, exact=0.5)],
        kept_epoch=1,
    )
    text = section({"few": table(right)}, ceilings={"few": curve}, trained={"rules": weights})
    assert "3 requests failed and count as wrong." in text
    assert "LoRA weights that may have been trained on these cases" in text
    lines = "\n".join(ceiling_lines(curve, trained=True))
    assert "3 requests failed and count as wrong; the same command asks them again." in lines
    assert "LoRA" in lines
    assert "LoRA" not in "\n".join(ceiling_lines(curve, trained=False))


def test_a_terminal_shows_the_same_numbers_within_a_hundred_columns():
    lines = list(ceiling_lines(measured({0: 700, 4: 850, 8: 851}), trained=False))
    assert max(map(len, lines)) <= 100
    assert lines[0].split("  ")[0] == "examples"
    assert " ".join("\n".join(lines).split()).count("at its ceiling") == 1


# -------------------------------------------------------------------------------------------- tokens, shared errors


def test_longer_prompts_are_compared_by_their_tokens():
    runs = {"short": lengthy(wrong_below(30), 100), "long": lengthy(wrong_below(10), 600)}
    assert re.search(
        r"^- `short` and `long`: \+100\.0 \(\+\S+ to \+\S+\), from 100 to 600 tokens$", section(runs), re.M
    )
    alike = {"short": lengthy(wrong_below(30), 100), "long": lengthy(wrong_below(10), 100)}
    assert "tokens" not in section(alike)


def shared(text):
    return cells(text)[-3:]


def test_cases_that_every_strategy_gets_wrong_are_named_with_their_slices():
    runs = {"a": table(wrong_below(10)), "b": table(wrong_below(12)), "c": table(wrong_below(3))}
    text = section(runs)
    assert "All 3 strategies get the same 3 of 40 cases wrong; it would be 0 if their errors had nothing" in text
    assert (
        "Of the 3 errors of `c`, which makes the fewest, 100.0% are everyone's, 100% when chance is taken out:" in text
    )
    assert "what keeps them from being better are these cases, their labels or what they leave out." in text
    assert "Wrong in every strategy: `c00` (`loud_ones`, `marked`), `c01` (`marked`), `c02` (`marked`)." in text
    assert shared(text) == [
        ["a", "10", "", ""],
        ["b", "12", "83% (10, 3)", ""],
        ["c", "3", "30% (3, 1)", "25% (3, 1)"],
    ]


def test_errors_that_have_nothing_in_common_are_no_sign_of_bad_labels():
    def other(case):
        return wrong_below(99)(case) if 20 <= int(case.id[1:]) < 30 else right(case)

    text = section({"a": table(wrong_below(11)), "b": table(other)})
    assert "get the same 0 of 40 cases wrong; it would be 3 if" in text
    assert "0% when chance is taken out: no sign that labels" in text
    assert "Wrong in every strategy" not in text


def test_a_strategy_that_gets_everything_wrong_says_nothing_of_the_cases():
    text = section({"hopeless": table(wrong_below(44)), "c": table(wrong_below(5))})
    assert "get the same 5 of 40 cases wrong; it would be 5 if" in text
    assert "no sign that labels" in text


def test_nothing_is_said_where_nothing_is_known():
    assert section({"one": table(wrong_below(3))}) == ""
    assert section({"one": table(right), "two": table(right)}) == ""


def test_twelve_strategies_and_hostile_ids_stay_short_and_inert():
    cases = tuple(
        Case(id=f"<b>|`{case.id}`\n# x", inputs=case.inputs, expected=case.expected, tags=case.tags) for case in CASES
    )

    def wrong(number):
        def answer(case):
            return wrong_below(number)(replace(case, id=re.search(r"c\d\d", case.id)[0]))

        return answer

    runs = {f"strategy_number_{i}": table(wrong(20 + i), cases) for i in range(12)}
    text = section(runs, cases=cases)
    assert " and 10 more." in text
    assert len(text.encode()) < 7_000
    assert not re.search(r"<(b|h1)\b", READER.render(text))


def test_of_several_answers_those_of_most_count():
    most, few = [wrong_below(4), wrong_below(4), right], [wrong_below(4), right, right]
    assert "All 2 strategies get the same 4 of 40 cases wrong" in section(
        {"a": repeated(most), "b": table(wrong_below(6))}
    )
    assert section({"a": repeated(few), "b": table(wrong_below(6))}) == ""


# -------------------------------------------------------------------------------------------------------- fragility


def test_measured_fragility_is_summed_up():
    moved = Moved(
        variant=Variant(name="without x", examples=(), dropped="x"),
        accuracy=0.7,
        losses=4,
        gains=0,
        moved=5,
        change=-0.1,
        lower=-0.2,
        upper=0.0,
    )
    found = Fragility(
        run="kitchen/few",
        examples=1,
        cases=40,
        declared=Share(estimate=0.8, lower=0.7, upper=0.9),
        again=replace(moved, change=0.0, moved=0),
        drops=Group(variants=(moved,), any_moved=5),
        orders=None,
        failed=0,
    )
    text = section({"few": table(right)}, fragilities={"few": found})
    told = "Without one of its 1 examples, `few` decides 5.0 of 40 pool cases differently on average, and 5 at most;"
    assert told in text
    row = next(row for row in cells(text) if row[0] == "one of 1 dropped")
    assert row[2] == "-10.0 (-20.0 to +0.0)"


@pytest.mark.parametrize("source", ["pool", "holdout"])
def test_the_sentence_says_which_cases_it_is_about(source):
    found = replace(measured({0: 1, 1: 2}), source=source)
    assert f"on 1,000 {source} cases" in found.sentence


def test_of_many_curves_the_first_have_a_table_and_all_a_conclusion():
    names = [f"few_{i}" for i in range(12)]
    ceilings = {name: measured({0: 700, 4: 850, 8: 851, 16: 860, 32: 861, 64: 862}) for name in names}
    text = section({name: table(right) for name in names}, ceilings=ceilings)
    assert text.count("**`few_") == 12
    assert text.count("| examples ") == TABLES
    assert len(text.encode()) < 6_000
