"""What errors cost, as a matrix of labels."""

import html
import json
import re
from dataclasses import replace

from markdown_it import MarkdownIt
from support.small_report import CASES, right, suite_report, table, wrong_below

from harness.core.metrics import members
from harness.core.records import Costs, Response, Task
from harness.reporting.errors import money_section

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def section(answer, **changes):
    suite = suite_report({"one": table(answer)}, **changes)
    return "\n".join(money_section(suite, "one", members(CASES, None)))


def cells(text):
    lines = re.findall(r"<tr>(.*?)</tr>", READER.render(text), re.S)
    return [
        [html.unescape(re.sub("<.*?>", "", c)) for c in re.findall(r"<t[hd].*?>(.*?)</t[hd]>", line)] for line in lines
    ]


def test_each_cell_says_what_it_cost_and_how_often():
    def answer(case):
        return Response(text="no idea") if case.id == "c04" else wrong_below(3)(case)

    text = section(answer)
    assert text.startswith("### What the errors of `one` cost, by `kind`\n")
    assert cells(text) == [
        ["right", "red_wine", "no usable answer", "all errors"],
        ["green_tea", "8 (2)", "34 (1)", "42 (3 of 20)"],
        ["hot_soup", "4 (1)", "", "4 (1 of 20)"],
    ]


def test_nothing_is_said_where_errors_cost_nothing():
    free = Task(name="k", schema={}, decision_fields=("kind", "loud"), costs=Costs())
    assert section(right) == ""
    assert section(wrong_below(3), task=free, cost_of=lambda field, expected, given: 0.0) == ""


def test_a_hostile_label_is_only_shown():
    said = json.dumps("<b>x</b> | `y` [z](http://a.example)\n# Big @team")[1:-1]
    rendered = READER.render(section(wrong_below(3, kind=said)))
    assert not re.search(r"<(b|a|h1)\b", rendered)
    assert rendered.count("<table>") == 1


def test_a_field_of_free_values_is_no_matrix():
    cases = [replace(case, expected=case.expected | {"kind": f"{case.id} soup"}) for case in CASES]
    made = suite_report({"one": table(wrong_below(40), cases)}, cases=cases)
    assert "by `kind`" not in "\n".join(money_section(made, "one", members(cases, None)))
