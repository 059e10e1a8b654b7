"""Evidence about a quantile of latency, by the share of answers that came in time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.core import statistics as st
from harness.core.claims import Claim
from harness.core.kinds import Kind
from harness.core.metrics import UNANSWERED_S
from harness.core.outcomes import FloatArray, Outcomes
from harness.core.rate_evidence import effective_rate, weigh_rate
from harness.core.verdicts import Evidence, incomplete


def weigh_quantile(claim: Claim) -> Evidence:
    """The evidence for `quantile_at_most`.

    A quantile is at most x exactly where the share of answers within x is at least the quantile, so the claim is judged
    as that floor. Estimate and limits are order statistics: the answers at which the floor, the share itself and its
    opposite are just shown; infinite where that takes answers that never came.
    """
    gap = incomplete(claim.outcomes)
    if gap is not None:
        return gap
    share = _share(claim)
    within = replace(claim, kind=Kind.AT_LEAST, outcomes=_within(claim.outcomes, claim.bound), bound=share)
    evidence = weigh_rate(within)
    seconds = np.unique(claim.outcomes.values)
    estimate, upper = _first(seconds, _reached(claim, share)), _first(seconds, _floor_shown(claim, share))
    left_open = _not_excluded(claim, share)
    lower = 0.0 if left_open(-1.0) else _first(seconds, left_open)  # no answer takes less than no time
    beyond = _first(seconds[seconds > claim.bound], lambda time: True)
    if evidence.passes:  # clusters can make the limits cross the claim's own test, which is the one that counts
        upper = min(upper, claim.bound)
    elif upper <= claim.bound:
        upper = beyond
    if not left_open(claim.bound):
        lower = max(lower, beyond)
    stays = "stays within" if evidence.passes else "exceeds"
    return replace(
        evidence,
        measured=replace(
            evidence.measured, estimate=estimate, lower=min(lower, estimate), upper=max(upper, estimate), mde=None
        ),
        bound_reason=(f"the upper limit {upper:.4g} s of the {share:g} quantile {stays} the ceiling {claim.bound:g} s"),
    )


def _share(claim: Claim) -> float:
    if claim.quantile is None:
        raise ValueError(f"the claim {claim.name} has no quantile")
    return claim.quantile


def _within(outcomes: Outcomes, seconds: float) -> Outcomes:
    return Outcomes(
        values=(outcomes.values <= seconds).astype(np.float64), case_ids=outcomes.case_ids, clusters=outcomes.clusters
    )


Shown = Callable[[float], bool]


def _reached(claim: Claim, share: float) -> Shown:
    """Whether that share of the answers came within some time."""
    values = claim.outcomes.values
    needed = math.ceil(share * values.size - 1e-9)
    return lambda seconds: int((values <= seconds).sum()) >= needed


def _floor_shown(claim: Claim, share: float) -> Shown:
    """Whether the answers show that their quantile is at most some time."""

    def shown(seconds: float) -> bool:
        ones, size = _effective(claim, seconds)
        return st.clopper_pearson_lower(ones, size, claim.alpha) >= share

    return shown


def _not_excluded(claim: Claim, share: float) -> Shown:
    """Whether the answers leave it open that their quantile is at most some time."""

    def shown(seconds: float) -> bool:
        ones, size = _effective(claim, seconds)
        return st.clopper_pearson_upper(ones, size, claim.alpha) >= share

    return shown


def _effective(claim: Claim, seconds: float) -> tuple[float, float]:
    part = _within(claim.outcomes, seconds)
    _, ones, size = effective_rate(part, part.values.sum(axis=1) / part.repeats, claim.alpha)
    return ones, size


def _first(seconds: FloatArray, shown: Shown) -> float:
    """The shortest of these times from which on it is shown; infinite where none is, or where it means no answer."""
    low, high = -1, len(seconds)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(float(seconds[middle])) else (middle, high)
    found = float(seconds[high]) if high < len(seconds) else math.inf
    return math.inf if found >= UNANSWERED_S else found
