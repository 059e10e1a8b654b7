"""Regular expressions that mean the same to the validator of answers (Python's `re`) and to llguidance (Rust's)."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ELSEWHERE = {
    "\\D": "`\\D` is about ASCII digits alone to one and all digits to the other",
    "\\W": "`\\W` is about ASCII letters alone to one and all letters to the other",
}
_GROUP = re.compile(r"\(\?(?!:|=|!|<=|<!|P<)")
_POSSESSIVE = re.compile(r"[*+?}]\+")
_CLASS_OPERATORS = ("&&", "--", "~~")


def no_other_meaning(pattern: str) -> str:
    """Why `pattern` may mean more to the engine than to the validator, "" if it doesn't.

    What the engine refuses by itself (look-around, back-references) passes.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        return f"Python can't read it ({error})"
    inside = ""
    position = 0
    outside: list[str] = []
    while position < len(pattern):
        step = 2 if pattern[position] == "\\" else 1
        part = pattern[position : position + step]
        if part in _ELSEWHERE:
            return _ELSEWHERE[part]
        if not inside:
            outside.append("x" if step == 2 else part)
            if part == "[":
                inside = "[^" if pattern[position + 1 : position + 2] == "^" else "["
                position += len(inside) - 1
                if pattern[position + 1 : position + 2] == "]":
                    return "`]` right after `[` is read in two ways"
        elif part == "]":
            inside = ""
        elif part == "[" or pattern[position : position + 2] in _CLASS_OPERATORS:
            return "a set within a set is read in two ways"
        elif inside == "[^" and part in ("\\d", "\\w"):
            return f"`[^{part}]` is about ASCII alone to one and all of Unicode to the other"
        position += step
    plain = "".join(outside)
    if _GROUP.search(plain):
        return "groups with options are read in two ways"
    return "possessive repetition is read in two ways" if _POSSESSIVE.search(plain) else ""


def other_than(words: Iterable[str]) -> str:
    """A pattern for every string but `words`."""
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
    branches.append(f"[^{others}](?s:.*)" if others else "(?s:.+)")
    return f"(?:{'|'.join(branches)}){'' if '' in words else '?'}"


def _escaped(character: str) -> str:
    return character if character.isalnum() or ord(character) > 127 or character.isspace() else f"\\{character}"
