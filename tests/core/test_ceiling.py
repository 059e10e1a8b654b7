"""Whether more examples still help: slopes, what the last doubling brought, and the conclusion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as g

from harness.core import statistics as st
from harness.core.ceiling import ALPHA, WORTH, Arm, arm, curve, slope, token_slope
from harness.core.records import Case, Failure, Outcome, Response, Status, Usage
from harness.core.tables import TableBuilder


def arms(points, n, tokens=True):
    """Arms with these numbers of right cases, the first ones of `n`, at these numbers of examples."""
    return [
        Arm(
            name=f"{k} examples",
            examples=k,
            tokens=100.0 + 10 * k if tokens else None,
            right=(np.arange(n) < right).astype(float),
        )
        for k, right in points.items()
    ]


def measured(points, n=400, clusters=None, **options):
    return curve("s/few", arms(points, n, **options), clusters or [None] * n, source="pool")


def test_the_slope_of_two_points_is_the_paired_change_between_them():
    right = np.array([[1, 0]] * 3 + [[0, 1]] * 9 + [[1, 1]] * 30 + [[0, 0]] * 8, dtype=float)
    found = slope([4, 8], right, [None] * 50)
    assert found.estimate == pytest.approx(6 / 50 / 4)
    lower, upper = st.tango_interval(3, 9, 50, 0.95)
    assert (found.lower, found.upper) == (pytest.approx(lower / 4), pytest.approx(upper / 4))


def test_the_slope_is_that_of_least_squares_through_the_accuracies():
    x, counts = [0, 4, 8, 16], [10, 30, 35, 20]
    right = np.column_stack([np.arange(40) < k for k in counts]).astype(float)
    found = slope(x, right, [None] * 40)
    assert found.estimate == pytest.approx(np.polyfit(x, np.array(counts) / 40, 1)[0])
    assert found.lower < found.estimate < found.upper


def test_cases_from_the_same_clusters_widen_the_limits():
    right = np.column_stack([np.arange(40) < 10, np.arange(40) < 30]).astype(float)
    alone = slope([0, 1], right, [None] * 40)
    grouped = slope([0, 1], right, [f"k{i // 10}" for i in range(40)])
    assert grouped.estimate == alone.estimate
    assert grouped.lower < alone.lower < alone.upper < grouped.upper


@given(g.lists(g.integers(0, 60), min_size=2, max_size=6, unique=True), g.lists(g.booleans(), min_size=1, max_size=50))
def test_answers_that_do_not_move_have_no_slope_and_leave_as_much_open_as_the_cases_do(x, answers):
    right = np.repeat(np.array(answers, dtype=float)[:, None], len(x), axis=1)
    found = slope(x, right, [None] * len(answers))
    assert found.estimate == 0
    assert found.lower == pytest.approx(-found.upper)
    assert found.upper > 0


@given(
    g.lists(g.integers(0, 60), min_size=2, max_size=5, unique=True),
    g.lists(g.lists(g.sampled_from([0.0, 0.5, 1.0]), min_size=5, max_size=5), min_size=1, max_size=40),
    g.integers(1, 50),
)
def test_the_unit_of_the_axis_only_scales_the_slope_and_turning_it_mirrors_it(x, answers, unit):
    right = np.array(answers)[:, : len(x)]
    clusters = [None] * len(answers)
    found = slope(x, right, clusters)
    assert found.lower <= found.estimate <= found.upper
    assert found.estimate == pytest.approx(np.polyfit(x, right.mean(axis=0), 1)[0], abs=1e-9)
    scaled, turned = slope([unit * k for k in x], right, clusters), slope([-k for k in x], right, clusters)
    assert (unit * scaled.lower, unit * scaled.upper) == (pytest.approx(found.lower), pytest.approx(found.upper))
    assert (-turned.upper, -turned.lower) == (pytest.approx(found.lower), pytest.approx(found.upper))


def test_nothing_can_be_said_of_points_that_do_not_differ_or_of_no_case():
    with pytest.raises(ValueError, match="two points that differ"):
        slope([4, 4], np.ones((3, 2)), [None] * 3)
    with pytest.raises(ValueError, match="there must be a case"):
        slope([0, 4], np.ones((0, 2)), [])


def test_the_gain_is_that_of_the_last_doubling_and_each_point_is_compared_with_the_one_before():
    found = measured({0: 200, 4: 240, 8: 300, 16: 320})
    assert (found.first, found.last) == (8, 16)
    assert found.gain.estimate == pytest.approx(20 / 400)
    assert [p.change and round(p.change.estimate * 400) for p in found.points] == [None, 40, 60, 20]
    assert [p.accuracy.estimate for p in found.points] == [0.5, 0.6, 0.75, 0.8]
    assert found.per_token.estimate == pytest.approx(found.per_example.estimate / 10)


def test_where_no_point_is_half_as_far_the_last_that_is_nearer_counts():
    found = measured({0: 200, 4: 240, 20: 300, 24: 310})
    assert (found.first, found.last) == (4, 24)
    x = np.array([4, 20, 24])
    assert found.gain.estimate == pytest.approx(20 * np.polyfit(x, [0.6, 0.75, 0.775], 1)[0])


@pytest.mark.parametrize(
    ("points", "n", "at_ceiling", "words"),
    [
        ({0: 700, 4: 850, 8: 851}, 1000, True, "8 examples instead of 4 gained 0.1 points of accuracy (-0."),
        (
            {0: 700, 4: 850, 8: 840},
            1000,
            True,
            "changed accuracy by -1.0 points (-1.8 to -0.5) on 1,000 pool cases: at",
        ),
        ({0: 700, 4: 750, 8: 850}, 1000, False, "on 1,000 pool cases: still rising, so more examples are worth trying"),
        ({0: 70, 4: 75, 8: 77}, 100, None, "whether more would help is open, and "),
        (
            {0: 700, 8: 850},
            1000,
            None,
            "8 examples instead of none gained 15.0 points of accuracy (+12.9 to +17.3) on ",
        ),
        ({0: 850, 8: 851}, 1000, True, "at its ceiling, for less than 2 points are left"),
    ],
)
def test_the_conclusion_follows_from_the_limits(points, n, at_ceiling, words):
    found = measured(points, n)
    assert found.at_ceiling is at_ceiling
    assert words in found.sentence


def test_as_many_more_cases_as_are_asked_for_settle_it():
    points = {0: 40, 4: 60, 8: 62}
    found = measured(points, 100)
    assert found.at_ceiling is None
    whole = (100 + found.more_cases) // 50 * 50
    enough = measured({k: right * (whole + 50) // 100 for k, right in points.items()}, whole + 50)
    short = measured({k: right * whole // 100 for k, right in points.items()}, whole)
    assert (short.at_ceiling, enough.at_ceiling) == (None, False)
    assert f"{found.more_cases:,} more cases would settle it" in found.sentence


def test_a_gain_over_no_example_is_not_settled_by_more_cases():
    found = measured({0: 700, 8: 850}, 1000)
    assert found.more_cases is None
    assert "examples help, and whether more of them would is open" in found.sentence


def test_one_cluster_settles_nothing_however_large():
    found = measured({0: 10, 4: 20, 8: 22}, 40, clusters=["k"] * 40)
    assert (found.at_ceiling, found.more_cases) == (None, None)
    assert found.sentence.endswith("whether that is a gain is open")


def test_tokens_that_are_not_known_or_alike_have_no_slope():
    assert measured({0: 10, 4: 20}, 40, tokens=False).per_token is None
    same = [Arm(name="a", examples=k, tokens=9.0, right=np.ones(3)) for k in (0, 1)]
    assert token_slope(same, [None] * 3) is None


def test_an_arm_has_the_share_of_right_answers_and_the_mean_of_the_tokens_that_are_known():
    cases = [Case(id=f"c{i}", inputs={}, expected={}) for i in range(3)]
    made = TableBuilder(cases=cases, repeats=2, decision_fields=(), largest_cost=1.0)
    for i, (status, tokens) in enumerate([("correct", 30), ("wrong", 0), ("error", 0), ("correct", 50)]):
        reply = Response(text="", usage=Usage(input_tokens=tokens))
        outcome = Outcome(
            case_id=f"c{i // 2}", repeat=i % 2, status=Status(status), fields={}, cost=0.0, valid=status != "error"
        )
        made.add(outcome, Failure(kind="x", message="") if status == "error" else reply)
    found = arm("few", 4, made.finish(), np.array([True, True, False]))
    assert (found.right.tolist(), found.tokens) == ([0.5, 0.5], 40.0)


def test_limits_hold_as_often_as_promised():
    """A curve that rises by 1 point per 4 examples: its slope lies within the limits in 95% of 400 samples, or more."""
    x, held = np.array([0, 4, 8, 16]), 0
    draw = np.random.default_rng(7)
    for _ in range(400):
        hard = draw.normal(size=(60, 1)) * 2
        threshold = np.array([0.70, 0.71, 0.72, 0.74])
        right = (draw.random((60, 4)) * 0.5 + 0.5 / (1 + np.exp(hard)) < threshold).astype(float)
        truth = slope(x, (np.linspace(0, 1, 1000)[:, None] < threshold).astype(float), [None] * 1000)
        found = slope(x, right, [None] * 60)
        held += found.lower <= truth.estimate <= found.upper
    assert held >= 0.93 * 400


def test_the_limits_are_one_sided_at_what_they_say():
    assert (ALPHA, WORTH) == (0.025, 0.02)
