"""The gate: every rule of STATISTICS.md, and what must hold for whatever outcomes."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as generators
from scipy import stats
from support.gate_claims import ALPHA, FAIL, INCONCLUSIVE, PASS, changed, one, priced, rate, sides

from harness.core import statistics as st
from harness.core.errors import ClaimError
from harness.core.family import PValue, blocking_failures, reported_failures
from harness.core.gate import (
    Claim,
    Kind,
    Outcomes,
    Role,
    Rule,
    Verdict,
    VerdictStatus,
    at_least,
    at_most,
    check_reachable,
    cost_at_most,
    cost_no_worse,
    never,
    no_worse,
    settle,
    supported_bound,
)

ROOT = Path(__file__).parents[2]
VECTORS_FILE = ROOT.parent / "shared/data/stats_vectors.json"
NAN = float("nan")
some_examples = settings(max_examples=80, deadline=None)


def vectors(kind: str) -> list[Any]:
    if not VECTORS_FILE.exists():
        return [pytest.param({}, id="absent", marks=pytest.mark.skip(reason=f"no published vectors at {VECTORS_FILE}"))]
    found = json.loads(VECTORS_FILE.read_text(encoding="utf-8"))["vectors"]
    return [pytest.param(vector, id=vector["id"]) for vector in found if vector["kind"] == kind]


# ---------------------------------------------------------------------------------------------------- floors, ceilings


@pytest.mark.parametrize(("ones", "status"), [(380, PASS), (340, INCONCLUSIVE), (300, FAIL)])
def test_a_floor_is_shown_refuted_or_left_open(ones: int, status: VerdictStatus) -> None:
    verdict = one(at_least(rate(ones, 420), 0.8))
    assert verdict.status is status
    assert verdict.estimate == ones / 420
    assert verdict.lower == st.clopper_pearson_lower(ones, 420, ALPHA)
    assert verdict.upper == st.clopper_pearson_upper(ones, 420, ALPHA)
    assert verdict.p == st.binomial_p_below(ones, 420, 0.8)
    assert verdict.p_min == pytest.approx(0.2**420)
    assert verdict.decided_at == ALPHA
    assert verdict.deff == 1
    assert (verdict.n, verdict.repeats, verdict.n_clusters) == (420, 1, 420)


@pytest.mark.parametrize(("ones", "status"), [(12, PASS), (22, INCONCLUSIVE), (42, FAIL)])
def test_a_ceiling_mirrors_a_floor(ones: int, status: VerdictStatus) -> None:
    verdict = one(at_most(rate(ones, 420), 0.05))
    mirrored = one(at_least(rate(420 - ones, 420), 0.95))
    assert verdict.status is mirrored.status is status
    assert verdict.upper is not None
    assert mirrored.lower is not None
    assert verdict.upper == pytest.approx(1 - mirrored.lower)
    assert verdict.p == pytest.approx(mirrored.p)
    assert verdict.p_min == pytest.approx(0.05**420)
    assert verdict.budget == mirrored.budget == 13


@pytest.mark.parametrize("vector", vectors("operating_characteristic.floor"))
def test_a_floor_passes_by_mistake_as_often_as_published(vector: dict[str, Any]) -> None:
    inputs = vector["inputs"]
    for n, floor, published in zip(inputs["n"], inputs["floor"], vector["expected"]["clopper_pearson"], strict=True):
        passing = [k for k in range(n + 1) if one(at_least(rate(k, n), floor, role="guard")).status is PASS]
        assert sum(float(stats.binom.pmf(k, n, floor)) for k in passing) == pytest.approx(
            published, abs=vector["tolerance"]
        )


def test_repeats_are_judged_by_their_effective_size() -> None:
    values = np.array([[1, 1, 1]] * 40 + [[1, 0, 1]] * 8 + [[0, 0, 1]] * 6 + [[0, 0, 0]] * 6)
    verdict = one(at_least(Outcomes(values=values, case_ids=range(60)), 0.6))
    means = values.mean(axis=1)
    size = st.effective_sample_size(means.mean(), st.cluster_standard_error(means, None), 60, ALPHA)
    lower, upper = st.korn_graubard(means.mean(), st.cluster_standard_error(means, None), 60, ALPHA)
    capped = min(size, 60)
    assert size > 60  # so that the cap shows
    assert verdict.lower != pytest.approx(lower)
    assert verdict.upper != pytest.approx(upper)
    assert verdict.lower == pytest.approx(st.clopper_pearson_lower(means.mean() * capped, capped, ALPHA))
    assert verdict.p == pytest.approx(st.binomial_p_below(means.mean() * capped, capped, 0.6))
    assert verdict.repeats == 3


def test_clusters_are_judged_by_korn_and_graubard() -> None:
    rng = np.random.default_rng(3)
    clusters = np.repeat(np.arange(40), 5)
    values = (rng.random(40) < 0.8)[clusters] * (rng.random(200) < 0.995)
    verdict = one(at_least(Outcomes(values=values, case_ids=range(200), clusters=clusters), 0.5))
    error = st.cluster_standard_error(values.astype(float), clusters)
    lower, upper = st.korn_graubard(values.mean(), error, 40, ALPHA)
    size = st.effective_sample_size(values.mean(), error, 40, ALPHA)
    assert size < 40
    assert verdict.lower == pytest.approx(lower)
    assert verdict.upper == pytest.approx(upper)
    assert verdict.deff == pytest.approx(200 / size)
    assert verdict.p_min == pytest.approx(0.5**40)
    assert verdict.n_clusters == 40


def test_clusters_never_count_more_than_once() -> None:
    clusters = np.arange(300) // 10
    balanced = Outcomes(values=[1] * 9 + [0], case_ids=range(10))
    spread = Outcomes(values=np.tile(balanced.values[:, 0], 30), case_ids=range(300), clusters=clusters)
    verdict = one(at_least(spread, 0.7))  # every cluster has the same rate, so that the error is 0
    assert verdict.lower == pytest.approx(st.clopper_pearson_lower(27, 30, ALPHA))


def test_all_right_in_clusters_counts_the_clusters() -> None:
    outcomes = Outcomes(values=np.ones(100), case_ids=range(100), clusters=np.arange(100) // 5)
    assert one(at_least(outcomes, 0.8)).lower == pytest.approx(0.05 ** (1 / 20))


def test_one_cluster_shows_nothing() -> None:
    outcomes = Outcomes(values=[1] * 50 + [0] * 2, case_ids=range(52), clusters=["only"] * 52)
    verdict = one(at_least(outcomes, 0.5, role="guard"))
    assert (verdict.status, verdict.lower, verdict.upper, verdict.deff) == (INCONCLUSIVE, 0, 1, None)
    change = one(no_worse(outcomes, outcomes, 0.5, role="guard"))
    assert change.status is not PASS


# ------------------------------------------------------------------------------------------------------ zero tolerance


def test_one_violation_in_any_repeat_fails() -> None:
    values = np.zeros((40, 3))
    values[7, 2] = 0.5
    verdict = one(never(Outcomes(values=values, case_ids=[f"c{i:02d}" for i in range(40)])))
    assert (verdict.status, verdict.rule, verdict.violation_ids) == (FAIL, Rule.VIOLATION, ("c07",))
    assert "c07" in verdict.reason


@pytest.mark.parametrize(("n", "unexcluded"), [(15, 0.181), (30, 0.095), (40, 0.072)])
def test_no_violation_passes_and_says_what_that_leaves_open(n: int, unexcluded: float) -> None:
    verdict = one(never(rate(0, n)))
    assert (verdict.status, verdict.rule, verdict.p) == (PASS, Rule.NO_VIOLATION, None)
    assert verdict.upper == pytest.approx(unexcluded, abs=5e-4)


@pytest.mark.parametrize(("assure", "needed"), [(0.05, 59), (0.01, 299)])
def test_assurance_needs_enough_cases(assure: float, needed: int) -> None:
    assert one(never(rate(0, needed), assure=assure)).status is PASS
    verdict = one(never(rate(0, needed - 10), assure=assure))
    assert (verdict.status, verdict.rule, verdict.more_cases) == (INCONCLUSIVE, Rule.TOO_FEW_TO_ASSURE, 10)
    check_reachable("never", 0, needed, assure=assure)
    with pytest.raises(ClaimError, match=f"needs {needed} cases"):
        check_reachable("never", 0, needed - 1, assure=assure)


def test_assurance_counts_clusters() -> None:
    outcomes = Outcomes(values=np.zeros(118), case_ids=range(118), clusters=np.arange(118) // 2)
    assert one(never(outcomes, assure=0.05)).status is PASS
    fewer = Outcomes(values=np.zeros(100), case_ids=range(100), clusters=np.arange(100) // 2)
    assert one(never(fewer, assure=0.05)).more_cases == 18


def test_a_violation_fails_even_where_answers_are_missing() -> None:
    verdict = one(never(Outcomes(values=[0, NAN, 1], case_ids=["a", "b", "c"])))
    assert (verdict.status, verdict.violation_ids, verdict.missing_ids) == (FAIL, ("c",), ("b",))
    assert one(never(Outcomes(values=[0, NAN, 0], case_ids=["a", "b", "c"]))).rule is Rule.INCOMPLETE


# ---------------------------------------------------------------------------------------------------------------- cost

COSTS = np.repeat([0.0, 1.0, 5.0, 20.0], [340, 40, 16, 4])


@pytest.mark.parametrize(("ceiling", "status"), [(0.9, PASS), (0.5, INCONCLUSIVE), (0.2, FAIL)])
def test_a_cost_is_judged_by_fay_and_feuer(ceiling: float, status: VerdictStatus) -> None:
    verdict = one(cost_at_most(priced(COSTS), ceiling, cost_max=20))
    assert verdict.status is status
    assert (verdict.lower, verdict.upper) == st.fay_feuer(COSTS, 400, 20, ALPHA)
    assert verdict.p == st.cost_p_above(COSTS, 400, ceiling)
    assert verdict.p_min == st.cost_p_above_min(400, ceiling, 20)
    assert verdict.estimate == COSTS.mean()


def test_the_cost_of_a_case_is_the_mean_of_its_repeats() -> None:
    rng = np.random.default_rng(5)
    costs = rng.permuted(np.stack([COSTS, np.zeros(400)], axis=1), axis=1)
    verdict = one(cost_at_most(priced(costs), 0.5, cost_max=20))
    assert (verdict.lower, verdict.upper) == st.fay_feuer(COSTS / 2, 400, 20, ALPHA)


def test_the_cost_of_clusters_is_that_of_their_totals() -> None:
    clusters = np.arange(400) % 100
    totals = np.bincount(clusters, weights=COSTS)
    verdict = one(cost_at_most(priced(COSTS, clusters=clusters), 1.2, cost_max=20))
    assert (verdict.lower, verdict.upper) == st.fay_feuer(totals, 400, 80, ALPHA)
    assert verdict.p == st.cost_p_above(totals, 400, 1.2)
    assert verdict.n_clusters == 100


def test_the_sum_of_a_cluster_may_exceed_its_largest_cost_by_a_rounding() -> None:
    size, dearest = 6, 0.7
    assert sum([dearest] * size) > size * dearest
    dear = priced([dearest] * 60, clusters=np.arange(60) // size)
    assert one(cost_at_most(dear, 0.3, cost_max=dearest)).status is FAIL
    free = priced([0.0] * 60, clusters=np.arange(60) // size)
    assert one(cost_no_worse(dear, free, 0.6, cost_max=dearest)).status is FAIL


@pytest.mark.parametrize(("rise", "status"), [(0.0, PASS), (0.15, INCONCLUSIVE), (1.0, FAIL)])
def test_a_change_in_cost_is_judged_case_by_case(rise: float, status: VerdictStatus) -> None:
    before = np.random.default_rng(0).permutation(COSTS)
    after = before + rise * (np.arange(400) % 2)
    verdict = one(cost_no_worse(priced(after), priced(before), 0.17, cost_max=21))
    assert verdict.status is status
    assert verdict.estimate == pytest.approx(rise / 2)
    assert (verdict.lower, verdict.upper) == st.cost_change_bounds(after - before, 400, 21, ALPHA)
    assert verdict.baseline_estimate == pytest.approx(COSTS.mean())
    assert verdict.candidate_estimate == pytest.approx(COSTS.mean() + rise / 2)
    assert verdict.losses == pytest.approx(200 * rise)
    assert verdict.gains == 0
    assert len(verdict.lost_ids) == (200 if rise else 0)


def test_a_rise_passes_only_below_the_margin() -> None:
    before, after = priced(COSTS), priced(COSTS[::-1])
    upper = one(cost_no_worse(after, before, 1.0, cost_max=20)).upper
    assert upper is not None
    assert one(cost_no_worse(after, before, upper, cost_max=20)).status is INCONCLUSIVE
    assert one(cost_no_worse(after, before, upper * 1.001, cost_max=20)).status is PASS


def test_the_p_value_of_a_rise_is_where_its_lower_bound_leaves_0() -> None:
    before, after = np.zeros(400), np.zeros(400)
    after[:30], before[30:45] = 5.0, 5.0
    verdict = one(cost_no_worse(priced(after), priced(before), 0.1, cost_max=5))
    assert verdict.p is not None
    assert 1e-4 < verdict.p < 0.2
    assert st.cost_change_bounds(after - before, 400, 5, verdict.p)[0] == pytest.approx(0, abs=1e-6)
    assert one(cost_no_worse(priced(before), priced(after), 0.1, cost_max=5)).p == 1


def test_a_rise_everywhere_has_the_smallest_p_value() -> None:
    for n in (5, 12):
        verdict = one(cost_no_worse(priced([3.0] * n), priced([0.0] * n), 0.1, cost_max=3, role="guard"))
        assert verdict.p is not None
        assert verdict.p_min is not None
        assert verdict.p_min <= verdict.p < 0.2


# ---------------------------------------------------------------------------------------------------------- regression


@pytest.mark.parametrize("vector", vectors("verdict.paired"))
def test_published_verdicts(vector: dict[str, Any]) -> None:
    i, expected, tolerance = vector["inputs"], vector["expected"], vector["tolerance"]
    verdict = one(changed(i["b"], i["c"], i["n"], i["margin"], alpha=i["alpha_pass"], alpha_fail=i["alpha_fail"]))
    assert (verdict.status, verdict.drift) == (expected["verdict"], expected["drift_flag"])
    assert verdict.lower == pytest.approx(expected["lower"], abs=tolerance)
    assert verdict.upper == pytest.approx(expected["upper"], abs=tolerance)
    assert verdict.p == pytest.approx(expected["p_exact_worse"], abs=tolerance)
    assert verdict.p_mid == pytest.approx(expected["p_mid_worse"], abs=tolerance)
    assert (verdict.losses, verdict.gains, verdict.n) == (i["b"], i["c"], i["n"])


@cache
def status_of(losses: int, gains: int, n: int, margin: float) -> VerdictStatus:
    return one(changed(losses, gains, n, margin, role="guard")).status


def first(holds: Callable[[int], bool], high: int) -> int:
    """The smallest number from 0 to `high` for which it holds, given that it goes on to hold."""
    low = 0
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def thresholds(gains: int, n: int, margin: float) -> tuple[int, int]:
    """The largest number of losses that passes and the smallest that fails."""
    most = n - gains + 1
    not_passing = first(lambda b: b == most or status_of(b, gains, n, margin) is not PASS, most)
    return not_passing - 1, first(lambda b: b == most or status_of(b, gains, n, margin) is FAIL, most)


@pytest.mark.parametrize("vector", vectors("verdict.paired_thresholds"))
def test_published_thresholds(vector: dict[str, Any]) -> None:
    n, margin = vector["inputs"]["n"], vector["inputs"]["margin"]
    for gains, passing, failing in vector["expected"]["rows"]:
        assert thresholds(gains, n, margin) == (passing, failing)
        assert one(changed(failing, gains, n, margin)).budget == passing


@pytest.mark.parametrize("vector", vectors("operating_characteristic.paired_gate"))
def test_published_error_rates(vector: dict[str, Any]) -> None:
    """The exact chances of the three verdicts, summed over all numbers of losses and gains."""
    i = vector["inputs"]
    chances = {PASS: 0.0, FAIL: 0.0}
    for gains in range(i["n"] + 1):
        of_gains = float(stats.binom.pmf(gains, i["n"], i["p_gain"]))
        if of_gains < 1e-10:
            continue
        passing, failing = thresholds(gains, i["n"], i["margin"])
        losses = stats.binom(i["n"] - gains, i["p_loss"] / (1 - i["p_gain"]))
        chances[PASS] += of_gains * float(losses.cdf(passing))
        chances[FAIL] += of_gains * float(losses.sf(failing - 1))
    assert chances[PASS] == pytest.approx(vector["expected"]["PASS"], abs=vector["tolerance"])
    assert chances[FAIL] == pytest.approx(vector["expected"]["FAIL"], abs=vector["tolerance"])


def test_the_cases_that_flipped_are_named() -> None:
    candidate = Outcomes(values=[1, 0, 1, 0, 1], case_ids=["e", "d", "c", "b", "a"])
    baseline = Outcomes(values=[1, 1, 0, 1, 1], case_ids=["a", "b", "c", "d", "e"])
    verdict = one(no_worse(candidate, baseline, 0.9, role="guard"))
    assert (verdict.lost_ids, verdict.gained_ids) == (("b", "d"), ("c",))
    assert (verdict.losses, verdict.gains) == (2, 1)
    assert (verdict.baseline_estimate, verdict.candidate_estimate) == (0.8, 0.6)
    assert verdict.estimate == pytest.approx(-0.2)


def test_a_real_but_tolerable_loss_passes_as_drift() -> None:
    assert one(changed(21, 0, 1000, 0.03)).drift
    assert not one(changed(21, 15, 1000, 0.03)).drift
    assert not one(changed(40, 0, 1000, 0.03)).drift  # a FAIL is no drift


def test_repeats_are_judged_by_tango_on_the_scale_of_their_steps() -> None:
    rng = np.random.default_rng(2)
    chances = np.repeat([0.95, 0.5], [150, 50])
    values = [(rng.random((200, 4)) < chances[:, None] * kept).astype(float) for kept in (0.93, 1.0)]
    candidate, baseline = (Outcomes(values=v, case_ids=range(200)) for v in values)
    verdict = one(no_worse(candidate, baseline, 0.2))
    d = values[0].mean(axis=1) - values[1].mean(axis=1)
    tango = st.step_scaled_tango(d, 200, ALPHA)
    assert (verdict.lower, verdict.upper) == (tango.lower, tango.upper)
    assert verdict.p == st.sign_flip_worse((4 * d).round())
    assert verdict.p_mid == st.sign_flip_midp_worse((4 * d).round())
    assert verdict.p_min == 2.0 ** -np.count_nonzero(d)
    assert verdict.losses == pytest.approx(-d[d < 0].sum())
    assert verdict.mde == pytest.approx((1.6448536 + 0.8416212) * math.sqrt((d**2).sum()) / 200)


@pytest.mark.parametrize(("half_lost", "half_gained"), [(10, 4), (16, 12), (0, 3)])
def test_budget_and_more_cases_follow_the_steps_of_repeats(half_lost: int, half_gained: int) -> None:
    """With half a case as the step, bounds are half of Tango's with twice the losses."""
    n, margin = 200, 0.03
    values = np.ones((n, 2))
    values[:half_lost, 0] = 0
    before = np.ones((n, 2))
    before[half_lost : half_lost + half_gained, 1] = 0

    def verdict(times: int) -> Verdict:
        sides_ = (np.tile(side, (times, 1)) for side in (values, before))
        candidate, baseline = (Outcomes(values=side, case_ids=range(n * times)) for side in sides_)
        return one(no_worse(candidate, baseline, margin, role="guard"))

    once = verdict(1)
    passing = [lost for lost in range(n // 4) if st.tango_lower(2 * lost, half_gained, n, ALPHA) / 2 > -margin]
    assert once.budget == max(passing)
    assert once.lower == pytest.approx(st.tango_lower(half_lost, half_gained, n, ALPHA) / 2)
    if once.status is INCONCLUSIVE:
        assert once.more_cases is not None
        enough = math.ceil(1 + once.more_cases / n)
        assert verdict(enough).status is not INCONCLUSIVE
        assert enough < 3 or verdict(enough - 2).status is INCONCLUSIVE


def test_clusters_are_the_units_of_a_change() -> None:
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(50), 4)
    baseline = np.ones(200)
    candidate = np.where((rng.random(50) < 0.2)[clusters], 0.0, rng.random(200) < 0.98)
    verdict = one(
        no_worse(
            Outcomes(values=candidate, case_ids=range(200), clusters=clusters),
            Outcomes(values=baseline, case_ids=range(200)),
            0.1,
        )
    )
    d = candidate - baseline
    deff = st.design_effect(d, clusters)
    tango = st.step_scaled_tango(d, 200, ALPHA, design_effect=deff, degrees_of_freedom=49)
    assert deff > 2
    assert (verdict.deff, verdict.lower, verdict.upper) == (deff, tango.lower, tango.upper)
    assert verdict.p == st.sign_flip_worse(st.cluster_totals(d, clusters))
    assert verdict.rule is Rule.EXACT_P  # never mid-p with clusters


def test_the_clusters_of_the_baseline_count_where_the_candidate_has_none() -> None:
    candidate, baseline = sides(12, 0, 60)
    labels = [f"t{number // 6}" for number in range(60)]
    order = np.random.default_rng(1).permutation(60)
    in_order = Outcomes(values=baseline.values, case_ids=range(60), clusters=labels)
    mixed = Outcomes(values=baseline.values[order], case_ids=order, clusters=[labels[row] for row in order])
    first_verdict, second_verdict = (one(no_worse(candidate, side, 0.9)) for side in (in_order, mixed))
    assert first_verdict == second_verdict
    assert first_verdict.n_clusters == 10
    assert first_verdict.p == 0.25  # two clusters lost


def test_pairs_are_found_by_id_whatever_the_order() -> None:
    rng = np.random.default_rng(6)
    candidate, baseline = rng.integers(0, 2, 50), rng.integers(0, 2, 50)
    order = rng.permutation(50)
    straight = one(no_worse(priced(candidate), priced(baseline), 0.9))
    mixed = one(no_worse(priced(candidate), Outcomes(values=baseline[order], case_ids=order), 0.9))
    assert straight == mixed
    assert straight.losses == np.sum(candidate < baseline)


def test_few_clusters_are_pointed_out() -> None:
    clustered = Outcomes(values=np.ones(100), case_ids=range(100), clusters=np.arange(100) // 5)
    assert "20 independent groups" in one(at_least(clustered, 0.5)).notes[0]
    assert one(at_least(rate(20, 20), 0.5)).notes == ()


def test_nothing_flipped_in_clusters() -> None:
    side = Outcomes(values=np.ones(400), case_ids=range(400), clusters=np.arange(400) // 4)
    verdict = one(no_worse(side, side, 0.05))
    t = float(stats.t.isf(ALPHA, 99))
    assert verdict.lower == pytest.approx(-(t**2) / (100 + t**2))
    assert (verdict.status, verdict.p, verdict.p_min, verdict.mde) == (PASS, 1, 1, None)


def test_an_unchanged_strategy_is_identical() -> None:
    same, _ = sides(0, 0, 20)
    verdict = one(no_worse(same, same, 0.2, identical=True))
    assert (verdict.status, verdict.rule, verdict.estimate, verdict.decided_at) == (PASS, Rule.IDENTICAL, 0, None)
    assert one(no_worse(same, same, 0.01, role="guard", identical=True)).status is PASS
    assert one(no_worse(same, same, 0.01, role="guard")).status is INCONCLUSIVE
    cost = cost_no_worse(same, same, 0.5, cost_max=1, identical=True)
    assert one(cost).rule is Rule.IDENTICAL


def test_identical_is_not_believed_where_outcomes_differ() -> None:
    assert one(changed(18, 0, 40, 0.2, identical=True)).status is FAIL
    candidate, baseline = sides(18, 0, 40)
    assert one(cost_no_worse(baseline, candidate, 0.2, cost_max=1, identical=True)).rule is not Rule.IDENTICAL


# --------------------------------------------------------------------------------------------------------- fail closed


def every_kind(outcomes: Outcomes, baseline: Outcomes, role: str = "guard") -> list[Claim]:
    """One claim of each kind, all easy to satisfy."""
    return [
        at_least(outcomes, 0.01, role=role),
        at_most(outcomes, 1.0, role=role),
        cost_at_most(outcomes, 1.0, cost_max=1, role=role),
        never(Outcomes(values=outcomes.values * 0, case_ids=outcomes.case_ids), role=role),
        no_worse(outcomes, baseline, 0.99, role=role),
        cost_no_worse(outcomes, baseline, 0.99, cost_max=1, role=role),
    ]


def test_the_easy_claims_pass_when_nothing_is_missing() -> None:
    assert {verdict.status for verdict in settle(every_kind(rate(60, 60), rate(60, 60)))} == {PASS}


def test_zero_cases_never_pass() -> None:
    for role in Role:
        for verdict in settle(every_kind(rate(0, 0), rate(0, 0), role)):
            assert (verdict.status, verdict.rule, verdict.n) == (INCONCLUSIVE, Rule.INCOMPLETE, 0)
            assert "no cases" in verdict.reason


def test_a_missing_answer_never_passes() -> None:
    gap = Outcomes(values=np.array([[1, 1], [1, NAN]] + [[1, 1]] * 58), case_ids=[f"c{i}" for i in range(60)])
    whole = Outcomes(values=np.ones((60, 2)), case_ids=gap.case_ids)
    for verdict in settle(every_kind(gap, whole)):
        assert (verdict.status, verdict.rule, verdict.missing_ids) == (INCONCLUSIVE, Rule.INCOMPLETE, ("c1",))
        assert "1 of 60" in verdict.reason
        assert "c1" in verdict.reason
        assert verdict.estimate is verdict.lower is verdict.p is None
    missing_in_baseline = one(no_worse(whole, gap, 0.99))
    assert (missing_in_baseline.rule, missing_in_baseline.missing_ids) == (Rule.INCOMPLETE, ("c1",))


def test_another_set_of_cases_is_not_compared() -> None:
    candidate = Outcomes(values=np.ones(60), case_ids=range(60))
    baseline = Outcomes(values=np.ones(60), case_ids=range(1, 61))
    for claim in (
        no_worse(candidate, baseline, 0.9),
        no_worse(candidate, baseline, 0.9, identical=True),
        cost_no_worse(candidate, baseline, 0.9, cost_max=1),
    ):
        verdict = one(claim)
        assert (verdict.status, verdict.rule, verdict.unmatched_ids) == (INCONCLUSIVE, Rule.NOT_COMPARABLE, ("0", "60"))
        assert "1 not in the baseline (0)" in verdict.reason
        assert "1 only there (60)" in verdict.reason
    fewer = Outcomes(values=np.ones(30), case_ids=range(30))
    assert one(no_worse(fewer, baseline, 0.9)).rule is Rule.NOT_COMPARABLE
    assert one(no_worse(fewer, rate(0, 0), 0.9)).rule is Rule.INCOMPLETE


# ------------------------------------------------------------------------------------------------------ refused claims


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: at_least(Outcomes(values=[0.5, 1], case_ids=["a", "b"]), 0.1), "outcomes of 0 and 1.*got 0.5"),
        (lambda: at_least(rate(9, 9), 1.5), "rate between 0 and 1.*got 1.5"),
        (lambda: at_least(rate(9, 9), NAN), "rate between 0 and 1"),
        (lambda: at_most(rate(9, 9), -0.1), "rate between 0 and 1"),
        (lambda: at_least(rate(9, 9), 0.1, role="goal"), "role must be gate or guard or report, got 'goal'"),
        (lambda: at_least(rate(9, 9), 0.1, alpha=0.6), "alpha must be above 0 and at most 0.5"),
        (lambda: at_least(rate(9, 9), 0.1, alpha_fail=0), "alpha_fail must be above 0"),
        (lambda: never(Outcomes(values=[-1], case_ids="a")), "one string"),
        (lambda: never(Outcomes(values=[-1], case_ids=["a"])), "at least 0"),
        (lambda: never(rate(0, 9), assure=1.0), "assure must be a rate strictly between"),
        (lambda: cost_at_most(priced([3.0]), 1, cost_max=2), "between 0 and cost_max = 2, got 3.0"),
        (lambda: cost_at_most(priced([-3.0]), 1, cost_max=2), "got -3.0"),
        (lambda: cost_at_most(priced([1.0]), 1, cost_max=math.inf), "cost_max must be a finite number"),
        (lambda: cost_at_most(priced([1.0] * 50), -1, cost_max=2), "bound of at least 0"),
        (lambda: no_worse(rate(9, 9, 2), rate(9, 9, 3), 0.5), "the candidate has 2, the baseline 3"),
        (lambda: check_reachable("at_last", 0.5, 10), "kind must be at_least or"),
        (lambda: check_reachable("cost_at_most", 0.5, 10), "needs cost_max"),
        (lambda: check_reachable("at_least", 0.5, 10, alpha=0), "alpha must be"),
        (lambda: check_reachable("at_least", 0.5, 0), "no case"),
    ],
)
def test_a_claim_that_makes_no_sense_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises((ClaimError, ValueError), match=message):
        make()


@pytest.mark.parametrize(("n", "points"), [(30, 8.3), (200, 1.33), (1000, 0.27)])
def test_a_margin_that_no_sample_of_this_size_can_show_is_refused(n: int, points: float) -> None:
    assert 100 * supported_bound(Kind.NO_WORSE, n, alpha=ALPHA) == pytest.approx(points, abs=0.05)
    with pytest.raises(ClaimError, match=f"can't be shown on {n} cases"):
        check_reachable("no_worse", (points - 0.05) / 100, n)
    check_reachable("no_worse", (points + 0.05) / 100, n)
    check_reachable("no_worse", 0.0, n, role="guard")
    check_reachable("no_worse", 0.0, n, role="report")


def test_the_message_says_what_these_cases_could_support_and_how_many_would_do() -> None:
    with pytest.raises(ClaimError, match=r"even 200 of 200 right shows no more than 0\.9851.*at least 299 cases"):
        at_least(rate(200, 200), 0.99)
    assert one(at_least(rate(200, 200), 0.9851)).status is PASS
    assert one(at_least(rate(299, 299), 0.99)).status is PASS
    with pytest.raises(ClaimError, match="can't be shown on 20 clusters"):
        at_least(Outcomes(values=np.ones(200), case_ids=range(200), clusters=np.arange(200) // 10), 0.9)
    with pytest.raises(ClaimError, match=r"lower the floor to 0\.9851, or give"):
        at_least(rate(200, 200), 1.0)


def test_clusters_narrow_what_can_be_claimed() -> None:
    labels = np.repeat(np.arange(40), 5)
    side = Outcomes(values=np.ones(200), case_ids=range(200), clusters=labels)
    t = float(stats.t.isf(ALPHA, 39))
    least = t**2 / (40 + t**2)  # wider than with the normal quantile
    assert supported_bound(Kind.NO_WORSE, 40, alpha=ALPHA, clustered=True) == pytest.approx(least)
    assert supported_bound(Kind.NO_WORSE, 1, alpha=ALPHA, clustered=True) == 1
    bare = Outcomes(values=np.ones(200), case_ids=range(200))
    for candidate, baseline in ((side, side), (side, bare), (bare, side)):
        with pytest.raises(ClaimError, match="40 clusters"):
            no_worse(candidate, baseline, least - 1e-6)
        assert one(no_worse(candidate, baseline, least + 1e-6)).status is PASS


def test_the_largest_cluster_narrows_what_can_be_claimed_of_costs() -> None:
    labels = [*["large"] * 50, *range(150)]
    outcomes = Outcomes(values=np.zeros(200), case_ids=range(200), clusters=labels)
    least = -math.log(ALPHA) * 50 * 4 / 200
    with pytest.raises(ClaimError, match="even without any cost"):
        cost_at_most(outcomes, least * 0.999, cost_max=4)
    assert one(cost_at_most(outcomes, least * 1.001, cost_max=4)).status is PASS


@some_examples
@given(
    generators.sampled_from([Kind.AT_LEAST, Kind.AT_MOST, Kind.COST_AT_MOST, Kind.NO_WORSE, Kind.COST_NO_WORSE]),
    generators.floats(0, 1),
    generators.integers(1, 120),
    generators.sampled_from([0.01, 0.05, 0.2]),
    generators.integers(1, 4),
)
def test_a_gate_is_refused_exactly_where_the_best_outcome_would_not_pass(
    kind: Kind, bound: float, n: int, alpha: float, size: int
) -> None:
    clusters = None if size == 1 else np.repeat(np.arange(n), size)
    good = Outcomes(values=np.ones(n * size), case_ids=range(n * size), clusters=clusters)
    none = Outcomes(values=np.zeros(n * size), case_ids=range(n * size), clusters=clusters)
    make: dict[Kind, Callable[[str], Claim]] = {
        Kind.AT_LEAST: lambda role: at_least(good, bound, role=role, alpha=alpha),
        Kind.AT_MOST: lambda role: at_most(none, bound, role=role, alpha=alpha),
        Kind.COST_AT_MOST: lambda role: cost_at_most(none, bound, cost_max=2, role=role, alpha=alpha),
        Kind.NO_WORSE: lambda role: no_worse(good, good, bound, role=role, alpha=alpha),
        Kind.COST_NO_WORSE: lambda role: cost_no_worse(good, good, bound, cost_max=2, role=role, alpha=alpha),
    }
    passes = one(make[kind]("guard")).status is PASS
    try:
        claim = make[kind]("gate")
    except ClaimError:
        assert not passes
    else:
        assert passes
        assert one(claim).status is PASS


# --------------------------------------------------------------------------------------------------------- many claims


def test_a_single_unclustered_paired_claim_uses_mid_p() -> None:
    claim = changed(9, 2, 412, 0.02)
    alone = one(claim)
    assert (alone.status, alone.rule) == (FAIL, Rule.MID_P)
    assert alone.p_mid is not None
    assert alone.p is not None
    assert alone.p_mid < alone.p < ALPHA
    beside_others = settle([claim, never(rate(0, 9)), at_least(rate(1, 9), 0.5, role="report")])[0]
    assert beside_others == alone
    in_a_family = settle([claim, at_least(rate(90, 100), 0.5)])[0]
    assert (in_a_family.status, in_a_family.rule) == (INCONCLUSIVE, Rule.UNDECIDED)
    assert in_a_family.decided_at == ALPHA / 2


def test_a_neighbour_that_can_not_be_judged_does_not_bring_mid_p_back() -> None:
    claim = changed(7, 1, 400, 0.01)  # mid-p 0.02, p 0.035
    assert one(claim).rule is Rule.MID_P
    beside_a_gap = settle([claim, at_least(Outcomes(values=[1, NAN], case_ids=["a", "b"]), 0.1)])[0]
    assert (beside_a_gap.rule, beside_a_gap.decided_at) == (Rule.EXACT_P, ALPHA)


@pytest.mark.parametrize("vector", vectors("multiplicity.tarone_holm"))
def test_slices_fail_as_published(vector: dict[str, Any]) -> None:
    slices = vector["inputs"]["slices_b_c"]
    verdicts = settle([changed(b, c, b + c + 10, 0.0, role="guard") for b, c in slices])
    assert [verdict.status is FAIL for verdict in verdicts] == vector["expected"]["tarone_holm_reject"]
    assert [verdict.p for verdict in verdicts] == pytest.approx(vector["expected"]["p"], abs=vector["tolerance"])


def test_slices_that_can_not_fail_cost_nothing() -> None:
    loss = changed(8, 0, 40, 0.15, role="guard")  # p = 0.0039
    quiet = [changed(1, 1, 40, 0.15, role="guard")] * 20
    loud = [changed(8, 8, 40, 0.15, role="guard")] * 20
    verdict = settle([loss, *quiet])[0]
    assert (verdict.status, verdict.decided_at) == (FAIL, ALPHA)
    verdict = settle([loss, *loud])[0]
    assert (verdict.status, verdict.decided_at) == (INCONCLUSIVE, ALPHA / 20)


def test_every_claim_is_held_against_its_own_alpha() -> None:
    claims = [changed(9, 1, 60, 0.01, role="guard", alpha=a) for a in (0.05, 0.01)]  # p = 0.0107
    strict_and_lax = settle(claims)
    assert [v.status for v in strict_and_lax] == [FAIL, INCONCLUSIVE]
    assert [v.decided_at for v in strict_and_lax] == pytest.approx([ALPHA / 2, 0.01])
    stricter_fail = one(changed(9, 1, 60, 0.01, role="guard", alpha_fail=0.001))
    assert (stricter_fail.status, stricter_fail.decided_at) == (INCONCLUSIVE, 0.001)


def test_reports_never_join_the_family_and_get_their_own_correction() -> None:
    gate = changed(6, 0, 60, 0.01, role="guard")  # p = 0.0156
    crowd = [changed(b, 0, 60, 0.01, role="report") for b in (8, 7, 6, 2)]  # p = 0.0039, 0.0078, 0.0156, 0.25
    verdicts = settle([gate, *crowd])
    assert verdicts[0] == one(gate)
    assert [v.status for v in verdicts[1:]] == [FAIL, FAIL, FAIL, INCONCLUSIVE]
    assert [v.decided_at for v in verdicts[1:]] == pytest.approx([ALPHA * 3 / 4] * 4)
    assert settle([*crowd])[0].p == verdicts[1].p


def test_one_more_loss_can_not_rescue_a_claim_by_making_it_testable() -> None:
    """With its own p_min, the second claim set would be judged at 0.05/50 where the first is at 0.05."""
    others = [PValue(0.00101, 1e-9, ALPHA)] * 49
    nine, ten = PValue(10 / 512, 2.0**-9, ALPHA), PValue(11 / 1024, 2.0**-10, ALPHA)
    p, p_min = [v.p for v in (*others, ten)], [v.p_min for v in (*others, ten)]
    assert st.tarone_holm([*p[:-1], nine.p], [*p_min[:-1], nine.p_min], ALPHA)[-1]
    assert not st.tarone_holm(p, p_min, ALPHA)[-1]
    before, after = (blocking_failures([*others, value])[-1] for value in (nine, ten))
    assert not before.failed
    assert not after.failed
    assert before.decided_at < nine.p


@some_examples
@given(generators.lists(generators.tuples(generators.integers(0, 9), generators.integers(0, 9)), max_size=14))
def test_no_more_is_rejected_than_tarone_and_holm_reject(flips: list[tuple[int, int]]) -> None:
    values = [PValue(st.mcnemar_exact_worse(b, c), 2.0 ** -(b + c), ALPHA) for b, c in flips]
    theirs = st.tarone_holm([v.p for v in values], [v.p_min for v in values], ALPHA)
    for mine, tarone, value in zip(blocking_failures(values), theirs, values, strict=True):
        assert mine.failed <= tarone
        assert mine.failed == (value.p <= mine.decided_at and mine.failed)
        assert not mine.failed or value.p <= mine.decided_at


def test_no_claims_no_verdicts() -> None:
    assert settle([]) == []
    assert blocking_failures([]) == reported_failures([]) == []


# ----------------------------------------------------------------------------------------- budget, more cases, records


@some_examples
@given(generators.integers(1, 80), generators.floats(0.01, 0.99), generators.data())
def test_the_budget_of_a_rate_is_what_still_passes(n: int, bound: float, data: generators.DataObject) -> None:
    ones = data.draw(generators.integers(0, n))
    floors = [one(at_least(rate(n - bad, n), bound, role="guard")).status is PASS for bad in range(n + 1)]
    ceilings = [one(at_most(rate(bad, n), bound, role="guard")).status is PASS for bad in range(n + 1)]
    for claim, passing in ((at_least, floors), (at_most, ceilings)):
        verdict = one(claim(rate(ones, n), bound, role="guard"))
        assert verdict.budget == max(np.flatnonzero(passing), default=None)


def test_budgets_that_the_specification_names() -> None:
    assert one(at_least(rate(400, 400), 0.99)).budget == 0
    assert one(at_most(rate(0, 400), 0.02)).budget == 3
    assert one(never(rate(0, 40))).budget == 0
    assert one(at_least(rate(20, 20), 0.99, role="guard")).budget is None


@some_examples
@given(generators.integers(5, 400), generators.sampled_from([0.02, 0.05, 0.2]), generators.data())
def test_the_budget_of_losses_is_what_still_passes(n: int, margin: float, data: generators.DataObject) -> None:
    gains = data.draw(generators.integers(0, n // 4))
    losses = data.draw(generators.integers(0, n // 4))
    budget = one(changed(losses, gains, n, margin, role="guard")).budget
    if budget is None:
        assert status_of(0, gains, n, margin) is not PASS
    else:
        assert status_of(budget, gains, n, margin) is PASS
        assert budget + gains == n or status_of(budget + 1, gains, n, margin) is not PASS


def test_the_budget_of_costs_is_how_many_of_the_dearest_cases_still_pass() -> None:
    budget = one(cost_at_most(priced(COSTS), 1.0, cost_max=20)).budget
    assert budget is not None
    for bad, status in ((budget, PASS), (budget + 1, INCONCLUSIVE)):
        assert one(cost_at_most(priced([20.0] * bad + [0.0] * (400 - bad)), 1.0, cost_max=20)).status is status
    budget = one(cost_no_worse(priced(COSTS), priced(COSTS), 1.0, cost_max=20)).budget
    assert budget is not None
    for bad, passes in ((budget, True), (budget + 1, False)):
        after = priced([20.0] * bad + [0.0] * (400 - bad))
        assert (one(cost_no_worse(after, priced([0.0] * 400), 1.0, cost_max=20)).status is PASS) is passes


@some_examples
@given(generators.integers(20, 200), generators.floats(0.05, 0.95), generators.data())
def test_that_many_more_cases_settle_a_rate_and_one_less_does_not(
    n: int, floor: float, data: generators.DataObject
) -> None:
    ones = min(n, max(0, round(n * floor) + data.draw(generators.integers(-3, 3))))
    verdict = one(at_least(rate(ones, n), floor, role="guard"))
    assume(verdict.status is INCONCLUSIVE)

    def settled(more: float) -> bool:
        k, size = ones * (n + more) / n, n + more
        return st.clopper_pearson_lower(k, size, ALPHA) >= floor or st.binomial_p_below(k, size, floor) <= ALPHA

    if verdict.more_cases is None:
        assert not settled(1e6)
    else:
        assert settled(verdict.more_cases)
        assert verdict.more_cases == 1 or not settled(verdict.more_cases - 1)


@pytest.mark.parametrize("times", [2, 3, 7])
@pytest.mark.parametrize(("losses", "gains", "margin"), [(4, 2, 0.02), (6, 3, 0.03), (3, 3, 0.02), (2, 0, 0.01)])
def test_more_cases_of_a_change_agree_with_copies_of_all_cases(
    losses: int, gains: int, margin: float, times: int
) -> None:
    verdict = one(changed(losses, gains, 200, margin, role="guard"))
    assert verdict.status is INCONCLUSIVE
    assert verdict.more_cases is not None
    larger = one(changed(losses * times, gains * times, 200 * times, margin, role="guard"))
    assert (larger.status is INCONCLUSIVE) == (200 * (times - 1) < verdict.more_cases)


def test_more_cases_of_a_cost_come_close() -> None:
    verdict = one(cost_at_most(priced(COSTS), 0.6, cost_max=20))
    assert verdict.more_cases is not None
    times = math.ceil(1 + verdict.more_cases / 400)
    assert one(cost_at_most(priced(np.tile(COSTS, times)), 0.6, cost_max=20)).status is PASS
    assert one(cost_at_most(priced(np.tile(COSTS, times // 2)), 0.6, cost_max=20)).status is INCONCLUSIVE


def test_no_number_of_cases_settles_a_rate_at_its_floor() -> None:
    assert one(at_least(rate(80, 100), 0.8)).more_cases is None
    assert one(changed(3, 3, 200, 0.0, role="guard")).more_cases is None


def test_a_verdict_is_frozen_and_compares_by_what_it_says() -> None:
    verdict, again = one(at_least(rate(50, 60), 0.5)), one(at_least(rate(50, 60), 0.5, name="other"))
    assert verdict == again
    assert verdict.claim is not again.claim
    with pytest.raises(dataclasses.FrozenInstanceError):
        verdict.status = PASS  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        verdict.claim.bound = 0.1  # type: ignore[misc]
    assert (verdict.claim.name, again.claim.name) == ("at_least 0.5", "other")
    json.dumps({f.name: getattr(verdict, f.name) for f in dataclasses.fields(verdict) if f.name != "claim"})


def test_importing_the_gate_loads_nothing_heavy() -> None:
    code = (
        "import sys, harness.core.gate, harness.core.wording;"
        "print([m for m in ('scipy.stats', 'scipy.special', 'scipy.optimize', 'pandas', 'pytest') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
