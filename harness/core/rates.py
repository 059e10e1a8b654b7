"""Bounds and tests for one rate: binomial, zero failures, clusters and repeats (STATISTICS.md, sections 2 and 3)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import scipy  # scipy.special itself is loaded at its first use
from numpy.typing import ArrayLike, NDArray

from harness.core import _numeric as check
from harness.core._numeric import FloatArray, critical_value

Clusters = Sequence[Hashable] | NDArray[Any]


def _k_of_n(k: float, n: float) -> tuple[float, float]:
    """Both as floats, or ValueError unless n is finite and 0 <= k <= n."""
    size = check.non_negative("n", n)
    if not 0 <= k <= size:
        raise ValueError(f"k must lie between 0 and n = {n!r}, got {k!r}")
    return float(k), size


def wilson_interval(k: float, n: float, confidence: float) -> tuple[float, float]:
    """The two-sided Wilson score interval of a rate: for display only, never for a verdict.

    `k` successes of `n` trials (n > 0, 0 <= k <= n); `confidence` in (0, 1), 0.95 for a 95% interval. Returns
    (lower, upper) as rates. Raises ValueError for arguments outside these ranges. Source: Wilson 1927, Newcombe 1998.
    """
    successes, trials = _k_of_n(k, check.positive("n", n))
    z = critical_value((1 - check.open_probability("confidence", confidence)) / 2)
    total = trials + z * z
    centre = (successes + z * z / 2) / total
    half = z * math.sqrt(successes * (trials - successes) / trials + z * z / 4) / total
    lower = 0.0 if successes == 0 else max(0.0, centre - half)
    upper = 1.0 if successes == trials else min(1.0, centre + half)
    return lower, upper


def clopper_pearson_lower(k: float, n: float, alpha: float) -> float:
    """The exact one-sided lower bound of a rate at level `alpha`: the true rate is below it with probability <= alpha.

    `k` successes of `n` trials, 0 <= k <= n; both may be fractional (effective sizes, see `korn_graubard`). 0 at k = 0,
    so also at n = 0. Raises ValueError for k outside [0, n] or alpha outside (0, 1). Source: Clopper & Pearson 1934.
    """
    successes, trials = _k_of_n(k, n)
    level = check.open_probability("alpha", alpha)
    return 0.0 if successes == 0 else float(scipy.special.betaincinv(successes, trials - successes + 1, level))


def clopper_pearson_upper(k: float, n: float, alpha: float) -> float:
    """The exact one-sided upper bound of a rate at level `alpha`: the true rate is above it with probability <= alpha.

    `k` successes of `n` trials, 0 <= k <= n; both may be fractional. 1 at k = n, so also at n = 0. Raises ValueError
    for k outside [0, n] or alpha outside (0, 1). Source: Clopper & Pearson 1934.
    """
    successes, trials = _k_of_n(k, n)
    level = check.open_probability("alpha", alpha)
    return 1.0 if successes == trials else float(scipy.special.betainccinv(successes + 1, trials - successes, level))


def binomial_p_below(k: float, n: float, floor: float) -> float:
    """The exact one-sided p-value of "the rate is below `floor`": P(X <= k) for X binomial with rate `floor`.

    `k` successes of `n` trials, 0 <= k <= n, both possibly fractional (continued by the incomplete beta function);
    `floor` in [0, 1]. 1 at k = n. Never below (1 - floor)^n, the p_min of `tarone_holm`. Raises ValueError for
    arguments outside these ranges. Source: the test dual to Clopper & Pearson 1934.
    """
    successes, trials = _k_of_n(k, n)
    rate = check.probability("floor", floor)
    return 1.0 if successes == trials else float(scipy.special.betainc(trials - successes, successes + 1, 1 - rate))


def binomial_p_above(k: float, n: float, ceiling: float) -> float:
    """The exact one-sided p-value of "the rate is above `ceiling`": P(X >= k) for X binomial with rate `ceiling`.

    `k` occurrences in `n` trials, 0 <= k <= n, both possibly fractional; `ceiling` in [0, 1]. 1 at k = 0, never below
    ceiling^n. Raises ValueError for arguments outside these ranges. Source: the test dual to Clopper & Pearson 1934.
    """
    occurrences, trials = _k_of_n(k, n)
    rate = check.probability("ceiling", ceiling)
    return 1.0 if occurrences == 0 else float(scipy.special.betainc(occurrences, trials - occurrences + 1, rate))


def quantile_ranks(n: int, share: float, confidence: float) -> tuple[int, int, int]:
    """Which of `n` sorted values, counted from 0, are (lower limit, estimate, upper limit) of their `share` quantile.

    `n` of at least 1; `share` and `confidence` in (0, 1). The limits hold for any distribution; where `n` is too small
    for the confidence they are the first and last value. Raises ValueError outside these ranges. Source: order
    statistics, Conover 1999, section 3.2.
    """
    from scipy.stats import binom

    if check.count("n", n) < 1:
        raise ValueError("n must be at least 1")
    q = check.open_probability("share", share)
    tail = (1 - check.open_probability("confidence", confidence)) / 2
    low, high = int(binom.ppf(tail, n, q)) - 1, int(binom.ppf(1 - tail, n, q))
    return max(low, 0), min(math.ceil(q * n), n) - 1, min(high, n - 1)


def zero_failures_upper(n: int, alpha: float) -> float:
    """What `n` cases without a failure do not exclude: the upper bound 1 - alpha^(1/n) of the failure rate.

    `n` is a whole number of at least 1, `alpha` in (0, 1). Raises ValueError otherwise. Source: exact form of the rule
    of three, Hanley & Lippman-Hand 1983.
    """
    cases = check.count("n", n, at_least=1)
    return -math.expm1(math.log(check.open_probability("alpha", alpha)) / cases)


def zero_failures_sample_size(max_rate: float, alpha: float) -> int:
    """How many cases without a failure show that the failure rate is at most `max_rate`: ceil(ln a / ln(1 - rate)).

    `max_rate` and `alpha` in (0, 1); 59 cases for 0.05 at alpha 0.05. Raises ValueError otherwise. Source: the inverse
    of `zero_failures_upper`.
    """
    rate = check.open_probability("max_rate", max_rate)
    exact = math.log(check.open_probability("alpha", alpha)) / math.log1p(-rate)
    return max(1, math.ceil(exact * (1 - 1e-12)))  # a whole number must not be rounded up by the last bit


def _cluster_codes(clusters: Clusters | None, n: int) -> tuple[NDArray[np.intp], int]:
    """The number of each case's cluster, and how many clusters there are; a case labelled None is alone in its own."""
    if clusters is None:
        return np.arange(n, dtype=np.intp), n
    labels = clusters.tolist() if isinstance(clusters, np.ndarray) else list(clusters)
    if len(labels) != n:
        raise ValueError(f"clusters must name one cluster per value: expected {n}, got {len(labels)}")
    labels = [object() if label is None else label for label in labels]
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    return np.fromiter((numbers[label] for label in labels), dtype=np.intp, count=n), len(numbers)


def _standard_error(data: FloatArray, codes: NDArray[np.intp], n_clusters: int) -> float:
    if n_clusters == 1:
        return math.inf
    residuals: FloatArray = data - math.fsum(data.tolist()) / data.size
    if n_clusters < data.size:
        order = np.lexsort((residuals, codes))  # sums then no longer depend on the order of the cases
        residuals = np.bincount(codes[order], weights=residuals[order], minlength=n_clusters).astype(np.float64)
    return math.sqrt(n_clusters / (n_clusters - 1) * math.fsum((residuals * residuals).tolist())) / data.size


def _non_empty(values: ArrayLike) -> FloatArray:
    data = check.vector("values", values)
    if data.size == 0:
        raise ValueError("values must hold at least one number, got none")
    return data


def cluster_standard_error(values: ArrayLike, clusters: Clusters | None) -> float:
    """The cluster-robust standard error of a mean: sqrt(C/(C-1) * sum over clusters of (sum of residuals)^2) / n.

    `values` holds one number per case; `clusters` one hashable label per case (None for all, or for one case: alone in
    its cluster; without clusters the result is the ordinary s/sqrt(n)). Infinite for a single cluster, which says
    nothing about the spread between clusters. The same to the last bit for every order of the cases. Raises ValueError
    for no values, values that are not finite or not one-dimensional, or another number of labels. Source: Miller 2024
    (arXiv:2411.00640, appendix A) with the finite-cluster factor C/(C-1).
    """
    data = _non_empty(values)
    return _standard_error(data, *_cluster_codes(clusters, data.size))


def design_effect(values: ArrayLike, clusters: Clusters | None) -> float:
    """How many clustered cases are worth one independent case: max(1, SE_cluster^2 / SE_iid^2) of the mean of `values`.

    Arguments as in `cluster_standard_error`. Where all values are equal neither error can be estimated; then the mean
    cluster size n/C is taken (every cluster counts as one case, as `korn_graubard` does at a rate of 0 or 1). Infinite
    for a single cluster of values that differ; 1 without clusters. Raises ValueError as `cluster_standard_error` does.
    Source: Kish 1965; Miller 2024.
    """
    data = _non_empty(values)
    codes, n_clusters = _cluster_codes(clusters, data.size)
    if n_clusters == data.size:
        return 1.0
    independent = _standard_error(data, np.arange(data.size, dtype=np.intp), data.size)
    if data.min() == data.max() or independent == 0:
        return data.size / n_clusters
    return max(1.0, (_standard_error(data, codes, n_clusters) / independent) ** 2)


def cluster_totals(case_totals: ArrayLike, clusters: Clusters | None) -> list[int]:
    """The whole-number totals per cluster that `sign_flip_worse` takes, in the order of each cluster's first case.

    `case_totals` holds per case the correct repeats of the candidate less those of the baseline (K times d);
    `clusters` one hashable label per case (None: alone). Raises ValueError for totals that are not whole
    numbers, or another number of labels.
    """
    totals = check.vector("case_totals", case_totals)
    if (totals != np.rint(totals)).any():
        raise ValueError("case_totals must be whole numbers (repeats correct, candidate less baseline)")
    codes, n_clusters = _cluster_codes(clusters, totals.size)
    return [int(total) for total in np.bincount(codes, weights=totals, minlength=n_clusters)]


def effective_sample_size(p_hat: float, standard_error: float, n_clusters: int, alpha: float) -> float:
    """How many independent cases a clustered rate is worth: n* = p(1-p)/SE^2 * (z/t_{C-1})^2, not capped.

    `p_hat` in [0, 1]; `standard_error` >= 0 is that of `cluster_standard_error`, infinite where it is unknown;
    `n_clusters` is C >= 1; `alpha` in (0, 1) is one-sided. C at a rate of 0 or 1; infinite for a standard error of 0;
    0 for a single cluster. Raises ValueError for arguments outside these ranges. Source: Korn & Graubard 1998.
    """
    rate = check.probability("p_hat", p_hat)
    if not standard_error >= 0:
        raise ValueError(f"standard_error must be at least 0, got {standard_error!r}")
    clusters = check.count("n_clusters", n_clusters, at_least=1)
    z = critical_value(alpha)
    if rate in (0.0, 1.0):
        return float(clusters)
    if clusters == 1:
        return 0.0
    if standard_error == 0:
        return math.inf
    adjustment = 1.0 if z == 0 else z / critical_value(alpha, clusters - 1)
    return rate * (1 - rate) * (adjustment / standard_error) * (adjustment / standard_error)  # may overflow to infinity


def korn_graubard(p_hat: float, standard_error: float, n_clusters: int, alpha: float) -> tuple[float, float]:
    """One-sided bounds, each at level `alpha`, of a rate measured over clusters or repeats: Clopper-Pearson at n*.

    Arguments as in `effective_sample_size`, which is not capped here (a gate caps it at the number of clusters).
    Returns (lower, upper): (0, 1) for a single cluster with a rate between 0 and 1, and (p_hat, p_hat) in the limit of
    a standard error of 0. Raises ValueError as `effective_sample_size` does. Source: Korn & Graubard 1998.
    """
    size = effective_sample_size(p_hat, standard_error, n_clusters, alpha)
    if size == math.inf:
        return float(p_hat), float(p_hat)
    successes = min(float(p_hat) * size, size)
    return clopper_pearson_lower(successes, size, alpha), clopper_pearson_upper(successes, size, alpha)


def pass_hat_k(n: int, correct: int, k: int) -> float:
    """The chance that `k` repeats drawn from the `n` made are all correct: C(correct, k) / C(n, k).

    Whole numbers with 0 <= correct <= n and 1 <= k <= n; ValueError otherwise. Source: tau-bench (arXiv:2406.12045).
    """
    repeats = check.count("n", n, at_least=1)
    right = check.count("correct", correct)
    drawn = check.count("k", k, at_least=1)
    if right > repeats or drawn > repeats:
        raise ValueError(f"correct and k must be at most n = {repeats}, got correct = {right} and k = {drawn}")
    return math.comb(right, drawn) / math.comb(repeats, drawn)
