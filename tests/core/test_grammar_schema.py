"""Schemas as constrained decoding takes them: the same answers, without rules, with bounds."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from harness.core.grammar_schema import MAX_INTEGER, MAX_ITEMS, MAX_TEXT, lower_for_grammar
from harness.core.options import SchemaNotLowered
from harness.core.schemas import AnswerSchema

TICKETS = Path(__file__).parents[2] / "fixtures/support_tickets/schema.json"
ABSENT = object()
DOMAINS = {
    "kind": ["a", "b", "c"],
    "urgent": [True, False],
    "level": [1, 2],
    "note": ["", "x", "xy"],
    "size": [-1, 2.5, None],
}
DECLARED = {
    "kind": {"enum": ["a", "b", "c"]},
    "urgent": {"type": "boolean"},
    "level": {"type": "integer", "minimum": 1},
    "note": {"type": "string", "maxLength": 2},
    "size": {"type": ["number", "null"]},
}
RULES = ("if", "then", "else", "not", "oneOf", "dependentRequired", "dependentSchemas", "allOf")


def answers() -> list[dict[str, Any]]:
    rows = itertools.product(*([*values, ABSENT] for values in DOMAINS.values()))
    return [{k: v for k, v in zip(DOMAINS, row, strict=True) if v is not ABSENT} for row in rows]


ANSWERS = answers()


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """Something said about the fields of DECLARED that has an opposite."""
    kind = draw(st.sampled_from(["fields", "fields", "required", "any", "all", "not"] if depth else ["fields"]))
    if kind == "fields":
        name = draw(st.sampled_from(sorted(DOMAINS)))
        return {"properties": {name: draw(field_conditions(name))}}
    if kind == "required":
        return {"required": draw(st.lists(st.sampled_from(sorted(DOMAINS)), min_size=1, max_size=2, unique=True))}
    if kind == "not":
        return {"not": draw(conditions(depth - 1))}
    parts = draw(st.lists(conditions(depth - 1), min_size=1, max_size=2))
    return {"anyOf" if kind == "any" else "allOf": parts}


def field_conditions(name: str) -> st.SearchStrategy[Any]:
    said = [st.just({"const": value}) for value in DOMAINS[name]]
    said.append(st.lists(st.sampled_from(DOMAINS[name]), min_size=1, max_size=2).map(lambda values: {"enum": values}))
    if name == "level":
        said.append(st.sampled_from([{"minimum": 2}, {"exclusiveMaximum": 2}, {"minimum": 2, "maximum": 2}]))
    if name == "note":
        said.append(st.sampled_from([{"minLength": 1}, {"maxLength": 1}, {"minLength": 1, "maxLength": 1}]))
    if name == "size":
        said.append(st.sampled_from([{"type": "null"}, {"type": "number", "exclusiveMinimum": 0}, {"type": "number"}]))
    return st.one_of(said)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["if", "if", "if", "not", "dependentRequired", "dependentSchemas", "oneOf", "anyOf"]))
    names = st.sampled_from(sorted(DOMAINS))
    if kind == "if":
        rule = {"if": draw(conditions()), "then": draw(conditions())}
        return rule | ({"else": draw(conditions())} if draw(st.booleans()) else {})
    if kind == "not":
        return {"not": draw(conditions())}
    if kind == "dependentRequired":
        return {kind: {draw(names): [draw(names)]}}
    if kind == "dependentSchemas":
        return {kind: {draw(names): draw(conditions(1))}}
    return {kind: draw(st.lists(conditions(1), min_size=1, max_size=2))}


@st.composite
def schemas(draw: st.DrawFn) -> dict[str, Any]:
    required = draw(st.lists(st.sampled_from(sorted(DOMAINS)), unique=True))
    schema = {"type": "object", "properties": DECLARED, "required": required, "additionalProperties": False}
    counts = draw(st.sampled_from([{}, {}, {"minProperties": 2}, {"maxProperties": 3}]))
    return schema | counts | {"allOf": draw(st.lists(rules(), min_size=1, max_size=3))}


def keywords(schema: Any) -> set[str]:
    if isinstance(schema, dict):
        names = set() if "properties" not in schema else set().union(*map(keywords, schema["properties"].values()))
        rest = {k: v for k, v in schema.items() if k not in ("properties", "enum")}
        return names | set(rest) | set().union(*map(keywords, rest.values()), set())
    return set().union(*map(keywords, schema), set()) if isinstance(schema, list) else set()


def without_decimals(schema: Any) -> Any:
    """The schema without its bound on decimals, which the validator's arithmetic misjudges."""
    if isinstance(schema, dict):
        return {k: without_decimals(v) for k, v in schema.items() if k != "multipleOf"}
    return [without_decimals(one) for one in schema] if isinstance(schema, list) else schema


@settings(max_examples=100, deadline=None)
@given(schemas())
def test_the_same_answers_are_allowed_without_any_rule(schema: dict[str, Any]) -> None:
    original = Draft202012Validator(schema)
    valid = [original.is_valid(answer) for answer in ANSWERS]
    try:
        lowered = lower_for_grammar(schema)
    except SchemaNotLowered:
        assert not any(valid)
        return
    assert not keywords(lowered) & set(RULES)
    allowed = Draft202012Validator(without_decimals(lowered))
    for answer, expected in zip(ANSWERS, valid, strict=True):
        assert allowed.is_valid(answer) is expected, answer


def test_the_support_tickets_keep_their_answers_and_the_order_of_their_fields() -> None:
    schema = json.loads(TICKETS.read_text(encoding="utf-8"))
    before = json.dumps(schema)
    lowered = lower_for_grammar(schema)
    fields_alone = AnswerSchema({key: value for key, value in schema.items() if key != "allOf"})
    whole, branches = AnswerSchema(schema), Draft202012Validator(lowered)
    candidates = fields_alone.joint_answers()
    assert len(candidates) == 768
    assert [a for a in candidates if branches.is_valid(a)] == list(whole.joint_answers())
    assert len(lowered["anyOf"]) <= 16
    assert all(list(b["properties"]) == ["category", "priority", "escalate", "team"] for b in lowered["anyOf"])
    assert json.dumps(schema) == before


def fields(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def field(schema: Any) -> dict[str, Any]:
    found: dict[str, Any] = lower_for_grammar(fields(f=schema))["properties"]["f"]
    return found


def test_what_has_no_bound_gets_one_and_declared_bounds_stay() -> None:
    assert field({"type": "string"})["maxLength"] == MAX_TEXT
    assert field({"type": "string", "maxLength": 1000})["maxLength"] == 1000
    assert field({"type": "string", "minLength": 300})["maxLength"] == 300
    assert field({"type": "array", "items": {"type": "null"}})["maxItems"] == MAX_ITEMS
    assert field({"type": "array", "minItems": 40})["maxItems"] == 40
    below, above = field({"type": "integer"})["anyOf"]
    assert (below["minimum"], below["maximum"], above["minimum"], above["maximum"]) == (
        -MAX_INTEGER,
        -1,
        0,
        MAX_INTEGER,
    )
    assert field({"type": "integer", "minimum": 5, "maximum": 7}) == {"type": "integer", "minimum": 5, "maximum": 7}
    assert field({"type": "integer", "minimum": 10**16})["maximum"] == 10**16 + MAX_INTEGER
    assert field({"type": "number", "minimum": 0, "maximum": 1})["multipleOf"] == 1e-6


def test_recursion_ends() -> None:
    tree = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
    }
    lowered = Draft202012Validator(lower_for_grammar(tree))
    answer: dict[str, Any] = {"name": "leaf"}
    depth = 0
    while lowered.is_valid(answer):
        assert Draft202012Validator(tree).is_valid(answer)
        answer, depth = {"name": "node", "children": [answer]}, depth + 1
    assert depth == 4


def test_a_recursion_that_must_go_on_is_refused() -> None:
    schema = {"$defs": {"n": fields(next={"$ref": "#/$defs/n"})}, "$ref": "#/$defs/n"}
    with pytest.raises(SchemaNotLowered, match="no answer fits"):
        lower_for_grammar(schema)


def test_a_definition_is_written_once() -> None:
    address = fields(street={"type": "string"})
    schema = fields(**{name: {"$ref": "#/$defs/address"} for name in "abcdef"}) | {"$defs": {"address": address}}
    lowered = lower_for_grammar(schema)
    assert json.dumps(lowered).count("street") == 2  # its name and that it is required
    assert Draft202012Validator(lowered).is_valid({name: {"street": "x"} for name in "abcdef"})


def test_fields_without_a_name_in_the_schema_are_left_out_beside_others_and_one_at_a_time_alone() -> None:
    assert field({"type": "object", "properties": {"a": {"type": "null"}}})["additionalProperties"] is False
    alone = field({"type": "object", "additionalProperties": {"type": "null"}})
    assert alone["maxProperties"] == 1
    with pytest.raises(SchemaNotLowered, match="minProperties"):
        field({"type": "object", "additionalProperties": {"type": "null"}, "minProperties": 2})


def test_formats_that_the_engine_does_not_know_say_nothing() -> None:
    assert "format" not in field({"type": "string", "format": "color"})
    assert field({"type": "string", "format": "date"})["format"] == "date"


def test_unique_items_of_a_list_are_written_out() -> None:
    pairs = field({"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True})
    assert pairs == {"enum": [[], ["a"], ["b"], ["a", "b"], ["b", "a"]]}
    has_a = field({"type": "array", "items": {"enum": ["a", "b"]}, "contains": {"const": "a"}, "maxItems": 2})
    assert ["b", "a"] in has_a["enum"]
    assert ["b", "b"] not in has_a["enum"]


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "pointer", "keyword"),
    [
        (fields(f={"type": "array", "items": TEXT, "uniqueItems": True}), "#/properties/f", "uniqueItems"),
        (fields(f={"type": "number", "multipleOf": 0.01}), "#/properties/f", "multipleOf"),
        (fields(f={"type": "string", "pattern": r"^\W+$"}), "#/properties/f", "pattern"),
        (fields(f={"$ref": "https://example.org/s.json"}), "#/properties/f", "$ref"),
        (fields(f={"$ref": "#/$defs/missing"}), "#/properties/f", "$ref"),
        (fields(f=TEXT) | {"if": {"properties": {"f": {"pattern": "^a"}}}, "then": {}}, "#/if/properties/f", "pattern"),
        (fields(f=TEXT) | {"propertyNames": {"maxLength": 3}}, "#", "propertyNames"),
        (fields(f={"enum": ["a", "\u0001"]}), "#/properties/f", "enum"),
    ],
)
def test_what_can_not_be_held_is_named_with_its_place(schema: dict[str, Any], pointer: str, keyword: str) -> None:
    with pytest.raises(SchemaNotLowered) as refusal:
        lower_for_grammar(schema)
    assert (refusal.value.pointer, refusal.value.keyword) == (pointer, keyword)
    assert f"schema {pointer}: `{keyword}`" in str(refusal.value)


def test_rules_with_too_many_cases_are_refused() -> None:
    numbers = {f"n{i}": {"type": "integer"} for i in range(12)}
    rule = {"if": {"properties": {name: {"minimum": 0} for name in numbers}}, "then": {"required": ["n0"]}}
    pairs = [{"anyOf": [{"required": [f"n{i}"]}, {"required": [f"n{i + 1}"]}]} for i in range(11)]
    with pytest.raises(SchemaNotLowered, match="more than 256 cases"):
        lower_for_grammar({"type": "object", "properties": numbers, "allOf": [rule, *pairs]})
