"""Answers against a task's schema: which kind of mistake is named, and which answers there are at all."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, SchemaError

from harness.core.errors import ClaimError
from harness.core.schemas import MAX_JOINT_ANSWERS, AnswerSchema, label_text

TICKETS = json.loads((Path(__file__).parents[2] / "fixtures/support_tickets/schema.json").read_text("utf-8"))
INCIDENT = {"category": "security_incident", "priority": "P1", "escalate": True, "team": "security"}
QUESTION = {"category": "product_question", "priority": "P3", "escalate": False, "team": "support"}


@pytest.fixture(scope="module")
def tickets():
    return AnswerSchema(TICKETS)


@pytest.mark.parametrize("answer", [INCIDENT, QUESTION, dict(reversed(INCIDENT.items()))])
def test_a_right_answer_has_no_error_whatever_the_order_of_its_keys(tickets, answer):
    assert tickets.first_error(answer) is None


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"team": None}, "missing_field", "'team' is a required property"),
        ({"mood": "angry"}, "unknown_field", "'mood' was unexpected"),
        ({"category": "outages"}, "unknown_label", "category: 'outages' is not one of"),
        ({"priority": 1}, "unknown_label", "priority: 1 is not one of"),
        ({"priority": "p1"}, "unknown_label", "priority: 'p1' is not one of"),
        ({"escalate": "true"}, "wrong_type", "escalate: 'true' is not of type 'boolean'"),
        ({"escalate": 1}, "wrong_type", "escalate: 1 is not of type 'boolean'"),
        ({"category": ["outage"]}, "unknown_label", "category: ['outage'] is not one of"),
        ({"team": "security"}, "rule", "team: 'security' is not one of"),
        ({"category": "contacts_and_lists", "team": "payments_risk"}, "rule", "team: 'payments_risk' "),
        ({"priority": "P1"}, "rule", "is not one of"),
    ],
)
def test_the_kind_of_a_mistake_in_one_field(tickets, change, kind, words):
    answer = {key: value for key, value in (QUESTION | change).items() if value is not None}
    found = tickets.first_error(answer)
    assert found is not None
    assert found[0] == kind
    assert words in found[1]


@pytest.mark.parametrize(
    "change",
    [
        {"priority": "P3"},
        {"escalate": False},
        {"team": "platform"},
        {"category": "outage"},
    ],
)
def test_rules_across_fields_are_checked_and_named_rule(tickets, change):
    answer = INCIDENT | change
    assert tickets.first_error(answer)[0] == "rule"


@pytest.mark.parametrize("answer", [[], "outage", 5, 1.5, True, None])
def test_what_is_no_object_is_named_so(tickets, answer):
    found = tickets.first_error(answer)
    assert found is not None
    assert found[0] == "not_an_object"
    assert type(answer).__name__ in found[1]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"team": None, "mood": 1, "category": "x", "escalate": "x"}, "missing_field"),
        ({"mood": 1, "category": "x", "escalate": "x"}, "unknown_field"),
        ({"category": "x", "escalate": "x"}, "wrong_type"),
        ({"category": "x", "team": "security"}, "unknown_label"),
        # The rule's field comes first in the alphabet, the unknown label is the more telling mistake all the same.
        ({"category": "security_incident", "priority": "P3", "escalate": True, "team": "nobody"}, "unknown_label"),
    ],
)
def test_of_several_mistakes_the_most_telling_one_is_named(tickets, change, kind):
    answer = {key: value for key, value in (QUESTION | change).items() if value is not None}
    assert tickets.first_error(answer)[0] == kind


def test_other_keywords_are_named_schema():
    schema = AnswerSchema({"properties": {"note": {"type": "string", "maxLength": 3}}})
    assert schema.first_error({"note": "long"})[0] == "schema"


def test_a_number_too_large_for_the_check_is_an_error_and_does_not_raise():
    schema = AnswerSchema({"properties": {"amount": {"type": "number", "multipleOf": 0.01}}})
    assert schema.first_error({"amount": 10**400})[0] == "schema"
    assert schema.first_error({"amount": 5}) is None


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
LABELS = [label for prop in TICKETS["properties"].values() for label in prop.get("enum", (True, False))]


@given(answer=st.dictionaries(st.sampled_from(list(TICKETS["properties"])), st.sampled_from(LABELS) | JSON_VALUES))
@settings(deadline=None, max_examples=150)
def test_an_answer_has_no_error_exactly_when_the_schema_allows_it(tickets, answer):
    assert (tickets.first_error(answer) is None) == Draft202012Validator(TICKETS).is_valid(answer)


@given(answer=JSON_VALUES)
@settings(deadline=None, max_examples=100)
def test_no_json_value_makes_validation_raise(tickets, answer):
    found = tickets.first_error(answer)
    assert found is not None
    assert found[0] in {"not_an_object", "missing_field", "unknown_field"}


@pytest.mark.parametrize(
    ("prop", "values"),
    [
        ({"enum": ["a", "b"]}, ("a", "b")),
        ({"enum": ["a", 1, None, True]}, ("a", 1, None, True)),
        ({"const": "a"}, ("a",)),
        ({"type": "boolean"}, (True, False)),
        ({"type": "boolean", "enum": [False]}, (False,)),
        ({"type": "string"}, None),
        ({"type": "integer", "minimum": 1, "maximum": 3}, None),
        ({}, None),
        (True, None),
    ],
)
def test_the_values_that_a_field_may_take(prop, values):
    assert AnswerSchema({"properties": {"field": prop}}).enumerated("field") == values


def test_an_unknown_field_is_not_an_enumeration(tickets):
    assert tickets.enumerated("mood") is None


def test_fields_stand_in_the_order_of_the_schema(tickets):
    assert tickets.fields == ("category", "priority", "escalate", "team")


def test_what_is_no_json_schema_is_refused():
    with pytest.raises(SchemaError):
        AnswerSchema({"properties": {"a": {"type": "sentence"}}})


def brute_force(schema):
    """Every combination of the values, filtered by an independent validator."""
    names = sorted(schema["properties"])
    options = [schema["properties"][name].get("enum", (True, False)) for name in names]
    validator = Draft202012Validator(schema)
    rows = (dict(zip(names, row, strict=True)) for row in itertools.product(*options))
    return [row for row in rows if validator.is_valid(row)]


def as_set(answers):
    return {json.dumps(answer, sort_keys=True) for answer in answers}


def test_the_joint_answers_of_support_tickets_are_those_that_brute_force_finds(tickets):
    found = tickets.joint_answers()
    assert as_set(found) == as_set(brute_force(TICKETS))
    assert len(found) == len(as_set(found))
    assert 0 < len(found) < 12 * 4 * 2 * 8
    assert all(tickets.first_error(answer) is None for answer in found)


FIELDS = {"a": ["x", "y", "z"], "b": [1, 2], "c": [True, False]}
RULES = st.builds(
    lambda field, value, other, allowed: {
        "if": {"properties": {field: {"const": value}}},
        "then": {"properties": {other: {"enum": allowed}}},
    },
    st.sampled_from(["a"]),
    st.sampled_from(FIELDS["a"]),
    st.sampled_from(["b", "c"]),
    st.lists(st.sampled_from([1, 2, True, False]), min_size=1, max_size=2),
)


@given(rules=st.lists(RULES, max_size=4))
@settings(deadline=None, max_examples=25)
def test_joint_answers_equal_brute_force_filtering_for_any_rules(rules):
    schema = {"properties": {name: {"enum": values} for name, values in FIELDS.items()}, "allOf": [True, *rules]}
    assert as_set(AnswerSchema(schema).joint_answers()) == as_set(brute_force(schema))


def test_rules_that_exclude_each_other_leave_no_answer():
    schema = {"properties": {"a": {"enum": ["x"]}}, "not": {"properties": {"a": {"const": "x"}}}}
    assert AnswerSchema(schema).joint_answers() == ()
    assert AnswerSchema({"properties": {"a": {"enum": []}, "b": {"enum": [1]}}}).joint_answers() == ()


def test_a_free_field_has_no_list_of_answers():
    schema = AnswerSchema({"properties": {"a": {"enum": ["x"]}, "note": {"type": "string"}}})
    with pytest.raises(ClaimError, match="field 'note' is not an enumeration"):
        schema.joint_answers()


def test_too_many_combinations_are_refused_before_they_are_listed():
    labels = {"enum": list(range(1000))}
    with pytest.raises(ClaimError, match=f"1000000000 combinations of values; at most {MAX_JOINT_ANSWERS}"):
        AnswerSchema({"properties": {"a": labels, "b": labels, "c": labels}}).joint_answers()


@pytest.mark.parametrize(("value", "text"), [(True, "true"), (False, "false"), (1, "1"), ("P1", "P1"), (1.5, "1.5")])
def test_a_label_is_written_as_a_person_writes_it(value, text):
    assert label_text(value) == text
