"""Bounds and tests for a mean cost per decision (STATISTICS.md, section 4)."""

from __future__ import annotations

import math

import numpy as np
import scipy  # scipy.special itself is loaded at its first use
from numpy.typing import ArrayLike

from harness.core import _numeric as check
from harness.core._numeric import FloatArray


def _costs(costs: ArrayLike, cost_max: float = math.inf) -> FloatArray:
    """The costs above 0, or ValueError unless all are numbers from 0 to `cost_max`."""
    data = check.vector("costs", costs)
    if (data < 0).any():
        raise ValueError(f"costs must be at least 0, got {float(data.min())!r}")
    if (data > cost_max).any():
        raise ValueError(f"costs must be at most cost_max = {cost_max!r}, got {float(data.max())!r}")
    return data[data > 0]


def _moments(costs: FloatArray, unit: float) -> tuple[float, float]:
    """Sum and sum of squares in units of `unit`: exactly rounded, so without regard to the order of the cases."""
    scaled = costs / unit
    return math.fsum(scaled.tolist()), math.fsum((scaled * scaled).tolist())


def _limits(costs: FloatArray, n: float, cost_max: float, alpha: float) -> tuple[float, float]:
    lower = 0.0
    if costs.size:
        unit = float(costs.max())
        total, squares = _moments(costs, unit)
        lower = unit * squares / (n * total) * float(scipy.special.gammaincinv(total * total / squares, alpha))
    total, squares = _moments(costs, cost_max)
    total, squares = total + 1, squares + 1  # the upper limit allows for one more case of the largest cost
    return lower, cost_max * squares / (n * total) * float(scipy.special.gammainccinv(total * total / squares, alpha))


def fay_feuer(costs: ArrayLike, n: float, cost_max: float, alpha: float) -> tuple[float, float]:
    """One-sided limits (lower, upper), each at level `alpha`, of the mean cost per decision.

    `costs` holds one cost >= 0 per case, in any unit (cases that cost nothing may be left out); `n` > 0 is the number
    of cases that the sum is divided by; `cost_max` > 0, in the same unit, is the largest cost a case could have had;
    `alpha` in (0, 1). The lower limit is 0 where nothing was lost. With costs of 0 and 1 these are Garwood's exact
    Poisson limits. The same to the last bit for every order of the cases. Raises ValueError for a cost outside
    [0, cost_max] or arguments outside their ranges. Source: Fay & Feuer 1997.
    """
    size, largest = check.positive("n", n), check.positive("cost_max", cost_max)
    return _limits(_costs(costs, largest), size, largest, check.open_probability("alpha", alpha))


def cost_p_above(costs: ArrayLike, n: float, ceiling: float) -> float:
    """The p-value of "the mean cost is above `ceiling`": the level at which the lower Fay-Feuer limit reaches it.

    `costs` and `n` as in `fay_feuer`; `ceiling` >= 0 in the unit of the costs. 1 where nothing was lost. Raises
    ValueError for arguments outside these ranges. Source: Fay & Feuer 1997, inverted in closed form.
    """
    size, bound = check.positive("n", n), check.non_negative("ceiling", ceiling)
    lost = _costs(costs)
    if lost.size == 0:
        return 1.0
    unit = float(lost.max())
    total, squares = _moments(lost, unit)
    return float(scipy.special.gammainc(total * total / squares, bound / unit * size * total / squares))


def cost_p_above_min(n: float, ceiling: float, cost_max: float) -> float:
    """The smallest p-value that `cost_p_above` can give on `n` cases (all at `cost_max`): the p_min of `tarone_holm`.

    `n` > 0, `ceiling` >= 0 and `cost_max` > 0 in one unit. Raises ValueError for arguments outside these ranges.
    Source: Tarone 1990 for the idea, Fay & Feuer 1997 for the limit.
    """
    size, largest = check.positive("n", n), check.positive("cost_max", cost_max)
    return float(scipy.special.gammainc(size, size * check.non_negative("ceiling", ceiling) / largest))


def cost_change_bounds(differences: ArrayLike, n: float, cost_max: float, alpha: float) -> tuple[float, float]:
    """One-sided bounds (lower, upper), each at level `alpha`, of the mean change in cost, candidate less baseline.

    `differences` holds the change per case, within +-`cost_max` (cases without a change may be left out); `n`,
    `cost_max` and `alpha` as in `fay_feuer`. The increases and the decreases get Fay-Feuer limits of their own, which
    are combined by the square roots of MOVER. Raises ValueError for a change beyond +-cost_max or arguments outside
    their ranges. Source: Fay & Feuer 1997; MOVER: Zou & Donner 2008.
    """
    size, largest = check.positive("n", n), check.positive("cost_max", cost_max)
    level = check.open_probability("alpha", alpha)
    changes = check.vector("differences", differences)
    if (np.abs(changes) > largest).any():
        raise ValueError(f"differences must lie within +-cost_max = {cost_max!r}")
    increases, decreases = changes[changes > 0], -changes[changes < 0]
    up, down = math.fsum(increases.tolist()) / size, math.fsum(decreases.tolist()) / size
    up_lower, up_upper = _limits(increases, size, largest, level)
    down_lower, down_upper = _limits(decreases, size, largest, level)
    change = up - down
    return change - math.hypot(up - up_lower, down_upper - down), change + math.hypot(up_upper - up, down - down_lower)
