"""Many claims at once: Holm, Tarone's pruning, false discovery rate (STATISTICS.md, section 6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.core import _numeric as check
from harness.core._numeric import FloatArray


def _p_values(name: str, values: ArrayLike) -> FloatArray:
    p = check.vector(name, values)
    if ((p < 0) | (p > 1)).any():
        raise ValueError(f"{name} must lie between 0 and 1")
    return p


def holm(p_values: ArrayLike) -> list[float]:
    """Holm's adjusted p-values, in the order given: claim i is rejected at level alpha where its value is <= alpha.

    `p_values` is one-dimensional with values in [0, 1], and may be empty. Controls the chance of any false rejection
    under every dependence. Raises ValueError for values outside [0, 1]. Source: Holm 1979.
    """
    p = _p_values("p_values", p_values)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1)))
    return [float(value) for value in adjusted]


def benjamini_hochberg(p_values: ArrayLike) -> list[float]:
    """Benjamini-Hochberg adjusted p-values, in the order given: for `report` claims only, since it allows some errors.

    `p_values` is one-dimensional with values in [0, 1], and may be empty. Raises ValueError for values outside [0, 1].
    Source: Benjamini & Hochberg 1995; the same numbers as scipy.stats.false_discovery_control.
    """
    p = _p_values("p_values", p_values)
    order = np.argsort(p, kind="stable")[::-1]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(p[order] * p.size / np.arange(p.size, 0, -1)))
    return [float(value) for value in adjusted]


def _tarone_level(p_min: FloatArray, alpha: float) -> float:
    """alpha / k for the smallest k such that at most k of the p_min are <= alpha / k."""
    ordered = np.sort(p_min)
    for k in range(1, ordered.size):
        if int(np.searchsorted(ordered, alpha / k, side="right")) <= k:
            return alpha / k
    return alpha / ordered.size


def tarone_holm_decisions(p_values: ArrayLike, p_min: ArrayLike, alpha: float) -> tuple[list[bool], list[float]]:
    """Tarone-Holm with its levels: (rejected?, the level alpha/k that the claim was decided at), in the order given.

    `p_values` and `p_min` (the smallest p-value the claim's data could have given at all) are one-dimensional, of one
    length, with values in [0, 1]; `alpha` in (0, 1). Each round finds the smallest k such that at most k of the
    remaining p_min are <= alpha/k, rejects what is <= alpha/k, and repeats without the rejected until nothing is. A
    rejected claim was decided in its round, the others in the last. A p-value below its p_min (a mid-p) lowers that
    p_min, which is the careful side. Rejects at least what Holm rejects, and never less when claims are left out.
    Raises ValueError for values outside [0, 1] or lengths that differ. Source: Tarone 1990; Holm 1979.
    """
    p, smallest = _p_values("p_values", p_values), _p_values("p_min", p_min)
    level = check.open_probability("alpha", alpha)
    if p.size != smallest.size:
        raise ValueError(f"p_values and p_min must have one length, got {p.size} and {smallest.size}")
    smallest = np.minimum(smallest, p)
    remaining = np.ones(p.size, dtype=bool)
    decided_at = np.full(p.size, level)
    while remaining.any():
        round_level = _tarone_level(smallest[remaining], level)
        decided_at[remaining] = round_level
        rejected = remaining & (p <= round_level)
        if not rejected.any():
            break
        remaining &= ~rejected
    return [not open_ for open_ in remaining], [float(value) for value in decided_at]


def tarone_holm(p_values: ArrayLike, p_min: ArrayLike, alpha: float) -> list[bool]:
    """Which claims a Tarone-Holm family rejects at level `alpha`, in the order given.

    Arguments, errors and source as in `tarone_holm_decisions`. There is no adjusted p-value: the set of rejected claims
    is not monotone in alpha.
    """
    return tarone_holm_decisions(p_values, p_min, alpha)[0]
