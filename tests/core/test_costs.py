"""What errors cost: every form of declaration, and that failing is never cheaper than answering."""

import functools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.comparisons import same
from harness.core.costs import CostModel, field_cost
from harness.core.records import Costs, FieldCost, Task
from harness.core.schemas import AnswerSchema
from harness.fixtures_io.tasks import load_fixture

TICKETS = Path(__file__).parents[2] / "fixtures/support_tickets"
PRIORITY = FieldCost(ordinal=("P1", "P2", "P3", "P4"), under=8, over=1)
CATEGORY = FieldCost(
    default=4, pairs={"incident": {"any": 60}, "billing": {"refund": 1}, "login": {"locked": 6, "any": 8}}
)


@functools.lru_cache
def compiled(schema_text):
    return AnswerSchema(json.loads(schema_text))


def model(fields, *, properties, invalid=0.0, review=0.0, required=True):
    schema = {"properties": properties, "required": list(properties) if required else []}
    task = Task(
        name="t",
        schema=schema,
        decision_fields=tuple(properties),
        costs=Costs(invalid=invalid, review=review, fields=fields, costly_at_least=20),
    )
    return CostModel(task, compiled(json.dumps(schema)))


@pytest.mark.parametrize(
    ("expected", "predicted", "cost"),
    [
        ("outage", "outage", 0),
        ("outage", "login", 4),
        ("incident", "outage", 60),
        ("outage", "incident", 4),
        ("billing", "refund", 1),
        ("billing", "login", 4),
        ("login", "locked", 6),
        ("login", "outage", 8),
        ("login", None, 8),
    ],
)
def test_pairs_name_the_true_label_then_the_predicted_one_or_any_over_a_default(expected, predicted, cost):
    assert field_cost(CATEGORY, expected, predicted) == cost


@pytest.mark.parametrize(
    ("expected", "predicted", "cost"),
    [
        ("P1", "P1", 0),
        ("P1", "P2", 8),
        ("P1", "P4", 24),
        ("P3", "P4", 8),
        ("P4", "P1", 3),
        ("P2", "P1", 1),
        ("P1", "P9", 0),
    ],
)
def test_on_an_ordinal_scale_each_step_too_low_or_too_high_has_its_cost(expected, predicted, cost):
    assert field_cost(PRIORITY, expected, predicted) == cost


def test_a_value_off_the_ordinal_scale_costs_the_default():
    assert field_cost(FieldCost(default=5, ordinal=("P1", "P2"), under=8), "P1", "P9") == 5


@pytest.mark.parametrize(
    ("cost", "missed", "needless"),
    [
        (FieldCost(missed=50, needless=2), 50, 2),
        (FieldCost(missed=50, default=3), 50, 3),
        (FieldCost(needless=0, default=3), 3, 0),
        (FieldCost(pairs={"true": {"false": 7}}, default=3), 7, 3),
    ],
)
def test_a_boolean_is_missed_or_needless(cost, missed, needless):
    assert field_cost(cost, True, False) == missed
    assert field_cost(cost, False, True) == needless
    assert field_cost(cost, True, True) == field_cost(cost, False, False) == 0


def test_what_is_no_boolean_is_neither_missed_nor_needless():
    cost = FieldCost(missed=50, needless=20, default=3)
    assert field_cost(cost, True, None) == field_cost(cost, False, "yes") == field_cost(cost, "a", "b") == 3


def test_true_is_not_1_and_1_is_1_0():
    cost = FieldCost(default=3)
    assert field_cost(cost, True, 1) == field_cost(cost, 1, True) == field_cost(cost, False, 0) == 3
    assert field_cost(cost, 1, 1.0) == 0


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ([1, {"a": True}], [1.0, {"a": True}], True),
        ([1, {"a": True}], [1, {"a": 1}], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([1, 2], [2, 1], False),
        ([1], [1, 1], False),
        ("1", 1, False),
        ({"a": 1}, 5, False),
        ([1], 5, False),
        ([1], {"a": 1}, False),
        (None, False, False),
        (None, None, True),
    ],
)
def test_values_are_equal_as_json_values_are(one, other, equal):
    assert same(one, other) is same(other, one) is equal


def test_the_costs_of_the_wrong_fields_add_up():
    fields = {"category": CATEGORY, "priority": PRIORITY}
    properties = {
        "category": {"enum": ["incident", "login"]},
        "priority": {"enum": ["P1", "P2"]},
        "team": {"enum": ["a"]},
    }
    costs = model(fields, properties=properties)
    expected = {"category": "incident", "priority": "P1", "team": "a"}
    assert costs.of_answer(expected, expected) == 0
    assert costs.of_answer(expected, {"category": "login", "priority": "P2", "team": "b"}) == 68
    assert costs.of_answer(expected, {"category": "incident", "priority": "P2", "team": "a"}) == 8
    assert (costs.costly_at_least, costs.review) == (20, 0)


def test_costs_of_a_field_that_is_no_decision_field_do_not_count():
    task = Task(
        name="t",
        schema={"properties": {"a": {"enum": ["x", "y"]}, "b": {"enum": ["x", "y"]}}},
        decision_fields=("a",),
        costs=Costs(fields={"a": FieldCost(default=1), "b": FieldCost(default=100)}),
    )
    costs = CostModel(task, AnswerSchema(task.schema))
    assert costs.of_answer({"a": "x", "b": "x"}, {"a": "y", "b": "y"}) == 1
    assert costs.worst({"a": "x", "b": "x"}) == 1


def test_worst_depends_on_the_case_and_is_at_least_the_cost_of_an_unusable_answer():
    costs = model({"priority": PRIORITY}, properties={"priority": {"enum": ["P1", "P2", "P3", "P4"]}}, invalid=10)
    assert [costs.worst({"priority": p}) for p in ("P1", "P2", "P3", "P4")] == [24, 16, 10, 10]
    assert costs.largest({"priority": p} for p in ("P4", "P2")) == 16
    assert costs.largest([]) == 0


def test_the_largest_cost_covers_a_review_too():
    costs = model({}, properties={"a": {"enum": ["x"]}}, invalid=1, review=30)
    assert costs.largest([{"a": "x"}]) == 30


def test_worst_tells_true_from_1():
    fields = {"a": FieldCost(pairs={"true": {"any": 9}}, default=2)}
    costs = model(fields, properties={"a": {"enum": [True, 1]}})
    assert (costs.worst({"a": 1}), costs.worst({"a": True})) == (2, 9)


def test_worst_of_a_field_that_is_no_enumeration_covers_all_that_is_declared():
    fields = {
        "score": FieldCost(ordinal=(5, 4, 3, 2, 1), under=8, over=1),
        "note": FieldCost(default=1, pairs={"x": {"any": 2, "y": 50}}),
        "tags": FieldCost(default=7),
        "flag": FieldCost(missed=11, needless=3),
    }
    properties = {"score": {"type": "integer"}, "note": {"type": "string"}, "tags": {"type": "array"}, "flag": {}}
    expected = {"score": 5, "note": "x", "tags": ["a"], "flag": True}
    costs = model(fields, properties=properties)
    worst = {"score": 1, "note": "y", "tags": [], "flag": False}
    assert costs.worst(expected) == costs.of_answer(expected, worst) == 32 + 50 + 7 + 11
    assert costs.worst(expected | {"flag": False, "note": "z", "score": 1}) == 4 + 1 + 7 + 3


def test_worst_of_a_field_without_costs_is_nothing():
    costs = model({"note": FieldCost()}, properties={"note": {"type": "string"}, "tags": {}})
    assert costs.worst({"note": "x", "tags": []}) == 0


def test_worst_covers_an_optional_field_that_is_left_out():
    fields = {"a": FieldCost(default=9, pairs={"x": {"x": 0, "y": 1}})}
    properties = {"a": {"enum": ["x", "y"]}}
    expected = {"a": "x"}
    optional, required = (model(fields, properties=properties, required=needed) for needed in (False, True))
    assert optional.worst(expected) == optional.of_answer(expected, {}) == 9
    assert required.worst(expected) == 1


@pytest.fixture(scope="module")
def tickets():
    task = load_fixture(TICKETS).task
    schema = AnswerSchema(task.schema)
    return CostModel(task, schema), schema.joint_answers(), task.costs


def test_the_declared_costs_of_support_tickets_are_those_of_its_task_file(tickets):
    costs, _, _ = tickets
    incident = {"category": "security_incident", "priority": "P1", "escalate": True, "team": "security"}
    assert costs.of_answer(incident, incident | {"category": "outage", "team": "platform"}) == 60 + 10
    assert costs.of_answer(incident, incident | {"priority": "P2", "escalate": False}) == 8 + 25
    assert costs.worst(incident) == 60 + 24 + 25 + 10


JOINT = AnswerSchema(json.loads((TICKETS / "schema.json").read_text("utf-8"))).joint_answers()


@given(expected=st.sampled_from(JOINT))
@settings(deadline=None, max_examples=40)
def test_no_usable_answer_of_support_tickets_costs_more_than_an_unusable_one(tickets, expected):
    costs, joint, declared = tickets
    dearest = max(costs.of_answer(expected, answer) for answer in joint)
    assert costs.worst(expected) >= max(dearest, declared.invalid)
    assert costs.of_answer(expected, expected) == 0


LABELS = ("x", "y", "z", True, False, 1)
AMOUNTS = st.floats(0, 100)
FIELD_COSTS = st.builds(
    FieldCost,
    default=AMOUNTS,
    pairs=st.dictionaries(
        st.sampled_from(["x", "y", "z", "true", "false", "1"]),
        st.dictionaries(st.sampled_from(["x", "y", "z", "any", "true", "1"]), AMOUNTS),
    ),
    ordinal=st.lists(st.sampled_from(["x", "y", "z"]), unique=True).map(tuple),
    under=AMOUNTS,
    over=AMOUNTS,
    missed=st.none() | AMOUNTS,
    needless=st.none() | AMOUNTS,
)


@given(
    fields=st.fixed_dictionaries({"a": FIELD_COSTS, "b": FIELD_COSTS}),
    b=st.sampled_from([{"enum": list(LABELS)}, {"type": ["string", "boolean", "integer"]}]),
    required=st.booleans(),
    invalid=AMOUNTS,
)
@settings(deadline=None, max_examples=60)
def test_worst_is_never_below_any_answer_whatever_the_declared_costs(fields, b, required, invalid):
    costs = model(fields, properties={"a": {"enum": list(LABELS)}, "b": b}, invalid=invalid, required=required)
    answers = [{"a": one, "b": other} for one in LABELS for other in LABELS]
    given_answers = answers if required else [*answers, {}, {"a": "x"}]
    for expected in answers:
        dearest = max(costs.of_answer(expected, answer) for answer in given_answers)
        assert costs.worst(expected) >= max(dearest, invalid)
