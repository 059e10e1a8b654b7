"""A piece of a text → the value it spells: a text, a number or a day.

Which value a task compares it with is not known here; what can't be read has no value.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from harness.core.comparisons import normalized
from harness.core.lazy import need


class Kind(StrEnum):
    """What a piece of text is read as."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"


READINGS: dict[Kind, tuple[str, ...]] = {
    Kind.TEXT: ("as_written",),
    Kind.NUMBER: ("as_written",),
    Kind.DATE: ("current_period", "past", "future"),
}
"""The ways in which one piece may be meant: "Friday" is the last one or the next one, which only the sentence tells.

Those of a date are dateparser's values of PREFER_DATES_FROM.
"""

_SOME_DAY = date(2000, 1, 1)
"""A base for dates that have no need of one, so that the clock is never asked."""
_GROUPED = re.compile(
    r"(?P<whole>[1-9][0-9]{0,2}(?:(?P<mark>[.,'’ \u00a0\u202f])[0-9]{3})(?:(?P=mark)[0-9]{3})*)"
    r"(?:(?!(?P=mark))[.,](?P<part>[0-9]+))?"
)
_PLAIN = re.compile(r"(?P<whole>[0-9]+)(?:[.,](?P<part>[0-9]+))?")
_SIGNED = re.compile(r"(?P<sign>[-+−]?)\s*(?P<rest>[0-9].*)", re.DOTALL)
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PART_OF_MONTH = re.compile(
    r"(?:(?:at|on|by|in|from) )?(?:the )?(?P<part>beginning|start|first|middle|mid|end|last day)(?: day)?"
    r"(?:[ -](?:of )?(?P<month>(?:(?:the|this|next|last) month|[a-z]{3,9})(?: [0-9]{4})?))?"
)
_WHOLE_DAYS = ("day", "week")
"""dateparser's name for how exact a date is: "two weeks ago" is a day, "May" and "2025" are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """How the values of one field are read. `prefix` is put before texts that lack it: `NE-` before `482915`."""

    kind: Kind
    prefix: str = ""

    def values(self, piece: str, today: date | None) -> tuple[Any, ...]:
        """The value of a piece of text in each of its READINGS, none if it can't be read; days count from `today`."""
        if self.kind is Kind.DATE:
            first, *others = READINGS[self.kind]
            day = read_date(piece, prefer=first, today=today)
            return () if day is None else (day, *(read_date(piece, prefer=one, today=today) or day for one in others))
        value = read_amount(piece) if self.kind is Kind.NUMBER else read_text(piece, prefix=self.prefix)
        return () if value is None else (value,)


def read_text(piece: str, *, prefix: str = "") -> str | None:
    """The piece with single spaces, behind `prefix` unless it begins with its letters and digits."""
    text = " ".join(piece.split())
    if not normalized(text):
        return None
    return text if normalized(text).startswith(normalized(prefix)) else prefix + text


def read_amount(piece: str) -> float | None:
    """The number that a piece spells, in digits with European or English marks, or in English words.

    Groups of three digits are thousands, so `1.234` is 1234; any other mark begins the decimals.
    """
    found = _SIGNED.fullmatch(piece.strip())
    if found is None:
        return _in_words(piece)
    match = _GROUPED.fullmatch(found["rest"]) or _PLAIN.fullmatch(found["rest"])
    if match is None:
        return None
    value = float(re.sub(r"[^0-9]", "", match["whole"]) + "." + (match["part"] or "0"))
    return -value if found["sign"] in ("-", "−") and value else value


def read_day_of(text: str) -> date | None:
    """The first ISO day (YYYY-MM-DD) in a text, as in a case's day of receipt; None if there is none."""
    found = _ISO_DAY.search(text)
    try:
        return date.fromisoformat(found[0]) if found else None
    except ValueError:
        return None


def read_date(piece: str, *, prefer: str, today: date | None) -> str | None:
    """The day that a piece of English text names, as YYYY-MM-DD; numbers are taken day first.

    `prefer` says which day is meant where there are several. Without `today` only a day with its year is one. The
    middle of a month is its 15th.
    """
    if len(normalized(piece)) < 3 and not any(char.isdigit() for char in piece):
        return None  # single letters are short for units: "a" would be the day before
    text = " ".join(piece.casefold().split())
    if part := _PART_OF_MONTH.fullmatch(text):
        day = _part_of_month(part["part"], part["month"], prefer, today)
    else:
        found = _parser(prefer, today).get_date_data(text)
        day = found.date_obj.date() if found.date_obj and found.period in _WHOLE_DAYS else None
    return day.isoformat() if day else None


def _part_of_month(part: str, month: str | None, prefer: str, today: date | None) -> date | None:
    if month is None:
        month = "next month" if prefer == "future" and today and today.day > 1 else "this month"
        if part != "first":
            return None
    if today is None and not re.search("[0-9]{4}", month):
        return None
    if month in ("the month", "this month"):
        begin = today
    else:
        found = _parser(prefer, today or _SOME_DAY).get_date_data(month)
        begin = found.date_obj.date() if found.date_obj and found.period == "month" else None
    if begin is None:
        return None
    number = {"m": 15, "e": monthrange(begin.year, begin.month)[1]}.get("e" if part[:4] == "last" else part[0], 1)
    return begin.replace(day=number)


@lru_cache(maxsize=1024)
def _parser(prefer: str, today: date | None) -> Any:
    """`today` None takes dates alone that are written in full."""
    settings: dict[str, Any] = {
        "DATE_ORDER": "DMY",
        "PREFER_DATES_FROM": prefer,
        "RELATIVE_BASE": datetime.combine(today or _SOME_DAY, datetime.min.time()),
        "TIMEZONE": "UTC",
        "RETURN_AS_TIMEZONE_AWARE": False,
    }
    if today is None:
        settings |= {"PARSERS": ["absolute-time"], "REQUIRE_PARTS": ["day", "month", "year"]}
    return need("dateparser.date", extra="local").DateDataParser(languages=["en"], settings=settings)


def _in_words(piece: str) -> float | None:
    words = piece.casefold().replace("-", " ").split()
    if not words or not all(word.isalpha() for word in words):
        return None
    if words[0] in ("a", "an"):
        words[0] = "one"
    spelt = _word_numbers()(" ".join(words)).strip()
    return float(spelt) if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", spelt) else None


@lru_cache(maxsize=1)
def _word_numbers() -> Any:
    """The number words of transformers' Whisper, which is there wherever an encoder is."""
    return need("transformers.models.whisper.english_normalizer", extra="local").EnglishNumberNormalizer()
