"""Claims about a quantile of latency: judged as a floor of answers in time, told in seconds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as generators

from harness.core import gate
from harness.core.errors import ClaimError
from harness.core.gate import Outcomes, Rule, VerdictStatus
from harness.core.metrics import UNANSWERED_S
from harness.core.statistics import quantile_ranks
from harness.core.wording import budget, details, sentence

RANDOM = np.random.default_rng(3)


def outcomes(seconds, clusters=None):
    values = np.asarray(seconds, dtype=float)
    return Outcomes(values=values, case_ids=range(len(values)), clusters=clusters)


def judged(seconds, ceiling, quantile=0.95, **options):
    (verdict,) = gate.settle([gate.quantile_at_most(outcomes(seconds), ceiling, quantile=quantile, **options)])
    return verdict


def as_floor(seconds, ceiling, quantile, **options):
    within = [float(value <= ceiling) for value in seconds]
    (verdict,) = gate.settle([gate.at_least(outcomes(within), quantile, **options)])
    return verdict


latencies = generators.lists(
    generators.one_of(generators.floats(0.01, 5), generators.just(UNANSWERED_S)), min_size=60, max_size=300
)


@settings(deadline=None, max_examples=60)
@given(latencies, generators.floats(0.01, 6), generators.sampled_from([0.5, 0.9, 0.95]))
def test_it_is_the_floor_of_answers_in_time(seconds, ceiling, quantile):
    verdict, floor = judged(seconds, ceiling, quantile), as_floor(seconds, ceiling, quantile)
    assert (verdict.status, verdict.p, verdict.decided_at, verdict.budget) == (
        floor.status,
        floor.p,
        floor.decided_at,
        floor.budget,
    )
    assert (verdict.upper <= ceiling) == (verdict.status is VerdictStatus.PASS)
    assert verdict.lower <= verdict.estimate <= verdict.upper
    if verdict.status is VerdictStatus.FAIL:
        assert verdict.lower > ceiling
    assert sentence(verdict)
    assert details(verdict)


@pytest.mark.parametrize(("n", "quantile"), [(200, 0.95), (1000, 0.95), (500, 0.5), (60, 0.95)])
def test_estimate_and_limits_are_order_statistics(n, quantile):
    seconds = RANDOM.permutation(np.arange(1, n + 1) / 100)
    verdict = judged(seconds, 1000.0, quantile)
    low, middle, high = quantile_ranks(n, quantile, 0.9)
    in_order = np.sort(seconds)
    assert (verdict.lower, verdict.estimate, verdict.upper) == (in_order[low], in_order[middle], in_order[high])
    assert verdict.status is VerdictStatus.PASS


def test_a_request_without_an_answer_is_slower_than_any():
    seconds = [0.1] * 100 + [UNANSWERED_S] * 10
    verdict = judged(seconds, 3600.0)
    assert verdict.status is VerdictStatus.FAIL
    assert verdict.estimate == math.inf
    assert sentence(verdict) == ("fewer than 95% of the requests were answered, with no limit; 3600 s allowed")


def test_a_few_unanswered_requests_leave_the_limit_open():
    verdict = judged([0.1] * 96 + [UNANSWERED_S] * 4, 2.0)
    assert verdict.status is VerdictStatus.INCONCLUSIVE
    assert (verdict.estimate, verdict.upper) == (0.1, math.inf)
    assert sentence(verdict).startswith("95% were answered within 0.1 s, with no upper limit; 2 s allowed; ")
    assert "upper bound unbounded" in details(verdict)


def test_what_is_not_asked_yet_is_not_judged():
    verdict = judged([0.1] * 99 + [math.nan], 2.0)
    assert (verdict.status, verdict.rule) == (VerdictStatus.INCONCLUSIVE, Rule.INCOMPLETE)


def test_a_verdict_is_told_in_seconds():
    verdict = judged([0.1] * 150 + [0.4] * 50, 0.3, name="p95")
    assert verdict.status is VerdictStatus.FAIL
    assert sentence(verdict) == "95% were answered within 0.4 s, at least 0.4 s with 95% confidence; 0.3 s allowed"
    passed = judged([0.1] * 197 + [0.4] * 3, 0.3)
    assert sentence(passed) == "95% were answered within 0.1 s, at most 0.1 s with 95% confidence; 0.3 s allowed"
    assert passed.reason == "the upper limit 0.1 s of the 0.95 quantile stays within the ceiling 0.3 s"
    assert budget(passed) == "allows 4 slower cases in 200"


def test_clusters_and_repeats_never_contradict_the_verdict():
    for seed in range(30):
        random = np.random.default_rng(seed)
        typical = random.lognormal(-1, 0.6, size=40)
        values = typical.repeat(5)[:, None] * random.lognormal(0, 0.3, size=(200, 3))
        clustered = Outcomes(values=values, case_ids=range(200), clusters=[f"c{i // 5}" for i in range(200)])
        ceiling = float(np.quantile(values, 0.9 + 0.003 * seed))
        (verdict,) = gate.settle([gate.quantile_at_most(clustered, ceiling, quantile=0.9, role="guard")])
        assert (verdict.upper <= ceiling) == (verdict.status is VerdictStatus.PASS)
        assert verdict.lower <= verdict.estimate <= verdict.upper


def test_a_quantile_that_no_answers_could_show_is_refused():
    with pytest.raises(ClaimError, match=r"the quantile 0.99 of latency is a floor of answers in time: .*at least 299"):
        gate.quantile_at_most(outcomes([0.1] * 100), 2.0, quantile=0.99)
    assert gate.quantile_at_most(outcomes([0.1] * 100), 2.0, quantile=0.99, role="guard").blocks


@pytest.mark.parametrize(("quantile", "ceiling"), [(0, 1), (1, 1), (95, 1), (0.5, 0), (0.5, -1), (0.5, math.inf)])
def test_arguments_that_make_no_sense_are_refused(quantile, ceiling):
    with pytest.raises(ClaimError):
        gate.quantile_at_most(outcomes([0.1] * 100), ceiling, quantile=quantile, role="report")


def test_a_time_below_zero_is_refused():
    with pytest.raises(ClaimError, match="at least 0 seconds"):
        gate.quantile_at_most(outcomes([-0.1] * 100), 1, quantile=0.5)
