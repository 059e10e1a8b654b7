"""The answers that a schema allows at one place, as a union of plain options: the terms that rules are worked out in.

An option says one thing about one JSON type (a range, a length, an object's fields), or lists values. Nothing in it
refers to another place of the answer, so that a decoder which knows no rules can hold it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.core.errors import DriverError

TYPES = frozenset({"null", "boolean", "number", "string", "array", "object"})


class SchemaNotLowered(DriverError):
    """A keyword of a task's schema that constrained decoding can't hold; `pointer` says where, `keyword` which."""

    def __init__(self, pointer: str, keyword: str, reason: str) -> None:
        self.pointer, self.keyword = pointer, keyword
        super().__init__(
            f"schema {pointer}: `{keyword}` can't be held while decoding: {reason}; "
            "change the schema, or use `decoding: free`"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A schema and where it stands; `depth` is how many levels of recursion are left there."""

    schema: Any = field(compare=False)
    pointer: str
    depth: int

    def at(self, *keys: object) -> Place:
        """The place below, by keys and positions."""
        schema = self.schema
        for key in keys:
            schema = schema[key]
        steps = [str(key).replace("~", "~0").replace("/", "~1") for key in keys]
        return Place(schema=schema, pointer="/".join([self.pointer, *steps]), depth=self.depth)


@dataclass(frozen=True, slots=True)
class Values:
    """A list of values, each as JSON text: in Python 1, 1.0 and True are equal."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Untyped:
    """Any value of these types, of which the schema says nothing."""

    types: frozenset[str] = TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What stands at `pointer` of the schema, with `depth` levels of recursion left."""

    pointer: str
    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    integer: bool = False
    low: float | None = None
    high: float | None = None
    low_open: bool = False
    high_open: bool = False
    multiples: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    least: int = 0
    most: int | None = None
    patterns: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """`first` are the options of the first items, `rest` those of all others; `checks` look at all items together."""

    first: tuple[Options, ...] = ()
    rest: Options = (Untyped(),)
    least: int = 0
    most: int | None = None
    checks: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What one schema says about fields by their names: those in `known` it describes one by one, the others by the
    patterns that they match, or else by `rest` (None: not at all)."""

    known: frozenset[str]
    patterns: tuple[tuple[str, Place], ...]
    rest: Place | None

    def of(self, name: str) -> list[Place]:
        """What is said about a field that is not in `known`."""
        matched = [place for pattern, place in self.patterns if re.search(pattern, name)]
        if matched or name in self.known or self.rest is None:
            return matched
        return [self.rest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """`fields` in the schema's order; a field without options is never there. `counted` is where `least` and `most`
    fields are asked for."""

    fields: Mapping[str, Options] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    names: tuple[Names, ...] = ()
    least: int = 0
    most: int | None = None
    counted: Place | None = None


Option = Values | Untyped | Reference | Number | Text | Array | Object
Options = tuple[Option, ...]
ANY: Options = (Untyped(),)


def json_type(value: Any) -> str:
    """The JSON type of a value; integers are numbers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def option_type(option: Option) -> str:
    """The JSON type of a typed option, "" for the others."""
    kinds = ((Number, "number"), (Text, "string"), (Array, "array"), (Object, "object"))
    return next((name for kind, name in kinds if isinstance(option, kind)), "")


def value_texts(values: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(json.dumps(value, ensure_ascii=False) for value in values))


def is_possible(option: Option) -> bool:
    """Whether any value fits, as far as its bounds tell."""
    if isinstance(option, Values):
        return bool(option.texts)
    if isinstance(option, Untyped):
        return bool(option.types)
    if isinstance(option, Number):
        low, high = whole_bounds(option) if option.integer else (option.low, option.high)
        if low is None or high is None:
            return True
        return low < high or (low == high and (option.integer or not (option.low_open or option.high_open)))
    if isinstance(option, Text):
        return option.most is None or option.least <= option.most
    if isinstance(option, Array):
        return option.most is None or option.least <= option.most
    if isinstance(option, Object):
        return all(option.fields.get(name) for name in option.required) and (
            option.most is None or max(option.least, len(option.required)) <= option.most
        )
    return True


def whole_bounds(number: Number) -> tuple[int | None, int | None]:
    """The smallest and the largest integer within the bounds."""
    low = None if number.low is None else math.ceil(number.low)
    high = None if number.high is None else math.floor(number.high)
    if low is not None and number.low_open and low == number.low:
        low += 1
    if high is not None and number.high_open and high == number.high:
        high -= 1
    return low, high


def united(options: Iterable[Option]) -> Options:
    """The union in few options: impossible ones dropped, lists of values joined, equal ones and objects that differ in
    one field put together."""
    found: list[Option] = []
    texts: dict[str, None] = {}
    at: int | None = None
    for option in options:
        if isinstance(option, Values):
            if option.texts and at is None:
                at = len(found)
                found.append(option)
            texts.update(dict.fromkeys(option.texts))
        elif is_possible(option) and option not in found:
            found.append(option)
    if at is not None:
        found[at] = Values(tuple(texts))
    return tuple(_joined(found))


def _joined(options: list[Option]) -> list[Option]:
    joined: list[Option] = []
    for option in options:
        current = option
        position = 0
        while isinstance(current, Object) and position < len(joined):
            other = joined[position]
            both = _one_object(other, current) if isinstance(other, Object) else None
            if both is None:
                position += 1
            else:
                current, position = both, 0
                joined.remove(other)
        joined.append(current)
    return joined


def _one_object(a: Object, b: Object) -> Object | None:
    """The object that allows what `a` or `b` allows, if they differ in the options of one field at most."""
    if replace(a, fields={}) != replace(b, fields={}) or list(a.fields) != list(b.fields):
        return None
    different = [name for name in a.fields if a.fields[name] != b.fields[name]]
    if len(different) > 1:
        return None
    return replace(a, fields={**a.fields, **{n: united([*a.fields[n], *b.fields[n]]) for n in different}})


def holds(option: Number | Text, value: Any) -> bool:
    """Whether a value is in a range of numbers or strings."""
    if json_type(value) != option_type(option):
        return False
    if isinstance(option, Number):
        return _number_holds(option, value)
    return (
        option.least <= len(value) <= _or_infinite(option.most)
        and value not in option.excluded
        and all(re.search(pattern, value) for pattern in option.patterns)
    )


def _number_holds(option: Number, value: float) -> bool:
    above = option.low is None or value > option.low or (value == option.low and not option.low_open)
    below = option.high is None or value < option.high or (value == option.high and not option.high_open)
    whole = not option.integer or value == int(value)
    return above and below and whole and all(_is_multiple(value, m) for m in option.multiples)


def _is_multiple(value: float, of: float) -> bool:
    """As the validator of answers counts it."""
    return value / of == int(value / of) if isinstance(of, float) else value % of == 0


def _or_infinite(bound: int | None) -> float:
    return math.inf if bound is None else bound
