"""Response → outcome: every reply ends in exactly one status, with its fields and its cost."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.records import Case, Costs, Failure, FieldCost, ParseMode, Response, Status, Task
from harness.core.schemas import AnswerSchema
from harness.core.scoring import Scorer
from harness.fixtures_io.tasks import load_fixture

TICKETS = load_fixture(Path(__file__).parents[2] / "fixtures/support_tickets").task
JOINT = AnswerSchema(TICKETS.schema).joint_answers()
RIGHT = {"category": "charge_dispute", "priority": "P2", "escalate": False, "team": "payments_risk"}
CASE = Case(id="c1", inputs={"text": "I was charged twice"}, expected=RIGHT)
WORST = 20 + 16 + 2 + 3
SURE = dict.fromkeys(RIGHT, 0.9)


def reply(answer, **details):
    return Response(text=answer if isinstance(answer, str) else json.dumps(answer), **details)


def score(answer, case=CASE, **options):
    return Scorer(TICKETS, **options).score(case, 0, answer if isinstance(answer, Failure) else reply(answer))


def test_the_right_answer_is_correct_and_free():
    outcome = Scorer(TICKETS).score(CASE, 3, reply(RIGHT))
    assert (outcome.case_id, outcome.repeat) == ("c1", 3)
    assert (outcome.status, outcome.cost, outcome.valid, outcome.problem) == (Status.CORRECT, 0, True, "")
    assert outcome.fields == dict.fromkeys(RIGHT, True)
    assert outcome.answer == RIGHT


def test_one_wrong_field_makes_the_answer_wrong_at_its_declared_cost():
    outcome = score(RIGHT | {"escalate": True})
    assert (outcome.status, outcome.cost, outcome.valid) == (Status.WRONG, 2, True)
    assert outcome.fields == {"category": True, "priority": True, "escalate": False, "team": True}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        ("no idea", "not_json"),
        ("[]", "not_an_object"),
        ("null", "not_an_object"),
        ("{}", "missing_field"),
        (json.dumps(RIGHT | {"mood": "angry"}), "unknown_field"),
        (json.dumps(RIGHT | {"escalate": "no"}), "wrong_type"),
        (json.dumps(RIGHT | {"category": "chargeback"}), "unknown_label"),
        (json.dumps(RIGHT | {"team": "billing"}), "rule"),
        (json.dumps(RIGHT)[:-1] + ', "team": "billing"}', "duplicate_key"),
        (f"```json\n{json.dumps(RIGHT)}\n```", "fence"),
    ],
)
def test_an_unusable_answer_is_invalid_at_the_largest_cost_of_its_case(text, problem):
    outcome = score(text)
    assert (outcome.status, outcome.problem, outcome.valid) == (Status.INVALID, problem, False)
    assert outcome.cost == WORST
    assert outcome.answer is None
    assert outcome.fields == dict.fromkeys(RIGHT, False)


def test_a_cut_off_answer_is_told_apart_from_bad_json():
    scorer = Scorer(TICKETS)
    text = json.dumps(RIGHT)[:-5]
    assert scorer.score(CASE, 0, reply(text)).problem == "not_json"
    assert scorer.score(CASE, 0, reply(text, finish_reason="length")).problem == "truncated"


def test_a_failure_is_an_error_at_the_largest_cost_of_its_case():
    outcome = score(Failure(kind="timeout", message="no answer within 60 s", retryable=True))
    assert (outcome.status, outcome.problem, outcome.valid) == (Status.ERROR, "timeout", False)
    assert outcome.cost == WORST
    assert outcome.fields == dict.fromkeys(RIGHT, False)


def test_the_parse_mode_decides_whether_prose_is_usable():
    text = f"I think {json.dumps(RIGHT)}"
    assert score(text).status is Status.INVALID
    assert score(text, parse_mode=ParseMode.LENIENT).status is Status.CORRECT
    assert score(f"{{}} {text}", parse_mode=ParseMode.LAST_JSON).status is Status.CORRECT


def test_true_is_not_1_and_1_is_1_0_in_status_and_in_cost():
    task = Task(
        name="t",
        schema={"properties": {"flag": {}, "count": {"type": "integer"}}},
        decision_fields=("flag", "count"),
        costs=Costs(fields={"flag": FieldCost(default=5), "count": FieldCost(default=3)}),
    )
    case = Case(id="c", inputs={"text": "x"}, expected={"flag": True, "count": 1})
    scorer = Scorer(task)
    assert scorer.score(case, 0, reply('{"flag": 1, "count": 1}')).fields == {"flag": False, "count": True}
    assert scorer.score(case, 0, reply('{"flag": 1, "count": 1}')).cost == 5
    equal = scorer.score(case, 0, reply('{"flag": true, "count": 1.0}'))
    assert (equal.status, equal.cost) == (Status.CORRECT, 0)


def test_decision_fields_may_hold_lists_and_objects():
    schema = {"required": ["tags"], "properties": {"tags": {"type": "array", "items": {"enum": ["a", "b", 1, True]}}}}
    task = Task(
        name="t",
        schema=schema,
        decision_fields=("tags",),
        costs=Costs(invalid=9, fields={"tags": FieldCost(default=4)}),
    )
    case = Case(id="c", inputs={"text": "x"}, expected={"tags": ["a", True]})
    answers = ['{"tags": ["a", true]}', '{"tags": ["a", 1]}', '{"tags": 5}']
    outcomes = [Scorer(task).score(case, 0, reply(text)) for text in answers]
    assert [(o.status, o.cost) for o in outcomes] == [(Status.CORRECT, 0), (Status.WRONG, 4), (Status.INVALID, 9)]


def test_fields_besides_the_decision_fields_do_not_count():
    task = Task(
        name="t", schema={"properties": {"label": {"enum": ["a", "b"]}, "reason": {}}}, decision_fields=("label",)
    )
    case = Case(id="c", inputs={"text": "x"}, expected={"label": "a", "reason": "because"})
    outcome = Scorer(task).score(case, 0, reply({"label": "a", "reason": "other"}))
    assert (outcome.status, outcome.fields) == (Status.CORRECT, {"label": True})


def test_a_validator_sends_an_answer_to_a_person_at_the_declared_cost():
    def two_teams(inputs, answer):
        return "charged twice: ask a person" if "twice" in inputs["text"] and answer["priority"] == "P2" else None

    outcome = score(RIGHT, validator=two_teams)
    assert (outcome.status, outcome.cost, outcome.valid) == (Status.REVIEW, 3, True)
    assert outcome.problem == "charged twice: ask a person"
    assert outcome.fields == dict.fromkeys(RIGHT, True)
    assert outcome.answer == RIGHT
    calm = Case(id="c2", inputs={"text": "I was charged once"}, expected=RIGHT)
    assert score(RIGHT, case=calm, validator=two_teams).status is Status.CORRECT


def test_a_validator_never_sees_an_unusable_answer_or_a_failure():
    seen = []

    def remember(inputs, answer):
        seen.append(answer)

    scorer = Scorer(TICKETS, validator=remember)
    for item in (reply("oops"), Failure(kind="timeout", message=""), reply(RIGHT)):
        scorer.score(CASE, 0, item)
    assert seen == [RIGHT]


@pytest.mark.parametrize(
    ("confidence", "status"),
    [
        (SURE, Status.CORRECT),
        (SURE | {"team": 0.8}, Status.CORRECT),
        (SURE | {"team": 0.79}, Status.REVIEW),
        ({"category": 1.0}, Status.REVIEW),
        (SURE | {"team": float("nan")}, Status.REVIEW),
        (SURE | {"other": 0.0}, Status.CORRECT),
        (None, Status.REVIEW),
    ],
)
def test_an_answer_with_less_confidence_than_declared_goes_to_a_person(confidence, status):
    outcome = Scorer(TICKETS, review_below=0.8).score(CASE, 0, reply(RIGHT, confidence=confidence))
    assert outcome.status is status
    assert outcome.cost == (3 if status is Status.REVIEW else 0)


def test_confidence_counts_although_a_validator_accepts_the_answer():
    scorer = Scorer(TICKETS, validator=lambda inputs, answer: None, review_below=0.95)
    outcome = scorer.score(CASE, 0, reply(RIGHT, confidence=SURE))
    assert (outcome.status, outcome.problem) == (Status.REVIEW, "confidence below 0.95")


def test_a_review_says_why():
    scorer = Scorer(TICKETS, review_below=0.8)
    low = scorer.score(CASE, 0, reply(RIGHT, confidence=dict.fromkeys(RIGHT, 0.5)))
    unknown = scorer.score(CASE, 0, reply(RIGHT))
    assert (low.problem, unknown.problem) == ("confidence below 0.8", "no confidence given")


def in_tokens(logprob):
    """The right answer, of which each letter of the team was written with this log-probability."""
    text = json.dumps(RIGHT)
    at = text.index("payments_risk")
    tokens = tuple((letter, logprob if at <= i < at + len("payments_risk") else 0.0) for i, letter in enumerate(text))
    return reply(text, logprobs=tokens)


@pytest.mark.parametrize(("logprob", "status"), [(-0.01, Status.CORRECT), (-0.02, Status.REVIEW)])
def test_log_probabilities_of_tokens_are_a_confidence_too(logprob, status):
    assert Scorer(TICKETS, review_below=0.8).score(CASE, 0, in_tokens(logprob)).status is status


def test_the_confidence_is_the_drivers_where_it_knows_one():
    scorer = Scorer(TICKETS)
    told = scorer.confidence(in_tokens(-0.01))
    assert told == pytest.approx(dict.fromkeys(RIGHT, 1.0) | {"team": math.exp(-0.13)})
    assert scorer.confidence(replace(in_tokens(-0.01), confidence=SURE)) == SURE
    assert scorer.confidence(reply(RIGHT)) is None


def test_log_probabilities_of_another_text_are_no_confidence():
    outcome = Scorer(TICKETS, review_below=0.8).score(
        CASE, 0, replace(in_tokens(0.0), text=json.dumps(RIGHT, indent=1))
    )
    assert (outcome.status, outcome.problem) == (Status.REVIEW, "no confidence given")


def test_an_answer_in_prose_has_the_confidence_of_its_tokens():
    scorer = Scorer(TICKETS, parse_mode=ParseMode.LENIENT, review_below=0.8)
    bare = in_tokens(-0.01)
    tokens = (("Sure! ", -9.0), *bare.logprobs, (" Anything else?", -9.0))
    said = replace(bare, text="".join(token for token, _ in tokens), logprobs=tokens)
    assert scorer.confidence(said) == scorer.confidence(bare)
    assert scorer.score(CASE, 0, said).status is Status.CORRECT


def test_confidence_does_not_matter_unless_a_threshold_is_declared():
    assert Scorer(TICKETS).score(CASE, 0, reply(RIGHT, confidence={})).status is Status.CORRECT


def test_equal_texts_are_read_once():
    scorer = Scorer(TICKETS)
    first, second = (scorer.read(reply(RIGHT)) for _ in range(2))
    assert first is second
    assert first == (RIGHT, "")


def shuffled(answer, order, space):
    """The same decision with other key order and white space."""
    pairs = (f'{space}"{key}"{space}:{space}{json.dumps(answer[key])}{space}' for key in order)
    return f"{space}{{{','.join(pairs)}}}{space}"


SCORERS = {mode: Scorer(TICKETS, parse_mode=mode) for mode in ParseMode}


@given(
    expected=st.sampled_from(JOINT),
    answer=st.sampled_from(JOINT),
    order=st.permutations(list(RIGHT)),
    space=st.text(" \t\r\n", max_size=3),
    mode=st.sampled_from(list(ParseMode)),
)
@settings(deadline=None, max_examples=100)
def test_equal_decisions_have_equal_outcomes_whatever_the_key_order_and_white_space(
    expected, answer, order, space, mode
):
    case = Case(id="c", inputs={"text": "x"}, expected=expected)
    plain = SCORERS[mode].score(case, 0, reply(answer))
    assert SCORERS[mode].score(case, 0, reply(shuffled(answer, order, space))) == plain
    assert plain.status is (Status.CORRECT if answer == expected else Status.WRONG)
    assert plain.fields == {name: answer[name] == expected[name] for name in RIGHT}


@given(text=st.text() | st.sampled_from(JOINT).map(json.dumps), expected=st.sampled_from(JOINT))
@settings(deadline=None, max_examples=150)
def test_every_text_ends_in_one_status_and_an_unusable_one_is_never_cheaper(text, expected):
    case = Case(id="c", inputs={"text": "x"}, expected=expected)
    outcome = SCORERS[ParseMode.STRICT].score(case, 0, reply(text))
    failure = SCORERS[ParseMode.STRICT].score(case, 0, Failure(kind="timeout", message=""))
    assert 0 <= outcome.cost <= failure.cost
    assert outcome.valid == (outcome.status in (Status.CORRECT, Status.WRONG))
    assert bool(outcome.problem) == (outcome.status is Status.INVALID)


@pytest.mark.parametrize(
    ("given", "lowest"),
    [
        (SURE | {"team": 0.3}, 0.3),
        (SURE | {"team": math.nan}, None),
        ({"team": 0.3}, None),
        (None, None),
    ],
)
def test_the_confidence_of_an_outcome_is_the_lowest_of_its_decision_fields(given, lowest):
    assert Scorer(TICKETS).score(CASE, 0, reply(RIGHT, confidence=given)).confidence == lowest
