"""Rules of a JSON Schema (`if`, `not`, `oneOf`, `dependentRequired`, …) worked out into a union of options.

`narrow` keeps what fits a schema, `exclude` what does not. Where values are listed, both ask the validator that judges
the answers, so they are exact by construction; elsewhere each keyword is taken as the half of a range that it is. A
keyword of which there is no such half raises SchemaNotLowered with its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from harness.core.options import (
    ANY,
    Array,
    Names,
    Number,
    Object,
    Option,
    Options,
    Place,
    Reference,
    SchemaNotLowered,
    Text,
    Untyped,
    Values,
    holds,
    json_type,
    option_type,
    united,
    value_texts,
)
from harness.core.ranges import narrow_number, narrow_text, outside, shorter_or_longer, smaller
from harness.core.references import References
from harness.core.regex_dialect import no_other_meaning

MAX_BRANCHES = 256
"""Options at one place; rules that need more are refused."""
MAX_STEPS = 200_000
"""Keywords applied in all; a schema whose rules need more is refused."""
MAX_RECURSION = 4
"""Levels of a `$ref` that leads back to itself."""

FINEST_DIVISOR = 64
"""`multipleOf` takes whole numbers and halves of them, down to one part in so many: a double holds their multiples."""
_UNWRITABLE = re.compile(r"\\u[0-9a-f]{4}|[\x7f\ud800-\udfff]")

_GROUPS: tuple[tuple[str, ...], ...] = (
    ("enum",),
    ("const",),
    ("type",),
    ("$ref",),
    ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"),
    ("multipleOf",),
    ("minLength", "maxLength"),
    ("pattern",),
    ("format",),
    ("properties", "patternProperties", "additionalProperties"),
    ("required",),
    ("minProperties", "maxProperties"),
    ("prefixItems", "items"),
    ("minItems", "maxItems"),
    ("uniqueItems", "contains", "minContains", "maxContains"),
    ("dependentRequired",),
    ("dependentSchemas",),
    ("dependencies",),
    ("allOf",),
    ("anyOf",),
    ("oneOf",),
    ("not",),
    ("if", "then", "else"),
)
_LENGTHS = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))
_REFUSED = ("propertyNames", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef")
_TYPE_OF = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"), "number"),
    **dict.fromkeys(("minLength", "maxLength", "pattern", "format"), "string"),
    **dict.fromkeys(("properties", "patternProperties", "additionalProperties", "required"), "object"),
    **dict.fromkeys(("minProperties", "maxProperties", "dependentRequired", "dependentSchemas"), "object"),
    **dict.fromkeys(("prefixItems", "items", "minItems", "maxItems", "uniqueItems", "contains"), "array"),
}
_TYPED: Mapping[str, Option] = {"number": Number(), "string": Text(), "array": Array(), "object": Object()}
_FINITE = {"null": ["null"], "boolean": ["true", "false"]}


class CaseSplit:
    """The options of one schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        from jsonschema import Draft202012Validator

        self._root = {key: value for key, value in schema.items() if key not in ("$id", "$schema")}
        self._validator = Draft202012Validator(self._root)
        self._expanded: dict[tuple[str, int], Options] = {}
        self._references = References(self._root)
        self._steps = 0

    def options(self) -> Options:
        """All options of the schema; raises SchemaNotLowered where a keyword can't be worked out."""
        return self.narrow(ANY, Place(schema=self._root, pointer="#", depth=MAX_RECURSION))

    def expand(self, reference: Reference) -> Options:
        """The options of what is referred to."""
        key = (reference.pointer, reference.depth)
        if key not in self._expanded:
            self._expanded[key] = self.narrow(ANY, self._references.place(reference.pointer, reference.depth))
        return self._expanded[key]

    def field(self, option: Object, name: str) -> Options:
        """The options of a field, also of one that the schema describes by its name's pattern alone, or not at all."""
        if name in option.fields:
            return option.fields[name]
        found = ANY
        for names in option.names:
            for place in names.of(name):
                found = self.narrow(found, place)
        return found

    def is_valid(self, part: Mapping[str, Any], value: Any) -> bool:
        """Whether a value fits a part of the schema, as the validator of answers sees it."""
        return self._validator.evolve(schema=part).is_valid(value)

    # ------------------------------------------------------------------------------------------------------- narrow

    def narrow(self, options: Options, place: Place) -> Options:
        """What of `options` fits the schema at `place`."""
        schema = place.schema
        if isinstance(schema, bool):
            return options if schema else ()
        for keys in self._groups(place):
            found: list[Option] = []
            for option in self._opened(options, keys, schema):
                found += self._narrow_by(option, keys, place)
            options = self._capped(found, keys, place)
        return options

    def _narrow_by(self, option: Option, keys: tuple[str, ...], place: Place) -> Iterable[Option]:
        schema = place.schema
        if isinstance(option, Values):
            return [self._values(option, keys, schema, fit=True)]
        if keys[0] in ("enum", "const"):
            listed = value_texts(schema["enum"] if keys[0] == "enum" else [schema["const"]])
            _check_written(listed, keys[0], place)
            return [Values(tuple(text for text in listed if self._member(option, json.loads(text), keys[0], place)))]
        if keys[0] == "type":
            return self._of_types(option, _types(schema))
        if keys[0] in _APPLICATORS:
            return _APPLICATORS[keys[0]](self, (option,), place)
        if keys[0] == "$ref":
            return self._referred(option, place)
        if isinstance(option, Untyped) or option_type(option) != _TYPE_OF.get(keys[0], option_type(option)):
            return [option]
        if isinstance(option, Number):
            _check_exact(schema.get("multipleOf", 1), place)
            return [narrow_number(option, _part(keys, schema))]
        if isinstance(option, Text):
            if "pattern" in keys and (reason := no_other_meaning(schema["pattern"])):
                raise SchemaNotLowered(place.pointer, "pattern", reason)
            return [narrow_text(option, _part(keys, schema))]
        if isinstance(option, Array):
            return [self._narrow_array(option, keys, place)]
        assert isinstance(option, Object)
        return [self._narrow_object(option, keys, place)]

    def _narrow_array(self, option: Array, keys: tuple[str, ...], place: Place) -> Array:
        schema = place.schema
        if "minItems" in keys:
            most = smaller(option.most, schema.get("maxItems"))
            return replace(option, least=max(option.least, schema.get("minItems", 0)), most=most)
        if "uniqueItems" in keys:
            check = replace(place, schema=_part(keys, schema))
            return replace(option, checks=(*option.checks, check)) if _asks(check.schema) else option
        count = len(schema.get("prefixItems", ()))
        first = [*option.first, *[option.rest] * (count - len(option.first))]
        rest = option.rest
        for position in range(count):
            first[position] = self.narrow(first[position], place.at("prefixItems", position))
        if "items" in schema:
            items = place.at("items")
            first[count:] = [self.narrow(one, items) for one in first[count:]]
            rest = self.narrow(rest, items)
        most = option.most
        for position, one in enumerate([*first, rest]):
            if not one:  # nothing may stand here, so the array ends before
                most = position if most is None else min(most, position)
                break
        return replace(option, first=tuple(first), rest=rest, most=most)

    def _narrow_object(self, option: Object, keys: tuple[str, ...], place: Place) -> Object:
        schema = place.schema
        fields = dict(option.fields)
        if "minProperties" in keys:
            most = smaller(option.most, schema.get("maxProperties"))
            return replace(option, least=max(option.least, schema.get("minProperties", 0)), most=most, counted=place)
        if "required" in keys:
            fields |= {name: self.field(option, name) for name in schema["required"]}
            return replace(option, fields=fields, required=option.required | set(schema["required"]))
        rest = place.at("additionalProperties") if "additionalProperties" in schema else None
        names = Names(
            known=frozenset(schema.get("properties", ())),
            patterns=tuple((pattern, place.at("patternProperties", pattern)) for pattern in schema.get(keys[1], ())),
            rest=None if rest is None or rest.schema is True else rest,
        )
        for name in schema.get("properties", ()):
            fields[name] = self.narrow(self.field(option, name), place.at("properties", name))
        for name in fields:
            for said in names.of(name):
                fields[name] = self.narrow(fields[name], said)
        said_more = names.patterns or names.rest is not None
        return replace(option, fields=fields, names=(*option.names, names) if said_more else option.names)

    def _referred(self, option: Option, place: Place) -> Options:
        target = self._references.resolve(place)
        if target.depth <= 0:
            return ()
        if option != Untyped():
            return self.narrow((option,), target)
        reference = Reference(pointer=target.pointer, depth=target.depth)
        options = self.expand(reference)
        simple = all(isinstance(one, Values | Untyped | Number | Text | Reference) for one in options)
        return options if simple else (reference,)

    def _all_of(self, options: Options, place: Place) -> Options:
        for position in range(len(place.schema["allOf"])):
            options = self.narrow(options, place.at("allOf", position))
        return options

    def _any_of(self, options: Options, place: Place) -> Options:
        count = len(place.schema["anyOf"])
        return united(one for p in range(count) for one in self.narrow(options, place.at("anyOf", p)))

    def _one_of(self, options: Options, place: Place) -> Options:
        found: list[Option] = []
        branches = [place.at("oneOf", position) for position in range(len(place.schema["oneOf"]))]
        for branch in branches:
            alone = self.narrow(options, branch)
            for other in branches:
                if other is not branch and self.narrow(alone, other):
                    alone = self.exclude(alone, other)
            found += alone
        return united(found)

    def _not(self, options: Options, place: Place) -> Options:
        return self.exclude(options, place.at("not"))

    def _if(self, options: Options, place: Place) -> Options:
        if "if" not in place.schema:
            return options
        met, unmet = self.narrow(options, place.at("if")), self.exclude(options, place.at("if"))
        if "then" in place.schema:
            met = self.narrow(met, place.at("then"))
        if "else" in place.schema:
            unmet = self.narrow(unmet, place.at("else"))
        return united([*met, *unmet])

    def _dependent(self, options: Options, place: Place) -> Options:
        for key in ("dependentRequired", "dependentSchemas", "dependencies"):
            for name, said in place.schema.get(key, {}).items():
                then = {"required": said} if isinstance(said, list) else said
                rule = {"if": {"type": "object", "required": [name]}, "then": then}
                options = self._if(options, replace(place.at(key, name), schema=rule))
        return options

    # ------------------------------------------------------------------------------------------------------ exclude

    def exclude(self, options: Options, place: Place) -> Options:
        """What of `options` does not fit the schema at `place`: for each keyword what breaks it and none before it."""
        schema = place.schema
        if isinstance(schema, bool):
            return () if schema else options
        broken: list[Option] = []
        for keys in self._groups(place):
            part = replace(place, schema=_part(keys, schema))
            found: list[Option] = []
            for option in self._opened(self._unfolded(options), keys, schema):
                broken += self._exclude_by(option, keys, part)
                found.append(option)
            options = self.narrow(tuple(found), part)
        return self._capped(broken, tuple(schema)[:1] or ("not",), place)

    def _exclude_by(self, option: Option, keys: tuple[str, ...], place: Place) -> Iterable[Option]:
        schema = place.schema
        if isinstance(option, Values):
            return [self._values(option, keys, schema, fit=False)]
        if keys[0] in ("enum", "const"):
            return self._other_than(option, schema["enum"] if keys[0] == "enum" else [schema["const"]], keys[0], place)
        if keys[0] == "type":
            return self._not_of_types(option, place)
        if keys[0] in _EXCLUDED:
            return _EXCLUDED[keys[0]](self, (option,), place)
        if keys[0] == "$ref":
            return self.exclude((option,), self._references.resolve(place, recursive=False))
        other_type = isinstance(option, Untyped) or option_type(option) != _TYPE_OF.get(keys[0], option_type(option))
        if other_type or keys[0] == "format":  # no format is broken: the validator doesn't check them
            return []
        if keys[0] == "minimum" and isinstance(option, Number):
            return outside(option, schema)
        if keys in _LENGTHS and isinstance(option, Text | Array | Object):
            return shorter_or_longer(option, schema, *keys)
        if keys[0] == "required" and isinstance(option, Object):
            return self._without_required(option, schema["required"])
        if keys[0] == "properties" and isinstance(option, Object):
            return self._with_other_fields(option, place)
        raise SchemaNotLowered(place.pointer, _present(keys, schema), "what breaks it can't be written as a schema")

    def _other_than(self, option: Option, listed: list[Any], keyword: str, place: Place) -> Options:
        values = [value for value in listed if json_type(value) == option_type(option)]
        if isinstance(option, Text):
            return (replace(option, excluded=tuple(dict.fromkeys([*option.excluded, *values]))),)
        if isinstance(option, Number):
            found: list[Number] = [option]
            for value in values:
                found = [part for one in found for part in outside(one, {"minimum": value, "maximum": value})]
            return tuple(found)
        if isinstance(option, Untyped) or values:
            raise SchemaNotLowered(place.pointer, keyword, "it is excluded from values that are not listed")
        return (option,)

    def _not_of_types(self, option: Option, place: Place) -> Options:
        types = _types(place.schema)
        if "integer" in types and "number" not in types and "number" in _types_of(option):
            if isinstance(option, Number) and option.integer:
                return ()
            raise SchemaNotLowered(place.pointer, "type", "numbers that are no integers can't be written as a schema")
        if isinstance(option, Untyped):
            return (Untyped(types=option.types - types),)
        return () if option_type(option) in types else (option,)

    def _without_required(self, option: Object, required: list[str]) -> Iterable[Option]:
        for name in required:
            if name not in option.required:
                yield replace(option, fields={**option.fields, name: ()})
            option = replace(
                option,
                fields={**option.fields, name: self.field(option, name)},
                required=option.required | {name},
            )

    def _with_other_fields(self, option: Object, place: Place) -> Iterable[Option]:
        for key in ("patternProperties", "additionalProperties"):
            if place.schema.get(key, True) is not True:
                raise SchemaNotLowered(place.pointer, key, "what breaks it can't be written as a schema")
        for name in place.schema.get("properties", ()):
            field, said = self.field(option, name), place.at("properties", name)
            if other := self.exclude(field, said):
                yield replace(option, fields={**option.fields, name: other}, required=option.required | {name})
            option = replace(option, fields={**option.fields, name: self.narrow(field, said)})

    def _not_all_of(self, options: Options, place: Place) -> Options:
        broken: list[Option] = []
        for position in range(len(place.schema["allOf"])):
            broken += self.exclude(options, place.at("allOf", position))
            options = self.narrow(options, place.at("allOf", position))
        return tuple(broken)

    def _not_any_of(self, options: Options, place: Place) -> Options:
        for position in range(len(place.schema["anyOf"])):
            options = self.exclude(options, place.at("anyOf", position))
        return options

    def _not_not(self, options: Options, place: Place) -> Options:
        return self.narrow(options, place.at("not"))

    def _not_if(self, options: Options, place: Place) -> Options:
        if "if" not in place.schema:
            return ()
        met, unmet = self.narrow(options, place.at("if")), self.exclude(options, place.at("if"))
        met = self.exclude(met, place.at("then")) if "then" in place.schema else ()
        unmet = self.exclude(unmet, place.at("else")) if "else" in place.schema else ()
        return (*met, *unmet)

    # ------------------------------------------------------------------------------------------------------- shared

    def _groups(self, place: Place) -> Iterable[tuple[str, ...]]:
        """The keywords of a schema in the order in which they are applied, those that act together as one."""
        for keyword in _REFUSED:
            if place.schema.get(keyword, True) is not True:
                raise SchemaNotLowered(place.pointer, keyword, "no decoder here knows it")
        for keys in _GROUPS:
            if any(key in place.schema for key in keys):
                self._steps += 1
                if self._steps > MAX_STEPS:
                    raise SchemaNotLowered(place.pointer, _present(keys, place.schema), "the schema has too many cases")
                yield keys

    def _opened(self, options: Options, keys: tuple[str, ...], schema: Mapping[str, Any]) -> Iterable[Option]:
        """Options as a keyword needs them: untyped ones split by the type that it is about, references followed."""
        kind = _TYPE_OF.get(_present(keys, schema), "")
        for option in options:
            if isinstance(option, Untyped) and kind in option.types:
                yield from (_TYPED[kind], Untyped(types=option.types - {kind}))
            elif isinstance(option, Reference):
                yield from self._opened(self.expand(option), keys, schema)
            else:
                yield option

    def _unfolded(self, options: Options) -> Options:
        return tuple(
            one
            for option in options
            for one in (self._unfolded(self.expand(option)) if isinstance(option, Reference) else (option,))
        )

    def _of_types(self, option: Option, types: frozenset[str]) -> Iterable[Option]:
        """What of an option is of these types; a type that was not said before gets its own option."""
        if isinstance(option, Untyped):
            for kind in sorted(option.types, key=_ORDER.index):
                if kind in _FINITE and kind in types:
                    yield Values(tuple(_FINITE[kind]))
                elif kind in types:
                    yield _TYPED[kind]
                elif kind == "number" and "integer" in types:
                    yield Number(integer=True)
        elif isinstance(option, Number) and "integer" in types and "number" not in types:
            yield replace(option, integer=True)
        elif option_type(option) in types:
            yield option

    def _values(self, option: Values, keys: tuple[str, ...], schema: Mapping[str, Any], *, fit: bool) -> Values:
        part = _part(keys, schema)
        return Values(tuple(text for text in option.texts if self.is_valid(part, json.loads(text)) is fit))

    def _member(self, option: Option, value: Any, keyword: str, place: Place) -> bool:
        if isinstance(option, Untyped):
            return json_type(value) in option.types
        if isinstance(option, Number | Text):
            return holds(option, value)
        if json_type(value) == option_type(option):
            raise SchemaNotLowered(place.pointer, keyword, "objects and arrays are listed here and described elsewhere")
        return False

    def _capped(self, options: Iterable[Option], keys: tuple[str, ...], place: Place) -> Options:
        found = united(options)
        if len(found) > MAX_BRANCHES:
            raise SchemaNotLowered(
                place.pointer, _present(keys, place.schema), f"it takes more than {MAX_BRANCHES} cases"
            )
        return found


_ORDER = ["null", "boolean", "number", "string", "array", "object"]
_Applicator = Callable[[CaseSplit, Options, Place], Options]
_APPLICATORS: dict[str, _Applicator] = {
    "allOf": CaseSplit._all_of,
    "anyOf": CaseSplit._any_of,
    "oneOf": CaseSplit._one_of,
    "not": CaseSplit._not,
    "if": CaseSplit._if,
    "dependentRequired": CaseSplit._dependent,
    "dependentSchemas": CaseSplit._dependent,
    "dependencies": CaseSplit._dependent,
}
_EXCLUDED: dict[str, _Applicator] = {
    "allOf": CaseSplit._not_all_of,
    "anyOf": CaseSplit._not_any_of,
    "not": CaseSplit._not_not,
    "if": CaseSplit._not_if,
}


def _part(keys: tuple[str, ...], schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: schema[key] for key in keys if key in schema}


def _check_exact(divisor: float, place: Place) -> None:
    """Raises SchemaNotLowered for a divisor that no double holds: the validator refuses some of its multiples."""
    if Fraction(divisor).denominator > FINEST_DIVISOR:
        reason = f"{divisor} is no sum of halves, so the validator refuses some of its multiples"
        raise SchemaNotLowered(place.pointer, "multipleOf", reason)


def _check_written(texts: Iterable[str], keyword: str, place: Place) -> None:
    for text in texts:
        if found := _UNWRITABLE.search(text):
            raise SchemaNotLowered(place.pointer, keyword, f"the engine can't write {found[0]!r}, as in {text}")


def _asks(check: Mapping[str, Any]) -> bool:
    return check.get("uniqueItems") is True or "contains" in check


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    said = schema["type"]
    return frozenset([said] if isinstance(said, str) else said)


def _types_of(option: Option) -> frozenset[str]:
    return option.types if isinstance(option, Untyped) else frozenset({option_type(option)})


def _present(keys: tuple[str, ...], schema: Mapping[str, Any]) -> str:
    return next((key for key in keys if key in schema), keys[0])
