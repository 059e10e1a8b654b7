"""Where in the texts of a pool the expected values stand, found by reading every piece as the field is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from harness.core.comparisons import agrees
from harness.core.records import Case, Comparison
from harness.drivers.span_fields import SpanField
from harness.drivers.span_model import LONGEST, Layers

FEWEST = 20
"""Texts that tell a common prefix; of fewer it may be chance."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is right for one case and field: `none`, or any of `pieces` as (first token, last token, reading).

    Neither: the value stands nowhere in the text, and nothing can be learned from it.
    """

    none: bool = False
    pieces: tuple[tuple[int, int, int], ...] = ()

    @property
    def known(self) -> bool:
        return self.none or bool(self.pieces)


def common_prefix(values: Sequence[Any]) -> str:
    """What all texts among the values begin with, up to a sign that ends it: `NE-` of `NE-1234` and `NE-1456`."""
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < FEWEST:
        return ""
    first, last = min(texts), max(texts)
    shared = first[: next((i for i, char in enumerate(first) if last[i : i + 1] != char), len(first))]
    return shared.rstrip("".join(filter(str.isalnum, shared)))


def find(
    field: SpanField, comparison: Comparison, expected: Any, text: str, layers: Layers, today: date | None
) -> Target:
    """The target of one case and field."""
    if expected is None:
        return Target(none=True)
    assert field.reader is not None
    found = [
        (first, last, reading)
        for first, last, piece in pieces(text, layers)
        for reading, value in enumerate(field.reader.values(piece, today))
        if agrees(comparison, expected, value)
    ]
    return Target(pieces=tuple(found))


def pieces(text: str, layers: Layers) -> Iterator[tuple[int, int, str]]:
    """Every piece of the text that a head can point at: (first token, last token, piece)."""
    for first, begins in enumerate(layers.begins):
        if not begins:
            continue
        for last in range(first, min(first + LONGEST, len(layers.ends))):
            if layers.ends[last]:
                yield first, last, text[layers.places[first][0] : layers.places[last][1]]


def values_of(cases: Sequence[Case], name: str) -> list[Any]:
    """The expected values of a field; of alternatives each."""
    found: list[Any] = []
    for case in cases:
        value = case.expected.get(name)
        found.extend(value if isinstance(value, list) else [value])
    return found
