"""Texts without what does not change them: case, punctuation, white space. Light, for collecting tests folds texts."""

from __future__ import annotations

import re

from harness.core.digests import digest

_WORDS = re.compile(r"\w+")


def folded(text: str) -> str:
    """The words of a text without case, punctuation and white space; texts that fold alike are exact copies.

    A text without any word (signs, emoji) keeps its signs.
    """
    lower = text.casefold()
    return " ".join(_WORDS.findall(lower)) or " ".join(lower.split())


def fingerprint(text: str) -> str:
    """16 hexadecimal digits, equal for exact copies: tells later whether a text was seen, without holding it."""
    return digest(folded(text))[:16]
