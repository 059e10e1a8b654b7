"""Sections of the page as HTML: raw HTML stays text; verdicts become badges, tables scroll, cases can be opened."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_BADGE = re.compile(r"^(PASS|FAIL|INCONCLUSIVE|BLOCKED|INCOMPLETE|NOTHING JUDGED)(?![\w-])")
_SIGNS = {"PASS": "✓", "FAIL": "✗", "BLOCKED": "✗", "INCONCLUSIVE": "?", "INCOMPLETE": "!", "NOTHING JUDGED": "–"}
_NUMBER = re.compile(r"(?:[-−+±<>≤≥×$\d,.%()/–?\s]|\b(?:of|to|in|cases?|ms|s|points?|h|none)\b)*$")
_HAS_DIGIT = re.compile(r"\d").search


def badge(word: str) -> str:
    """A verdict as a word with a sign: never by colour alone."""
    kind = word.lower().replace(" ", "-")
    return f'<span class="badge {kind}"><span aria-hidden="true">{_SIGNS[word]}</span> {word}</span>'


def case_link(suite: str, case_id: str) -> str:
    """The address of a case in the explorer of the same page."""
    return f"#case={quote(suite, safe='')}/{quote(case_id, safe='')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionHtml:
    """A section without its heading, which is apart for the contents: its text and level, 0 for none."""

    heading: str
    level: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What stands behind a line about a claim: a link to `address`, and the cases that lines below it may name."""

    suite: str
    cases: Collection[str]
    address: str
    words: str


class Renderer:
    """Turns lines of markdown into HTML; one for a whole page."""

    def __init__(self) -> None:
        from markdown_it import MarkdownIt

        reader = MarkdownIt("js-default", {"html": False, "linkify": False, "typographer": False, "highlight": _code})
        reader.disable(["image", "link", "autolink", "reference"])
        self._reader: MarkdownIt = reader

    def section(
        self, lines: Sequence[str], *, suite: str = "", cases: Collection[str] = (), behind: Mapping[str, Behind] = {}
    ) -> SectionHtml:
        """`cases` are the ids of `suite` that can be opened: as code of their own they become links.

        `behind` says of whole lines of markdown what stands behind them.
        """
        tokens = self._reader.parse("\n".join(lines))
        heading, level = "", 0
        if tokens and tokens[0].type == "heading_open":
            heading, level = _plain(tokens[1]), int(tokens[0].tag[1:])
            tokens = tokens[3:]
        _link_lines(tokens, behind)
        _dress(tokens, suite, cases)
        options: Any = self._reader.options
        return SectionHtml(heading=heading, level=level, body=self._reader.renderer.render(tokens, options, {}))


def _code(text: str, language: str, attributes: str) -> str:
    """The lines of a difference, each marked as what it is; "" leaves other code to the reader."""
    if language != "diff":
        return ""
    kinds = {"+": "added", "-": "removed", "@": "place"}
    return "".join(f'<span class="{kinds.get(line[:1], "kept")}">{escape(line)}</span>' for line in text.splitlines())


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def _link_lines(tokens: Sequence[Token], behind: Mapping[str, Behind]) -> None:
    found, level = None, 0
    for token in tokens:
        if token.type != "inline" or token.children is None:
            continue
        if token.content in behind:
            found, level = behind[token.content], token.level
            link = f'<a href="{escape(found.address)}">{escape(found.words)}</a>'
            token.children.append(_html(f' <span class="behind">{link}</span>', "html_inline"))
        elif found is not None and token.level > level:
            _links(token, found.suite, found.cases)
        else:
            found = None


def _dress(tokens: list[Token], suite: str, cases: Collection[str]) -> None:
    _align(tokens)
    for token in tokens:
        if token.type == "table_open":
            token.attrSet("class", "data")
        elif token.type == "inline":
            _badges(token)
            _links(token, suite, cases)
    at = 0
    while at < len(tokens):
        if tokens[at].type == "table_open":
            tokens.insert(
                at, _html('<div class="scroll" tabindex="0" role="region" aria-label="table, scrolls sideways">')
            )
            at += 1
        elif tokens[at].type == "table_close":
            tokens.insert(at + 1, _html("</div>"))
            at += 1
        at += 1


def _align(tokens: Sequence[Token]) -> None:
    """Columns of numbers stand right, their heads too."""
    columns: list[list[tuple[Token, str]]] = []
    column = 0
    for at, cell in enumerate(tokens):
        if cell.type == "table_open":
            columns = []
        elif cell.type == "tr_open":
            column = 0
        elif cell.type in ("th_open", "td_open"):
            if column == len(columns):
                columns.append([])
            cell.attrs.pop("style", None)
            columns[column].append((cell, _plain(tokens[at + 1]).strip()))
            column += 1
        elif cell.type == "table_close":
            for cells in columns:
                told = [text for one, text in cells if one.type == "td_open"]
                if all(set(text) == {"█"} for text in told):
                    for one, _ in cells:
                        one.attrSet("class", "bar")
                if any(map(_HAS_DIGIT, told)) and all(map(_NUMBER.match, told)):
                    for one, _ in cells:
                        one.attrSet("class", "number")


def _html(text: str, kind: str = "html_block") -> Token:
    from markdown_it.token import Token

    return Token(kind, "", 0, content=text)


def _badges(inline: Token) -> None:
    """A verdict at the beginning of a cell, a line or something strong becomes a badge."""
    made: list[Token] = []
    opened = True
    for child in inline.children or ():
        match = _BADGE.match(child.content) if opened and child.type == "text" else None
        if match:
            made.append(_html(badge(match[0]), "html_inline"))
            child.content = child.content[match.end() :].removeprefix(":")
        made.append(child)
        opened = child.type == "strong_open" or (opened and not child.content)
    inline.children = made


def _links(inline: Token, suite: str, cases: Collection[str]) -> None:
    for child in inline.children or ():
        if child.type == "code_inline" and child.content in cases:
            address = escape(case_link(suite, child.content))
            child.type, child.content = "html_inline", f'<a href="{address}"><code>{escape(child.content)}</code></a>'
