"""How much the best of many strategies is flattered by the holdout they were chosen on."""

import math

import numpy as np
import pytest

from harness.core.reuse import flattery, luck_of_best, outworn


@pytest.mark.parametrize(
    ("strategies", "expected"),
    # Expected maxima of standard normal samples: 1/sqrt(pi) and 3/(2 sqrt(pi)) in closed form, the others from the
    # tables of normal order statistics (Harter 1961).
    [
        (2, 1 / math.sqrt(math.pi)),
        (3, 1.5 / math.sqrt(math.pi)),
        (5, 1.16296),
        (10, 1.53875),
        (25, 1.96531),
        (100, 2.50759),
        (400, 2.96818),
    ],
)
def test_the_luck_of_the_best_is_the_expected_maximum_of_standard_normals(strategies, expected):
    assert luck_of_best(strategies) == pytest.approx(expected, abs=2e-5)


def test_one_strategy_has_no_luck_and_none_neither():
    assert luck_of_best(1) == luck_of_best(0) == 0


def test_the_luck_grows_and_stays_below_its_bound():
    lucks = [luck_of_best(k) for k in (2, 3, 10, 30, 300, 3000, 10**6)]
    assert lucks == sorted(lucks)
    assert all(luck_of_best(k) < math.sqrt(2 * math.log(k)) for k in (2, 3, 10, 30, 300, 3000, 10**6))


def test_the_flattery_is_what_happens_to_the_best_of_equally_good_strategies():
    cases, strategies, rate = 500, 20, 0.8
    scores = np.random.default_rng(3).binomial(cases, rate, size=(4000, strategies)) / cases
    happened = float(scores.max(axis=1).mean()) - rate
    assert flattery(strategies, 400, cases) == pytest.approx(happened, rel=0.05)


def test_the_flattery_shrinks_with_the_cases_and_is_there_where_all_is_right():
    assert flattery(10, 80, 100) > flattery(10, 800, 1000) > 0
    assert flattery(10, 100, 100) > 0
    assert flattery(1, 50, 100) == 0
    assert flattery(10, 0, 0) == 0


def test_a_holdout_is_outworn_when_luck_alone_passes_an_interval():
    assert [outworn(k) for k in (1, 6, 24, 25, 100)] == [False, False, False, True, True]
