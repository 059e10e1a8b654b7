"""The text of a page or of an HTML mail, as a reader sees it."""

from __future__ import annotations

import html
import re

from harness.core.lazy import need

_BLOCKS = (
    "address article aside blockquote center dd div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 "
    "header hr li main nav ol p pre section table tbody tfoot thead tr ul"
)
_INLINE = (
    "a abbr acronym b big br button caption cite code col colgroup del em font i iframe img input ins kbd label link "
    "mark meta option q s samp select small span strike strong sub sup td textarea th tt u var wbr"
)
_WHOLE = "html head body title style script noscript template svg object base"
_KNOWN = rf"(?:{'|'.join(f'{_BLOCKS} {_INLINE} {_WHOLE}'.split())}|[ovw]:\w+)"

_TAG = re.compile(rf"</?{_KNOWN}(?:\s[^<>]*)?/?>|<!--(?:(?!<!--|-->).)*-->|<!doctype[^<>]*>", re.IGNORECASE | re.DOTALL)
_BREAKS = re.compile(rf"</?(?:br|{'|'.join(_BLOCKS.split())})\b", re.IGNORECASE)
_NO_TAG = re.compile(rf"<(?!/?{_KNOWN}(?:\s[^<>]*)?/?>|!--|!doctype)", re.IGNORECASE)
_EDGES = re.compile(r"\s*[\x02\x03][\s\x02\x03]*")
_EDGE, _PARAGRAPH = "\x02", "\x03"
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_UNUSABLE = re.compile(r"[\x02\x03\ud800-\udfff]")
"""What marks edges here, and halves of characters, which the parser can't take."""


def plain(text: str) -> str:
    """The text without HTML, as it is where it has none; line breaks stand where elements end or begin a line.

    Tags that HTML does not have, such as `<EMAIL>` or `<a@b.com>`, are text. What was escaped twice is unescaped twice,
    so that plain text stays as it is.
    """
    while True:
        shorter = _once(text)
        if len(shorter) >= len(text):
            return text
        text = shorter


def _once(text: str) -> str:
    if _TAG.search(text):
        return _rendered(text)
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text


def _rendered(text: str) -> str:
    source = _NO_TAG.sub("&lt;", _UNUSABLE.sub("\ufffd", text))
    if _BREAKS.search(source):
        source = _SPACES.sub(" ", source)
    page = need("selectolax.lexbor", extra="prepare").LexborHTMLParser(source)
    page.strip_tags(["script", "style", "head", "title", "noscript", "template", "svg", "object"], recursive=True)
    for node in page.css("br"):
        node.replace_with("\n")
    for node in page.css("td, th"):
        node.insert_after(" ")
    for node in page.css(", ".join(_BLOCKS.split())):
        edge = _PARAGRAPH if node.tag == "p" else _EDGE
        node.insert_before(edge)
        node.insert_after(edge)
    body = page.body
    rendered = _EDGES.sub(lambda run: "\n\n" if _PARAGRAPH in run[0] else "\n", body.text() if body else "")
    return "\n".join(line.strip(" \t") for line in rendered.split("\n")).strip("\n")
