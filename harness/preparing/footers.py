"""Lines that a mail server or a form puts beneath many texts: found by counting."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

LEAST_TEXTS = 10
LEAST_SHARE = 0.005
"""A line is boilerplate where it ends so many different texts, and this share of those of two lines or more."""
LEAST_LENGTH = 15
"""Characters; shorter lines ("Thanks!", "yes please") are what people say themselves."""
LOWEST = 12
"""How many lines from the end are looked at, blank ones left out."""


def footer_lines(texts: Sequence[str]) -> dict[str, int]:
    """Each boilerplate line, in one case and with single spaces, with the number of different texts that it ends."""
    different = {text for text in texts if "\n" in text.strip()}
    counts: Counter[str] = Counter()
    for text in different:
        lines = [_key(line) for line in text.split("\n") if line.strip()]
        counts.update({line for line in lines[1:][-LOWEST:] if len(line) >= LEAST_LENGTH})
    least = max(LEAST_TEXTS, math.ceil(LEAST_SHARE * len(different)))
    return {line: count for line, count in sorted(counts.items()) if count >= least}


def without_footer(text: str, footers: dict[str, int]) -> str:
    """The text without the lines at its end that are boilerplate; its first line always stays."""
    lines = text.rstrip().split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip()), 0)
    end = len(lines)
    while end - 1 > first and (not lines[end - 1].strip() or _key(lines[end - 1]) in footers):
        end -= 1
    removed = [line for line in lines[end:] if line.strip()]
    return "\n".join(lines[:end]) if removed else text


def _key(line: str) -> str:
    return " ".join(line.split()).casefold()
