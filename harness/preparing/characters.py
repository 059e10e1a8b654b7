"""Texts whose characters are broken, invisible, or spaces and line breaks of many kinds."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from harness.core.lazy import need

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
    # Tags spell out the flags of regions after a black flag; elsewhere they hide text.
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0000-\U000e007f]+"
    # Joiners hold emoji, Persian and Indic words together; beside ASCII they do nothing.
    "|(?<![^\x00-\x7f])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\x7f])"
)
_LINE_BREAK = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPACES = re.compile(r"[^\S\n]+")
_AROUND_BREAK = re.compile(r" ?\n ?")
_BLANK_LINES = re.compile(r"\n{3,}")


@cache
def _ftfy() -> tuple[Any, Any, re.Pattern[str]]:
    """ftfy, what it mends (no quotes, widths, ligatures or entities), and its pattern of letters that are broken."""
    library = need("ftfy", extra="prepare")
    # `explain` stays on: without it ftfy 6.3 decodes with its own settings.
    config = library.TextFixerConfig(
        unescape_html=False, uncurl_quotes=False, fix_character_width=False, fix_latin_ligatures=False
    )
    return library, config, library.chardata.UTF8_DETECTOR_RE


def mended(text: str) -> str:
    """The text as it was before it was decoded wrongly ("fÃ¼r" is "für"), its accents composed (NFC).

    A text with right letters beside broken ones speaks of them ("Jürgen arrives as JÃ¼rgen") and stays.
    """
    if text.isascii() and text.replace("\n", " ").isprintable():
        return text
    library, config, broken = _ftfy()
    right = any(char.isalpha() and not char.isascii() for char in broken.sub("", text))
    return str(library.fix_text(text, config._replace(decode_inconsistent_utf8=not right)))


def without_invisible(text: str) -> str:
    """The text without control characters, marks of direction, zero-width spaces and soft hyphens."""
    return _INVISIBLE.sub("", text)


def with_plain_spaces(text: str) -> str:
    """The text with single spaces, no spaces at the ends of lines, and no more than one blank line at a time."""
    broken = _LINE_BREAK.sub("\n", text)
    return _BLANK_LINES.sub("\n\n", _AROUND_BREAK.sub("\n", _SPACES.sub(" ", broken))).strip()
