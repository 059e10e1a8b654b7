"""Phone numbers, told from the many other numbers that are as long."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from harness.core.lazy import need
from harness.preparing.cues import is_called_a_phone, names_a_phone, names_another_number

REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "PL", "SE")
"""Whose national numbers are looked for; numbers that begin with + are found for every country."""

_GAP = r"[ \u00a0\u202f().\-–/]{0,4}"
_RUN = re.compile(rf"\+?\(?\d(?:{_GAP}\d){{6,}}")
_BESIDE = 20
_DATE = re.compile(
    r"[0-3]?\d[ ./-][0-3]?\d(?:[ ./-](?:19|20)\d\d|[./-]\d\d)(?![\d./-])|(?:19|20)\d\d[./-]?[01]?\d[./-]?[0-3]?\d(?!\d)"
)
_NATIONAL = re.compile(r"0\d{9,11}\Z|\(?0\d+(?:[^\d]+\d+){1,4}\Z")
"""With the 0 that stands before an area: ten digits or more in one, or up to five groups."""
_GROUP_BEFORE = re.compile(r"\d{3}[ -]\Z")
_BOOK = re.compile(r"97[89]|\d{1,5}-\d{1,7}-\d{1,7}-[\dX]\Z")
_DECIMAL = re.compile(r"\d+\.\d+\Z")
_DOTTED_QUAD = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\Z")
_MONEY_AFTER = re.compile(
    r"[.,]\d|\s?(?:[€$£%]|eur(?:o|os)?\b|usd\b|gbp\b|chf\b|pln\b|zł|dollars?\b|pounds?\b|x\s?\d)", re.IGNORECASE
)
_MONEY_BEFORE = re.compile(r"(?:[€$£]|\b(?:eur|usd|gbp|chf|pln))\s?\Z|\d[.,]\Z", re.IGNORECASE)
_THOUSANDS = re.compile(r"\d{1,3}(?:[ .]\d{3})+\Z")


def find_phones(text: str, *, regions: Sequence[str] = REGIONS) -> Iterator[tuple[int, int, str]]:
    """Start, end and value (its digits with the country code) of each phone number; spans of regions may overlap.

    A number that begins with + only has to be possible, one with 00 valid. A national one has to begin with 0, to be
    written as its region groups it, or to have a word of phones beside it; and the words before it must not call it an
    order's or the like.
    """
    runs = list(_RUN.finditer(text))
    if not runs:
        return
    library = need("phonenumbers", extra="prepare")
    for run in runs:
        if _worth_a_look(text, run):
            yield from _in_run(text, run, regions, library)


def _worth_a_look(text: str, run: re.Match[str]) -> bool:
    """Whether to look at a run of digits in every region; most numbers are no phones for any."""
    if _DATE.fullmatch(run[0]):
        return False
    start, end = run.span()
    return not run[0].isdigit() or run[0].startswith("0") or names_a_phone(text, start, end)


def _in_run(text: str, run: re.Match[str], regions: Sequence[str], library: Any) -> Iterator[tuple[int, int, str]]:
    start = max(0, run.start() - _BESIDE)
    window = text[start : run.end() + _BESIDE]
    reached = 0
    for match in library.PhoneNumberMatcher(window, None, leniency=library.Leniency.POSSIBLE):
        yield start + match.start, start + match.end, _value(library, match)
        reached = start + match.end
    for region in regions:
        # The first region that has a number as long as the run is as good as any.
        if reached >= run.end():
            return
        for match in library.PhoneNumberMatcher(window, region):
            at, end = start + match.start, start + match.end
            at += match.raw_string.startswith("(") and ")" not in match.raw_string
            if _is_phone(text, at, end) or (_may_be(text, at, end) and _grouped(library, match, region)):
                yield at, end, _value(library, match)
                if at <= run.start() + 1:
                    reached = max(reached, end)


def _value(library: Any, match: Any) -> str:
    return f"{match.number.country_code}{library.national_significant_number(match.number)}"


def _is_phone(text: str, start: int, end: int) -> bool:
    """Whether a valid number is a phone's, however its digits are grouped."""
    raw = text[start:end]
    if raw.startswith(("+", "(+")) or (raw.startswith(("00", "(00")) and not _goes_on(text, start)):
        return True
    if not _may_be(text, start, end):
        return False
    return names_a_phone(text, start, end) or (bool(_NATIONAL.match(raw)) and not _goes_on(text, start))


def _may_be(text: str, start: int, end: int) -> bool:
    """Whether neither its looks nor the words before a number speak against a phone."""
    raw = text[start:end]
    if _DATE.match(raw) or _DECIMAL.match(raw) or _DOTTED_QUAD.match(raw) or _isbn(raw):
        return False
    if _MONEY_AFTER.match(text, end) or _MONEY_BEFORE.search(text[max(0, start - 6) : start]):
        return False
    return is_called_a_phone(text, start) or not names_another_number(text, start)


def _grouped(library: Any, match: Any, region: str) -> bool:
    """Whether a number is written in groups as its region does, and not as thousands are."""
    raw = match.raw_string.lstrip("(") if ")" not in match.raw_string else match.raw_string
    if raw.isdigit() or _THOUSANDS.match(raw):
        return False
    return any(library.PhoneNumberMatcher(raw, region, leniency=library.Leniency.STRICT_GROUPING))


def _goes_on(text: str, start: int) -> bool:
    """Whether a number is the end of a longer one that is written in groups."""
    return bool(_GROUP_BEFORE.search(text[max(0, start - 4) : start]))


def _isbn(raw: str) -> bool:
    # Without hyphens one in eleven phone numbers of ten digits would be one.
    return bool(_BOOK.match(raw) and need("stdnum.isbn", extra="prepare").is_valid(raw))
