"""Reading a model's text as an answer. The text is untrusted: nothing here evaluates or repairs it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from harness.core.records import ParseMode

MAX_ANSWER_CHARS = 200_000
MAX_DEPTH = 100
MAX_RESCANNED = 5 * MAX_ANSWER_CHARS


@dataclass(frozen=True, slots=True)
class Parsed:
    """The JSON value found, or why there is none (`problem` is empty when there is one).

    `start` is where in the text the value begins.
    """

    value: Any = None
    problem: str = ""
    start: int = 0


class _Rejected(ValueError):
    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Rejected("duplicate_key")
    return found


def _no_constant(name: str) -> Any:
    raise _Rejected("not_json")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise _Rejected("not_json")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
_OBJECT_START = re.compile(r'\{\s*["}]')
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}"]', re.DOTALL)


def parse(text: str, mode: ParseMode, *, finish_reason: str = "stop") -> Parsed:
    """The one JSON value in `text`.

    Strict: the whole text, white space around it aside, is one JSON value. Lenient: else the only object in it.
    Last_json: the last object in it. An object that is refused or cut off is never replaced by one inside it. Problems:
    `empty`, `truncated` (the model hit its token limit), `fence` (a fenced block), `prose` (words around an object),
    `duplicate_key`, `not_json` (also: nested deeper than MAX_DEPTH, a number beyond a double, half a surrogate pair),
    `several_objects`, `too_long`.
    """
    stripped = text.strip()
    if len(stripped) > MAX_ANSWER_CHARS:
        return Parsed(problem="too_long")
    before = len(text) - len(text.lstrip())
    try:
        value, end = _decode(stripped, 0)
        if end == len(stripped):
            return Parsed(value=value, start=before)
        problem = "prose"
    except _Rejected as rejected:
        problem = rejected.kind
    except ValueError:
        problem = "not_json"
    found = [replace(p, start=before + p.start) for p in _objects(stripped, cut=finish_reason == "length")]
    if finish_reason == "length" and (not found or found[-1].problem == "truncated"):
        return Parsed(problem="truncated")
    if found and mode is ParseMode.LAST_JSON:
        return found[-1]
    if found and mode is ParseMode.LENIENT:
        return found[0] if len(found) == 1 else Parsed(problem="several_objects")
    if not stripped:
        return Parsed(problem="empty")
    if problem == "duplicate_key":
        return Parsed(problem=problem)
    if not found or (problem == "not_json" and stripped.startswith("{")):
        return Parsed(problem="not_json")
    return Parsed(problem="fence" if "```" in stripped else "prose")


def _decode(text: str, position: int) -> tuple[Any, int]:
    """The JSON value at `position` and its end; raises _Rejected for one that is not taken, ValueError for no JSON."""
    try:
        value, end = _DECODER.raw_decode(text, position)
    except (json.JSONDecodeError, _Rejected):
        raise
    except (ValueError, RecursionError) as error:  # thousands of digits or of brackets
        raise _Rejected("not_json") from error
    source = text[position:end]
    if source.count("[") + source.count("{") > MAX_DEPTH and _extent(source, 0)[1] > MAX_DEPTH:
        raise _Rejected("not_json")
    if not source.isascii() or "\\u" in source:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise _Rejected("not_json") from error
    return value, end


def _objects(text: str, *, cut: bool) -> Iterator[Parsed]:
    """The outermost objects in `text`, each with its value or why it is refused; words in braces are no object."""
    starts = _OBJECT_START.search
    match, rescanned = starts(text), 0
    while match and rescanned < MAX_RESCANNED:  # hostile text must not cost seconds
        try:
            value, end = _decode(text, match.start())
            yield Parsed(value=value, start=match.start())
        except ValueError as error:
            end, _ = _extent(text, match.start())
            rescanned += (end or len(text)) - match.start()
            if cut and not end:
                yield Parsed(problem="truncated")
                return
            if isinstance(error, _Rejected):
                yield Parsed(problem=error.kind)
                end = end or len(text)
            end = end or match.start() + 1
        match = starts(text, end)
    if match:
        yield Parsed(problem="not_json")


def _extent(text: str, position: int) -> tuple[int, int]:
    """The end of the bracketed text that starts at `position`, 0 if it never closes, and how deep its brackets nest."""
    depth = deepest = 0
    for token in _STRING_OR_BRACKET.finditer(text, position):
        if token[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token[0] in "]}":
            depth -= 1
            if depth == 0:
                return token.end(), deepest
        elif token[0] == '"':
            break
    return 0, deepest
