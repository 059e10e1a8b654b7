"""Untrusted text in markdown: ticket text and model output must show as text and do nothing."""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~$-])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")


def markdown_text(text: str, *, limit: int = 200) -> str:
    """`text` on one line of at most `limit` letters, with everything that markdown or HTML would act on made inert."""
    line = " ".join(_CONTROL.sub(" ", text).split())
    if len(line) > limit:
        line = line[: limit - 1] + "…"
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _SPECIAL.sub(r"\\\1", line)
    return line.replace("@", "&#64;").replace("://", ":&#47;&#47;")
