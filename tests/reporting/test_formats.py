"""Answers that can't be used, by kind and with samples: untrusted text throughout."""

import re

from markdown_it import MarkdownIt
from support.small_report import right, suite_report, table

from harness.core.records import Response
from harness.reporting.formats import KINDS, LONGEST, SAMPLES, formats_section

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = "<script>alert(1)</script> | [x](http://a.example) ![y](http://z) `c` @team\n# Big\n\n| a |\n"


def section(**runs):
    return "\n".join(formats_section(suite_report(runs)))


def saying(texts, default=right):
    """Answers `texts[case id]`, and right where there is none."""

    def answer(case):
        return Response(text=texts[case.id]) if case.id in texts else default(case)

    return table(answer)


def samples(text):
    return re.findall(r"^  - `(c\d\d)` by `(\w+)`: (.*)$", text, re.M)


def test_the_shortest_of_each_kind_are_shown_as_they_came():
    whole = '{"kind": "hot_soup", "loud": true}'
    said = {"c00": f"```json\n{whole}\n```", "c01": f"Sure! {whole}", "c02": "I would say soup.", "c03": "No."}
    text = section(one=saying(said))
    assert "- fence (in a code fence):\n  - `c00` by `one`: \\`\\`\\`json" in text
    assert "- prose (words around the JSON):\n  - `c01` by `one`: Sure\\! \\{" in text
    assert "- not json:\n  - `c03` by `one`: No.\n  - `c02` by `one`: I would say soup." in text


def test_samples_are_few_different_and_of_different_strategies():
    many = {f"c{i:02d}": "no" + "!" * (i % 6) for i in range(20)}
    text = section(one=saying(many), two=saying({"c30": "no idea at all, sorry"}))
    found = samples(text)
    assert len(found) == SAMPLES
    assert [run for _, run, _ in found] == ["one", "two", "one"]
    assert len({said for _, _, said in found}) == SAMPLES


def test_only_strategies_with_such_answers_have_a_column():
    text = section(fine=table(right), one=saying({"c00": "x"}), gone=table(None))
    assert re.search(r"^\| kind +\| status +\| `one` +\| `gone` +\|$", text, re.M)
    assert re.search(r"^\| missing +\| missing +\| +\| 44 +\|$", text, re.M)
    assert samples(text) == [("c00", "one", "x")]


def test_a_long_answer_is_cut_and_hostile_text_does_nothing():
    text = section(one=saying({"c00": HOSTILE, "c01": "word " * 300, "c02": "w" * 200}))
    rendered = READER.render(text)
    assert not re.search(r"<(script|a|img|h1)\b", rendered)
    assert rendered.count("<table>") == 1
    assert "@team" not in text
    long = {case: said for case, _, said in samples(text)}
    assert long["c01"].endswith("… (and more)")
    assert long["c02"].endswith("w…")
    assert len(long["c02"]) == LONGEST


def test_twelve_strategies_that_fail_in_every_way_stay_short():
    whole = '{"kind": "hot_soup", "loud": true}'
    ways = ["", "x" * 600, f"```\n{whole}\n```", f"a {whole}", "[1]", "{}", '{"kind": 1, "loud": true}', whole + whole]
    ways += ['{"kind": "a", "kind": "b"}', '{"kind": "hot_soup", "loud": true, "more": 1}', HOSTILE * 3]
    said = {f"c{i:02d}": ways[i % len(ways)] for i in range(44)}
    text = section(**{f"strategy_number_{i}": saying(said) for i in range(12)})
    kinds = re.findall(r"^- (.*):$", text, re.M)
    assert 6 <= len(kinds) <= KINDS
    assert len(text.encode()) < 12_000


def test_nothing_is_said_where_all_can_be_used():
    assert section(one=table(right)) == ""
