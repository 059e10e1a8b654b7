"""The comment on a pull request: what a reviewer needs in the open, the rest folded, never longer than GitHub takes."""

import re

import pytest
from markdown_it import MarkdownIt
from support.small_report import CASES, at_least, no_worse, report, right, suite_report, table, wrong_below

from harness.core.records import Response
from harness.reporting import comment
from harness.reporting.comment import LIMIT, MARKER, comment_markdown

READER = MarkdownIt("commonmark", {"html": True}).enable("table")


def made(**changes):
    runs = {"base": table(right), "poor": table(wrong_below(30))}
    claims = [at_least("base", 0.95, role="guard"), no_worse("poor", 0.1)]
    return report(suite_report(runs, claims, baseline=runs["base"], **changes))


def in_the_open(text):
    return re.sub(r"<details>.*?</details>", "", text, flags=re.S)


def test_it_begins_with_the_marker_and_the_decision():
    lines = comment_markdown(made()).splitlines()
    assert lines[0] == MARKER
    assert MARKER.startswith("<!-- ")
    assert lines[1] == "### Holdfast: BLOCKED: 1 claim not met."


def test_blockers_come_with_their_cases_then_what_does_not_block():
    opened = in_the_open(comment_markdown(made()))
    assert "- **FAIL** `poor`, accuracy since the baseline: lost 30 cases, gained 0 of 40;" in opened
    assert "  - lost, dearest first: `c00` (cost 4), `c01` (cost 4), " in opened
    assert "- INCONCLUSIVE `base`, accuracy" in opened


def test_changed_numbers_and_strategies_are_in_the_open_and_the_rest_is_folded():
    text = comment_markdown(made())
    opened = in_the_open(text)
    assert re.search(r"\| `poor` +\| not known +\| 30 +\| 0 +\| 100.0% → 25.0% +\| 0 → 3,000 +\|", opened)
    assert "#### Strategies" in opened
    assert "Provenance" not in opened
    assert "<details><summary>Provenance</summary>" in text
    assert "<details><summary>kitchen: Claims</summary>" in text
    assert text.count("<details>") == text.count("</details>") > 5


def test_it_reads_as_markdown_with_tables_inside_the_folds():
    html = READER.render(comment_markdown(made()))
    assert html.count("<table>") >= 5
    assert html.count("<summary>") == html.count("<details>")


def test_without_a_baseline_there_is_no_change():
    assert "Since the baseline" not in comment_markdown(report(suite_report({"one": table(right)})))


def test_untrusted_text_does_nothing():
    hostile = "</details><script>alert(1)</script> @team [x](http://example.com)"
    cases = [
        type(case)(id=f"{hostile} {case.id}", inputs={"text": hostile}, expected=case.expected) for case in CASES[:40]
    ]
    told = {"cases": cases, "incomplete": [hostile], "attribution": hostile}
    run = table(lambda case: Response(text=hostile), cases)
    html = READER.render(comment_markdown(report(suite_report({"one": run}, [at_least("one", 0.9)], **told))))
    assert "&lt;script&gt;" in html
    assert not re.search(
        r"<(?!/?(details|summary|p|code|strong|ul|li|h\d|table|t\w+|blockquote)\b|!-- |br|th |td )", html
    )
    assert html.count("<details>") == html.count("</details>")


@pytest.mark.parametrize("limit", [1_500, 4_000, 5_500, LIMIT])
def test_it_never_is_too_long_and_says_what_is_left_out(monkeypatch, limit):
    monkeypatch.setattr(comment, "LIMIT", limit)
    text = comment_markdown(made())
    assert len(text.encode()) <= limit
    assert text.startswith(MARKER)
    assert ("not fit into a comment" in text) is (limit < LIMIT)


def test_many_blockers_are_counted():
    text = comment_markdown(report(suite_report({"poor": table(wrong_below(30))}, [at_least("poor", 0.9)] * 25)))
    assert in_the_open(text).count("- **FAIL**") == 10
    assert "- 15 more claims that block, in `verdicts.json`: `poor` 15" in text
