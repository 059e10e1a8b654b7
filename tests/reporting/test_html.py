"""report.html: one inert file with the sections, the charts and the cases of the report."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.hostile import MARK, TEXTS, hostile_report
from support.small_report import (
    CASES,
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

from harness.core.records import Case, Failure, Response, Stage
from harness.reporting.html import page as html_page
from harness.reporting.html.explorer import explorer_data, script_json, visible
from harness.reporting.html.fingerprint import digest_in, digest_of
from harness.reporting.html.page import report_html
from harness.reporting.html.sampling import chosen, shares
from harness.reporting.html.text import Renderer
from harness.reporting.markdown import report_markdown
from harness.reporting.page import page

VOID = {"meta", "br", "input", "img", "hr", "link"}


class Elements(HTMLParser):
    """Every element with its attributes, and the text of those of one id or name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all, self._open, self.text = [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.all.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("id")))

    def handle_endtag(self, tag):
        while self._open and self._open[-1][0] != tag:
            self._open.pop()
        if self._open:
            self._open.pop()

    def handle_data(self, data):
        for key in {name for pair in self._open for name in pair if name}:
            self.text[key] = self.text.get(key, "") + data

    def named(self, tag):
        return [attributes for name, attributes in self.all if name == tag]


def small(claims=None, **changes):
    runs = {"base": table(wrong_below(6, "green_tea")), "bad": table(wrong_below(30)), "good": table(right)}
    claims = [at_least("bad", 0.8), no_worse("bad", 0.1), at_least("good", 0.8)] if claims is None else claims
    details = {"baseline": table(wrong_below(2)), **changes}
    return report(suite_report(runs, claims, **details))


def data(made, **sizes):
    return explorer_data(made, [(suite, chosen(suite, **sizes)) for suite in made.suites])["suites"][0]


# ------------------------------------------------------------------------------------------------------------- the page


def test_the_page_has_the_sections_of_markdown_in_its_order():
    made = small()
    found = Elements(report_html(made))
    ids = [attributes["id"] for attributes in found.named("section") if attributes["id"] != "cases"]
    expected = [f"kitchen-{section.key.replace('_', '-')}" for section in page(made) if section.suite]
    assert ids == [*expected, "provenance"]


def test_the_decision_comes_first_with_links_to_the_cases_behind_what_blocks():
    text = report_html(small())
    banner = text[text.index('<header class="banner') : text.index("</header>")]
    assert banner.startswith('<header class="banner blocked" id="decision">')
    assert '<span class="badge blocked"><span aria-hidden="true">✗</span> BLOCKED</span> 2 claims not met.' in banner
    assert '<a href="#case=kitchen/c02"><code>c02</code></a>' in banner
    assert 'href="#cases?suite=kitchen&amp;strategy=bad&amp;flip=broken">the cases that it lost</a>' in banner
    assert 'href="#cases?suite=kitchen&amp;strategy=bad&amp;status=bad">the cases that are not right</a>' in banner


@pytest.mark.parametrize(
    ("claims", "state"),
    [([at_least("good", 0.8)], "pass"), ([at_least("bad", 0.8)], "blocked"), ([], "open")],
)
def test_the_banner_shows_the_decision(claims, state):
    assert f'<header class="banner {state}"' in report_html(small(claims))


def test_violations_are_linked_one_by_one():
    def answer(case):
        return Response(text="no idea") if case.id in ("c03", "c07") else right(case)

    made = report(suite_report({"one": table(answer)}, [never("one", "unusable")]))
    banner = report_html(made).split("</header>")[0]
    assert sorted(re.findall(r'href="#case=kitchen/(c\d+)"', banner)) == ["c03", "c07"]


def test_charts_stand_in_their_sections():
    text = report_html(small())
    for key, title in (("strategies", "Accuracy against cost"), ("critical-slices", "Change of accuracy")):
        section = text.split(f'<section id="kitchen-{key}"')[1].split("</section>")[0]
        assert f"<figcaption>{title}" in section
        assert '<svg xmlns="http://www.w3.org/2000/svg"' in section


def test_without_matplotlib_the_page_says_how_to_get_charts(monkeypatch):
    monkeypatch.setattr(html_page, "can_draw", lambda: False)
    text = report_html(small())
    assert "Charts need matplotlib: pip install &#39;holdfast[charts]&#39;" in text
    assert "<svg" not in text


def test_ids_are_unique_and_every_link_within_the_page_leads_somewhere():
    suites = [
        suite_report({"one": table(wrong_below(9))}, [at_least("one", 0.8)], name=name) for name in ("a b", "a-b")
    ]
    found = Elements(report_html(report(*suites)))
    ids = [attributes["id"] for _, attributes in found.all if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for a in found.named("a") if a["href"].startswith("#")}
    assert {target for target in targets if not target.startswith("case")} <= set(ids)


def test_ids_of_cases_become_links_and_the_same_word_as_a_label_does_not():
    cases = [replace(case, id="kind") if case.id == "c01" else case for case in CASES]
    made = report(suite_report({"bad": table(lambda c: Response(text="?"), cases)}, cases=cases))
    text = report_html(made)
    assert '<a href="#case=kitchen/c00"><code>c00</code></a>' in text
    assert "<code>kind</code>" in text
    assert "#case=kitchen/kind" not in text


def test_columns_of_numbers_stand_right_and_verdicts_are_badges():
    rows = ["| a | n | v |", "|:--|:--|:--|", "| x1 | 1,200 (3 of 4) | FAIL |", "| y2 | 3.5% (1.0–9.0) | PASS |"]
    body = Renderer().section(["### T", "", *rows]).body
    assert body.count('class="number"') == 3
    assert '<td><span class="badge fail"><span aria-hidden="true">✗</span> FAIL</span></td>' in body
    assert "style=" not in body


def test_a_report_without_runs_has_no_explorer():
    text = report_html(report(suite_report({}, broken={"gpt": "no key"})))
    assert 'id="explorer"' not in text
    assert "could not be run" in text


def test_equal_reports_give_equal_bytes():
    assert report_html(small(), digest="ab") == report_html(small(), digest="ab")


# ---------------------------------------------------------------------------------------------------------- it is inert


def test_only_the_script_of_the_page_may_run_and_nothing_is_loaded():
    text = report_html(small())
    found = Elements(text)
    policy = next(a["content"] for a in found.named("meta") if a.get("http-equiv") == "Content-Security-Policy")
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}';" in policy
    assert not [a for _, a in found.all if "src" in a or any(name.startswith("on") for name in a)]
    assert {a["href"][0] for a in found.named("a")} == {"#"}
    assert not found.named("link")


def test_text_that_nobody_escaped_is_text_too():
    lines = [
        "### T",
        "",
        "<img src=x onerror=alert(1)> ![p](http://e.example/p.png) <http://e.example>",
        "",
        "<b>x</b>",
    ]
    body = Renderer().section([*lines, "[go](javascript:alert(1))"]).body
    assert {tag for tag, _ in Elements(body).all} == {"p"}
    assert "href" not in body
    assert "&lt;b&gt;x&lt;/b&gt;" in body


def test_hostile_text_adds_no_element():
    plain, hostile = Elements(report_html(small())), Elements(report_html(hostile_report()))
    allowed = {tag for tag, _ in plain.all} | {"blockquote", "noscript"}
    assert {tag for tag, _ in hostile.all} <= allowed
    assert len(hostile.named("script")) == 2
    assert not [a for _, a in hostile.all if any(name.startswith("on") or name == "src" for name in a)]
    assert {a["href"][0] for a in hostile.named("a")} == {"#"}


def test_hostile_text_is_in_the_data_as_it_was_and_can_not_end_it():
    text = report_html(hostile_report())
    inside = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert "<" not in inside
    assert MARK in inside
    (suite,) = json.loads(inside)["suites"]
    assert suite["cases"]["text"][0] == [TEXTS[0], TEXTS[0]]
    assert suite["cases"]["text"][6][0] == TEXTS[6]


def test_templates_do_not_read_what_they_show():
    text = report_html(hostile_report())
    assert "{{7*7}}" in text
    assert "49" not in re.sub(r"[\d.]*49[\d.]*(?=[ \"%,L\n)])", "", text.split('id="data"')[0]).split("Note:")[1][:4000]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b", "a⟨U+0000⟩b"),
        ("x\u202ey", "x⟨U+202E⟩y"),
        ("\ud83d", "⟨U+D83D⟩"),
        ("line\r\nnext\tcell", "line\nnext\tcell"),
        ("naïve 😀 عربي", "naïve 😀 عربي"),
    ],
)
def test_what_can_not_be_seen_is_spelt_out(text, shown):
    assert visible(text) == shown


@given(st.text())
def test_json_in_a_script_is_the_same_json_and_holds_no_tag(text):
    made = script_json({"text": text})
    assert json.loads(made) == {"text": text}
    assert not set("<>&\u2028\u2029") & set(made)


@given(st.text())
def test_any_visible_text_can_be_written(text):
    assert visible(text).encode("utf-8").decode("utf-8")[:0] == ""


# ---------------------------------------------------------------------------------------------- what the explorer holds


def test_every_case_is_there_with_every_answer():
    suite = data(small())
    assert suite["cases"]["id"] == [case.id for case in CASES]
    assert suite["fields"] == ["kind", "loud"]
    base, bad, good = suite["runs"]
    assert [run["name"] for run in suite["runs"]] == ["base", "bad", "good"]
    assert base["status"][:7] == "cwcwcwc"
    assert bad["status"] == "w" * 30 + "c" * 14
    assert good["status"] == "c" * 44
    assert [suite["answers"][n] for n in bad["answers"][:2]] == [["red_wine", "true"], ["red_wine", "false"]]
    assert [suite["answers"][n] for n in suite["cases"]["expected"][:2]] == [
        ["green_tea", "true"],
        ["hot_soup", "false"],
    ]
    assert bad["wrong"][:2] == [1, 1]
    assert bad["wrong"][-1] == 0
    assert bad["cost"][0] == 4
    assert suite["cases"]["slices"][0] == [0, 1]


def test_flips_are_marked_against_the_baseline():
    _, bad, good = data(small())["runs"]
    assert bad["flips"] == ".." + "b" * 28 + "." * 14
    assert good["flips"] == "ff" + "." * 42
    reference = {"bad": {"stage": Stage.REFERENCE}}
    assert "flips" not in data(small(strategies=reference))["runs"][1]
    assert "flips" not in data(small([at_least("bad", 0.8)], baseline=None))["runs"][1]


def test_answers_that_can_not_be_used_keep_their_reason_and_their_text():
    def answer(case):
        if case.id == "c00":
            return Response(text="Sure! It is \u202etea.")
        return Failure(kind="timeout", message="x") if case.id == "c01" else right(case)

    (run,) = data(report(suite_report({"one": table(answer)})))["runs"]
    assert run["status"][:3] == "iec"
    assert run["answers"][:2] == [-1, -1]
    assert run["problems"] == {0: "not_json", 1: "timeout"}
    assert run["texts"] == {0: "Sure! It is ⟨U+202E⟩tea."}


def test_repeats_stand_side_by_side():
    (run,) = data(report(suite_report({"one": repeated([right, wrong_below(2)])})))["runs"]
    assert run["repeats"] == 2
    assert run["status"][:6] == "cwcwcc"
    assert len(run["answers"]) == 88


def test_missing_answers_are_marked():
    (run,) = data(report(suite_report({"one": table(None)})))["runs"]
    assert run["status"] == "m" * 44
    assert run["cost"] == [None] * 44
    assert run["wrong"] == [0] * 44


def test_long_inputs_are_cut_and_say_so():
    cases = [Case(id="long", inputs={"text": "x" * 5_000}, expected={"kind": "tea", "loud": False})]
    suite = data(report(suite_report({"one": table(right, cases)}, cases=cases)))
    assert suite["cases"]["text"][0][0] == "x" * 4_000 + "… (1,000 more characters)"


# -------------------------------------------------------------------------------------------------------------- samples


def many_cases(wrong, flipped):
    """2,000 cases; the run is wrong in the last `wrong` of them, the baseline in all of those but `flipped`."""
    cases = tuple(replace(CASES[n % 40], id=f"n{n:04d}") for n in range(2_000))

    def below(number):
        return lambda case: Response(text="?") if int(case.id[1:]) >= 2_000 - number else right(case)

    return suite_report({"one": table(below(wrong), cases)}, cases=cases, baseline=table(below(wrong - flipped), cases))


def test_a_small_holdout_is_whole():
    found = chosen(small().suites[0])
    assert found.rows == tuple(range(44))
    assert found.told == ""


def test_a_large_one_keeps_flips_and_errors_and_a_sample():
    suite = many_cases(wrong=100, flipped=30)
    found = chosen(suite, most=500)
    assert set(range(1_900, 2_000)) <= set(found.rows)
    assert len(found.rows) == 150
    assert list(found.rows) == sorted(found.rows)
    assert found.told == (
        "The explorer holds 150 of 2,000 cases: 30 of 30 cases that flipped since the baseline, 70 of 70 that a "
        "candidate or the shipped strategy gets wrong (the dearest), 50 of 1,900 that all get right (a sample by the "
        "hash of their ids). The others are in outcomes.jsonl."
    )
    assert chosen(suite, most=500) == found


def test_the_total_is_bounded_and_flips_come_first():
    suite = many_cases(wrong=900, flipped=60)
    found = chosen(suite, most=100)
    flipped = set(range(1_100, 1_160))
    assert flipped <= set(found.rows)
    assert len(found.rows) == 100
    assert "30 of 840 that a candidate or the shipped strategy gets wrong" in found.told


def test_the_amount_of_text_is_bounded_too():
    suite = many_cases(wrong=0, flipped=0)
    found = chosen(suite, most_text=1_000)
    assert 0 < sum(len(suite.cases[row].inputs["text"]) for row in found.rows) <= 1_000
    assert f"the first {len(found.rows)} in the order of the holdout" in found.told


def test_suites_share_the_room():
    suites = [suite_report({"one": table(right)}, name=name) for name in ("a", "b")]
    assert [suite.name for suite, _ in shares([*suites, suite_report({}, name="empty")])] == ["a", "b"]


# ---------------------------------------------------------------------------------------------------------- made again?


def digest(made):
    return digest_of(made, report_markdown(made), "verdicts")


def test_the_head_of_a_page_says_what_it_was_made_of(tmp_path):
    file = tmp_path / "report.html"
    assert digest_in(file) == ""
    found = digest(small())
    file.write_text(report_html(small(), digest=found), encoding="utf-8")
    assert digest_in(file) == found


def test_the_same_report_has_the_same_digest_and_a_changed_one_another():
    def text_changed(case):
        return Response(text="now this" if case.id == "c00" else "?")

    def unusable(answer):
        return digest(report(suite_report({"one": table(answer)})))

    assert digest(small()) == digest(small())
    assert digest(small()) != digest(small(baseline=table(wrong_below(3))))
    assert digest(small()) != digest(small(notes=["new"]))
    assert unusable(lambda case: Response(text="?")) != unusable(text_changed)


def test_a_digest_depends_on_confidence_too():
    made = small()
    before = digest(made)
    confidence = made.suites[0].runs["good"].table.confidence
    confidence[3] = np.nextafter(confidence[3], 0)
    assert digest(made) != before


def test_the_lines_of_a_difference_are_marked_and_stay_text():
    lines = [
        "### T",
        "",
        "```diff",
        "@@ -1 +1 @@",
        " same",
        "-old",
        "+<b>new</b>",
        "",
        "```",
        "",
        "```",
        "-plain",
        "```",
    ]
    body = Renderer().section(lines).body
    marked = re.findall(r'<span class="(\w+)">(.*?)</span>', body)
    assert marked == [
        ("place", "@@ -1 +1 @@"),
        ("kept", " same"),
        ("removed", "-old"),
        ("added", "+&lt;b&gt;new&lt;/b&gt;"),
        ("kept", ""),
    ]
    assert "<code>-plain\n</code>" in body
