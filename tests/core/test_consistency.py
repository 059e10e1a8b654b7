"""pass^k and disagreement: what several answers to each case say, and how surely."""

import itertools
import math

import numpy as np
import pytest
from support.small_report import CASES, TASK, repeated, right, wrong_below

from harness.core import gate
from harness.core.consistency import consistency, disagreement, pass_hat
from harness.core.early import has_e_process
from harness.core.errors import ClaimError
from harness.core.metrics import members, outcomes_of
from harness.core.outcomes import Outcomes
from harness.core.records import Case, Measure, Response

NATURAL = members(CASES, None)
ANSWERERS = (right, wrong_below(10), wrong_below(20), wrong_below(30))
"""Cases 0 to 9 are right in 1 of 4 answers, 10 to 19 in 2, 20 to 29 in 3, the others in 4."""


def unusable(case):
    return Response(text="no idea")


def test_pass_hat_is_the_share_of_all_draws_of_k_answers_that_are_right_throughout():
    table = repeated(ANSWERERS)
    for k in range(1, 5):
        found = pass_hat(table, k)
        assert found.shape == (len(CASES), 1)
        for row, number in enumerate((1, 2, 3, 4)):
            flags = [True] * number + [False] * (4 - number)
            draws = [all(drawn) for drawn in itertools.combinations(flags, k)]
            assert found[10 * row, 0] == pytest.approx(sum(draws) / len(draws))


@pytest.mark.parametrize("p", [0.3, 0.9])
def test_pass_hat_is_unbiased(p):
    """Its mean over what n answers can be is the chance p^k that k answers are right."""
    n = 6
    for k in range(1, n + 1):
        mean = sum(
            math.comb(n, c) * p**c * (1 - p) ** (n - c) * math.comb(c, k) / math.comb(n, k) for c in range(n + 1)
        )
        assert mean == pytest.approx(p**k)
        tables = [repeated([right] * c + [wrong_below(99)] * (n - c), CASES[:1]) for c in range(n + 1)]
        found = [pass_hat(table, k)[0, 0] for table in tables]
        weights = [math.comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]
        assert np.dot(found, weights) == pytest.approx(mean)


def test_answers_differ_where_a_decision_does_or_only_some_can_be_used():
    assert disagreement(repeated([right, right]))[:, 0].tolist() == [0.0] * 44
    assert disagreement(repeated([wrong_below(3), right]))[:, 0].tolist() == [1.0] * 3 + [0.0] * 41
    assert disagreement(repeated([wrong_below(3, "a"), wrong_below(3, "b")])).sum() == 3
    assert disagreement(repeated([unusable, right])).all()
    assert not disagreement(repeated([unusable, unusable])).any()


def test_consistency_is_over_whole_natural_cases():
    found = consistency(repeated(ANSWERERS), NATURAL)
    assert (found.cases, found.repeats) == (40, 4)
    assert [share.estimate for share in found.pass_hat] == pytest.approx(
        [(0.25 + 0.5 + 0.75 + 1) / 4, (0 + 1 / 6 + 0.5 + 1) / 4, (0.25 + 1) / 4, 0.25]
    )
    assert found.disagreement.estimate == 0.75
    for share in (*found.pass_hat, found.disagreement):
        assert 0 <= share.lower < share.estimate < share.upper <= 1


def test_one_answer_per_case_or_missing_answers_say_nothing():
    assert consistency(repeated([right]), NATURAL) is None
    partly = repeated([right, None])
    assert consistency(partly, NATURAL) is None
    for metric in ("pass_hat", "disagreement"):
        values = outcomes_of(partly, TASK, NATURAL, Measure(run="r", metric=metric, k=2)).values
        assert values.shape == (40, 1)
        assert np.isnan(values).all()


def test_clusters_widen_the_intervals():
    clustered = [
        Case(id=c.id, inputs=c.inputs, expected=c.expected, cluster=f"k{i // 10}") for i, c in enumerate(CASES)
    ]
    alone = consistency(repeated(ANSWERERS), NATURAL)
    grouped = consistency(repeated(ANSWERERS, clustered), NATURAL)
    for one, other in zip(alone.pass_hat, grouped.pass_hat, strict=True):
        assert one.estimate == other.estimate
        assert other.lower < one.lower
        assert other.upper > one.upper


def test_shares_are_judged_by_their_mean_and_only_where_they_are_expected():
    shares = Outcomes(values=pass_hat(repeated(ANSWERERS), 2)[:40], case_ids=range(40))
    with pytest.raises(ClaimError, match="at_least takes outcomes of 0 and 1"):
        gate.at_least(shares, 0.2)
    (verdict,) = gate.settle([gate.at_least(shares, 0.25, shares=True)])
    assert verdict.estimate == pytest.approx(5 / 12)
    assert verdict.status == "PASS"
    (verdict,) = gate.settle([gate.at_least(shares, 0.9, shares=True)])
    assert verdict.status == "FAIL"
    with pytest.raises(ClaimError, match="takes shares between 0 and 1, got 0 to 2"):
        gate.at_least(Outcomes(values=[0, 2], case_ids=range(2)), 0.5, role="report", shares=True)


def test_shares_wait_for_their_last_case():
    zeros_and_ones = Outcomes(values=np.ones(40), case_ids=range(40))
    assert has_e_process(gate.at_least(zeros_and_ones, 0.5))
    assert not has_e_process(gate.at_least(zeros_and_ones, 0.5, shares=True))
