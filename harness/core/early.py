"""Evidence that may be looked at after every case (STATISTICS.md, section 8): for runs that stop when all is settled.

A rate, or a change in one, with one answer per case and no clusters, has an E-process. Most of its alpha, SEQUENTIAL,
is spent on looking; the rest is kept for the ordinary test, which is held once, when all cases are there. Other claims
can't be looked at: they are judged as always when all their cases are there, and are pending until then.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.core import statistics as st
from harness.core.claims import Claim
from harness.core.kinds import Kind, Rule
from harness.core.outcomes import Outcomes
from harness.core.paired_evidence import weigh_no_worse
from harness.core.rate_evidence import largest, weigh_rate
from harness.core.verdicts import Evidence, Measured, known

SEQUENTIAL = 0.8
_PRECISION = 1e-6

LogE = Callable[[float], tuple[float, float]]
"""The logarithms (pass, fail) of the E-values after `factor` times the cases, at the same rates."""


def has_e_process(claim: Claim) -> bool:
    """Whether a claim may be looked at after every case."""
    sides = [side for side in (claim.outcomes, claim.baseline) if side is not None]
    plain = all(side.repeats == 1 and not side.clustered for side in sides) and not claim.shares
    return plain and claim.kind in (Kind.AT_LEAST, Kind.AT_MOST, Kind.NO_WORSE) and 0 < claim.bound < 1


def weigh_early(claim: Claim) -> Evidence:
    """The evidence for a claim with an E-process from the cases that are answered so far."""
    seen: NDArray[np.bool_] = ~np.isnan(claim.outcomes.values[:, 0])
    part = replace(claim, outcomes=_kept(claim.outcomes, seen))
    if claim.baseline is not None:
        asked = set(part.outcomes.case_ids)
        part = replace(
            part,
            baseline=_kept(claim.baseline, np.array([name in asked for name in claim.baseline.case_ids], dtype=bool)),
            identical=claim.identical and bool(seen.all()),
        )
    if not part.outcomes.n:
        return pending(claim)
    paired = claim.kind is Kind.NO_WORSE
    fixed_alpha, early_alpha = (1 - SEQUENTIAL) * claim.alpha, SEQUENTIAL * claim.alpha
    fixed = (weigh_no_worse if paired else weigh_rate)(replace(part, alpha=fixed_alpha))
    if fixed.outright is not None:
        return fixed
    measured = fixed.measured
    evidence = _log_e(part, measured, claim.bound)
    log_pass, log_fail = evidence(1.0)
    lower, upper = _anytime_bounds(part, measured, early_alpha)
    shown, p = log_pass >= -math.log(early_alpha), min(1.0, math.exp(-max(log_fail, 0.0)) / SEQUENTIAL)
    rule = fail_rule = Rule.ANYTIME
    if seen.all():
        lower, upper = max(lower, known(measured.lower)), min(upper, known(measured.upper))
        fixed_p = known(measured.p) / (1 - SEQUENTIAL)
        if fixed.passes and not shown:
            rule = fixed.pass_rule
        if fixed_p < p:
            fail_rule = Rule.EXACT_P
        shown, p = shown or fixed.passes, min(p, fixed_p)

    def scaled(factor: float, *, mid_p: bool) -> tuple[bool, float]:
        for_pass, for_fail = evidence(factor)
        return for_pass >= -math.log(early_alpha), min(1.0, math.exp(-max(for_fail, 0.0)) / SEQUENTIAL)

    stands = largest(lambda bad: _log_e_pass(part, measured, bad) >= -math.log(early_alpha), measured.n)
    seen_words = f"after {part.outcomes.n} of {claim.outcomes.n} cases the anytime-valid bound"
    low = claim.kind is not Kind.AT_MOST
    limit = -claim.bound if paired else claim.bound
    return Evidence(
        measured=replace(
            measured, lower=lower, upper=upper, p=p, p_mid=None, p_min=0.0, mde=None, deff=None, budget=stands
        ),
        passes=shown,
        pass_rule=rule,
        fail_rule=fail_rule,
        bound_reason=f"{seen_words} {lower if low else upper:.4g} {'shows' if shown else 'does not show'} {limit:g}",
        scaled=scaled,
    )


def pending(claim: Claim) -> Evidence:
    """The evidence of a claim that can't be looked at yet: it counts in the family, and shows nothing."""
    outcomes = claim.outcomes
    return Evidence(
        measured=Measured(
            n=outcomes.n,
            repeats=outcomes.repeats,
            n_clusters=outcomes.n_clusters,
            p=1.0,
            p_min=0.0,
            missing_ids=outcomes.missing_ids,
        ),
        bound_reason=f"answers of {len(outcomes.missing_ids)} of {outcomes.n} cases were not asked for",
        undecided_rule=Rule.INCOMPLETE,
    )


def _kept(outcomes: Outcomes, rows: NDArray[np.bool_]) -> Outcomes:
    return Outcomes(
        values=outcomes.values[rows],
        case_ids=[name for name, kept in zip(outcomes.case_ids, rows, strict=True) if kept],
    )


def _log_e(claim: Claim, measured: Measured, bound: float) -> LogE:
    """The E-process of a claim against `bound`, from its counts."""
    n = measured.n

    def paired(factor: float) -> tuple[float, float]:
        size = math.ceil(n * factor)
        losses, gains = (math.floor(known(count) * size / n) for count in (measured.losses, measured.gains))
        return st.log_e_paired(losses, gains, size, bound)

    def rate(factor: float) -> tuple[float, float]:
        size = math.ceil(n * factor)
        ones = round(known(measured.estimate) * size)
        if claim.kind is Kind.AT_MOST:
            return st.log_e_floor(size - ones, ones, 1 - bound)
        return st.log_e_floor(ones, size - ones, bound)

    return paired if claim.kind is Kind.NO_WORSE else rate


def _log_e_pass(claim: Claim, measured: Measured, bad: int) -> float:
    """The logarithm of the E-value for a PASS with `bad` failures, occurrences, or losses beside the gains seen."""
    n = measured.n
    if claim.kind is Kind.NO_WORSE:
        gains = round(known(measured.gains))
        return st.log_e_paired(bad, gains, n, claim.bound)[0] if bad + gains <= n else -math.inf
    return st.log_e_floor(n - bad, bad, claim.bound if claim.kind is Kind.AT_LEAST else 1 - claim.bound)[0]


def _anytime_bounds(claim: Claim, measured: Measured, alpha: float) -> tuple[float, float]:
    """The values that E-processes against them have not excluded at `alpha`, each side on its own."""
    needed, n = -math.log(alpha), measured.n
    if claim.kind is Kind.NO_WORSE:
        losses, gains = round(known(measured.losses)), round(known(measured.gains))

        def below(loss: float) -> bool:
            return st.log_e_paired(losses, gains, n, loss)[0] >= needed

        def above(gain: float) -> bool:
            return st.log_e_paired(gains, losses, n, gain)[0] >= needed

        change = known(measured.estimate)
        return -_first(below, max(0.0, -change)), _first(above, max(0.0, change))
    ones = round(known(measured.estimate) * n)
    rate = known(measured.estimate)
    lower = 1 - _first(lambda bad: st.log_e_floor(ones, n - ones, 1 - bad)[0] >= needed, 1 - rate)
    upper = _first(lambda high: st.log_e_floor(n - ones, ones, 1 - high)[0] >= needed, rate)
    return lower, upper


def _first(excluded: Callable[[float], bool], low: float) -> float:
    """The smallest value from `low` to 1 from which on everything is excluded; 1 where nothing is."""
    high = 1 - _PRECISION
    if low >= high or not excluded(high):
        return 1.0
    if excluded(max(low, _PRECISION)):
        return low
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if excluded(middle) else (middle, high)
    return high
