"""Untrusted text in markdown: ticket text and model output must show as text and do nothing."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
_NUMBERED = re.compile(r"^(\d+)\.")
_BARE_LINK = re.compile(r"www\.", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


def plain_line(text: str, *, limit: int = 200) -> str:
    """`text` on one line of at most `limit` letters, without what a terminal would act on."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    return f"{line[: limit - 1]}…" if len(line) > limit else line


def visible_line(text: str, *, limit: int = 200) -> str:
    """`text` on one line of at most `limit` letters, its spaces as they are, without what a terminal would act on."""
    line = _CONTROL.sub(" ", text)
    return f"{line[: limit - 1]}…" if len(line) > limit else line


def markdown_code(text: str, *, limit: int = 80) -> str:
    """`text` as inline code on one line of at most `limit` letters; what would end the code or a cell is replaced."""
    line = plain_line(text, limit=limit).replace("`", "'").replace("|", "¦")
    return f"`{line or ' '}`"


def markdown_text(text: str, *, limit: int = 200) -> str:
    """`text` on one line of at most `limit` letters, with everything that markdown or HTML would act on made inert."""
    line = plain_line(text, limit=limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _NUMBERED.sub(r"\1\\.", _SPECIAL.sub(r"\\\1", line))
    line = _BARE_LINK.sub(lambda match: match[0][:-1] + "\\.", line)
    return line.replace("@", "&#64;").replace("://", ":&#47;&#47;")
