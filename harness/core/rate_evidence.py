"""Evidence about one rate: floors, ceilings and zero tolerance (STATISTICS.md, sections 2 and 3)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from harness.core import statistics as st
from harness.core.claims import Claim
from harness.core.kinds import Kind, Rule, VerdictStatus
from harness.core.outcomes import FloatArray, Outcomes
from harness.core.verdicts import Evidence, Measured, Outright, incomplete, some

POWER = 0.80


class EffectiveRate(NamedTuple):
    """A rate as if it came from `size` independent cases, `ones` of which are ones."""

    rate: float
    ones: float
    size: float


def effective_rate(outcomes: Outcomes, case_means: FloatArray, alpha: float) -> EffectiveRate:
    """How many independent cases the rate is worth.

    All of them where they stand alone and their repeats agree: then it is an ordinary binomial. Otherwise Korn and
    Graubard's n*, never more than there are clusters (cases, where they stand alone).
    """
    rate = math.fsum(case_means.tolist()) / outcomes.n
    if not outcomes.clustered and bool(((case_means == 0) | (case_means == 1)).all()):
        return EffectiveRate(rate, float(np.count_nonzero(case_means)), float(outcomes.n))
    error = st.cluster_standard_error(case_means, outcomes.cluster_codes if outcomes.clustered else None)
    clusters = outcomes.n_clusters
    size = min(st.effective_sample_size(rate, error, clusters, alpha), float(clusters))
    return EffectiveRate(rate, min(rate * size, size), size)


def weigh_rate(claim: Claim) -> Evidence:
    """The evidence for `at_least` and `at_most`."""
    outcomes = claim.outcomes
    gap = incomplete(outcomes)
    if gap is not None:
        return gap
    floor = claim.kind is Kind.AT_LEAST
    case_means: FloatArray = outcomes.values.sum(axis=1) / outcomes.repeats
    rate, ones, size = effective_rate(outcomes, case_means, claim.alpha)
    lower = min(st.clopper_pearson_lower(ones, size, claim.alpha), rate)
    upper = max(st.clopper_pearson_upper(ones, size, claim.alpha), rate)
    units = outcomes.n_clusters

    def shown(k: float, n: float) -> bool:
        if floor:
            return st.clopper_pearson_lower(k, n, claim.alpha) >= claim.bound
        return st.clopper_pearson_upper(k, n, claim.alpha) <= claim.bound

    def failing(k: float, n: float) -> float:
        return (st.binomial_p_below if floor else st.binomial_p_above)(k, n, claim.bound)

    def scaled(factor: float, *, mid_p: bool) -> tuple[bool, float]:
        k, n = ones * factor, size * factor
        return shown(k, n), failing(k, n)

    def bearable(bad: int) -> bool:
        share = bad / outcomes.n
        return shown(size * (1 - share if floor else share), size)

    passes = shown(ones, size)
    reached = "reaches" if passes else "does not reach"
    stays = "stays within" if passes else "exceeds"
    return Evidence(
        measured=Measured(
            n=outcomes.n,
            repeats=outcomes.repeats,
            n_clusters=units,
            estimate=rate,
            lower=lower,
            upper=upper,
            p=failing(ones, size),
            p_min=(1 - claim.bound if floor else claim.bound) ** units,
            deff=outcomes.n / size if size else None,
            mde=_detectable(rate, size, claim.alpha),
            budget=largest(bearable, outcomes.n),
        ),
        passes=passes,
        pass_rule=Rule.LOWER_BOUND if floor else Rule.UPPER_BOUND,
        bound_reason=(
            f"the lower bound {lower:.4g} {reached} the floor {claim.bound:g}"
            if floor
            else f"the upper bound {upper:.4g} {stays} the ceiling {claim.bound:g}"
        ),
        scaled=scaled,
    )


def weigh_never(claim: Claim) -> Evidence:
    """The evidence for `never`: a violation seen decides even where other answers are missing."""
    outcomes = claim.outcomes
    violated = (outcomes.values > 0).any(axis=1)
    if np.any(violated):
        ids = outcomes.ids_where(violated)
        outright = Outright(
            status=VerdictStatus.FAIL,
            rule=Rule.VIOLATION,
            reason=f"{len(ids)} of {outcomes.n} cases violate a rule without exceptions: {some(ids)}",
        )
        return Evidence(measured=_never_measured(outcomes, claim.alpha, ids), outright=outright)
    gap = incomplete(outcomes)
    if gap is not None:
        return gap
    units = outcomes.n_clusters
    unexcluded = st.zero_failures_upper(units, claim.alpha)
    reason = f"no violation in {outcomes.n} cases; a rate of up to {unexcluded:.4g} is not excluded"
    needed = 0 if claim.assure is None else st.zero_failures_sample_size(claim.assure, claim.alpha)
    if units < needed:
        outright = Outright(
            status=VerdictStatus.INCONCLUSIVE,
            rule=Rule.TOO_FEW_TO_ASSURE,
            reason=f"{reason}; to assure {claim.assure:g} takes {needed} independent cases",
            more_cases=math.ceil((needed - units) * outcomes.n / units),
        )
    else:
        outright = Outright(status=VerdictStatus.PASS, rule=Rule.NO_VIOLATION, reason=reason)
    return Evidence(measured=_never_measured(outcomes, claim.alpha, ()), outright=outright)


def _never_measured(outcomes: Outcomes, alpha: float, violations: tuple[str, ...]) -> Measured:
    """The rate of cases with a violation; its bounds count every cluster, or case that stands alone, once."""
    rate = len(violations) / outcomes.n
    units = outcomes.n_clusters
    bad_units = np.unique(outcomes.cluster_codes[(outcomes.values > 0).any(axis=1)]).size
    return Measured(
        n=outcomes.n,
        repeats=outcomes.repeats,
        n_clusters=units,
        estimate=rate,
        lower=min(st.clopper_pearson_lower(bad_units, units, alpha), rate),
        upper=max(st.clopper_pearson_upper(bad_units, units, alpha), rate),
        deff=outcomes.n / units,
        budget=0,
        violation_ids=violations,
        missing_ids=outcomes.missing_ids,
    )


def largest(bearable: Callable[[int], bool], most: int) -> int | None:
    """The largest number from 0 to `most` that is still bearable; None where not even 0 is."""
    if not bearable(0):
        return None
    low, high = 0, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        if bearable(middle):
            low = middle
        else:
            high = middle
    return low


def detectable(spread: float, alpha: float) -> float | None:
    """The smallest difference found 4 times out of 5 by an estimate with this standard error; None if that is 0."""
    if not 0 < spread < math.inf:
        return None
    return (st.critical_value(alpha) - st.critical_value(POWER)) * spread


def _detectable(rate: float, size: float, alpha: float) -> float | None:
    return detectable(math.sqrt(rate * (1 - rate) / size), alpha) if size else None
