"""A task's schema as llguidance takes it: rules worked out into `anyOf` branches, and a bound on everything that could
go on forever.

Every answer that the result allows, within what a decoder can write, is allowed by the schema. The other way round it
leaves out only what lies beyond the bounds below, fields that the schema doesn't name beside fields that it does, and
values of a type that it implies but doesn't say.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from harness.core.case_split import MAX_BRANCHES, CaseSplit
from harness.core.options import (
    ANY,
    Array,
    Number,
    Object,
    Option,
    Options,
    Reference,
    SchemaNotLowered,
    Text,
    Untyped,
    Values,
    whole_bounds,
)
from harness.core.regex_dialect import no_other_meaning, other_than

MAX_TEXT = 256
"""Characters of a string without `maxLength`."""
MAX_ITEMS = 16
"""Items of an array without `maxItems`."""
MAX_INTEGER = 10**15 - 1
"""Integers without bounds: 15 digits, which a double holds."""
MAX_NUMBER, MAX_DECIMALS = 10**9 - 1, 6
"""Numbers without bounds: nine digits before the point and six behind it."""
MAX_NAME = 32
"""Characters of a name that the schema doesn't give; there is at most one such name in an object, for the engine can't
keep two apart."""
FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"})
"""Formats that the engine knows; others say nothing, as in the validation of answers."""


def lower_for_grammar(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema` without rules and with bounds; raises SchemaNotLowered naming the keyword that can't be held.

    Fields stand in the order in which the schema names them, in every branch.
    """
    split = CaseSplit(schema)
    options = split.options()
    if not options:
        raise SchemaNotLowered("#", next(iter(schema), "type"), "no answer fits the schema within the decoder's bounds")
    writer = _Writer(split)
    lowered = writer.union(options)
    return lowered | ({"$defs": writer.definitions} if writer.definitions else {})


class _Writer:
    def __init__(self, split: CaseSplit) -> None:
        self._split = split
        self._names: dict[Reference, str] = {}
        self.definitions: dict[str, Any] = {}

    def union(self, options: Options) -> dict[str, Any]:
        said: Options = tuple(option for option in options if not isinstance(option, Untyped))
        if not said:
            said = _any_value(frozenset(kind for one in options if isinstance(one, Untyped) for kind in one.types))
        order = list(dict.fromkeys(name for one in said if isinstance(one, Object) for name in one.fields))
        branches = [branch for option in said for branch in self._branches(option, order)]
        return branches[0] if len(branches) == 1 else {"anyOf": branches}

    def _branches(self, option: Option, order: list[str]) -> Iterator[dict[str, Any]]:
        if isinstance(option, Values):
            yield {"enum": [_writable(json.loads(text)) for text in option.texts]}
        elif isinstance(option, Reference):
            yield {"$ref": f"#/$defs/{self._definition(option)}"}
        elif isinstance(option, Number):
            yield from _integers(option) if option.integer else [_decimals(option)]
        elif isinstance(option, Text):
            yield _text(option)
        elif isinstance(option, Array):
            yield self._array(option)
        elif isinstance(option, Object):
            ordered = replace(option, fields={name: option.fields[name] for name in order if name in option.fields})
            for one in _counted(ordered):
                yield self._object(one)

    def _definition(self, reference: Reference) -> str:
        if reference not in self._names:
            name = f"d{len(self._names)}"
            self._names[reference] = name
            self.definitions[name] = self.union(self._split.expand(reference))
        return self._names[reference]

    def _array(self, option: Array) -> dict[str, Any]:
        if option.checks and not (option.most in (0, 1) and all("contains" not in c.schema for c in option.checks)):
            return self._listed(option)
        most = max(MAX_ITEMS, option.least) if option.most is None else option.most
        lowered: dict[str, Any] = {"type": "array", "minItems": option.least, "maxItems": most}
        if first := option.first[:most]:
            lowered["prefixItems"] = [self.union(one) for one in first]
        lowered["items"] = self.union(option.rest) if option.rest and most > len(first) else False
        return lowered

    def _listed(self, option: Array) -> dict[str, Any]:
        """Every array that passes the checks, where its items are listed and there are few."""
        check = option.checks[0]
        keyword = "contains" if "contains" in check.schema else "uniqueItems"
        places = [one[0].texts if len(one) == 1 and isinstance(one[0], Values) else () for one in option.first]
        rest = option.rest[0].texts if len(option.rest) == 1 and isinstance(option.rest[0], Values) else ()
        most = min(MAX_ITEMS if option.most is None else option.most, max(len(rest), len(option.first)))
        found: list[str] = []
        for count in range(option.least, most + 1):
            for texts in itertools.product(*places[:count], *[rest] * (count - len(places))):
                text = f"[{', '.join(texts)}]"
                if all(self._split.is_valid(one.schema, json.loads(text)) for one in option.checks):
                    found.append(text)
                if len(found) > MAX_BRANCHES:
                    break
        if not all(places) or not rest or not 0 < len(found) <= MAX_BRANCHES:
            reason = f"it takes items that are listed, and at most {MAX_BRANCHES} arrays of them"
            raise SchemaNotLowered(check.pointer, keyword, reason)
        return {"enum": [_writable(json.loads(text)) for text in found]}

    def _object(self, option: Object) -> dict[str, Any]:
        if not option.fields:
            return self._map(option)
        fields = {name: options for name, options in option.fields.items() if options}
        return {
            "type": "object",
            "properties": {name: self.union(options) for name, options in fields.items()},
            "required": [name for name in fields if name in option.required],
            "additionalProperties": False,
        }

    def _map(self, option: Object) -> dict[str, Any]:
        """An object of which the schema names no field."""
        most = 1 if option.most is None else min(1, option.most)
        if option.least > most and option.counted:
            reason = "the engine can't keep names apart that the schema doesn't give"
            raise SchemaNotLowered(option.counted.pointer, "minProperties", reason)
        patterns = [pair for names in option.names for pair in names.patterns]
        if patterns and len(option.names) > 1:
            raise SchemaNotLowered(patterns[0][1].pointer, "patternProperties", "several rules are about such names")
        described: dict[str, Options] = {}
        for pattern, place in patterns:
            if reason := no_other_meaning(pattern):
                raise SchemaNotLowered(place.pointer, "patternProperties", reason)
            described[pattern] = self._split.narrow(ANY, place)
        if not patterns:
            described[f"^(?s:.{{0,{MAX_NAME}}})$"] = self._split.field(option, "")
        shapes = {pattern: self.union(options) for pattern, options in described.items() if options}
        if not shapes or not most:
            return {"type": "object", "properties": {}, "additionalProperties": False}
        return {
            "type": "object",
            "patternProperties": shapes,
            "additionalProperties": False,
            "minProperties": option.least,
            "maxProperties": most,
        }


def _any_value(types: frozenset[str]) -> Options:
    """A value of which nothing is said: a scalar, where it may be one."""
    scalars: dict[str, Option] = {
        "null": Values(("null",)),
        "boolean": Values(("true", "false")),
        "number": Number(),
        "string": Text(),
    }
    containers: dict[str, Option] = {"array": Array(), "object": Object()}
    found = [option for kind, option in scalars.items() if kind in types]
    return tuple(found or [containers[kind] for kind in sorted(types)])


def _counted(option: Object) -> Iterator[Object]:
    """The object in cases that differ in which fields are there, as far as their number is limited."""
    optional = [name for name, options in option.fields.items() if options and name not in option.required]
    missing = option.least - len(option.required)
    room = math.inf if option.most is None else option.most - len(option.required)
    if not option.fields or (missing <= 0 and room >= len(optional)):
        yield option
    elif missing <= len(optional) and room >= 0:
        if math.comb(len(optional), min(max(missing, 1), len(optional))) > MAX_BRANCHES and option.counted:
            reason = f"it takes more than {MAX_BRANCHES} cases"
            raise SchemaNotLowered(option.counted.pointer, "minProperties", reason)
        yield from _counted(replace(option, required=option.required | {optional[0]}))
        yield from _counted(replace(option, fields={**option.fields, optional[0]: ()}))


def _integers(option: Number) -> Iterator[dict[str, Any]]:
    """Below zero and from zero, so that `-0` is no second way to write zero."""
    low, high = whole_bounds(option)
    low = min(-MAX_INTEGER, (high or 0) - MAX_INTEGER) if low is None else low
    high = max(MAX_INTEGER, low + MAX_INTEGER) if high is None else high
    for least, most in ((low, min(high, -1)), (max(low, 0), high)):
        if least <= most:
            yield {"type": "integer", "minimum": least, "maximum": most, **_multiple(option)}


def _decimals(option: Number) -> dict[str, Any]:
    low = min(-MAX_NUMBER, (option.high or 0) - MAX_NUMBER) if option.low is None else option.low
    high = max(MAX_NUMBER, low + MAX_NUMBER) if option.high is None else option.high
    digits = len(str(int(max(abs(low), abs(high)))))
    finest = 10.0 ** -max(0, min(MAX_DECIMALS, 15 - digits))
    return {
        "type": "number",
        "exclusiveMinimum" if option.low_open else "minimum": low,
        "exclusiveMaximum" if option.high_open else "maximum": high,
        **(_multiple(option) or {"multipleOf": finest}),
    }


def _multiple(option: Number) -> dict[str, Any]:
    """The common multiple of all divisors."""
    if not option.multiples:
        return {}
    fractions = [Fraction(one) for one in option.multiples]
    common = Fraction(math.lcm(*(f.numerator for f in fractions)), math.gcd(*(f.denominator for f in fractions)))
    return {"multipleOf": common.numerator if common.denominator == 1 else float(common)}


def _text(option: Text) -> dict[str, Any]:
    most = max(MAX_TEXT, option.least) if option.most is None else option.most
    patterns = list(option.patterns)
    if option.excluded:
        patterns.append(other_than(option.excluded))
    said = [{"pattern": pattern} for pattern in patterns]
    said += [{"format": name} for name in option.formats if name in FORMATS]
    lowered: dict[str, Any] = {"type": "string", "minLength": option.least, "maxLength": most}
    if said:
        lowered |= said[0]
    if len(said) > 1:
        lowered["allOf"] = said[1:]
    return lowered


def _writable(value: Any) -> Any:
    """A listed value as the engine writes it: integral numbers without a point."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_writable(one) for one in value]
    if isinstance(value, dict):
        return {name: _writable(one) for name, one in value.items()}
    return value
