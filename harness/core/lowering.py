"""A task's schema as decoders that know only a part of JSON Schema accept it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_REFUSED = frozenset(
    {"if", "then", "else", "allOf", "not", "dependentRequired", "dependentSchemas", "$schema", "$id", "title"}
)
_SCHEMA = frozenset({"items", "additionalProperties", "contains", "propertyNames", "unevaluatedProperties"})
_LIST_OF_SCHEMAS = frozenset({"anyOf", "oneOf", "prefixItems"})
_NAMED_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def lower_for_response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema` without the keywords that strict structured output refuses, at every depth.

    Left out: rules that tie fields together (`if`, `then`, `else`, `allOf`, `not`, `dependentRequired`,
    `dependentSchemas`) and names (`$schema`, `$id`, `title`). An enumeration without a `type`, which strict mode
    refuses too, gets the type of its values. The result allows every answer that `schema` allows, and more: an answer
    is always validated against the whole schema afterwards, so a broken rule still counts as invalid.
    """
    lowered: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _REFUSED:
            continue
        if key in _SCHEMA:
            lowered[key] = _lower(value)
        elif key in _LIST_OF_SCHEMAS:
            lowered[key] = [_lower(one) for one in value]
        elif key in _NAMED_SCHEMAS:
            lowered[key] = {name: _lower(one) for name, one in value.items()}
        else:
            lowered[key] = value
    values = [schema["const"]] if "const" in schema else schema.get("enum", ())
    if "type" not in schema and (types := _types(values)):
        lowered = {"type": types[0] if len(types) == 1 else types, **lowered}
    return lowered


def _lower(value: Any) -> Any:
    return lower_for_response_format(value) if isinstance(value, Mapping) else value


def _types(values: Sequence[Any]) -> list[str]:
    """The JSON types of scalar values, in order of appearance; none if one of them is an object or an array."""
    found = [_TYPES.get(type(value)) for value in values]
    return list(dict.fromkeys(t for t in found if t is not None)) if None not in found else []
