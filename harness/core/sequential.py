"""Evidence that may be looked at after every case: E-processes (STATISTICS.md, section 8)."""

from __future__ import annotations

import math

import numpy as np
import scipy  # scipy.special itself is loaded at its first use

from harness.core import _numeric as check
from harness.core._numeric import FloatArray

_STAKES = 0.95 * 2.0 ** -np.arange(8)  # shares of the largest bet that can't ruin


def _log_mean_exp(logs: FloatArray) -> float:
    top = float(logs.max())
    return top + math.log(float(np.exp(logs - top).mean()))


def log_e_paired(losses: int, gains: int, n: int, margin: float) -> tuple[float, float]:
    """The logarithms (pass, fail) of the paired E-values after `n` cases; one repeat and no clusters only.

    `losses` and `gains` are whole numbers with losses + gains <= n; `margin` in [0, 1). Pass is evidence against "the
    difference is <= -margin": stop with PASS where it reaches ln(1/alpha). Fail is evidence against "no loss";
    exp(-fail) is a p-value. Only the counts matter, and both may be looked at after every case. Raises ValueError for
    arguments outside these ranges. Source: a mixture of eight bets as in Waudby-Smith & Ramdas (arXiv:2010.09686).
    """
    b, c, size = check.count("losses", losses), check.count("gains", gains), check.count("n", n)
    if b + c > size:
        raise ValueError(f"losses + gains must be at most n = {size}, got {b} + {c}")
    if not 0 <= margin < 1:
        raise ValueError(f"margin must be at least 0 and below 1, got {margin!r}")
    bets = _STAKES / (1 - margin)
    passing = c * np.log1p(bets * (1 + margin)) + (size - b - c) * np.log1p(bets * margin) + b * np.log1p(-_STAKES)
    failing = c * np.log1p(-_STAKES) + b * np.log1p(_STAKES)
    return _log_mean_exp(passing), _log_mean_exp(failing)


def _log_betainc(a: float, b: float, x: float) -> float:
    """ln I_x(a, b), also where I_x itself is too small for a float; a and b above 0, x in (0, 1)."""
    value = float(scipy.special.betainc(a, b, x))
    if value > 1e-250:
        return math.log(value)
    total = term = 1.0  # the series x^a (1-x)^b / (a B(a, b)) * 2F1(a+b, 1; a+1; x): far in the tail it is short
    j = 0
    while term > total * 1e-17:
        term *= (a + b + j) / (a + 1 + j) * x
        total += term
        j += 1
    return a * math.log(x) + b * math.log1p(-x) - math.log(a) - float(scipy.special.betaln(a, b)) + math.log(total)


def log_e_floor(successes: int, failures: int, floor: float) -> tuple[float, float]:
    """The logarithms (pass, fail) of the E-values of a rate against a floor.

    `successes` and `failures` are whole numbers; `floor` in (0, 1). Pass is evidence against "the rate is <= floor":
    stop with PASS where it reaches ln(1/alpha). Fail is evidence against "the rate is >= floor"; exp(-fail) is a
    p-value. Only the counts matter, and both may be looked at after every case. Raises ValueError for arguments outside
    these ranges. Source: Robbins 1970, a Beta(1/2, 1/2) mixture cut at the floor; Howard et al. 2021.
    """
    s, f = check.count("successes", successes), check.count("failures", failures)
    x = check.open_probability("floor", floor)
    mixture = (
        float(scipy.special.betaln(s + 0.5, f + 0.5))
        - float(scipy.special.betaln(0.5, 0.5))
        - s * math.log(x)
        - f * math.log1p(-x)
    )
    above = _log_betainc(f + 0.5, s + 0.5, 1 - x) - _log_betainc(0.5, 0.5, 1 - x)
    below = _log_betainc(s + 0.5, f + 0.5, x) - _log_betainc(0.5, 0.5, x)
    return mixture + above, mixture + below
