"""The texts inside a JSON value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any


def map_texts(change: Callable[[str], str], value: Any) -> Any:
    """A JSON value with every text in it changed; the names of objects stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: map_texts(change, item) for key, item in value.items()}
    if isinstance(value, list):
        return [map_texts(change, item) for item in value]
    return value


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a JSON value, in its order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)
