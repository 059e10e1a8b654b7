"""Outcome tables → the values that claims are made of, the rates of a report, and what cost most."""

import numpy as np
import pytest

from harness.core.errors import ClaimError
from harness.core.metrics import (
    HIGHER_IS_BETTER,
    METRICS,
    confusions,
    costly,
    dearest_errors,
    members,
    outcomes_of,
    rates,
)
from harness.core.records import Case, Costs, Failure, Measure, Outcome, Response, Slice, Status, Task
from harness.core.tables import TableBuilder

TASK = Task(
    name="t",
    schema={},
    decision_fields=("kind", "loud"),
    slices=(
        Slice(name="soups", where={"kind": ("soup",)}),
        Slice(name="quiet", where={"loud": (False,), "kind": ("soup", "tea")}),
        Slice(name="marked", tag="mark", critical=True),
        Slice(name="nobody", tag="never"),
    ),
    costs=Costs(costly_at_least=20),
)


def case(name, kind, loud, **changes):
    return Case(id=name, inputs={"text": name}, expected={"kind": kind, "loud": loud}, **changes)


CASES = [
    case("right", "soup", False),
    case("wrong", "soup", True, tags=("mark",)),
    case("dear", "tea", False, cluster="k"),
    case("invalid", "tea", True),
    case("error", "soup", False, cluster="k"),
    case("review", "tea", False),
    case("extra", "soup", True, supplement=True, tags=("mark",)),
    case("missing", "tea", True),
]
ENDS = {  # status, kind right, loud right, cost, answer
    "right": (Status.CORRECT, True, True, 0.0, {"kind": "soup", "loud": False}),
    "wrong": (Status.WRONG, False, True, 4.0, {"kind": "tea", "loud": True}),
    "dear": (Status.WRONG, False, False, 42.0, {"kind": "soup", "loud": True}),
    "invalid": (Status.INVALID, False, False, 25.0, None),
    "error": (Status.ERROR, False, False, 25.0, None),
    "review": (Status.REVIEW, True, False, 3.0, {"kind": "tea", "loud": True}),
    "extra": (Status.WRONG, False, True, 20.0, {"kind": "tea", "loud": True}),
}


def kept(slice_name):
    return members(CASES, TASK.slice(slice_name) if slice_name else None)


def table(cases=CASES, repeats=1):
    made = TableBuilder(cases=cases, repeats=repeats, decision_fields=TASK.decision_fields, largest_cost=60)
    for name in [c.id for c in cases if c.id in ENDS]:
        status, kind, loud, cost, answer = ENDS[name]
        usable = answer is not None
        reply = Failure(kind="x", message="") if status is Status.ERROR else Response(text="")
        for repeat in range(repeats):
            made.add(
                Outcome(
                    case_id=name,
                    repeat=repeat,
                    status=status,
                    fields={"kind": kind, "loud": loud},
                    cost=cost,
                    valid=usable,
                    answer=answer,
                    problem="" if usable else "p",
                ),
                reply,
            )
    return made.finish()


def values(metric, *, slice_name=None, field=None):
    found = outcomes_of(table(), TASK, kept(slice_name), Measure(run="r", metric=metric, slice=slice_name, field=field))
    return dict(zip(found.case_ids, found.values[:, 0].tolist(), strict=True))


EXPECTED = {
    "accuracy": {"right"},
    "format_validity": {"right", "wrong", "dear", "review"},
    "unusable": {"invalid", "error"},
    "costly_error_rate": {"dear", "invalid", "error"},
    "error_rate": {"error"},
    "review_rate": {"review"},
}


@pytest.mark.parametrize("metric", EXPECTED)
def test_a_rate_has_a_one_for_each_case_that_counts_and_nan_for_a_missing_answer(metric):
    found = values(metric)
    assert set(found) == {c.id for c in CASES} - {"extra"}
    assert np.isnan(found.pop("missing"))
    assert {name for name, value in found.items() if value == 1} == EXPECTED[metric]
    assert set(found.values()) <= {0.0, 1.0}


def test_every_metric_is_tested():
    assert set(METRICS) == set(EXPECTED) | {"field_accuracy", "cost", "latency", "pass_hat", "disagreement"}
    assert set(METRICS) >= HIGHER_IS_BETTER


@pytest.mark.parametrize(("field", "right"), [("kind", {"right", "review"}), ("loud", {"right", "wrong"})])
def test_the_accuracy_of_one_field(field, right):
    assert {name for name, value in values("field_accuracy", field=field).items() if value == 1} == right


@pytest.mark.parametrize("field", [None, "kindd"])
def test_an_unknown_field_is_refused(field):
    with pytest.raises(ClaimError, match="there is no decision field .*there are: kind, loud"):
        values("field_accuracy", field=field)


def test_the_cost_is_that_of_the_outcome():
    found = values("cost")
    assert np.isnan(found.pop("missing"))
    assert found == {name: ENDS[name][3] for name in ENDS if name != "extra"}


def test_an_unknown_metric_is_refused_with_the_known_ones():
    with pytest.raises(ClaimError, match="there is no metric 'acuracy'; there are: accuracy, "):
        values("acuracy")


def test_an_unknown_slice_is_refused_with_the_known_ones():
    with pytest.raises(KeyError, match="has no slice 'sups'; it has: soups, quiet"):
        values("accuracy", slice_name="sups")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (None, {"right", "wrong", "dear", "invalid", "error", "review", "missing"}),
        ("soups", {"right", "wrong", "error", "extra"}),
        ("quiet", {"right", "dear", "error", "review"}),
        ("marked", {"wrong", "extra"}),
        ("nobody", set()),
    ],
)
def test_supplement_cases_count_for_their_slices_only(name, found):
    keep = members(CASES, TASK.slice(name) if name else None)
    assert {c.id for c, kept in zip(CASES, keep, strict=True) if kept} == found
    assert set(values("accuracy", slice_name=name)) == found


def test_clusters_go_along_where_any_case_has_one():
    found = outcomes_of(table(), TASK, kept("quiet"), Measure(run="r", metric="accuracy", slice="quiet"))
    assert dict(zip(found.case_ids, found.clusters, strict=True)) == {
        "right": None,
        "dear": "k",
        "error": "k",
        "review": None,
    }
    assert (
        outcomes_of(table(), TASK, kept("marked"), Measure(run="r", metric="accuracy", slice="marked")).clusters is None
    )


def test_a_correct_answer_is_never_costly_whatever_it_costs():
    made = TableBuilder(cases=CASES[:1], repeats=1, decision_fields=(), largest_cost=60)
    made.add(
        Outcome(case_id="right", repeat=0, status=Status.CORRECT, fields={}, cost=50.0, valid=True), Response(text="")
    )
    assert not costly(made.finish(), TASK).any()


def test_an_error_at_the_declared_cost_is_costly_and_one_just_below_is_not():
    found = dict(zip((c.id for c in CASES), costly(table(), TASK)[:, 0].tolist(), strict=True))
    assert {name for name, dear in found.items() if dear} == {"dear", "invalid", "error", "extra"}


def test_the_rates_of_a_report_are_counts_over_cases_and_repeats():
    found = rates(table(repeats=3), TASK, members(CASES, None))
    assert (found.n, found.missing) == (21, 3)
    assert (found.correct, found.valid, found.costly, found.errors, found.reviews) == (3, 12, 9, 3, 3)
    assert found.field_correct == {"kind": 6, "loud": 6}
    assert found.cost_per_1000 == pytest.approx(1000 * (4 + 42 + 25 + 25 + 3) / 6)


def test_the_rates_of_no_cases_are_zero_and_their_cost_is_not_a_number():
    found = rates(table(), TASK, members(CASES, TASK.slice("nobody")))
    assert (found.n, found.correct) == (0, 0)
    assert np.isnan(found.cost_per_1000)


def test_the_dearest_errors_come_first_and_equal_ones_by_id():
    keep = np.ones(len(CASES), dtype=bool)
    named = [(CASES[row].id, cost) for row, cost in dearest_errors(table(), keep, 10)]
    assert named == [
        ("dear", 42.0),
        ("error", 25.0),
        ("invalid", 25.0),
        ("extra", 20.0),
        ("wrong", 4.0),
        ("review", 3.0),
    ]
    assert [CASES[row].id for row, _ in dearest_errors(table(), keep, 2)] == ["dear", "error"]
    assert [CASES[row].id for row, _ in dearest_errors(table(), members(CASES, None), 9)].count("extra") == 0


def test_confusions_are_counted_with_their_summed_cost_dearest_first():
    def cost_of(field, expected, answered):
        return {"kind": 5.0, "loud": 12.0}[field]

    found = confusions(table(repeats=2), CASES, np.ones(len(CASES), dtype=bool), cost_of)
    assert [(c.field, c.expected, c.answered, c.count, c.cost) for c in found] == [
        ("loud", "false", "true", 2, 24.0),
        ("kind", "soup", "tea", 4, 20.0),
        ("kind", "tea", "soup", 2, 10.0),
    ]
    natural = confusions(table(repeats=2), CASES, members(CASES, None), cost_of)
    assert [(c.field, c.expected, c.count) for c in natural if c.expected == "soup"] == [("kind", "soup", 2)]
