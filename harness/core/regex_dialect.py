"""Regular expressions that mean the same to the validator of answers (Python's `re`) and to llguidance (Rust's)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

_ELSEWHERE = {
    "\\D": "`\\D` is about ASCII digits alone to one and all digits to the other",
    "\\W": "`\\W` is about ASCII letters alone to one and all letters to the other",
}
_GROUP = re.compile(r"\(\?(?!:|=|!|<=|<!|P<)")
_POSSESSIVE = re.compile(r"[*+?}]\+")
_NUL = re.compile(r"\x00|\\x00|\\0|\\u0000|\\U00000000")
_PART = re.compile(r"\\.|\[\^|.", re.DOTALL)
_SPECIAL = frozenset("\\^$.|?*+()[]{}-&~#/")
_SET_OPERATORS = ("&&", "--", "~~")


def for_engine(pattern: str) -> str:
    """`pattern` as the engine is to read it; raises ValueError, saying why, if it may mean more to the engine than to
    the validator. What the engine refuses by itself (look-around, back-references) passes.

    Negated sets get a NUL, which no answer holds: the engine takes a set with all control characters for one that has
    the quote and the backslash too, so that `[^"]` would allow quotes.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of sets within sets, refused below
            re.compile(pattern)
    except re.error as error:
        raise ValueError(f"Python can't read it ({error})") from error
    if _NUL.search(pattern):
        raise ValueError("the engine can't write NUL")
    written: list[str] = []
    plain: list[str] = []
    inside = ""
    for match in _PART.finditer(pattern):
        part = match[0]
        if part in _ELSEWHERE:
            raise ValueError(_ELSEWHERE[part])
        if inside:
            _check_in_set(part, pattern[match.end() : match.end() + 1], inside)
            inside = "" if part == "]" else inside
        elif part in ("[", "[^"):
            if pattern[match.end() : match.end() + 1] == "]":
                raise ValueError("`]` right after `[` is read in two ways")
            inside = part
            part = "[^\\x00" if part == "[^" else part
        if part == "-" and written[-1:] == ["[^\\x00"]:
            part = "\\-"  # else a range that begins at NUL
        plain.append("x" if inside or part.startswith("\\") else part)
        written.append(part)
    if _GROUP.search("".join(plain)):
        raise ValueError("groups with options are read in two ways")
    if _POSSESSIVE.search("".join(plain)):
        raise ValueError("possessive repetition is read in two ways")
    return "".join(written)


def _check_in_set(part: str, following: str, inside: str) -> None:
    if part in ("[", "[^") or part + following in _SET_OPERATORS:
        raise ValueError("a set within a set is read in two ways")
    if inside == "[^" and part in ("\\d", "\\w"):
        raise ValueError(f"`[^{part}]` is about ASCII alone to one and all of Unicode to the other")


def other_than(words: Iterable[str]) -> str:
    """A pattern, as the engine reads it, for every string but `words`."""
    return f"^{_other(sorted(set(words)))}$"


def _other(words: list[str]) -> str:
    if not words:
        return "(?s:.*)"
    tails: dict[str, list[str]] = {}
    for word in words:
        if word:
            tails.setdefault(word[0], []).append(word[1:])
    branches = [f"{_escaped(first)}{_other(rest)}" for first, rest in tails.items()]
    others = "".join(_escaped(first) for first in tails)
    branches.append(f"[^\\x00{others}](?s:.*)" if others else "(?s:.+)")
    return f"(?:{'|'.join(branches)}){'' if '' in words else '?'}"


def _escaped(character: str) -> str:
    return f"\\{character}" if character in _SPECIAL else character
