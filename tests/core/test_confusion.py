"""The confusion matrix of one decision field in money."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.confusion import OTHER, REVIEWED, UNUSABLE, money_confusion
from harness.core.costs import field_cost
from harness.core.metrics import confusions
from harness.core.records import Case, Costs, Failure, FieldCost, Response, Task
from harness.core.scoring import Scorer
from harness.core.tables import TableBuilder

KINDS = [f"k{i}" for i in range(6)]
FIELDS = {
    "kind": FieldCost(default=4, pairs={"k0": {"any": 60}, "k1": {"k2": 12}}),
    "loud": FieldCost(missed=30, needless=2),
}
TASK = Task(
    name="t",
    schema={
        "type": "object",
        "required": ["kind", "loud"],
        "properties": {"kind": {"enum": KINDS}, "loud": {"type": "boolean"}},
    },
    decision_fields=("kind", "loud"),
    costs=Costs(invalid=25, review=3, fields=FIELDS),
)


def cost_of(field, expected, answered):
    return field_cost(FIELDS[field], expected, answered)


def scored(rows, *, review_below=None):
    """A table of (expected kind, expected loud, answers…); an answer is (kind, loud), "?" or None for a failure."""
    cases = [
        Case(id=f"c{i}", inputs={}, expected={"kind": kind, "loud": loud}) for i, (kind, loud, *_) in enumerate(rows)
    ]
    scorer = Scorer(TASK, review_below=review_below)
    made = TableBuilder(cases=cases, repeats=len(rows[0]) - 2, decision_fields=("kind", "loud"), largest_cost=90)
    for case, (_, _, *answers) in zip(cases, rows, strict=True):
        for repeat, answer in enumerate(answers):
            if answer == "missing":
                continue
            if answer is None:
                reply = Failure(kind="timeout", message="")
            elif answer == "?":
                reply = Response(text="no idea")
            else:
                loud = "true" if answer[1] else "false"
                sure = 0.1 if answer[2:] else 0.9
                reply = Response(
                    text=f'{{"kind": "{answer[0]}", "loud": {loud}}}', confidence={"kind": sure, "loud": sure}
                )
            made.add(scorer.score(case, repeat, reply), reply)
    return made.finish(), cases


def matrix(rows, *, keep=None, **options):
    made, cases = scored(rows, review_below=options.pop("review_below", None))
    return money_confusion(made, cases, np.ones(len(cases), bool) if keep is None else keep, cost_of, **options)


def test_what_was_answered_instead_of_what_is_summed_in_money_and_in_times():
    found = matrix(
        [
            ("k0", False, ("k1", False), ("k0", False)),
            ("k1", False, ("k2", False), ("k2", True)),
            ("k2", False, ("k2", False), ("k2", False)),
            ("k3", True, "?", None),
        ]
    )
    assert found.field == "kind"
    assert found.rows == ("k1", "k3", "k0", "k2")
    assert found.columns == ("k1", "k3", "k0", "k2", UNUSABLE)
    assert found.right.tolist() == [0, 0, 1, 2]
    assert found.costs.tolist() == [[0, 0, 0, 24, 0], [0, 0, 0, 0, 68], [60, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert found.counts.tolist() == [[0, 0, 0, 2, 0], [0, 0, 0, 0, 2], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]


def test_the_field_whose_wrong_labels_cost_most_is_shown_unless_one_is_named():
    rows = [("k2", True, ("k3", False)), ("k2", True, ("k2", False))]
    found = matrix(rows)
    assert (found.field, found.rows, found.costs.sum()) == ("loud", ("false", "true"), 60)
    assert found.costs[1, 0] == 60
    assert matrix(rows, fields=("kind",)).costs.sum() == 4


def test_labels_beyond_the_dearest_are_summed_together():
    rows = [("k0", False, ("k5", False)), ("k2", False, ("k3", False)), ("k3", False, ("k4", False))]
    found = matrix([*rows, ("k4", False, ("k4", False))], most=2)
    assert found.rows == ("k0", "k5", OTHER)
    assert found.columns == ("k0", "k5", OTHER, UNUSABLE)
    assert found.costs.tolist() == [[0, 60, 0, 0], [0, 0, 0, 0], [0, 0, 8, 0]]
    assert found.counts[2, 2] == 2
    assert found.right.tolist() == [0, 0, 1]


def test_what_went_to_a_person_costs_that_and_confuses_nobody():
    rows = [("k0", False, ("k1", False, "unsure")), ("k0", False, ("k0", False))]
    found = matrix(rows, review_below=0.5)
    assert found.columns[-1] == REVIEWED
    assert found.costs.sum() == 3
    assert found.right.tolist() == [1]
    made, cases = scored(rows, review_below=0.5)
    assert confusions(made, cases, np.ones(2, bool), cost_of) == []


def test_only_kept_cases_count_and_nothing_is_said_where_all_are_right():
    rows = [("k0", False, ("k1", False)), ("k1", False, ("k1", False)), ("k1", False, "missing")]
    assert matrix(rows, keep=np.array([False, True, True])) is None
    assert matrix(rows).costs.sum() == 60


answers = st.one_of(
    st.tuples(st.sampled_from(KINDS), st.booleans()),
    st.tuples(st.sampled_from(KINDS), st.booleans(), st.just("unsure")),
    st.sampled_from(["?", None, "missing"]),
)


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.booleans(), answers, answers), min_size=1, max_size=25),
    st.integers(1, 7),
    st.booleans(),
)
def test_all_fields_together_cost_what_the_table_says(rows, most, reviewed):
    review_below = 0.5 if reviewed else None
    made, cases = scored(rows, review_below=review_below)
    keep = np.arange(len(cases)) % 4 != 3
    found = [money_confusion(made, cases, keep, cost_of, fields=(f,), most=most) for f in ("kind", "loud")]
    total = np.nansum(made.cost[keep])
    if found[0] is None:
        assert total == 0
        return
    first = found[0]
    assert first.costs.shape == (len(first.rows), len(first.columns))
    labelled = [m.costs[:, : len(m.rows)].sum() for m in found]
    apart = [m.costs[:, len(m.rows) :].sum() for m in found]
    assert apart[0] == pytest.approx(apart[1])
    assert sum(labelled) + apart[0] == pytest.approx(total)
    answered = int((~np.isnan(made.cost[keep])).sum())
    assert {int(m.counts.sum() + m.right.sum()) for m in found} == {answered}
    assert len(first.rows) <= most + 1
