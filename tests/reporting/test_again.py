"""What moved since the ledger was filled, counted and told."""

from __future__ import annotations

import json

import pytest
from support.small_report import CASES, TASK, report, right, suite_report, table

from harness.core.records import Failure, Response
from harness.core.scoring import Scorer
from harness.reporting.again import asked_again_line
from harness.reporting.markdown import report_markdown
from harness.runs.moved import Comparing


def says(kind="green_tea", loud=True, *, text=None, model="m", fingerprint="f"):
    text = json.dumps({"kind": kind, "loud": loud}) if text is None else text
    return Response(text=text, provider_model=model, provider_fingerprint=fingerprint)


def compared(*pairs):
    """What is found of pairs (before, now) of answers to the first case, green tea and loud."""
    comparing = Comparing(Scorer(TASK), TASK.decision_fields)
    for number, (before, now) in enumerate(pairs):
        comparing.add(CASES[0], number, before, now)
    return comparing.finish()


def section(found):
    page = report_markdown(report(suite_report({"mine": table(right)}, asked_again={"mine": found})))
    return page.partition("### Asked again\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize(
    ("before", "now", "counts"),
    [
        (says(), says(), (0, 0, 0, 0)),
        (says(), says(text='{"loud": true, "kind": "green_tea"}'), (1, 0, 0, 0)),
        (says(), says("hot_soup"), (1, 1, 1, 0)),
        (says("hot_soup"), says(), (1, 1, 0, 1)),
        (says("hot_soup"), says("red_wine"), (1, 1, 0, 0)),
        (says(), says(text="tea!"), (1, 1, 1, 0)),
        (says(text="tea?"), says(text="tea!"), (1, 0, 0, 0)),
        (None, says(), (0, 0, 0, 0)),
        (says(), Failure(kind="timeout", message="slow"), (0, 0, 0, 0)),
    ],
)
def test_texts_and_decisions_are_compared_apart(before, now, counts):
    found = compared((before, now))
    assert (found.texts, len(found.moved), found.lost, found.gained) == counts
    assert found.asked == 1
    assert found.known == (before is not None)
    assert found.failed == isinstance(now, Failure)
    assert found.compared == (before is not None and isinstance(now, Response))


def test_what_went_wrong_is_shown_before_what_came_right():
    found = compared((says("a"), says("b")), (says("a"), says()), (says(), says("c")), (says(), says(text="no")))
    assert [(m.repeat, m.now and m.now["kind"]) for m in found.moved] == [
        (2, "c"),
        (3, None),
        (1, "green_tea"),
        (0, "b"),
    ]
    lines = [line for line in section(found).splitlines() if line.startswith("| `c00`")]
    assert [cell.strip() for cell in lines[1].split("|")[2:-1]] == [
        "3",
        "kind `green_tea`, loud `true`",
        "kind `green_tea`, loud `true`",
        "no usable answer",
    ]


def test_all_providers_are_counted_and_the_line_names_the_most_frequent():
    now = ["f2", "f2", "f3", "f4", "f5"]
    found = compared(*((says(), says(fingerprint=fingerprint)) for fingerprint in now))
    assert asked_again_line("s/mine", found) == (
        "asked again, s/mine: 5 asked, all in the ledger; no answer changed; "
        "provider m f (5) → m f2 (2), m f3 (1), m f4 (1) and 1 more"
    )
    assert "- answered now: `m f2` (2), `m f3` (1), `m f4` (1), `m f5` (1)" in section(found)


def test_a_provider_that_names_nothing_is_told_as_such_and_one_that_names_too_much_is_cut():
    nothing = compared((says(model="", fingerprint=""), says(model="", fingerprint="")))
    assert asked_again_line("s/mine", nothing).endswith("nothing moved; provider not named (1)")
    much = compared((says(model="m\x1b[2J\n" * 100), says(model="m\x1b[2J\n" * 100)))
    line = asked_again_line("s/mine", much)
    assert "\x1b" not in line
    assert "\n" not in line
    assert len(line) < 200


def test_a_suite_that_was_not_asked_again_has_no_such_section():
    assert "Asked again" not in report_markdown(report(suite_report({"mine": table(right)})))
