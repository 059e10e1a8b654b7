"""Untrusted text in a report shows as text and does nothing, whatever it holds."""

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.reporting.escaping import markdown_code, markdown_text, plain_line

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](http://example.com)",
    "![](http://example.com/track.png)",
    "<http://example.com>",
    "http://example.com/a_b_c www.example.com WWW.EXAMPLE.COM",
    "# Heading",
    "1. one",
    "12) twelve",
    "- item",
    "+ item",
    "> quote",
    "| a | b |",
    "|---|",
    "```\ncode",
    "`a` ``b``",
    "    indented",
    "*a* **b** _c_ __d__ ~~e~~",
    "---",
    "===",
    "a\n===\n",
    "[ref]: http://example.com",
    "&lt;b&gt; &#60; &amp;amp; &copy;",
    "a\\",
    "\\<b>",
    "line\\\nbreak  \nhere",
    "@team $x$ :tada: #12",
    "\u202eevil\u202c \u200b\u2066x",
    "a\x00b\x1b[31mred\x85next\u2028line",
]
TEXTS = (
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.lists(st.sampled_from([*"\\`*_{}[]()#+-.!|~$<>&@:/= \n1a", "www.", "://", "&lt;", *HOSTILE])).map("".join)
    | st.sampled_from(HOSTILE)
)


def plain(rendered):
    """The text of rendered HTML in which nothing but paragraphs, or else the marks given, may stand."""
    assert not re.search(r"<(?!/?p>|/?blockquote>|/?li>|/?ul>)", rendered), rendered
    return html.unescape(re.sub(r"</?\w+>", "", rendered)).strip()


def visible(text):
    """What a reader should see: the text on one line, without what no font shows."""
    hidden = r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
    return " ".join(re.sub(hidden, " ", text).split())


@given(TEXTS)
@example("1. one")
@example("www.example.com")
def test_the_result_is_one_line_without_any_character_that_acts(text):
    line = markdown_text(text)
    assert len(line.splitlines()) <= 1
    assert "<" not in line
    assert ">" not in line
    assert "@" not in line
    assert "://" not in line
    assert not re.search(r"(?i)www\.", line)
    bare = re.sub(r"&(amp|lt|gt|#64|#47);", "", line)
    assert "&" not in bare
    assert not re.search(r"[\\`*_{}\[\]()#+!|~$-]", re.sub(r"\\[\\`*_{}\[\]()#+!|~$.-]", "", bare))


@given(TEXTS)
@example("1. one")
def test_a_reader_of_markdown_shows_the_text_and_nothing_else(text):
    line = markdown_text(text, limit=10**6)
    for around in ("{}", "before {} after", "- item\n  > {}", "> {}"):
        shown = plain(READER.render(around.format(line)))
        wanted = visible(around.replace("- item\n  > {}", "item {}").replace("> {}", "{}").format(visible(text)))
        assert " ".join(shown.split()) == wanted


@given(TEXTS)
def test_a_table_keeps_its_cells(text):
    page = READER.render(f"| a | b |\n|---|---|\n| {markdown_text(text, limit=10**6)} | {markdown_code(text)} |\n")
    cells = re.findall(r"<td>(.*?)</td>", page, re.DOTALL)
    assert len(cells) == 2
    assert html.unescape(cells[0]) == visible(text)


@given(TEXTS)
def test_code_is_shown_as_code_on_one_line(text):
    code = markdown_code(text)
    assert len(code.splitlines()) == 1
    rendered = READER.render(f"before {code} after")
    (content,) = re.findall(r"<p>before <code>(.*)</code> after</p>", rendered)
    assert "<" not in content
    shown = visible(text).replace("`", "'").replace("|", "¦")
    assert html.unescape(content).strip() == (shown if len(shown) <= 80 else shown[:79] + "…")


@pytest.mark.parametrize("escape", [markdown_text, markdown_code])
@given(text=TEXTS, limit=st.integers(min_value=2, max_value=60))
def test_a_long_text_is_cut_before_it_is_escaped(escape, text, limit):
    whole, short = escape(text, limit=10**6), escape(text, limit=limit)
    if len(visible(text)) <= limit:
        assert short == whole
    else:
        assert short == escape(visible(text)[: limit - 1] + "…", limit=limit)
        assert short.rstrip("`").endswith("…")


def test_ordinary_text_stays_readable():
    assert markdown_text("Where is my invoice, please?") == "Where is my invoice, please?"
    assert (
        markdown_text("It costs 3.50 euros; see 1.2 and example.com") == "It costs 3.50 euros; see 1.2 and example.com"
    )
    assert markdown_code("data_loss") == "`data_loss`"


@given(TEXTS, st.integers(1, 50))
def test_a_plain_line_is_one_line_that_moves_no_cursor(text, limit):
    line = plain_line(text, limit=limit)
    assert len(line) <= limit
    assert line == line.strip() or len(line) == limit
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]", line)


def test_a_plain_line_keeps_what_markdown_would_act_on():
    assert plain_line("*a* <b>\x1b[2J `c`") == "*a* <b> [2J `c`"
    assert plain_line("abcdef", limit=4) == "abc…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error file=a.py::hacked", ": :error file=a.py::hacked"),
        ("so\n::add-mask::secret", "so : :add-mask::secret"),
        ("so ##[stop-commands]x", "so ## [stop-commands]x"),
        ("std::string and 10::20", "std::string and 10::20"),
    ],
)
def test_no_text_begins_a_workflow_command(text, shown):
    assert plain_line(text) == shown
