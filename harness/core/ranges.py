"""Ranges of numbers, strings, arrays and objects: what of one fits a keyword, and what lies outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from harness.core.options import Array, Number, Object, Option, Text

_OPPOSITE = {
    "minimum": "exclusiveMaximum",
    "exclusiveMinimum": "maximum",
    "maximum": "exclusiveMinimum",
    "exclusiveMaximum": "minimum",
}


def smaller(a: int | None, b: int | None) -> int | None:
    """The smaller of two upper bounds, None for none."""
    return b if a is None else a if b is None else min(a, b)


def narrow_number(option: Number, schema: Mapping[str, Any]) -> Number:
    """What of a range of numbers fits the bounds and the divisor in `schema`."""
    if "multipleOf" in schema:
        option = replace(option, multiples=tuple(dict.fromkeys([*option.multiples, schema["multipleOf"]])))
    for key, is_open in (("minimum", False), ("exclusiveMinimum", True)):
        bound = schema.get(key)
        if bound is not None and (option.low is None or (bound, is_open) > (option.low, option.low_open)):
            option = replace(option, low=bound, low_open=is_open)
    for key, is_open in (("maximum", False), ("exclusiveMaximum", True)):
        bound = schema.get(key)
        if bound is not None and (option.high is None or (-bound, is_open) > (-option.high, option.high_open)):
            option = replace(option, high=bound, high_open=is_open)
    return option


def narrow_text(option: Text, schema: Mapping[str, Any]) -> Text:
    """What of some strings fits the lengths, the pattern and the format in `schema`."""
    if "pattern" in schema:
        option = replace(option, patterns=tuple(dict.fromkeys([*option.patterns, schema["pattern"]])))
    if "format" in schema:
        option = replace(option, formats=tuple(dict.fromkeys([*option.formats, schema["format"]])))
    most = smaller(option.most, schema.get("maxLength"))
    return replace(option, least=max(option.least, schema.get("minLength", 0)), most=most)


def outside(option: Number, schema: Mapping[str, Any]) -> list[Number]:
    """The ranges below and above the bounds in `schema`."""
    found = []
    for key, opposite in _OPPOSITE.items():
        if key in schema:
            found.append(narrow_number(option, {opposite: schema[key]}))
            option = narrow_number(option, {key: schema[key]})
    return found


def shorter_or_longer(
    option: Text | Array | Object, schema: Mapping[str, Any], least: str, most: str
) -> Iterable[Option]:
    """What has fewer parts than the keyword `least` asks for, and what has more than `most` allows."""
    if schema.get(least, 0) > 0:
        yield replace(option, most=smaller(option.most, schema[least] - 1))
    if most in schema:
        yield replace(option, least=max(option.least, schema[most] + 1))
