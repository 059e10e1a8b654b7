"""Outcomes of one strategy in columns, collected in whatever order they come."""

import random
import sys

import numpy as np
import pytest

from harness.core.records import Case, Failure, Outcome, Response, Status, Task, Usage
from harness.core.scoring import Scorer
from harness.core.tables import MISSING, STATUSES, TEXT_KEPT, TableBuilder

CASES = [Case(id=f"c{i}", inputs={"text": ""}, expected={}, cluster="k" if i < 2 else None) for i in range(4)]


def builder(repeats=2):
    return TableBuilder(cases=CASES, repeats=repeats, decision_fields=("kind", "loud"), largest_cost=60.0)


def outcome(case_id, repeat=0, *, status=Status.CORRECT, kind=True, loud=True, cost=0.0, **changes):
    usable = status not in (Status.INVALID, Status.ERROR)
    return Outcome(
        case_id=case_id,
        repeat=repeat,
        status=status,
        fields={"kind": kind, "loud": loud},
        cost=cost,
        valid=usable,
        answer={"kind": case_id} if usable else None,
        **changes,
    )


def response(number=1, model="m1"):
    return Response(
        text="", latency_s=number / 10, usage=Usage(input_tokens=number, output_tokens=2 * number), provider_model=model
    )


def test_every_outcome_stands_in_the_row_of_its_case_and_the_column_of_its_repeat():
    made = builder()
    rows = [(case.id, repeat) for case in CASES for repeat in range(2)]
    for number, (case_id, repeat) in random.Random(1).sample(list(enumerate(rows)), len(rows)):
        made.add(outcome(case_id, repeat, cost=float(number), problem=f"p{number}"), response(number))
    table = made.finish()
    assert table.shape == (4, 2)
    assert table.case_ids == ("c0", "c1", "c2", "c3")
    assert table.clusters == ("k", "k", None, None)
    numbers = np.arange(8.0).reshape(4, 2)
    assert (table.cost == numbers).all()
    assert table.latency_s == pytest.approx(numbers / 10)
    assert (table.input_tokens == numbers).all()
    assert (table.output_tokens == 2 * numbers).all()
    assert table.problems.tolist() == [[f"p{2 * row}", f"p{2 * row + 1}"] for row in range(4)]
    assert table.answers.tolist() == [[{"kind": f"c{row}"}] * 2 for row in range(4)]
    assert (table.missing, table.count(Status.CORRECT), table.largest_cost) == (0, 8, 60.0)


@pytest.mark.parametrize("status", list(Status))
def test_every_status_is_kept_and_counted(status):
    made = builder(repeats=1)
    reply = Failure(kind="timeout", message="no") if status is Status.ERROR else response()
    made.add(outcome("c2", status=status), reply)
    table = made.finish()
    assert STATUSES[table.status[2, 0]] is status
    assert [table.count(other) for other in Status] == [int(other is status) for other in Status]
    assert table.valid[2, 0] == (status in (Status.CORRECT, Status.WRONG, Status.REVIEW))


def test_fields_are_right_or_wrong_one_by_one():
    made = builder(repeats=1)
    made.add(outcome("c0", status=Status.WRONG, kind=True, loud=False), response())
    made.add(outcome("c1", status=Status.WRONG, kind=False, loud=True), response())
    table = made.finish()
    assert table.fields["kind"][:, 0].tolist() == [True, False, False, False]
    assert table.fields["loud"][:, 0].tolist() == [False, True, False, False]


def test_what_never_came_is_missing_and_has_no_numbers():
    made = builder()
    made.add(outcome("c1", 1, cost=4.0), response())
    table = made.finish()
    assert table.missing == 7
    assert (table.status == MISSING).sum() == 7
    assert np.isnan(table.cost).sum() == 7
    assert not table.valid[table.status == MISSING].any()
    assert table.answers[0].tolist() == [None, None]
    assert np.nansum(table.cost) == 4.0


def test_a_failure_has_a_cost_but_neither_latency_nor_tokens():
    made = builder(repeats=1)
    made.add(outcome("c0", status=Status.ERROR, cost=25.0, problem="timeout"), Failure(kind="timeout", message="no"))
    table = made.finish()
    assert table.cost[0, 0] == 25.0
    assert np.isnan([table.latency_s[0, 0], table.input_tokens[0, 0], table.output_tokens[0, 0]]).all()
    assert (table.answers[0], table.problems[0]) == ([None], ["timeout"])
    assert table.provider_models == ()


def test_the_models_that_answered_are_listed_once():
    made = builder(repeats=1)
    for case, model in zip(CASES, ("m2", "m1", "m2", "m1"), strict=True):
        made.add(outcome(case.id), response(model=model))
    assert made.finish().provider_models == ("m1", "m2")


def test_an_unknown_case_or_repeat_is_an_error():
    with pytest.raises(KeyError):
        builder().add(outcome("c9"), response())
    with pytest.raises(IndexError):
        builder(repeats=1).add(outcome("c0", repeat=1), response())


def test_the_first_repeat_that_is_not_right_is_found():
    made = builder(repeats=3)
    made.add(outcome("c0", 0), response())
    made.add(outcome("c0", 1, status=Status.REVIEW), response())
    made.add(outcome("c0", 2, status=Status.WRONG), response())
    for repeat in range(3):
        made.add(outcome("c1", repeat), response())
    table = made.finish()
    assert [table.first_wrong(row) for row in range(3)] == [1, 0, 0]


def test_a_table_keeps_no_log_probabilities():
    """Nor does scoring: with 100,000 cases they would fill the memory."""
    made = builder()
    logprobs = tuple((letter, -0.5) for letter in "abc")
    before = sys.getrefcount(logprobs)
    reply = Response(text='{"kind": "c0"}', logprobs=logprobs)
    task = Task(name="t", schema={"type": "object"}, decision_fields=("kind",))
    scorer = Scorer(task, review_below=0.5)
    made.add(scorer.score(Case(id="c0", inputs={}, expected={"kind": "c0"}), 0, reply), reply)
    del reply
    assert made.finish().count(Status.REVIEW) == 1
    assert sys.getrefcount(logprobs) == before


def test_the_beginning_of_an_unusable_answer_and_the_confidence_of_a_usable_one_are_kept():
    made = builder(repeats=1)
    made.add(outcome("c0", status=Status.INVALID, problem="prose"), Response(text="I think " + 1000 * "x"))
    made.add(outcome("c1", confidence=0.25), Response(text='{"kind": "c1"}'))
    made.add(outcome("c2", status=Status.ERROR, problem="timeout"), Failure(kind="timeout", message="late"))
    table = made.finish()
    assert table.texts[:, 0].tolist() == ["I think " + (TEXT_KEPT - 8) * "x", "", "", ""]
    assert np.isnan(table.confidence[[0, 2, 3], 0]).all()
    assert table.confidence[1, 0] == 0.25
