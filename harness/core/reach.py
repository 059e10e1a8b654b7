"""Which claims a number of cases can support at all (STATISTICS.md, section 1.3)."""

from __future__ import annotations

import math

from harness.core import statistics as st
from harness.core.errors import ClaimError
from harness.core.kinds import Kind, Role, word


def check_reachable(
    kind: Kind | str,
    bound: float,
    n: int,
    *,
    role: Role | str = Role.GATE,
    alpha: float = 0.05,
    assure: float | None = None,
    cost_max: float | None = None,
    clustered: bool = False,
) -> None:
    """Refuses a `gate` claim that no outcome of `n` cases could satisfy, and bounds that make no sense for any role.

    `bound` is the floor, ceiling or margin (not read for `never`, which may be impossible by `assure`). `n` counts
    what is independent: cases, or clusters where cases share them (`clustered`). `cost_max` is needed for costs. To be
    called when claims are declared, before any model is. Raises ClaimError; its message names the bound that `n` cases
    could support and the number of cases that this bound needs. A guard or a report may be out of reach.
    """
    wanted, part = word(Kind, kind), word(Role, role)
    checked_level("alpha", alpha)
    if wanted is Kind.NEVER:
        if part is Role.GATE and assure is not None:
            _check_assurance(assure, n, alpha)
        return
    if wanted in (Kind.COST_AT_MOST, Kind.COST_NO_WORSE):
        if cost_max is None or not 0 < cost_max < math.inf:
            raise ClaimError(f"{wanted} needs cost_max, the largest cost a decision can have, got {cost_max!r}")
        if not 0 <= bound < math.inf:
            raise ClaimError(f"{wanted} needs a bound of at least 0, in the unit of the costs, got {bound!r}")
    elif not 0 <= bound <= 1:
        raise ClaimError(f"{wanted} needs a rate between 0 and 1 (0.03 for three points), got {bound!r}")
    if part is not Role.GATE:
        return
    if n < 1:
        raise ClaimError(f"{wanted} {bound:g} has no case to be judged on")
    best = supported_bound(wanted, n, alpha=alpha, cost_max=cost_max, clustered=clustered)
    if not _within(wanted, bound, best):
        raise ClaimError(_message(wanted, bound, n, alpha, best, cost_max, clustered))


def check_quantile_reachable(
    quantile: float,
    ceiling: float,
    n: int,
    *,
    role: Role | str = Role.GATE,
    alpha: float = 0.05,
    clustered: bool = False,
) -> None:
    """Refuses a claim "the `quantile` is at most `ceiling`" that no outcome of `n` cases could satisfy.

    It holds where the share of values within the ceiling reaches the quantile, so that is what must be within reach.
    Arguments and errors as in `check_reachable`; also a ClaimError for a quantile or a ceiling that make no sense.
    """
    if not 0 < quantile < 1:
        raise ClaimError(f"quantile must lie strictly between 0 and 1 (0.95 for 95% of the answers), got {quantile!r}")
    if not 0 < ceiling < math.inf:
        raise ClaimError(f"{Kind.QUANTILE_AT_MOST} needs a ceiling above 0 seconds, got {ceiling!r}")
    try:
        check_reachable(Kind.AT_LEAST, quantile, n, role=role, alpha=alpha, clustered=clustered)
    except ClaimError as error:
        raise ClaimError(f"the quantile {quantile:g} of latency is a floor of answers in time: {error}") from None


def checked_level(name: str, value: float) -> float:
    """`value` as a float, or ClaimError unless it is a one-sided error above 0 and at most 0.5."""
    if not 0 < value <= 0.5:
        raise ClaimError(f"{name} must be above 0 and at most 0.5, got {value!r}")
    return float(value)


def supported_bound(
    kind: Kind, n: int, *, alpha: float, cost_max: float | None = None, clustered: bool = False
) -> float:
    """The strictest bound that `n` independent cases could show at level `alpha`.

    A floor: all right. A ceiling, a cost: none at all. A margin: nothing flipped, where the margin must lie above the
    result. 0 is returned for `never`, and for a quantile: see `check_quantile_reachable`. Rates, or the unit of
    `cost_max`. Source: STATISTICS.md, section 1.3.
    """
    match kind:
        case Kind.AT_LEAST:
            return st.clopper_pearson_lower(n, n, alpha)
        case Kind.QUANTILE_AT_MOST:
            return 0.0
        case Kind.AT_MOST:
            return st.clopper_pearson_upper(0, n, alpha)
        case Kind.COST_AT_MOST:
            return min(_given(cost_max), st.fay_feuer([], n, _given(cost_max), alpha)[1])
        case Kind.COST_NO_WORSE:
            return min(_given(cost_max), st.cost_change_bounds([], n, _given(cost_max), alpha)[1])
        case Kind.NO_WORSE:
            critical = st.critical_value(alpha, n - 1 if clustered else None)
            return 1.0 if math.isinf(critical) else critical * critical / (n + critical * critical)
        case Kind.NEVER:
            return 0.0


def cases_needed(
    kind: Kind, bound: float, *, alpha: float, cost_max: float | None = None, clustered: bool = False
) -> int | None:
    """The smallest number of independent cases that could show the bound; None where no number up to a billion could.

    Arguments as in `supported_bound`.
    """

    def enough(n: int) -> bool:
        return _within(kind, bound, supported_bound(kind, n, alpha=alpha, cost_max=cost_max, clustered=clustered))

    low, high = 0, 1
    while not enough(high):
        low, high = high, high * 2
        if high > 10**9:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _within(kind: Kind, bound: float, best: float) -> bool:
    if kind is Kind.AT_LEAST:
        return bound <= best
    if kind in (Kind.NO_WORSE, Kind.COST_NO_WORSE):  # a bound that only touches the margin does not pass
        return bound > best
    return bound >= best


def _given(cost_max: float | None) -> float:
    if cost_max is None:
        raise ClaimError("a claim about costs needs cost_max, the largest cost a decision can have")
    return cost_max


def _check_assurance(assure: float, n: int, alpha: float) -> None:
    if not 0 < assure < 1:
        raise ClaimError(f"assure must be a rate strictly between 0 and 1, got {assure!r}")
    needed = st.zero_failures_sample_size(assure, alpha)
    if n < needed:
        best = f"{n} cases can assure {rounded_up(st.zero_failures_upper(n, alpha))}" if n else "there is no case"
        raise ClaimError(
            f"never(assure={assure:g}) needs {needed} cases without a violation; {best}: "
            f"assure less, add {needed - n} cases, or give the claim the role guard"
        )


def _message(
    kind: Kind, bound: float, n: int, alpha: float, best: float, cost_max: float | None, clustered: bool
) -> str:
    cases = "clusters" if clustered else "cases"
    confidence = f"{100 * (1 - alpha):g}%"
    needed = cases_needed(kind, bound, alpha=alpha, cost_max=cost_max, clustered=clustered)
    more = f", use at least {needed} {cases}" if needed is not None else ""
    if kind is Kind.AT_LEAST:
        fact = f"even {n} of {n} right shows no more than {rounded_down(best)}"
        remedy = f"lower the floor to {rounded_down(best)}{more}"
    elif kind is Kind.AT_MOST:
        fact = f"even 0 of {n} does not exclude {rounded_up(best)}"
        remedy = f"raise the ceiling to {rounded_up(best)}{more}"
    elif kind is Kind.COST_AT_MOST:
        fact = f"even without any cost, a mean of {rounded_up(best)} is not excluded"
        remedy = f"raise the ceiling to {rounded_up(best)}{more}"
    else:
        fact = f"even where nothing changes, a change of {rounded_up(best)} is not excluded"
        remedy = f"choose a margin above {rounded_up(best)}{more}"
    return (
        f"{kind} {bound:g} can't be shown on {n} {cases} with {confidence} confidence: {fact}. "
        f"To fix it: {remedy}, or give the claim the role guard."
    )


def rounded_down(rate: float) -> str:
    """Rounded so that the printed floor is within reach."""
    return f"{math.floor(rate * 1e4) / 1e4:g}"


def rounded_up(value: float) -> str:
    """Rounded to three digits so that the printed ceiling or margin is within reach."""
    scale = 10.0 ** (2 - math.floor(math.log10(value)))
    return f"{math.ceil(value * scale) / scale:g}"
