"""The schema of an answer: validation, and the finite set of answers that an enumerated schema allows."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from harness.core.digests import canonical_json
from harness.core.errors import ClaimError
from harness.core.records import Scalar

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

MAX_JOINT_ANSWERS = 200_000


class AnswerSchema:
    """A task's schema, compiled once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Raises jsonschema.SchemaError if `schema` is not a valid JSON Schema."""
        self.schema = schema
        self._validator = _compiled(canonical_json(schema))
        self._properties: Mapping[str, Any] = schema.get("properties", {})

    def first_error(self, answer: Any) -> tuple[str, str] | None:
        """(kind, message) of the most telling violation, None for a valid answer.

        Kinds: `not_an_object`, `missing_field`, `unknown_field`, `unknown_label`, `wrong_type`, `rule` (a rule that
        ties fields together) and `schema` for the rest.
        """
        if not isinstance(answer, dict):
            return "not_an_object", f"the answer is a JSON {type(answer).__name__}, not an object"
        try:
            ranked = sorted(
                ((_kind(error), error) for error in self._validator.iter_errors(answer)),
                key=lambda pair: (_RANK.index(pair[0]), list(map(str, pair[1].absolute_path)), pair[1].message),
            )
        except OverflowError:
            return "schema", "a number is too large to be checked"
        if not ranked:
            return None
        kind, error = ranked[0]
        where = ".".join(map(str, error.absolute_path))
        return kind, f"{where}: {error.message}" if where else error.message

    def enumerated(self, name: str) -> tuple[Scalar, ...] | None:
        """The values that field `name` may take, None if it is not an enumeration."""
        prop = self._properties.get(name, {})
        if not isinstance(prop, Mapping):
            return None
        if "const" in prop:
            return (prop["const"],)
        if "enum" in prop:
            return tuple(prop["enum"])
        if prop.get("type") == "boolean":
            return (True, False)
        return None

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self._properties)

    def joint_answers(self) -> tuple[dict[str, Scalar], ...]:
        """Every combination of enumerated values that the whole schema allows, rules across fields included.

        Raises ClaimError if a field is not an enumeration or there are more than MAX_JOINT_ANSWERS combinations.
        """
        return _joint_answers(canonical_json(self.schema))


@lru_cache(maxsize=16)
def _compiled(schema_json: str) -> Draft202012Validator:
    """The validator of a schema; checking a schema takes far longer than using it."""
    from jsonschema import Draft202012Validator

    schema = json.loads(schema_json)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@lru_cache(maxsize=16)
def _joint_answers(schema_json: str) -> tuple[dict[str, Scalar], ...]:
    schema = AnswerSchema(json.loads(schema_json))
    names = schema.fields
    values: list[tuple[Scalar, ...]] = []
    count = 1
    for name in names:
        options = schema.enumerated(name)
        if options is None:
            raise ClaimError(f"field {name!r} is not an enumeration, so its answers can't be listed")
        values.append(options)
        count *= len(options)
    if count > MAX_JOINT_ANSWERS:
        raise ClaimError(f"the schema has {count} combinations of values; at most {MAX_JOINT_ANSWERS} can be listed")
    candidates = (dict(zip(names, row, strict=True)) for row in itertools.product(*values))
    return tuple(a for a in candidates if schema._validator.is_valid(a))


def _kind(error: ValidationError) -> str:
    kind = _KINDS.get(str(error.validator), "schema")
    path = error.absolute_schema_path
    if kind not in ("missing_field", "unknown_field") and ("then" in path or "else" in path):
        return "rule"
    return kind


def label_text(value: Scalar) -> str:
    """A value of an enumeration as a person writes it in a prompt: booleans as `true` and `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


_KINDS = {
    "required": "missing_field",
    "additionalProperties": "unknown_field",
    "unevaluatedProperties": "unknown_field",
    "enum": "unknown_label",
    "const": "unknown_label",
    "type": "wrong_type",
    "not": "rule",
    "anyOf": "rule",
    "oneOf": "rule",
}
_RANK = ["missing_field", "unknown_field", "wrong_type", "unknown_label", "schema", "rule"]
