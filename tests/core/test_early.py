"""Verdicts that may be looked at after every case: what decides, what has to wait, and the errors made on the way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as generators
from scipy import stats
from support.gate_claims import FAIL, INCONCLUSIVE, PASS, SEVERITY

from harness.core import statistics as st
from harness.core.early import SEQUENTIAL
from harness.core.gate import (
    Outcomes,
    Rule,
    at_least,
    at_most,
    cost_at_most,
    never,
    no_worse,
    settle,
    settle_early,
)

ALPHA = 0.05


def so_far(values, asked):
    """The first `asked` values; the others are still to come."""
    known = np.array(values, dtype=float)
    known[asked:] = np.nan
    return Outcomes(values=known, case_ids=range(len(known)))


def one(claim):
    (verdict,) = settle_early([claim])
    return verdict


def floor(ones, asked, n, bound, **options):
    values = np.zeros(n)
    values[:ones] = 1
    return at_least(so_far(values, asked), bound, **options)


def test_a_floor_passes_where_its_e_value_reaches_its_share_of_alpha():
    needed = -math.log(SEQUENTIAL * ALPHA)
    asked = next(n for n in range(1, 300) if st.log_e_floor(n, 0, 0.8)[0] >= needed)
    early, late = one(floor(300, asked - 1, 300, 0.8)), one(floor(300, asked, 300, 0.8))
    assert (early.status, early.rule) == (INCONCLUSIVE, Rule.UNDECIDED)
    assert (late.status, late.rule, late.n) == (PASS, Rule.ANYTIME, asked)
    assert late.reason == f"after {asked} of 300 cases the anytime-valid bound {late.lower:.4g} shows 0.8"


def test_a_floor_fails_where_its_e_value_says_so():
    asked = next(n for n in range(1, 300) if math.exp(-st.log_e_floor(0, n, 0.8)[1]) / SEQUENTIAL <= ALPHA)
    assert one(floor(0, asked - 1, 300, 0.8)).status is INCONCLUSIVE
    verdict = one(floor(0, asked, 300, 0.8))
    assert (verdict.status, verdict.rule) == (FAIL, Rule.ANYTIME)
    assert verdict.p == pytest.approx(math.exp(-st.log_e_floor(0, asked, 0.8)[1]) / SEQUENTIAL)


def test_a_ceiling_is_the_floor_of_the_opposite():
    values = np.array([1, 0, 0, 0, 0] * 60)
    up, down = at_most(so_far(values, 200), 0.5), at_least(so_far(1 - values, 200), 0.5)
    ceiling, mirrored = one(up), one(down)
    assert (ceiling.status, ceiling.p) == (mirrored.status, mirrored.p)
    assert ceiling.upper == pytest.approx(1 - mirrored.lower, abs=1e-5)
    assert ceiling.lower == pytest.approx(1 - mirrored.upper, abs=1e-5)


def test_bounds_of_a_change_are_where_the_e_values_change_sides():
    new, old = np.ones(400), np.ones(400)
    new[:4], old[4:10] = 0, 0
    baseline = Outcomes(values=old, case_ids=range(400))
    verdict = one(no_worse(so_far(new, 300), baseline, 0.05))
    needed = -math.log(SEQUENTIAL * ALPHA)
    assert st.log_e_paired(4, 6, 300, -verdict.lower)[0] == pytest.approx(needed, abs=1e-2)
    assert st.log_e_paired(6, 4, 300, verdict.upper)[0] == pytest.approx(needed, abs=1e-2)
    assert verdict.estimate == pytest.approx(2 / 300)
    assert verdict.lower < verdict.estimate < verdict.upper
    assert (verdict.losses, verdict.gains, verdict.n) == (4, 6, 300)


def test_the_budget_is_what_the_cases_so_far_could_stand():
    verdict = one(floor(300, 100, 300, 0.8))
    needed = -math.log(SEQUENTIAL * ALPHA)
    assert st.log_e_floor(100 - verdict.budget, verdict.budget, 0.8)[0] >= needed
    assert st.log_e_floor(99 - verdict.budget, verdict.budget + 1, 0.8)[0] < needed
    assert one(floor(300, 5, 300, 0.8)).budget is None
    new, old = np.ones(400), np.ones(400)
    new[:40] = 0
    paired = one(no_worse(so_far(new, 300), Outcomes(values=old, case_ids=range(400)), 0.05))
    assert st.log_e_paired(paired.budget, 0, 300, 0.05)[0] >= needed
    assert st.log_e_paired(paired.budget + 1, 0, 300, 0.05)[0] < needed
    assert (paired.status, paired.upper) == (FAIL, 0.0)


def test_when_all_cases_are_there_the_ordinary_test_is_held_with_the_rest_of_alpha():
    n, bound = 200, 0.9
    ones = next(k for k in range(n) if st.clopper_pearson_lower(k, n, (1 - SEQUENTIAL) * ALPHA) >= bound)
    assert st.log_e_floor(ones, n - ones, bound)[0] < -math.log(SEQUENTIAL * ALPHA)
    verdict = one(floor(ones, n, n, bound))
    assert (verdict.status, verdict.rule) == (PASS, Rule.LOWER_BOUND)
    assert one(floor(ones - 1, n, n, bound)).status is INCONCLUSIVE
    bad = next(k for k in range(n, 0, -1) if st.binomial_p_below(k, n, bound) <= (1 - SEQUENTIAL) * ALPHA)
    failed = one(floor(bad, n, n, bound))
    assert (failed.status, failed.rule) == (FAIL, Rule.EXACT_P)
    assert one(floor(bad + 1, n, n, bound)).status is INCONCLUSIVE


def test_zero_tolerance_fails_at_once_and_passes_only_when_all_are_there():
    values = np.zeros(50)
    values[10] = 1
    assert one(never(so_far(values, 10))).status is INCONCLUSIVE
    assert one(never(so_far(values, 11))).status is FAIL
    assert one(never(so_far(np.zeros(50), 49))).status is INCONCLUSIVE
    assert one(never(so_far(np.zeros(50), 50))).status is PASS


@pytest.mark.parametrize(
    "make",
    [
        lambda values: cost_at_most(so_far(values, 60), 5, cost_max=10),
        lambda values: at_least(
            Outcomes(
                values=np.where(np.arange(100) < 60, 1, np.nan),
                case_ids=range(100),
                clusters=[i // 2 for i in range(100)],
            ),
            0.5,
        ),
        lambda values: at_least(
            Outcomes(values=np.where(np.arange(200).reshape(100, 2) < 120, 1, np.nan), case_ids=range(100)), 0.5
        ),
    ],
    ids=["cost", "clusters", "repeats"],
)
def test_what_has_no_e_process_waits_for_its_last_case(make):
    verdict = one(make(np.zeros(100)))
    assert (verdict.status, verdict.rule) == (INCONCLUSIVE, Rule.INCOMPLETE)
    assert verdict.reason == "answers of 40 of 100 cases were not asked for"


def test_what_waits_counts_in_the_family():
    """A failure that would be one alone must not be called before its neighbours have been heard."""

    def p(ones, asked):
        return math.exp(-st.log_e_floor(ones, asked - ones, 0.8)[1]) / SEQUENTIAL

    ones, asked = next((k, n) for n in range(1, 99) for k in range(n) if ALPHA / 2 < p(k, n) < ALPHA)
    failing, waiting = floor(ones, asked, 300, 0.8), cost_at_most(so_far(np.zeros(300), asked), 5, cost_max=10)
    assert settle_early([failing])[0].status is FAIL
    assert settle_early([failing, waiting])[0].status is INCONCLUSIVE
    assert settle_early([failing, waiting])[0].decided_at == ALPHA / 2


def test_other_claims_are_judged_as_always_when_they_are_whole():
    costs = Outcomes(values=np.zeros(300), case_ids=range(300))
    claims = [cost_at_most(costs, 5, cost_max=10), never(costs)]
    assert settle_early(claims) == settle(claims)


def test_no_answer_yet_is_no_evidence():
    verdict = one(floor(300, 0, 300, 0.8))
    assert (verdict.status, verdict.p, verdict.estimate) == (INCONCLUSIVE, 1.0, None)


def test_an_unchanged_strategy_is_identical_only_when_all_of_it_was_seen():
    values = np.ones(100)
    baseline = Outcomes(values=values, case_ids=range(100))
    assert one(no_worse(so_far(values, 40), baseline, 0.05, identical=True)).rule is Rule.UNDECIDED
    assert one(no_worse(so_far(values, 100), baseline, 0.05, identical=True)).rule is Rule.IDENTICAL


counts = generators.integers(1, 120).flatmap(
    lambda n: generators.tuples(generators.just(n), generators.integers(0, n), generators.integers(0, n))
)


@settings(max_examples=80, deadline=None)
@given(counts, generators.sampled_from([0.3, 0.6, 0.9]), generators.integers(0, 40))
def test_one_more_wrong_answer_never_helps_a_floor(case, bound, later):
    n, ones, _ = case
    before = one(floor(ones, n, n + later, bound, role="guard"))
    after = one(floor(max(ones - 1, 0), n, n + later, bound, role="guard"))
    assert SEVERITY[after.status] <= SEVERITY[before.status]
    assert before.lower <= before.estimate <= before.upper


@settings(max_examples=80, deadline=None)
@given(counts, generators.sampled_from([0.02, 0.1, 0.3]), generators.integers(0, 40), generators.randoms())
def test_the_order_of_cases_and_one_more_loss(case, margin, later, random):
    n, losses, gains = case
    gains = min(gains, n - losses)
    new, old = np.ones(n + later), np.ones(n + later)
    new[:losses], old[losses : losses + gains] = 0, 0
    new[n:] = np.nan

    def judged(rows, new):
        sides = [Outcomes(values=side[rows], case_ids=[f"c{i}" for i in rows]) for side in (new, old)]
        return one(no_worse(*sides, margin, role="guard"))

    rows = list(range(n + later))
    before = judged(rows, new)
    random.shuffle(rows)
    assert judged(rows, new) == before
    worse = new.copy()
    worse[n - 1] = 0
    assert SEVERITY[judged(rows, worse).status] <= SEVERITY[before.status]


def test_looking_often_keeps_the_promised_errors():
    """Runs that are looked at every 20 cases: FAIL with no change and PASS at the margin stay within alpha."""
    random, runs, n, margin = np.random.default_rng(8), 200, 400, 0.05

    def ever(status, loss):
        u = random.random(n)
        flips = (u < 0.06 + loss / 2, (u >= 0.06 + loss / 2) & (u < 0.12))
        new, old = (np.where(flip, 0.0, 1.0) for flip in flips)
        baseline = Outcomes(values=old, case_ids=range(n))
        return any(
            one(no_worse(so_far(new, asked), baseline, margin)).status is status for asked in range(20, n + 1, 20)
        )

    most = stats.binom.ppf(1 - 1e-4, runs, ALPHA)
    assert sum(ever(FAIL, 0.0) for _ in range(runs)) <= most
    assert sum(ever(PASS, margin) for _ in range(runs)) <= most
