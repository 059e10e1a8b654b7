"""Small outcomes, claims and shorthands for the tests of the gate."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.core.gate import Claim, Outcomes, Verdict, VerdictStatus, no_worse, settle

PASS, FAIL, INCONCLUSIVE = VerdictStatus.PASS, VerdictStatus.FAIL, VerdictStatus.INCONCLUSIVE
SEVERITY = {FAIL: 0, INCONCLUSIVE: 1, PASS: 2}
ALPHA = 0.05


def rate(ones: int, n: int, repeats: int = 1) -> Outcomes:
    """`ones` of `n` cases right in every repeat."""
    values = np.zeros((n, repeats))
    values[:ones] = 1
    return Outcomes(values=values, case_ids=range(n))


def sides(losses: int, gains: int, n: int) -> tuple[Outcomes, Outcomes]:
    """Candidate and baseline that differ in these cases."""
    candidate, baseline = np.ones(n), np.ones(n)
    candidate[:losses] = 0
    baseline[losses : losses + gains] = 0
    return Outcomes(values=candidate, case_ids=range(n)), Outcomes(values=baseline, case_ids=range(n))


def changed(losses: int, gains: int, n: int, margin: float, **options: Any) -> Claim:
    candidate, baseline = sides(losses, gains, n)
    return no_worse(candidate, baseline, margin, **options)


def priced(costs: Any, **options: Any) -> Outcomes:
    return Outcomes(values=costs, case_ids=range(len(costs)), **options)


def one(claim: Claim) -> Verdict:
    (verdict,) = settle([claim])
    return verdict
