"""The formulas of STATISTICS.md: published values, properties, edges, errors."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as generators
from scipy import integrate, stats
from support import reference_formulas as reference

from harness.core import statistics as st

VECTORS_FILE = Path(__file__).parents[2].parent / "shared/data/stats_vectors.json"
ALPHA = 0.05
quick = settings(max_examples=60, deadline=None)

# ---------------------------------------------------------------------------------------------- published vectors


def vectors() -> list[Any]:
    if not VECTORS_FILE.exists():
        return [pytest.param({}, id="absent", marks=pytest.mark.skip(reason=f"no published vectors at {VECTORS_FILE}"))]
    return [pytest.param(v, id=v["id"]) for v in json.loads(VECTORS_FILE.read_text(encoding="utf-8"))["vectors"]]


def assert_close(actual: Any, expected: Any, tolerance: float, where: str) -> None:
    if isinstance(expected, list):
        assert len(actual) == len(expected), where
        for index, (a, e) in enumerate(zip(actual, expected, strict=True)):
            assert_close(a, e, tolerance, f"{where}[{index}]")
    elif isinstance(expected, (bool, str)):
        assert actual == expected, where
    else:
        assert abs(actual - expected) <= tolerance, f"{where}: {actual!r} is not {expected!r} +- {tolerance}"


@pytest.mark.parametrize("vector", vectors())
def test_published_vector(vector: dict[str, Any]) -> None:
    actual = reference.REPRODUCTIONS[vector["kind"]](vector["inputs"])
    assert actual.keys() == vector["expected"].keys()
    for name, expected in vector["expected"].items():
        assert_close(actual[name], expected, vector["tolerance"], name)


# ------------------------------------------------------------------------------------------------------ generators

alphas = generators.floats(0.001, 0.5)


@generators.composite
def rates(draw: generators.DrawFn, largest: int = 300) -> tuple[int, int]:
    n = draw(generators.integers(1, largest))
    return draw(generators.integers(0, n)), n


@generators.composite
def pairs(draw: generators.DrawFn, largest: int = 300) -> tuple[int, int, int]:
    n = draw(generators.integers(1, largest))
    b = draw(generators.integers(0, n))
    return b, draw(generators.integers(0, n - b)), n


@generators.composite
def families(draw: generators.DrawFn) -> tuple[list[float], list[float]]:
    units = draw(generators.lists(generators.tuples(generators.integers(0, 9), generators.integers(0, 9)), max_size=12))
    return [st.mcnemar_exact_worse(b, c) for b, c in units], [2.0 ** -(b + c) for b, c in units]


@generators.composite
def repeated(draw: generators.DrawFn) -> tuple[list[int], int]:
    """Per case the correct repeats of the candidate less those of the baseline, and the number of repeats."""
    k = draw(generators.integers(1, 5))
    return draw(generators.lists(generators.integers(-k, k), min_size=1, max_size=60)), k


# ------------------------------------------------------------------------------------------------------- one rate


@quick
@given(rates(), alphas)
def test_rate_bounds_contain_the_estimate(rate: tuple[int, int], alpha: float) -> None:
    k, n = rate
    assert st.clopper_pearson_lower(k, n, alpha) <= k / n <= st.clopper_pearson_upper(k, n, alpha)
    lower, upper = st.wilson_interval(k, n, 1 - alpha)
    assert 0 <= lower <= k / n <= upper <= 1


@quick
@given(rates(), alphas)
def test_rate_bounds_rise_with_each_success(rate: tuple[int, int], alpha: float) -> None:
    k, n = rate
    if k == n:
        return
    assert st.clopper_pearson_lower(k, n, alpha) < st.clopper_pearson_lower(k + 1, n, alpha)
    assert st.clopper_pearson_upper(k, n, alpha) < st.clopper_pearson_upper(k + 1, n, alpha)
    assert np.less_equal(st.wilson_interval(k, n, 0.9), st.wilson_interval(k + 1, n, 0.9)).all()


@quick
@given(rates(), alphas)
def test_the_bounds_are_dual_to_the_tests_and_mirror_images(rate: tuple[int, int], alpha: float) -> None:
    k, n = rate
    lower = st.clopper_pearson_lower(k, n, alpha)
    if k > 0:
        assert st.binomial_p_above(k, n, lower) == pytest.approx(alpha)
    if k < n:
        assert st.binomial_p_below(k, n, st.clopper_pearson_upper(k, n, alpha)) == pytest.approx(alpha)
    assert st.clopper_pearson_upper(n - k, n, alpha) == pytest.approx(1 - lower)


@quick
@given(rates(60), generators.floats(0.01, 0.99))
def test_binomial_p_values_are_the_sums_they_stand_for(rate: tuple[int, int], p: float) -> None:
    k, n = rate
    assert st.binomial_p_below(k, n, p) == pytest.approx(float(stats.binom.cdf(k, n, p)))
    assert st.binomial_p_above(k, n, p) == pytest.approx(float(stats.binom.sf(k - 1, n, p)))
    assert st.binomial_p_below(k, n, p) >= (1 - p) ** n * (1 - 1e-12)


@pytest.mark.parametrize("n", [1, 15, 40])
@pytest.mark.parametrize("truth", [0.02, 0.5, 0.9])
def test_exact_p_values_of_a_rate_are_conservative(n: int, truth: float) -> None:
    chances = np.asarray(stats.binom.pmf(range(n + 1), n, truth))
    below = np.array([st.binomial_p_below(k, n, truth) for k in range(n + 1)])
    above = np.array([st.binomial_p_above(k, n, truth) for k in range(n + 1)])
    for alpha in (0.01, 0.05, 0.1, 0.5):
        assert chances[below <= alpha].sum() <= alpha + 1e-12
        assert chances[above <= alpha].sum() <= alpha + 1e-12


def test_edges_of_a_rate() -> None:
    assert st.clopper_pearson_lower(0, 20, ALPHA) == 0
    assert st.clopper_pearson_upper(20, 20, ALPHA) == 1
    assert st.clopper_pearson_lower(20, 20, ALPHA) == pytest.approx(ALPHA ** (1 / 20))
    assert (st.clopper_pearson_lower(0, 0, ALPHA), st.clopper_pearson_upper(0, 0, ALPHA)) == (0, 1)
    assert st.wilson_interval(0, 20, 0.95)[0] == 0
    assert st.wilson_interval(20, 20, 0.95)[1] == 1
    assert (st.binomial_p_below(5, 5, 1), st.binomial_p_below(4, 5, 1)) == (1, 0)
    assert (st.binomial_p_above(0, 5, 0), st.binomial_p_above(1, 5, 0)) == (1, 0)
    assert st.binomial_p_below(0, 0, 0.9) == st.binomial_p_above(0, 0, 0.9) == 1
    between = st.clopper_pearson_lower(9.5, 10.5, ALPHA)
    assert st.clopper_pearson_lower(9, 10.5, ALPHA) < between < st.clopper_pearson_lower(10, 10.5, ALPHA)


def test_zero_failures() -> None:
    assert st.zero_failures_upper(30, ALPHA) == pytest.approx(st.clopper_pearson_upper(0, 30, ALPHA))
    assert st.zero_failures_sample_size(0.5, 0.25) == 2  # ln a / ln(1 - z) is the whole number itself
    assert st.zero_failures_sample_size(0.05, 0.95**3) == 3
    assert st.zero_failures_sample_size(0.99, 0.5) == 1
    for rate in (0.3, 0.05, 0.011, 0.001):
        n = st.zero_failures_sample_size(rate, ALPHA)
        assert st.zero_failures_upper(n, ALPHA) <= rate < st.zero_failures_upper(n - 1, ALPHA)


def test_critical_values() -> None:
    assert st.critical_value(0.05) == pytest.approx(1.6448536269514722, abs=1e-14)
    assert st.critical_value(0.5) == 0
    assert st.critical_value(0.05, 9) == pytest.approx(float(stats.t.isf(0.05, 9)))
    assert st.critical_value(0.05, 0) == math.inf


def test_all_repeats_correct() -> None:
    assert st.pass_hat_k(10, 10, 4) == 1
    assert st.pass_hat_k(10, 3, 4) == 0
    assert st.pass_hat_k(4, 2, 1) == 0.5


@quick
@given(generators.integers(1, 600), generators.floats(0.02, 0.98), generators.floats(0.5, 0.99))
def test_limits_of_a_quantile_hold_for_any_distribution(n: int, share: float, confidence: float) -> None:
    low, at, high = st.quantile_ranks(n, share, confidence)
    assert 0 <= low <= at <= high < n
    below = stats.binom.cdf(low, n, share) if low else 0.0  # the lower limit is above the quantile
    above = stats.binom.sf(high, n, share) if high < n - 1 else 0.0
    assert below <= (1 - confidence) / 2 + 1e-9
    assert above <= (1 - confidence) / 2 + 1e-9


def test_ranks_of_a_quantile_by_hand() -> None:
    assert st.quantile_ranks(100, 0.5, 0.95) == (39, 49, 60)  # the 40th and 61st of a hundred: Conover's table
    assert st.quantile_ranks(3, 0.95, 0.95) == (1, 2, 2)


# ------------------------------------------------------------------------------------------- clusters and repeats


@quick
@given(generators.lists(generators.tuples(generators.floats(-1, 1), generators.integers(0, 6)), min_size=1))
def test_cluster_errors_do_not_depend_on_order_or_names(cases: list[tuple[float, int]]) -> None:
    values, clusters = [value for value, _ in cases], [cluster for _, cluster in cases]
    expected = st.cluster_standard_error(values, clusters)
    assert st.cluster_standard_error(values[::-1], [f"thread {c}" for c in reversed(clusters)]) == expected
    assert st.design_effect(values[::-1], clusters[::-1]) == st.design_effect(values, clusters) >= 1
    assert st.cluster_standard_error(values, range(len(values))) == st.cluster_standard_error(values, None)


def test_a_single_cluster_says_nothing() -> None:
    assert st.cluster_standard_error([1, 0, 1], ["a", "a", "a"]) == math.inf
    assert st.cluster_standard_error([1], None) == math.inf
    assert st.design_effect([1, 0, 1], ["a", "a", "a"]) == math.inf
    assert st.effective_sample_size(0.9, math.inf, 1, ALPHA) == 0
    assert st.effective_sample_size(0.9, 0, 1, ALPHA) == 0
    assert st.korn_graubard(0.9, math.inf, 1, ALPHA) == (0, 1)
    result = st.step_scaled_tango([1, -1], 10, ALPHA, design_effect=math.inf)
    assert (result.lower, result.upper) == (-1, 1)
    result = st.step_scaled_tango([], 10, ALPHA, degrees_of_freedom=0)
    assert (result.lower, result.upper) == (-1, 1)


def test_clusters_of_mixed_labels() -> None:
    values = [1.0, 0.0, 1.0, 1.0]
    assert st.cluster_standard_error(values, [None, None, "a", "a"]) == st.cluster_standard_error(values, [1, 2, 3, 3])
    assert st.cluster_standard_error(values, np.array(["x", "y", "z", "z"])) == st.cluster_standard_error(
        values, [1, 2, 3, 3]
    )
    assert st.cluster_totals([1, -2, 0, 3], ["b", "a", "b", "a"]) == [1, 1]
    assert st.cluster_totals([1, -2], None) == [1, -2]
    assert st.cluster_totals([], []) == []


def test_design_effects() -> None:
    assert st.design_effect([0, 0, 0, 0, 0, 0], [1, 1, 1, 2, 2, 2]) == 3  # nothing varies: a cluster counts as one case
    assert st.design_effect([0, 0, 0], None) == 1
    assert st.design_effect([1, 0, 1, 0], None) == 1
    clustered = [1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert st.design_effect(clustered, [i // 3 for i in range(12)]) == pytest.approx(11 / 3)
    assert st.design_effect([1, 0, 1, 0], [1, 1, 2, 2]) == 1  # less than independent is not believed


def test_korn_graubard() -> None:
    assert st.korn_graubard(1, 0, 20, ALPHA) == (st.clopper_pearson_lower(20, 20, ALPHA), 1)
    assert st.korn_graubard(0, 0, 20, ALPHA) == (0, st.clopper_pearson_upper(0, 20, ALPHA))
    assert st.korn_graubard(0.5, 0, 20, ALPHA) == (0.5, 0.5)
    assert st.korn_graubard(0.5, 1e-200, 20, ALPHA) == (0.5, 0.5)
    n, k = 1_000_000, 900_000
    standard_error = math.sqrt(k / n * (1 - k / n) / n)
    lower, upper = st.korn_graubard(k / n, standard_error, n, ALPHA)
    assert lower == pytest.approx(st.clopper_pearson_lower(k, n, ALPHA), abs=1e-8)
    assert upper == pytest.approx(st.clopper_pearson_upper(k, n, ALPHA), abs=1e-8)
    assert st.effective_sample_size(0.5, 0.1, 20, 0.5) == pytest.approx(25)


@quick
@given(generators.floats(0.001, 0.999), generators.floats(0.001, 0.3), generators.integers(2, 200), alphas)
def test_korn_graubard_contains_the_estimate(rate: float, error: float, clusters: int, alpha: float) -> None:
    lower, upper = st.korn_graubard(rate, error, clusters, alpha)
    assert 0 <= lower <= rate <= upper <= 1


# ------------------------------------------------------------------------------------------------------------ cost

costs = generators.lists(generators.one_of(generators.just(0.0), generators.floats(0, 20)), max_size=40)


@quick
@given(costs, alphas)
def test_cost_limits_contain_the_mean(lost: list[float], alpha: float) -> None:
    n = len(lost) + 1
    lower, upper = st.fay_feuer(lost, n, 20, alpha)
    assert 0 <= lower <= math.fsum(lost) / n * (1 + 1e-12)
    assert math.fsum(lost) / n <= upper
    assert st.fay_feuer([*reversed(lost), 0], n, 20, alpha) == (lower, upper)


@quick
@given(costs, generators.floats(0.01, 10))
def test_the_p_value_of_a_cost_is_where_the_limit_meets_the_ceiling(lost: list[float], ceiling: float) -> None:
    n = len(lost) + 1
    p = st.cost_p_above(lost, n, ceiling)
    assert p >= st.cost_p_above_min(n, ceiling, 20) * (1 - 1e-9)
    if 1e-12 < p < 1 - 1e-12:
        assert st.fay_feuer(lost, n, 20, p)[0] == pytest.approx(ceiling)


def test_edges_of_costs() -> None:
    lower, upper = st.fay_feuer([], 100, 25, ALPHA)
    assert lower == 0
    assert upper == pytest.approx(-25 * math.log(ALPHA) / 100)  # one more case of the largest cost
    assert st.fay_feuer([0, 0], 100, 25, ALPHA) == (lower, upper)
    assert st.cost_p_above([0, 0], 2, 0) == 1
    assert st.cost_p_above([1, 0], 2, 0) == 0
    assert st.cost_p_above([25] * 8, 8, 3) == pytest.approx(st.cost_p_above_min(8, 3, 25))
    assert st.fay_feuer([1e-200, 0], 2, 1, ALPHA)[0] < 1e-200
    in_cents = st.fay_feuer([100, 500, 2000], 50, 2000, ALPHA)
    assert in_cents == pytest.approx([100 * limit for limit in st.fay_feuer([1, 5, 20], 50, 20, ALPHA)])


def test_cost_limits_keep_their_promise_where_a_t_interval_does_not() -> None:
    n, values, chances = 40, (0, 1, 5), (0.95, 0.04, 0.01)  # one case in a hundred is dear, often none is seen
    mean = sum(v * p for v, p in zip(values, chances, strict=True))
    missed = 0.0
    for ones, fives in itertools.product(range(13), range(8)):
        chance = float(stats.multinomial.pmf((n - ones - fives, ones, fives), n, chances))
        missed += chance * (st.fay_feuer([1] * ones + [5] * fives, n, 5, ALPHA)[1] < mean)
    assert missed <= ALPHA


@quick
@given(generators.lists(generators.floats(-20, 20), max_size=40), alphas)
def test_bounds_of_a_change_in_cost(changes: list[float], alpha: float) -> None:
    n = len(changes) + 1
    lower, upper = st.cost_change_bounds(changes, n, 20, alpha)
    mean = math.fsum(changes) / n
    assert lower - 1e-9 <= mean <= upper + 1e-9
    mirrored = st.cost_change_bounds([-change for change in changes], n, 20, alpha)
    assert mirrored == pytest.approx((-upper, -lower))
    assert st.cost_change_bounds(changes[::-1], n, 20, alpha) == (lower, upper)


def test_a_change_that_only_increases() -> None:
    limits = st.fay_feuer([3, 4], 50, 20, ALPHA)
    none = st.fay_feuer([], 50, 20, ALPHA)[1]
    lower, upper = st.cost_change_bounds([3, 4], 50, 20, ALPHA)
    assert upper == pytest.approx(limits[1])
    assert lower == pytest.approx(0.14 - math.hypot(0.14 - limits[0], none))


# ---------------------------------------------------------------------------------------------------------- paired


@quick
@given(pairs(), alphas)
def test_tango_contains_the_estimate_and_mirrors(pair: tuple[int, int, int], alpha: float) -> None:
    b, c, n = pair
    lower, upper = st.tango_interval(b, c, n, 1 - alpha)
    assert -1 <= lower <= (c - b) / n <= upper <= 1
    assert st.tango_interval(c, b, n, 1 - alpha) == (-upper, -lower)
    assert st.tango_lower(b, c, n, alpha / 2) == pytest.approx(lower, abs=1e-12)


@quick
@given(pairs(), alphas)
def test_no_answer_turned_wrong_raises_the_bound(pair: tuple[int, int, int], alpha: float) -> None:
    b, c, n = pair
    here = st.tango_lower(b, c, n, alpha)
    if b + c < n:
        assert st.tango_lower(b + 1, c, n, alpha) <= here
    if c > 0:
        assert st.tango_lower(b, c - 1, n, alpha) <= here
        assert st.mcnemar_exact_worse(b, c - 1) <= st.mcnemar_exact_worse(b, c) * (1 + 1e-12)


@quick
@given(pairs(), generators.floats(0.01, 0.4))
def test_tango_solves_its_equation(pair: tuple[int, int, int], alpha: float) -> None:
    b, c, n = pair
    z, lower = st.critical_value(alpha), st.tango_lower(b, c, n, alpha)
    if lower > -1:
        low, high = max(-1.0, lower - 1e-12), lower + 1e-12
        assert st.tango_score(b, c, n, low) >= z >= st.tango_score(b, c, n, high)


@pytest.mark.parametrize(("b", "c", "n"), [(3, 9, 32), (45, 38, 1000), (18, 4, 200), (1, 7, 9), (11.05, 5.85, 200)])
@pytest.mark.parametrize("z", [0.5, 1.645, 2.6])
def test_tango_agrees_with_the_likelihood(b: float, c: float, n: float, z: float) -> None:
    expected = reference.tango_lower_by_likelihood(b, c, n, z)
    assert st.tango_lower(b, c, n, float(stats.norm.sf(z))) == pytest.approx(expected, abs=1e-9)


def test_edges_of_tango() -> None:
    z2 = st.critical_value(ALPHA) ** 2
    assert st.tango_lower(0, 0, 30, ALPHA) == pytest.approx(-z2 / (30 + z2), abs=1e-14)
    assert st.tango_lower(1e-9, 1e-9, 30, ALPHA) == pytest.approx(-z2 / (30 + z2), abs=1e-6)
    assert st.tango_lower(30, 0, 30, ALPHA) == -1
    assert st.tango_interval(0, 30, 30, 0.9)[1] == 1
    assert 0.8 < st.tango_lower(0, 30, 30, ALPHA) < 1
    assert st.tango_lower(5, 5, 10, ALPHA) == pytest.approx(-st.tango_interval(5, 5, 10, 0.9)[1])
    assert st.tango_lower(3, 9, 32, 0.5) == pytest.approx(6 / 32)
    assert st.tango_lower(3, 9, 32, 0.8) == pytest.approx(-st.tango_lower(9, 3, 32, 0.2))
    assert st.tango_lower(1.5, 0.25, 7.75, ALPHA) < -1.25 / 7.75
    assert st.tango_lower(400_000, 390_000, 10_000_000, ALPHA) == pytest.approx(-0.001 - 0.000146, abs=1e-6)
    assert st.tango_score(0, 0, 10, 0) == 0
    assert st.tango_score(1, 0, 10, -1) == math.inf
    assert st.tango_score(0, 1, 10, 1) == -math.inf
    assert st.tango_score(3, 9, 32, 6 / 32) == 0


@quick
@given(pairs(120), alphas)
def test_the_repeats_form_is_tango_at_one_repeat(pair: tuple[int, int, int], alpha: float) -> None:
    b, c, n = pair
    result = st.step_scaled_tango([-1] * b + [1] * c, n, alpha)
    assert (result.step, result.losses, result.gains) == (1, b, c)
    assert result.lower == st.tango_lower(b, c, n, alpha)
    assert result.upper == -st.tango_lower(c, b, n, alpha)


@quick
@given(repeated(), generators.integers(2, 7), alphas)
def test_copies_of_every_repeat_change_nothing(case: tuple[list[int], int], copies: int, alpha: float) -> None:
    totals, k = case
    once = st.step_scaled_tango([total / k for total in totals], len(totals), alpha)
    copied = st.step_scaled_tango([total * copies / (k * copies) for total in totals], len(totals), alpha)
    assert once == copied
    more = [total * copies for total in totals]
    assert st.sign_flip_worse(totals) == st.sign_flip_worse(more)
    assert st.sign_flip_midp_worse(totals) == st.sign_flip_midp_worse(more)


@quick
@given(repeated(), generators.floats(1, 20), generators.integers(1, 100), generators.randoms(use_true_random=False))
def test_the_repeats_form_contains_the_estimate(
    case: tuple[list[int], int], deff: float, freedom: int, shuffler: Any
) -> None:
    totals, k = case
    d = [total / k for total in totals]
    plain = st.step_scaled_tango(d, len(d), ALPHA)
    clustered = st.step_scaled_tango(d, len(d), ALPHA, design_effect=deff, degrees_of_freedom=freedom)
    assert -1 <= clustered.lower <= plain.lower <= plain.estimate <= plain.upper <= clustered.upper <= 1
    shuffler.shuffle(d)
    assert st.step_scaled_tango(d, len(d), ALPHA) == plain
    assert st.step_scaled_tango([x for x in d if x], len(d), ALPHA) == plain
    assert st.sign_flip_worse(shuffler.sample(totals, len(totals))) == st.sign_flip_worse(totals)


def test_repeats_without_any_change_and_with_clusters() -> None:
    z = st.critical_value(ALPHA, 19)
    unchanged = st.step_scaled_tango([0] * 100, 100, ALPHA, design_effect=4, degrees_of_freedom=19)
    assert unchanged.lower == pytest.approx(-z * z / (100 / 4 + z * z), abs=1e-14)
    assert unchanged.upper == -unchanged.lower
    changed = st.step_scaled_tango([-1, -1, 1], 100, ALPHA, design_effect=4)
    assert changed.lower == st.tango_lower(2 / 4, 1 / 4, 100 / 4, ALPHA)
    worst = st.step_scaled_tango([-1 / 3] * 10, 10, ALPHA)
    assert worst.lower == pytest.approx(-1 / 3)
    assert worst.upper > -1 / 3
    for totals in ([1, 2, -3, 1], [5, -1], [3, 3, 1, -1, -2]):
        middle = st.step_scaled_tango([total / 7 for total in totals], 11, 0.5)
        assert middle.lower <= middle.estimate <= middle.upper


@quick
@given(generators.lists(generators.integers(-6, 6), max_size=9))
def test_sign_flips_equal_full_enumeration(totals: list[int]) -> None:
    if any(totals):
        exact, mid = reference.sign_flip_by_enumeration(totals)
        assert st.sign_flip_worse(totals) == pytest.approx(exact, abs=1e-13)
        assert st.sign_flip_midp_worse(totals) == pytest.approx(mid, abs=1e-13)
    else:
        assert st.sign_flip_worse(totals) == st.sign_flip_midp_worse(totals) == 1


@quick
@given(generators.integers(0, 700), generators.integers(0, 700), generators.integers(1, 4))
def test_sign_flips_of_single_cases_equal_mcnemar(b: int, c: int, k: int) -> None:
    totals = np.repeat([-k, k], [b, c])
    assert st.sign_flip_worse(totals) == pytest.approx(st.mcnemar_exact_worse(b, c), rel=1e-9, abs=1e-290)
    assert st.sign_flip_midp_worse(totals) == pytest.approx(st.mcnemar_midp_worse(b, c), rel=1e-9, abs=1e-290)
    assert st.sign_flip_worse(totals) >= 2.0 ** -(b + c) * (1 - 1e-9)


@quick
@given(generators.integers(0, 200), generators.integers(0, 200))
def test_mcnemar_equals_the_binomial_tail(b: int, c: int) -> None:
    exact, mid = st.mcnemar_exact_worse(b, c), st.mcnemar_midp_worse(b, c)
    assert exact == pytest.approx(float(stats.binom.sf(b - 1, b + c, 0.5)))
    if b + c:
        assert mid == pytest.approx(exact - float(stats.binom.pmf(b, b + c, 0.5)) / 2)
    else:
        assert exact == mid == 1


@pytest.mark.parametrize("magnitudes", [[1] * 9, [1, 1, 2, 3, 3, 5, 8], [2, 4, 4, 6, 10, 3]])
def test_paired_p_values_are_conservative_under_the_null(magnitudes: list[int]) -> None:
    worlds = [
        st.sign_flip_worse([sign * m for sign, m in zip(signs, magnitudes, strict=True)])
        for signs in itertools.product((-1, 1), repeat=len(magnitudes))
    ]
    for alpha in (0.01, 0.05, 0.2, 0.5):
        assert sum(p <= alpha for p in worlds) / len(worlds) <= alpha
    assert min(worlds) == pytest.approx(2.0 ** -len(magnitudes))


def test_large_sign_flips() -> None:
    rng = np.random.default_rng(5)
    totals = rng.integers(-40, 40, 4000)
    normal = stats.norm.cdf((totals.sum() + 0.5) / math.sqrt((totals.astype(float) ** 2).sum()))
    assert st.sign_flip_worse(totals) == pytest.approx(float(normal), abs=1e-3)
    assert st.sign_flip_worse([-1] * 3000) == 0  # 2^-3000 is below every float
    assert st.sign_flip_worse([1] * 3000) == 1
    assert st.sign_flip_worse([-1_000_000, 2_000_000]) == 0.75
    assert st.sign_flip_worse([]) == st.sign_flip_worse([0, 0]) == 1
    assert st.sign_flip_worse([-7]) == 0.5
    assert st.sign_flip_worse([7]) == 1


def test_smallest_detectable_effect_shrinks_with_the_root_of_n() -> None:
    one, four = (st.minimum_detectable_effect(n, 0.1, ALPHA, 0.8) for n in (100, 400))
    assert one == pytest.approx(2 * four)
    assert st.minimum_detectable_effect(100, 0, ALPHA, 0.8) == 0


# ---------------------------------------------------------------------------------------------------- many claims


@quick
@given(families())
def test_tarone_holm_rejects_at_least_what_holm_does(family: tuple[list[float], list[float]]) -> None:
    p, p_min = family
    rejected, levels = st.tarone_holm_decisions(p, p_min, ALPHA)
    assert rejected == st.tarone_holm(p, p_min, ALPHA)
    for value, is_rejected, level, adjusted in zip(p, rejected, levels, st.holm(p), strict=True):
        assert is_rejected or adjusted > ALPHA
        assert is_rejected == (value <= level)
        assert ALPHA / len(p) * (1 - 1e-12) <= level <= ALPHA
    assert st.tarone_holm(p, [0] * len(p), ALPHA) == [value <= ALPHA for value in st.holm(p)]


@quick
@given(families(), generators.randoms(use_true_random=False))
def test_corrections_do_not_depend_on_order(family: tuple[list[float], list[float]], shuffler: Any) -> None:
    p, p_min = family
    order = shuffler.sample(range(len(p)), len(p))
    shuffled, shuffled_min = [p[i] for i in order], [p_min[i] for i in order]
    assert st.holm(shuffled) == [st.holm(p)[i] for i in order]
    assert st.benjamini_hochberg(shuffled) == [st.benjamini_hochberg(p)[i] for i in order]
    rejected, levels = st.tarone_holm_decisions(p, p_min, ALPHA)
    assert st.tarone_holm_decisions(shuffled, shuffled_min, ALPHA) == (
        [rejected[i] for i in order],
        [levels[i] for i in order],
    )


@quick
@given(families(), generators.integers(0, 11))
def test_leaving_out_a_claim_never_saves_another(family: tuple[list[float], list[float]], left_out: int) -> None:
    p, p_min = family
    if left_out >= len(p):
        return
    full = st.tarone_holm(p, p_min, ALPHA)
    kept = [i for i in range(len(p)) if i != left_out]
    fewer = st.tarone_holm([p[i] for i in kept], [p_min[i] for i in kept], ALPHA)
    assert all(now or not before for now, before in zip(fewer, [full[i] for i in kept], strict=True))


@quick
@given(generators.lists(generators.floats(0, 1), min_size=1, max_size=20))
def test_corrections_of_any_p_values(p: list[float]) -> None:
    assert st.benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p).tolist())
    for value, fdr, fwer in zip(p, st.benjamini_hochberg(p), st.holm(p), strict=True):
        assert value <= fdr * (1 + 1e-12) <= fwer * (1 + 1e-9) <= min(1, len(p) * value) * (1 + 1e-6)


def test_edges_of_families() -> None:
    assert st.holm([]) == st.benjamini_hochberg([]) == st.tarone_holm([], [], ALPHA) == []
    assert st.tarone_holm_decisions([0.03], [0.01], ALPHA) == ([True], [0.05])
    assert st.tarone_holm_decisions([0.03, 1, 1], [0.01, 0.5, 0.25], ALPHA) == ([True, False, False], [0.05] * 3)
    assert st.tarone_holm_decisions([0.03, 0.6], [0.01, 0.01], ALPHA) == ([False, False], [0.025] * 2)
    # in the first round at 0.05/2, in the second at 0.05
    assert st.tarone_holm_decisions([0.01, 0.04], [0.001, 0.001], ALPHA) == ([True, True], [0.025, 0.05])
    # a mid-p may lie below the p_min of the exact test
    assert st.tarone_holm([2**-6], [2**-5], ALPHA) == [True]
    assert st.tarone_holm_decisions([0.02, 1, 1], [0.04, 0.001, 0.001], ALPHA)[1] == [ALPHA / 3] * 3


def test_tarone_holm_keeps_the_family_error_by_enumeration() -> None:
    sizes = (3, 5, 6, 2)
    wrong = 0.0
    for gains in itertools.product(*(range(size + 1) for size in sizes)):
        chance = math.prod(math.comb(size, c) / 2**size for size, c in zip(sizes, gains, strict=True))
        p = [st.mcnemar_exact_worse(size - c, c) for size, c in zip(sizes, gains, strict=True)]
        wrong += chance * any(st.tarone_holm(p, [2.0**-size for size in sizes], 0.1))
    assert 0 < wrong <= 0.1


# ------------------------------------------------------------------------------------------------------ sequential


@pytest.mark.parametrize("floor", [0.5, 0.9, 0.97])
@pytest.mark.parametrize("t", [1, 5, 12])
def test_floor_evidence_is_a_martingale(floor: float, t: int) -> None:
    assert reference.expected_floor_evidence(floor, t, floor, 0) == pytest.approx(1)
    assert reference.expected_floor_evidence(floor, t, floor, 1) == pytest.approx(1)
    assert reference.expected_floor_evidence(floor, t, floor - 0.05, 0) < 1
    assert reference.expected_floor_evidence(floor, t, floor + 0.02, 1) < 1


@pytest.mark.parametrize("t", [1, 4, 9])
@pytest.mark.parametrize("gain", [0.0, 0.02, 0.3])
def test_paired_evidence_is_a_martingale(t: int, gain: float) -> None:
    def expected(loss: float, which: int) -> float:
        return sum(
            float(stats.multinomial.pmf((b, c, t - b - c), t, (loss, gain, 1 - loss - gain)))
            * math.exp(st.log_e_paired(b, c, t, margin)[which])
            for b in range(t + 1)
            for c in range(t - b + 1)
        )

    margin = 0.03
    assert expected(gain + margin, 0) == pytest.approx(1)
    assert expected(gain + margin + 0.05, 0) < 1
    assert expected(gain, 1) == pytest.approx(1)
    assert expected(gain / 2, 1) <= 1


def test_evidence_from_nothing_is_none() -> None:
    assert st.log_e_floor(0, 0, 0.9) == pytest.approx((0, 0), abs=1e-12)
    assert st.log_e_paired(0, 0, 0, 0.03) == (0, 0)


@quick
@given(generators.integers(0, 400), generators.integers(0, 60), generators.floats(0.05, 0.98))
def test_floor_evidence_moves_with_each_case(successes: int, failures: int, floor: float) -> None:
    here = st.log_e_floor(successes, failures, floor)
    better, worse = st.log_e_floor(successes + 1, failures, floor), st.log_e_floor(successes, failures + 1, floor)
    slack = 1e-7
    assert worse[0] - slack <= here[0] <= better[0] + slack
    assert better[1] - slack <= here[1] <= worse[1] + slack


def test_floor_evidence_of_very_many_cases_is_finite() -> None:
    assert st.log_e_floor(200_000, 0, 0.9)[0] == pytest.approx(-200_000 * math.log(0.9), rel=1e-3)
    passing, failing = st.log_e_floor(0, 50_000, 0.9)
    assert -30 < passing < 0
    assert failing == pytest.approx(-50_000 * math.log(0.1), rel=1e-3)


@pytest.mark.parametrize("successes", [900, 3000, 9000, 40_000])
def test_floor_evidence_equals_its_integral_far_in_the_tail(successes: int) -> None:
    failures, floor = 100, 0.9

    def relative_likelihood(rate: float) -> float:
        gain = successes * math.log(rate / floor) + failures * math.log((1 - rate) / (1 - floor))
        return math.exp(gain) / math.sqrt(rate * (1 - rate))

    mixed = integrate.quad(relative_likelihood, 0.5, floor, points=[0.88, 0.898, 0.8998], epsabs=0, limit=500)[0]
    prior = integrate.quad(lambda rate: 1 / math.sqrt(rate * (1 - rate)), 0, floor)[0]
    assert st.log_e_floor(successes, failures, floor)[1] == pytest.approx(math.log(mixed / prior), abs=1e-6)


# ---------------------------------------------------------------------------------------------- errors and surface

WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: st.wilson_interval(5, 4, 0.95), "k must lie between 0 and n = 4"),
    (lambda: st.wilson_interval(-1, 4, 0.95), "k must lie"),
    (lambda: st.wilson_interval(0, 0, 0.95), "n must be a finite number above 0"),
    (lambda: st.wilson_interval(1, 4, 95), "confidence must lie strictly between 0 and 1, got 95"),
    (lambda: st.clopper_pearson_lower(math.nan, 4, 0.05), "k must lie"),
    (lambda: st.clopper_pearson_lower(1, 4, 0), "alpha must lie strictly between"),
    (lambda: st.clopper_pearson_upper(1, math.inf, 0.05), "n must be a finite number"),
    (lambda: st.clopper_pearson_upper(1, 4, 1), "alpha must lie strictly between"),
    (lambda: st.binomial_p_below(1, 4, 1.1), "floor must lie between 0 and 1"),
    (lambda: st.binomial_p_above(1, 4, -0.1), "ceiling must lie between 0 and 1"),
    (lambda: st.binomial_p_above(5, 4, 0.1), "k must lie between"),
    (lambda: st.zero_failures_upper(0, 0.05), "n must be a whole number of at least 1"),
    (lambda: st.zero_failures_upper(3, 1.5), "alpha must lie"),
    (lambda: st.zero_failures_sample_size(0, 0.05), "max_rate must lie strictly"),
    (lambda: st.zero_failures_sample_size(0.1, 2), "alpha must lie"),
    (lambda: st.critical_value(0), "alpha must lie"),
    (lambda: st.critical_value(0.05, -1), "degrees_of_freedom must be a whole number of at least 0"),
    (lambda: st.cluster_standard_error([], None), "values must hold at least one number"),
    (lambda: st.cluster_standard_error([[1, 2]], None), "values must be one-dimensional, got 2 dimensions"),
    (lambda: st.cluster_standard_error([1, math.nan], None), "values must hold finite numbers"),
    (lambda: st.cluster_standard_error([1, 0], [1]), "clusters must name one cluster per value: expected 2, got 1"),
    (lambda: st.design_effect([], None), "values must hold at least one number"),
    (lambda: st.design_effect([1, 0], [1, 2, 3]), "clusters must name one cluster per value"),
    (lambda: st.cluster_totals([0.5], None), "case_totals must be whole numbers"),
    (lambda: st.cluster_totals([1], [1, 2]), "clusters must name one"),
    (lambda: st.effective_sample_size(1.2, 0.1, 10, 0.05), "p_hat must lie between 0 and 1"),
    (lambda: st.effective_sample_size(0.5, -0.1, 10, 0.05), "standard_error must be at least 0"),
    (lambda: st.effective_sample_size(0.5, 0.1, 0, 0.05), "n_clusters must be a whole number of at least 1"),
    (lambda: st.korn_graubard(0.5, math.nan, 10, 0.05), "standard_error must be at least 0"),
    (lambda: st.korn_graubard(1, 0, 10, 5), "alpha must lie"),
    (lambda: st.fay_feuer([-1], 4, 5, 0.05), "costs must be at least 0, got -1.0"),
    (lambda: st.fay_feuer([6], 4, 5, 0.05), "costs must be at most cost_max = 5.0, got 6.0"),
    (lambda: st.fay_feuer([1], 0, 5, 0.05), "n must be a finite number above 0"),
    (lambda: st.fay_feuer([], 4, 0, 0.05), "cost_max must be a finite number above 0"),
    (lambda: st.fay_feuer([1], 4, 5, -1), "alpha must lie"),
    (lambda: st.cost_p_above([1], 4, -1), "ceiling must be a finite number of at least 0"),
    (lambda: st.cost_p_above([-1], 4, 1), "costs must be at least 0"),
    (lambda: st.cost_p_above_min(4, 1, 0), "cost_max must be a finite number above 0"),
    (lambda: st.cost_change_bounds([6], 4, 5, 0.05), "differences must lie within"),
    (lambda: st.cost_change_bounds([1], 4, 5, 1), "alpha must lie"),
    (lambda: st.tango_lower(3, 3, 5, 0.05), "losses \\+ gains must be at most n = 5, got 3 \\+ 3"),
    (lambda: st.tango_lower(-1, 3, 5, 0.05), "losses must be a finite number of at least 0"),
    (lambda: st.tango_lower(1, math.nan, 5, 0.05), "gains must be a finite number of at least 0"),
    (lambda: st.tango_lower(0, 0, 0, 0.05), "n must be a finite number above 0"),
    (lambda: st.tango_lower(0, 0, 5, 1), "alpha must lie"),
    (lambda: st.tango_interval(1, 1, 5, 1), "confidence must lie"),
    (lambda: st.tango_score(1, 1, 5, -1.5), "delta must lie between -1 and 1"),
    (lambda: st.step_scaled_tango([2], 5, 0.05), "differences must lie between -1 and 1"),
    (lambda: st.step_scaled_tango([1, 0, 0], 2, 0.05), "differences must be at most n = 2 numbers, got 3"),
    (lambda: st.step_scaled_tango([1], 0, 0.05), "n must be a whole number of at least 1"),
    (lambda: st.step_scaled_tango([1], 5, 0.05, design_effect=0.5), "design_effect must be at least 1"),
    (lambda: st.step_scaled_tango([1], 5, 0.05, degrees_of_freedom=-1), "degrees_of_freedom must be"),
    (lambda: st.mcnemar_exact_worse(1.5, 0), "losses must be a whole number"),  # type: ignore[arg-type]
    (lambda: st.mcnemar_midp_worse(0, -1), "gains must be a whole number of at least 0, got -1"),
    (lambda: st.sign_flip_worse([0.5]), "cluster_totals must be whole numbers"),  # type: ignore[list-item]
    (lambda: st.sign_flip_midp_worse(np.ones((2, 2))), "cluster_totals must be one-dimensional"),
    (lambda: st.holm([1.5]), "p_values must lie between 0 and 1"),
    (lambda: st.holm([math.nan]), "p_values must hold finite numbers"),
    (lambda: st.benjamini_hochberg([-0.1]), "p_values must lie between 0 and 1"),
    (lambda: st.tarone_holm([0.1], [0.1, 0.2], 0.05), "p_values and p_min must have one length, got 1 and 2"),
    (lambda: st.tarone_holm([0.1], [2], 0.05), "p_min must lie between 0 and 1"),
    (lambda: st.tarone_holm([0.1], [0.1], 0), "alpha must lie"),
    (lambda: st.tarone_holm_decisions([0.1], [0.1], 1), "alpha must lie"),
    (lambda: st.minimum_detectable_effect(0, 0.1, 0.05, 0.8), "n must be a finite number above 0"),
    (lambda: st.minimum_detectable_effect(9, 1.1, 0.05, 0.8), "discordance must lie between 0 and 1"),
    (lambda: st.minimum_detectable_effect(9, 0.1, 0.05, 1), "power must lie strictly"),
    (lambda: st.pass_hat_k(3, 4, 1), "correct and k must be at most n = 3, got correct = 4 and k = 1"),
    (lambda: st.pass_hat_k(3, 1, 4), "correct and k must be at most n = 3"),
    (lambda: st.pass_hat_k(3, 1, 0), "k must be a whole number of at least 1"),
    (lambda: st.quantile_ranks(0, 0.5, 0.95), "n must be at least 1"),
    (lambda: st.quantile_ranks(9, 1, 0.95), "share must lie strictly between 0 and 1"),
    (lambda: st.log_e_paired(3, 3, 5, 0.05), "losses \\+ gains must be at most n = 5"),
    (lambda: st.log_e_paired(1, 1, 5, 1), "margin must be at least 0 and below 1"),
    (lambda: st.log_e_paired(0.5, 1, 5, 0.1), "losses must be a whole number"),  # type: ignore[arg-type]
    (lambda: st.log_e_floor(1, -1, 0.9), "failures must be a whole number of at least 0"),
    (lambda: st.log_e_floor(1, 1, 1), "floor must lie strictly between 0 and 1"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_wrong_arguments_say_what_was_expected(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_every_function_refuses_something() -> None:
    functions = {name for name in st.__all__ if not isinstance(getattr(st, name), type)}
    refused = {name for call, _ in WRONG for name in call.__code__.co_names}
    assert functions <= refused


def test_public_names_are_complete_and_documented() -> None:
    assert sorted(st.__all__) == list(st.__all__)
    for name in st.__all__:
        function = getattr(st, name)
        assert function.__module__.startswith("harness.core.")
        assert function.__doc__
        assert isinstance(function, type) or ("ValueError" in function.__doc__ or "errors" in function.__doc__.lower())


def test_importing_loads_no_heavy_part_of_scipy() -> None:
    code = (
        "import harness.core.statistics, sys; print([m for m in sys.modules if m.startswith(('scipy.s', 'scipy.o'))])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
