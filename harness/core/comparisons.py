"""When the value of a field counts as right: by equality, or by a comparison that the task declares."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from harness.core.digests import canonical_json
from harness.core.records import Answer, Compare, Comparison, Task

EXACT = Comparison()

_DAY = re.compile(r"\s*(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ][0-9:.,+Z-]*)?\s*\Z")


def same(expected: Any, given: Any) -> bool:
    """Equality as JSON has it: 1 equals 1.0, and true is not 1 (which it is in Python)."""
    if isinstance(expected, Mapping) and isinstance(given, Mapping):
        return expected.keys() == given.keys() and all(same(expected[key], given[key]) for key in expected)
    if isinstance(expected, list) and isinstance(given, list):
        return len(expected) == len(given) and all(map(same, expected, given))
    return bool(expected == given) and isinstance(expected, bool) == isinstance(given, bool)


def agrees(comparison: Comparison, expected: Any, given: Any) -> bool:
    """Whether `given` is right where `expected` is; a value that the comparison is not made for has to be equal."""
    compare = _COMPARE[comparison.compare]
    if comparison.one_of and isinstance(expected, list):
        return any(compare(comparison, one, given) for one in expected)
    return compare(comparison, expected, given)


def right(task: Task, name: str, expected: Any, given: Any) -> bool:
    """Whether a field's value is right as its task compares it."""
    return agrees(task.comparisons.get(name, EXACT), expected, given)


def first_choice(task: Task, expected: Answer) -> Answer:
    """An expected answer as a model would give it: of alternatives the first."""
    several = {name for name, comparison in task.comparisons.items() if comparison.one_of}
    return {
        name: value[0] if name in several and isinstance(value, list) else value for name, value in expected.items()
    }


def f1(expected: list[Any], given: list[Any]) -> float:
    """2 · |both| / (|expected| + |given|), each list taken as a set; 1 where both are empty."""
    wanted, found = set(map(canonical_json, expected)), set(map(canonical_json, given))
    if not wanted and not found:
        return 1.0
    return 2 * len(wanted & found) / (len(wanted) + len(found))


def normalized(text: str) -> str:
    """The letters, their marks and the digits of a text, in one case and width.

    Folded and decomposed twice, as Unicode defines caseless compatibility matching (D146, chapter 3.13). Marks that
    come to stand side by side are put in order.
    """
    folded = text
    for _ in range(2):
        folded = unicodedata.normalize("NFKD", folded.casefold())
    kept = "".join(char for char in folded if char.isalnum() or unicodedata.category(char) in ("Mn", "Mc"))
    return unicodedata.normalize("NFKD", kept)


def read_number(value: Any) -> float | None:
    """The number that a value is or plainly spells; None for anything else, booleans and infinities included."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def read_day(value: Any) -> str | None:
    """The day, as YYYY-MM-DD, of a text in ISO 8601 form with or without a time; None for anything else."""
    found = _DAY.match(value) if isinstance(value, str) else None
    return found["day"] if found else None


def _exact(comparison: Comparison, expected: Any, given: Any) -> bool:
    return same(expected, given)


def _normalized(comparison: Comparison, expected: Any, given: Any) -> bool:
    if isinstance(expected, str) and isinstance(given, str) and (wanted := normalized(expected)):
        return wanted == normalized(given)
    return same(expected, given)


def _number(comparison: Comparison, expected: Any, given: Any) -> bool:
    wanted, found = read_number(expected), read_number(given)
    if wanted is None or found is None:
        return same(expected, given)
    tolerance = max(comparison.within, comparison.relative * abs(wanted))
    # 0.3 - 0.2 is a little more than 0.1 in binary: that must not make a value on the edge wrong.
    return abs(found - wanted) <= tolerance * (1 + 1e-9) + 1e-12 * abs(wanted)


def _date(comparison: Comparison, expected: Any, given: Any) -> bool:
    wanted, found = read_day(expected), read_day(given)
    return same(expected, given) if wanted is None or found is None else wanted == found


def _set_f1(comparison: Comparison, expected: Any, given: Any) -> bool:
    if not isinstance(expected, list) or not isinstance(given, list):
        return same(expected, given)
    return f1(expected, given) >= comparison.least_f1 - 1e-12


_COMPARE: dict[Compare, Callable[[Comparison, Any, Any], bool]] = {
    Compare.EXACT: _exact,
    Compare.NORMALIZED: _normalized,
    Compare.NUMBER: _number,
    Compare.DATE: _date,
    Compare.SET_F1: _set_f1,
}
