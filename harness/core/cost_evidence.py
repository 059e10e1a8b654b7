"""Evidence about a mean cost per decision and its change (STATISTICS.md, section 4)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from harness.core import statistics as st
from harness.core.claims import Claim
from harness.core.kinds import Rule
from harness.core.outcomes import FloatArray
from harness.core.pairing import paired, unchanged
from harness.core.rate_evidence import detectable, largest
from harness.core.verdicts import Evidence, Measured, Scaled, incomplete


def case_means(values: FloatArray) -> FloatArray:
    """The mean over the repeats of each case, whatever their order; exact where all repeats are equal."""
    if values.shape[1] == 1:
        return values[:, 0]
    ordered = np.sort(values, axis=1)
    lowest = ordered[:, :1]
    means: FloatArray = lowest[:, 0] + (ordered - lowest).sum(axis=1) / values.shape[1]
    return means


def per_cluster(values: FloatArray, codes: NDArray[np.intp], n_clusters: int, unit_max: float) -> FloatArray:
    """The sums per cluster that are not 0, whatever the order of the cases: clusters, not cases, are independent."""
    if n_clusters == values.size:
        changed: FloatArray = values[values != 0]
        return changed
    order = np.lexsort((values, codes))
    totals = np.bincount(codes[order], weights=values[order], minlength=n_clusters)
    clipped: FloatArray = np.clip(totals[totals != 0], -unit_max, unit_max)  # a sum may be beyond by its last bit
    return clipped


def largest_cluster(codes: NDArray[np.intp], n_clusters: int) -> int:
    return 1 if n_clusters == codes.size else int(np.bincount(codes).max())


def _cost_max(claim: Claim) -> float:
    if claim.cost_max is None:
        raise ValueError(f"the claim {claim.name} has no cost_max")
    return claim.cost_max


def _finite(deff: float) -> float | None:
    """None for the design effect of a single cluster, which can't be known."""
    return deff if math.isfinite(deff) else None


def _detectable(values: FloatArray, deff: float, alpha: float) -> float | None:
    spread, scale = float(np.ptp(values)), float(np.abs(values).max())
    if spread <= 1e-9 * scale:  # equal but for rounding: nothing varied
        return None
    return detectable(st.cluster_standard_error(values, None) * math.sqrt(deff), alpha)


def _at_most_worst(mean: float, cost_max: float, n: int) -> int:
    """How many cases of the largest cost reach this mean, which no budget can exceed."""
    return min(n, math.ceil(mean * n / cost_max))


def weigh_cost(claim: Claim) -> Evidence:
    """The evidence for `cost_at_most`: Fay-Feuer limits over the totals of the clusters (cases that stand alone)."""
    outcomes = claim.outcomes
    gap = incomplete(outcomes)
    if gap is not None:
        return gap
    n, units = outcomes.n, outcomes.n_clusters
    means = case_means(outcomes.values)
    cost_max = _cost_max(claim)
    unit_max = cost_max * largest_cluster(outcomes.cluster_codes, units)
    totals = per_cluster(means, outcomes.cluster_codes, units, unit_max)
    estimate = math.fsum(means.tolist()) / n
    lower, upper = st.fay_feuer(totals, n, unit_max, claim.alpha)
    lower, upper = min(lower, estimate), min(max(upper, estimate), cost_max)
    p = st.cost_p_above(totals, n, claim.bound)
    passes = upper <= claim.bound
    deff = st.design_effect(means, outcomes.cluster_codes if outcomes.clustered else None)

    def bearable(worst_cases: int) -> bool:
        costs = np.full(worst_cases, cost_max)
        return st.fay_feuer(costs, n, unit_max, claim.alpha)[1] <= claim.bound

    return Evidence(
        measured=Measured(
            n=n,
            repeats=outcomes.repeats,
            n_clusters=units,
            estimate=estimate,
            lower=lower,
            upper=upper,
            p=p,
            p_min=st.cost_p_above_min(units, claim.bound, cost_max),
            deff=_finite(deff),
            mde=_detectable(means, deff, claim.alpha),
            budget=largest(bearable, _at_most_worst(claim.bound, cost_max, n)),
        ),
        passes=passes,
        pass_rule=Rule.UPPER_BOUND,
        bound_reason=(
            f"the upper bound {upper:.4g} {'stays within' if passes else 'exceeds'} the ceiling {claim.bound:g}"
        ),
        scaled=_shrinking(estimate, upper, claim.bound, p),
    )


def weigh_cost_change(claim: Claim) -> Evidence:
    """The evidence for `cost_no_worse`: increases and decreases with limits of their own, joined by MOVER."""
    pairs = paired(claim)
    if isinstance(pairs, Evidence):
        return pairs
    n = pairs.n
    candidate, baseline = case_means(pairs.candidate.values), case_means(pairs.baseline_values)
    differences: FloatArray = candidate - baseline
    cluster_size = largest_cluster(pairs.cluster_codes, pairs.n_clusters)
    cost_max = _cost_max(claim)
    unit_max = cost_max * cluster_size
    totals = per_cluster(differences, pairs.cluster_codes, pairs.n_clusters, unit_max)
    estimate = math.fsum(differences.tolist()) / n

    def bounds(level: float) -> tuple[float, float]:
        lower, upper = st.cost_change_bounds(totals, n, unit_max, level)
        return max(min(lower, estimate), -cost_max), min(max(upper, estimate), cost_max)

    decreases = totals[totals < 0]
    deff = st.design_effect(differences, pairs.cluster_codes if pairs.clustered else None)

    def bearable(worst_cases: int) -> bool:
        changes = np.concatenate((np.full(worst_cases, cost_max), decreases))
        return st.cost_change_bounds(changes, n, unit_max, claim.alpha)[1] < claim.bound

    lower, upper = bounds(claim.alpha)
    p = _level_where_positive(lambda level: bounds(level)[0], estimate)
    measured = Measured(
        n=n,
        repeats=pairs.repeats,
        n_clusters=pairs.n_clusters,
        estimate=estimate,
        lower=lower,
        upper=upper,
        candidate_estimate=math.fsum(candidate.tolist()) / n,
        baseline_estimate=math.fsum(baseline.tolist()) / n,
        losses=math.fsum(differences[differences > 0].tolist()),
        gains=-math.fsum(differences[differences < 0].tolist()),
        p=p,
        p_min=math.exp(-n / cluster_size),
        deff=_finite(deff),
        mde=_detectable(differences, deff, claim.alpha),
        budget=largest(bearable, _at_most_worst(claim.bound - float(decreases.sum()) / n, cost_max, n)),
        lost_ids=pairs.ids_where(differences > 0),
        gained_ids=pairs.ids_where(differences < 0),
    )
    if claim.identical and not differences.any():
        return unchanged(measured)
    passes = upper < claim.bound
    return Evidence(
        measured=measured,
        passes=passes,
        pass_rule=Rule.UPPER_BOUND,
        bound_reason=(
            f"the upper bound {upper:.4g} of the change is {'below' if passes else 'not below'} "
            f"the margin {claim.bound:g}"
        ),
        scaled=_shrinking(estimate, upper, claim.bound, p),
    )


def _level_where_positive(lower_bound: Callable[[float], float], estimate: float) -> float:
    """The smallest level at which the lower bound is above 0: the p-value of "it rose"; 1 where it did not rise."""
    smallest = 1e-12
    if estimate <= 0 or lower_bound(0.5) <= 0:
        return 1.0
    if lower_bound(smallest) > 0:
        return smallest
    from scipy.optimize import brentq

    root = brentq(lambda log: lower_bound(math.exp(log)), math.log(smallest), math.log(0.5), xtol=1e-9)
    return math.exp(float(root))


def _shrinking(estimate: float, upper: float, bound: float, p: float) -> Scaled:
    """What more cases would show, by the rule that an interval shrinks with the root of their number."""
    z = st.critical_value(p) if 0 < p < 1 else math.copysign(math.inf, 0.5 - p)

    def scaled(factor: float, *, mid_p: bool) -> tuple[bool, float]:
        from scipy.special import ndtr

        root = math.sqrt(factor)
        return estimate + (upper - estimate) / root < bound, float(ndtr(-z * root)) if p < 0.5 else p

    return scaled
