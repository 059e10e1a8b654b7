"""Candidate against baseline on the same cases: bounds of the change, tests of a loss (STATISTICS.md, section 5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy  # scipy.special itself is loaded at its first use
from numpy.typing import ArrayLike, NDArray

from harness.core import _numeric as check
from harness.core._numeric import FloatArray, critical_value

_TINY = 1e-300  # below this a probability is dropped: it can't show in any p-value, and denormal numbers are slow


class StepScaledTango(NamedTuple):
    """What `step_scaled_tango` returns: h, b*, c*, the mean difference and its two one-sided bounds."""

    step: float
    losses: float
    gains: float
    estimate: float
    lower: float
    upper: float


def _discordant(losses: float, gains: float, n: float) -> tuple[float, float, float]:
    """All three as floats, or ValueError unless n > 0, both counts are at least 0 and their sum at most n."""
    size = check.positive("n", n)
    lost, won = check.non_negative("losses", losses), check.non_negative("gains", gains)
    if lost + won > size:
        raise ValueError(f"losses + gains must be at most n = {n!r}, got {losses!r} + {gains!r}")
    return lost, won, size


def _score(b: float, c: float, n: float, delta: float) -> float:
    """Tango's S(delta): infinite with the sign of the numerator where the variance is 0, and 0 where both are 0."""
    linear = -b - c + (2 * n - c + b) * delta
    q = (math.sqrt(max(0.0, linear * linear + 8 * n * b * delta * (1 - delta))) - linear) / (4 * n)
    numerator = c - b - n * delta
    variance = n * (2 * q + delta * (1 - delta))
    if variance > 0:
        return numerator / math.sqrt(variance)
    return math.copysign(math.inf, numerator) if numerator else 0.0


def _lower_root(b: float, c: float, n: float, z: float) -> float:
    """The delta with S(delta) = z, by bisection on [-1, (c-b)/n], where S falls from infinity to 0; z may be infinite.

    The end that is returned is the lower one, so rounding never helps a candidate.
    """
    if z < 0:
        return -_lower_root(c, b, n, -z)
    if z == math.inf:
        return -1.0
    if b == 0 and c == 0:
        return -z * z / (n + z * z)
    low, high = -1.0, max(-1.0, (c - b) / n)
    while high - low > 1e-15:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if _score(b, c, n, middle) > z:
            low = middle
        else:
            high = middle
    return high if z == 0 else low


def tango_score(losses: float, gains: float, n: float, delta: float) -> float:
    """Tango's score statistic z of the hypothesis "candidate less baseline = `delta`"; large when the data lie above.

    `losses` (only the baseline is right), `gains` (only the candidate is) and `n` (all cases) may be fractional, with
    losses + gains <= n and n > 0; `delta` in [-1, 1]. `tango_lower` exceeds -m exactly where the score at -m exceeds
    the critical value. Raises ValueError for arguments outside these ranges. Source: Tango 1998.
    """
    b, c, size = _discordant(losses, gains, n)
    if not -1 <= delta <= 1:
        raise ValueError(f"delta must lie between -1 and 1, got {delta!r}")
    return _score(b, c, size, float(delta))


def tango_lower(losses: float, gains: float, n: float, alpha: float) -> float:
    """The one-sided lower score bound, at level `alpha`, of the paired difference (gains - losses) / n.

    Counts as in `tango_score`; `alpha` in (0, 1). The result is a difference of rates in [-1, 1], exact to 1e-12, and
    -z^2/(n + z^2) where nothing flipped. The upper bound is -tango_lower(gains, losses, n, alpha). Raises ValueError
    for arguments outside these ranges. Source: Tango 1998; Yang, Sun & Hardin 2012 give the same root in closed form.
    """
    b, c, size = _discordant(losses, gains, n)
    return _lower_root(b, c, size, critical_value(alpha))


def tango_interval(losses: float, gains: float, n: float, confidence: float) -> tuple[float, float]:
    """The two-sided score interval (lower, upper) of the paired difference (gains - losses) / n.

    Counts as in `tango_score`; `confidence` in (0, 1), with half of the rest on each side. Raises ValueError for
    arguments outside these ranges. Source: Tango 1998.
    """
    b, c, size = _discordant(losses, gains, n)
    z = critical_value((1 - check.open_probability("confidence", confidence)) / 2)
    return _lower_root(b, c, size, z), -_lower_root(c, b, size, z)


def step_scaled_tango(
    differences: ArrayLike,
    n: int,
    alpha: float,
    *,
    design_effect: float = 1.0,
    degrees_of_freedom: int | None = None,
) -> StepScaledTango:
    """Tango's bounds where every case has several repeats: h times Tango at (b*, c*, n), each bound at level `alpha`.

    `differences` holds per case the mean of the candidate less the mean of the baseline, in [-1, 1]; cases with no
    difference may be left out, since `n` counts all of them. `design_effect` >= 1 divides b*, c* and n;
    `degrees_of_freedom` (clusters less one) puts t for z. With h = sum d^2 / sum |d|, b* = (sum |d| - sum d) / 2h and
    c* = (sum |d| + sum d) / 2h it is `tango_lower` itself at one repeat (h = 1), and copying every repeat changes
    nothing. Where all differences are 0, h is 1 and the bounds are those of no flip. An infinite design effect or 0
    degrees of freedom (one cluster) say nothing: the bounds are -1 and 1. `losses` and `gains` of the result are b*
    and c* before the division. The same to the last bit for every order of the cases. Raises ValueError for
    differences outside [-1, 1], more of them than `n`, or other arguments outside their ranges. Source: Tango 1998,
    scaled by the step as in STATISTICS.md, section 5.
    """
    d = check.vector("differences", differences)
    size = check.count("n", n, at_least=1)
    if (np.abs(d) > 1).any():
        raise ValueError("differences must lie between -1 and 1")
    if d.size > size:
        raise ValueError(f"differences must be at most n = {size} numbers, got {d.size}")
    if not design_effect >= 1:
        raise ValueError(f"design_effect must be at least 1, got {design_effect!r}")
    z = critical_value(alpha, degrees_of_freedom)
    d = d[d != 0]
    signed, absolute = math.fsum(d.tolist()), math.fsum(np.abs(d).tolist())
    step = math.fsum((d * d).tolist()) / absolute if absolute > 0 else 1.0
    step = step if step > 0 else 1.0  # squares of differences near the smallest float vanish
    losses, gains = (absolute - signed) / (2 * step), (absolute + signed) / (2 * step)
    estimate = signed / size
    if not math.isfinite(z) or math.isinf(design_effect):
        return StepScaledTango(step, losses, gains, estimate, -1.0, 1.0)
    b, c, effective = losses / design_effect, gains / design_effect, size / design_effect
    lower, upper = step * _lower_root(b, c, effective, z), -step * _lower_root(c, b, effective, z)
    if z >= 0:  # rounding of the sums must not push a bound past the estimate
        lower, upper = min(lower, estimate), max(upper, estimate)
    return StepScaledTango(step, losses, gains, estimate, lower, upper)


def mcnemar_exact_worse(losses: int, gains: int) -> float:
    """The exact one-sided McNemar p-value of "the candidate is worse": P(X >= losses), X binomial(losses + gains, 1/2).

    Whole numbers of at least 0; 1 where nothing flipped. Never below 2^-(losses + gains). Raises ValueError otherwise.
    Source: McNemar 1947, exact form; Fagerland et al. 2013.
    """
    b, c = check.count("losses", losses), check.count("gains", gains)
    return 1.0 if b == 0 else float(scipy.special.betainc(b, c + 1, 0.5))


def mcnemar_midp_worse(losses: int, gains: int) -> float:
    """The one-sided mid-p McNemar p-value of "the candidate is worse": P(X > losses) + P(X = losses) / 2.

    Whole numbers of at least 0, X as in `mcnemar_exact_worse`; 1 where nothing flipped. Less conservative than the
    exact p, and meant for a single unclustered primary claim. Raises ValueError otherwise. Source: Fagerland et al.
    2013.
    """
    b, c = check.count("losses", losses), check.count("gains", gains)
    if b == 0 and c == 0:
        return 1.0
    beyond = 0.0 if c == 0 else float(scipy.special.betainc(b + 1, c, 0.5))
    return (mcnemar_exact_worse(b, c) + beyond) / 2


def _half_binomial(m: int) -> FloatArray:
    """The binomial(m, 1/2) probabilities of 0..m, by their ratios from the middle outwards."""
    middle = m // 2
    k = np.arange(middle, m, dtype=np.float64)
    right = np.cumprod(np.concatenate(([1.0], (m - k) / (k + 1))))
    k = np.arange(middle, 0, -1, dtype=np.float64)
    left = np.cumprod(k / (m - k + 1))[::-1]
    weights: FloatArray = np.concatenate((left, right))
    weights /= weights.sum()
    return weights


def _trimmed(offset: int, pmf: FloatArray) -> tuple[int, FloatArray]:
    """The same distribution without the vanishing probabilities at its two ends."""
    kept = np.flatnonzero(pmf > _TINY)
    if kept.size == 0:
        return offset, pmf[:1] * 0.0
    return offset + int(kept[0]), pmf[kept[0] : kept[-1] + 1]


def _subset_sum_tail(magnitudes: NDArray[np.int64], limit: int) -> tuple[float, float]:
    """P(T <= limit) and P(T = limit), T being the sum of the magnitudes that each join with probability 1/2.

    Exact convolution, one group of equal magnitudes at a time, over the sums up to `limit` only.
    """
    offset, pmf = 0, np.ones(1)
    for magnitude, times in zip(*np.unique(magnitudes, return_counts=True), strict=True):
        width = int(magnitude)
        first, joined = _trimmed(0, _half_binomial(int(times)))
        offset += first * width
        if offset > limit:
            return 0.0, 0.0
        length = min(pmf.size + width * (joined.size - 1), limit - offset + 1)
        combined = np.zeros(length)
        if joined.size <= pmf.size:
            for index in range(min(joined.size, (length - 1) // width + 1)):
                part = pmf[: length - index * width]
                combined[index * width : index * width + part.size] += joined[index] * part
        else:
            for index in range(min(pmf.size, length)):
                part = joined[: (length - 1 - index) // width + 1]
                combined[index : index + width * (part.size - 1) + 1 : width] += pmf[index] * part
        offset, pmf = _trimmed(offset, combined)
    at_limit = float(pmf[limit - offset]) if 0 <= limit - offset < pmf.size else 0.0
    return min(1.0, math.fsum(pmf.tolist())), at_limit


def _sign_flip(cluster_totals: Sequence[int] | NDArray[Any]) -> tuple[float, float]:
    """The exact and the mid p-value of the sign-flip test; (1, 1) where all totals are 0."""
    totals = check.vector("cluster_totals", cluster_totals)
    if (totals != np.rint(totals)).any() or (np.abs(totals) > 2**53).any():
        raise ValueError("cluster_totals must be whole numbers (repeats correct, candidate less baseline, per cluster)")
    whole = totals[totals != 0].astype(np.int64)
    if whole.size == 0:
        return 1.0, 1.0
    whole //= np.gcd.reduce(whole)  # the same test on smaller sums
    gained, lost = int(whole[whole > 0].sum()), -int(whole[whole < 0].sum())
    cumulated, at_limit = _subset_sum_tail(np.abs(whole), min(gained, lost))
    if gained < lost:
        return cumulated, cumulated - at_limit / 2
    return min(1.0, 1 - cumulated + at_limit), 1 - cumulated + at_limit / 2  # the distribution is symmetric


def sign_flip_worse(cluster_totals: Sequence[int] | NDArray[Any]) -> float:
    """The exact one-sided sign-flip p-value of "the candidate is worse": P(sum of +-|W_c| <= sum of W_c).

    `cluster_totals` holds W_c per cluster (or case): correct repeats of the candidate less those of the baseline, as
    whole numbers; both arms need the same number of repeats. Clusters of 0 don't matter; 1 where all are 0. Never
    below 2^-(number of non-zero totals), the p_min of `tarone_holm`. Equals `mcnemar_exact_worse` where all totals are
    +-1. Time and memory grow with the sum of the totals, not with 2^clusters. Raises ValueError for totals that are
    not whole numbers or not one-dimensional. Source: exact randomisation form of Obuchowski 1998; Fisher 1935.
    """
    return _sign_flip(cluster_totals)[0]


def sign_flip_midp_worse(cluster_totals: Sequence[int] | NDArray[Any]) -> float:
    """The mid-p form of `sign_flip_worse`: half the probability of the observed sum is left out.

    Arguments and errors as there; 1 where all totals are 0; equals `mcnemar_midp_worse` where all totals are +-1, so
    that a single unclustered claim is decided alike with one repeat and with copies of it. Source: Fagerland et al.
    2013 for the mid-p.
    """
    return _sign_flip(cluster_totals)[1]


def minimum_detectable_effect(n: float, discordance: float, alpha: float, power: float) -> float:
    """The smallest true change that a paired comparison finds with probability `power`: (z_a + z_power) sqrt(psi / n).

    `n` > 0 cases (divide by the design effect first); `discordance` psi = sum d^2 / n in [0, 1], at one repeat the
    share of cases that flip; `alpha` one-sided and `power` in (0, 1). The result is a difference of rates. Raises
    ValueError for arguments outside these ranges. Source: normal approximation, Miller 2024 (arXiv:2411.00640).
    """
    size = check.positive("n", n)
    psi = check.probability("discordance", discordance)
    reach = critical_value(alpha) - critical_value(check.open_probability("power", power))
    return reach * math.sqrt(psi / size)
