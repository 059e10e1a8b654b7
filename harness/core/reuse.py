"""How much a holdout that was used many times may flatter the best of what was judged on it."""

from __future__ import annotations

import math

INTERVAL = 1.96
"""Standard errors on either side of an estimate that its own 95% interval allows for."""


def luck_of_best(strategies: int) -> float:
    """By how many standard errors the best of so many equally good strategies looks better than it is, on average.

    The expected maximum of independent standard normal estimates: 0 for one, 1.54 for ten, never above sqrt(2 ln k).
    Estimates on the same cases go up and down together, and then it is less (Slepian's inequality). It is the effect of
    choosing by score; who fits details of a strategy to single answers of the holdout can do worse, up to the order of
    sqrt(k / n) (Dwork et al. 2015, Blum and Hardt 2015).
    """
    if strategies < 2:
        return 0.0
    from scipy.integrate import quad
    from scipy.special import log_ndtr

    def above(x: float) -> float:
        return -math.expm1(strategies * float(log_ndtr(x)))

    def below(x: float) -> float:
        return math.exp(strategies * float(log_ndtr(x)))

    return float(quad(above, 0, math.inf)[0] - quad(below, -math.inf, 0)[0])


def flattery(strategies: int, right: int, n: int) -> float:
    """`luck_of_best` as a rate, for strategies that are about as good as one with `right` of `n` cases right.

    The standard error is that of the rate with one case more right and one more wrong, so that it is never 0.
    """
    rate = (right + 1) / (n + 2)
    return luck_of_best(strategies) * math.sqrt(rate * (1 - rate) / n) if n else 0.0


def outworn(strategies: int) -> bool:
    """Whether luck alone is expected to lift the best above its own 95% interval: from 25 strategies on."""
    return luck_of_best(strategies) > INTERVAL
