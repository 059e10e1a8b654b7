"""Schemas as strict structured output takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.lowering import lower_for_response_format
from harness.core.schemas import AnswerSchema

TICKETS = Path(__file__).parents[2] / "fixtures/support_tickets/schema.json"


def test_rules_and_names_go_and_fields_stay() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "x",
        "title": "ticket",
        "type": "object",
        "additionalProperties": False,
        "required": ["a"],
        "properties": {"a": {"title": "A", "type": "string", "not": {"const": "x"}, "description": "kept"}},
        "allOf": [{"required": ["a"]}],
        "if": {"required": ["a"]},
        "then": {"required": ["b"]},
        "else": False,
        "not": {"required": ["c"]},
        "dependentRequired": {"a": ["b"]},
    }
    assert lower_for_response_format(schema) == {
        "type": "object",
        "additionalProperties": False,
        "required": ["a"],
        "properties": {"a": {"type": "string", "description": "kept"}},
    }


def test_refused_keywords_go_at_every_depth() -> None:
    leaf = {"type": "string", "title": "x"}
    schema = {
        "properties": {"list": {"type": "array", "items": leaf}, "either": {"anyOf": [leaf, {"$ref": "#/$defs/d"}]}},
        "$defs": {"d": {"type": "object", "properties": {"deep": leaf}}},
        "additionalProperties": leaf,
    }
    assert "title" not in json.dumps(lower_for_response_format(schema))


@pytest.mark.parametrize("name", ["title", "not", "if", "allOf", "$schema", "properties"])
def test_a_field_may_be_called_like_a_keyword(name: str) -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    assert lower_for_response_format(schema) == schema


def test_values_are_not_taken_for_schemas() -> None:
    schema = {"type": "object", "enum": [{"title": "kept", "not": 1}], "default": {"if": 2}}
    assert lower_for_response_format(schema) == schema


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"enum": ["a", "b"]}, "string"),
        ({"enum": [True, False]}, "boolean"),
        ({"const": 3}, "integer"),
        ({"enum": ["a", None]}, ["string", "null"]),
        ({"enum": [1, True, 2.5]}, ["integer", "boolean", "number"]),
        ({"enum": ["a"], "type": "string"}, "string"),
        ({"enum": ["a", {}]}, None),
        ({}, None),
    ],
)
def test_an_enumeration_gets_the_type_of_its_values(schema: dict[str, Any], expected: Any) -> None:
    assert lower_for_response_format(schema).get("type") == expected


def test_every_answer_of_the_whole_schema_stays_allowed_and_the_input_is_left_alone() -> None:
    text = TICKETS.read_text(encoding="utf-8")
    schema = json.loads(text)
    lowered = AnswerSchema(lower_for_response_format(schema))
    answers = AnswerSchema(schema).joint_answers()
    assert answers
    assert all(lowered.first_error(dict(a)) is None for a in answers)
    assert len(lowered.joint_answers()) > len(answers)
    assert schema == json.loads(text)
