"""The self-test measures what it says: false alarms at their level, sizes that the formulas give too."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from harness.core import gate
from harness.core.gate import Outcomes, VerdictStatus
from harness.core.policy import Effect
from harness.core.records import Measure
from harness.reporting.model import JudgedClaim
from harness.runs import selftest
from harness.runs.selftest import CHURN, SHARES, Subject, self_test

N = 300


def subject(claim, *, metric="accuracy", run="new", plants=None, worse=0.0, units=None):
    (verdict,) = gate.settle([claim])
    judged = JudgedClaim(
        test="suites/t/test_t.py::test",
        index=0,
        kind=str(claim.kind),
        measure=Measure(run=run, metric=metric),
        bound=claim.bound,
        role=str(claim.role),
        title=claim.name,
        verdict=verdict,
        effect=Effect.PASS,
    )
    n = claim.outcomes.n
    return Subject(
        judged=judged,
        units=units or list(claim.outcomes.case_ids),
        places=[0] * n,
        worse=np.full(n, worse),
        plants=plants or {},
    )


def outcomes(values):
    return Outcomes(values=values, case_ids=[f"c{i}" for i in range(len(values))])


def right(share, n=N):
    return np.arange(n) < round(share * n)


def pair(flips=24, n=N):
    """Two runs that differ on `flips` cases, as often for the better as for the worse."""
    before, after = right(0.8, n).astype(float), right(0.8, n).astype(float)
    after[: flips // 2], before[flips // 2 : flips] = 0, 0
    return outcomes(after), outcomes(before)


def test_false_alarms_and_wrong_passes_stay_at_their_level():
    new, old = pair()
    result = self_test(
        [subject(gate.no_worse(new, old, 0.05)), subject(gate.at_least(outcomes(right(0.8).astype(float)), 0.7))]
    )
    paired, floor = result.claims
    most = binom.ppf(1 - 1e-4, result.simulations, 0.065)
    assert 0 < paired.false_alarms <= most
    assert 0 < paired.wrong_passes <= most
    assert 0 < floor.false_alarms <= most
    assert 0 < floor.wrong_passes <= most
    assert result.any_false_alarm <= most
    assert not result.broken
    assert result.churned == []


def test_the_size_of_a_found_loss_is_that_of_the_exact_binomial_test():
    result = self_test([subject(gate.at_least(outcomes(right(0.8).astype(float)), 0.7))])
    size = result.claims[0].sizes[math.ceil(0.8 * result.simulations) - 1]
    rates = np.arange(0.5, 0.8, 0.001)
    worst = max(k for k in range(N + 1) if binom.cdf(k, N, 0.7) <= 0.05)
    expected = 0.8 - max(rate for rate in rates if binom.cdf(worst, N, rate) >= 0.8)
    assert size == pytest.approx(expected, abs=0.02)


def test_the_same_seed_gives_the_same_result_and_another_seed_another():
    new, old = pair()
    tested = [subject(gate.no_worse(new, old, 0.05))]
    one, same, other = (self_test(tested, simulations=50, seed=seed).claims[0].sizes for seed in (1, 1, 2))
    assert one == same != other


def test_where_nothing_differs_from_the_baseline_some_cases_are_made_to():
    values = outcomes(right(0.9).astype(float))
    result = self_test([subject(gate.no_worse(values, values, 0.05, identical=True))])
    assert (result.churned, result.churn) == (["new"], CHURN)
    (test,) = result.claims
    assert test.unchanged_passes > 0.9 * result.simulations
    assert 0 < test.wrong_passes <= binom.ppf(1 - 1e-4, result.simulations, 0.065)


def test_a_planted_regression_is_blocked_ever_more_often():
    values = right(0.9).astype(float)
    claim = gate.at_least(outcomes(values), 0.85)
    result = self_test([subject(claim, plants={"all wrong": np.zeros((N, 1)), "harmless": values.reshape(-1, 1)})])
    harmful, harmless = sorted(result.plants, key=lambda plant: plant.name)
    counts = [count for _, count in harmful.blocked]
    assert counts == sorted(counts)
    assert counts[-1] == result.plant_simulations
    assert harmful.caught_by.title == claim.name
    assert [share for share, _ in harmless.blocked] == list(SHARES)
    assert max(count for _, count in harmless.blocked) <= 1
    assert harmless.blocked[0][1] == harmless.blocked[-1][1]


def test_a_claim_that_does_not_hold_is_tested_as_if_it_only_just_did():
    (test,) = self_test([subject(gate.at_least(outcomes(right(0.5).astype(float)), 0.7))]).claims
    assert 0 < test.false_alarms < 40
    assert test.unchanged_passes < 40


def test_zero_tolerance_promises_no_rate_and_finds_rare_violations():
    never = gate.never(outcomes(np.zeros(N)))
    (test,) = self_test([subject(never, metric="unusable", worse=1.0)]).claims
    assert (test.false_alarms, test.wrong_passes) == (None, None)
    size = test.sizes[math.ceil(0.8 * len(test.sizes)) - 1]
    assert 1 - (1 - size) ** N == pytest.approx(0.8, abs=0.12)


def test_units_are_drawn_whole():
    """Ten answers of one thread that always agree say no more than one: a loss must be larger to be found."""
    values = np.repeat(right(0.8, 30).astype(float), 10)
    threads = [f"t{i // 10}" for i in range(N)]
    alone = gate.at_least(outcomes(values), 0.6)
    together = gate.at_least(
        Outcomes(values=values, case_ids=[f"c{i}" for i in range(N)], clusters=threads), 0.6, role="guard"
    )
    (one,) = self_test([subject(alone)], simulations=100).claims
    (ten,) = self_test([subject(together, units=threads)], simulations=100).claims
    assert ten.unchanged_passes < one.unchanged_passes
    assert np.median(ten.sizes) > np.median(one.sizes)


def test_costs_are_measured_in_their_unit():
    costs = np.where(right(0.9), 0.0, 5.0)
    claim = gate.cost_at_most(outcomes(costs), 2.0, cost_max=20.0)
    (test,) = self_test([subject(claim, metric="cost", worse=20.0)], simulations=100).claims
    assert 1.5 < np.median(test.sizes) < 4.0
    assert test.unchanged_passes == 100


def test_a_gate_that_cries_wolf_is_named(monkeypatch):
    monkeypatch.setattr(selftest, "statuses", lambda claims, evidence: [VerdictStatus.FAIL] * len(claims))
    new, old = pair()
    result = self_test([subject(gate.no_worse(new, old, 0.05))], simulations=50)
    assert result.broken[0] == "any false alarm in 50 of 50, where 0.05 is promised"


def test_every_step_is_told():
    steps = []
    claim = gate.at_least(outcomes(right(0.9).astype(float)), 0.8)
    self_test([subject(claim, plants={"wrong": np.zeros((N, 1))})], simulations=20, told=steps.append)
    assert steps == [3, 3, 3]


def test_no_claim_is_refused():
    with pytest.raises(ValueError, match="no claim"):
        self_test([])
