"""What a suite claims of its outcomes. A claim that can't be judged as written is refused when it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from harness.core.errors import ClaimError
from harness.core.kinds import Kind, Role, word
from harness.core.outcomes import Outcomes
from harness.core.reach import check_quantile_reachable, check_reachable, checked_level


@dataclass(frozen=True, kw_only=True, eq=False)
class Claim:
    """One claim over stored outcomes, as `at_least`, `at_most`, `cost_at_most`, `quantile_at_most`, `never`, `no_worse`
    and `cost_no_worse` make it.

    `bound` is the floor, the ceiling or the margin (0 for `never`). `alpha` is the one-sided error that a PASS may
    have, `alpha_fail` that of a FAIL, before it is shared with the other blocking claims. `baseline` is there for
    paired kinds, `cost_max` for costs, `quantile` for latencies, `assure` for `never`. `identical`: nothing that
    determines the answers changed. `shares`: each value is a share from 0 to 1, not the end of one answer.
    """

    kind: Kind
    outcomes: Outcomes = field(repr=False)
    bound: float
    role: Role = Role.GATE
    alpha: float = 0.05
    alpha_fail: float = 0.05
    name: str = ""
    baseline: Outcomes | None = field(default=None, repr=False)
    cost_max: float | None = None
    quantile: float | None = None
    assure: float | None = None
    identical: bool = False
    shares: bool = False

    @property
    def blocks(self) -> bool:
        """Whether a FAIL of this claim stops a merge or a release."""
        return self.role is not Role.REPORT


def at_least(
    outcomes: Outcomes,
    floor: float,
    *,
    role: str = "gate",
    alpha: float = 0.05,
    alpha_fail: float | None = None,
    name: str | None = None,
    shares: bool = False,
) -> Claim:
    """The rate of ones is at least `floor`: accuracy, format validity.

    `floor` in [0, 1]; `role` is gate, guard or report; `alpha` and `alpha_fail` (default: alpha) in (0, 0.5]. With
    `shares` the mean of shares between 0 and 1, one per case: pass^k. Raises ClaimError for values other than 0 and 1
    (or outside [0, 1]), arguments outside these ranges, or a gate's floor that even a perfect answer to this many cases
    could not show.
    """
    if not shares:
        return _rate_claim(Kind.AT_LEAST, outcomes, floor, role, alpha, alpha_fail, name)
    _require_shares(outcomes, Kind.AT_LEAST)
    return replace(_claim(Kind.AT_LEAST, outcomes, floor, role, alpha, alpha_fail, name), shares=True)


def at_most(
    outcomes: Outcomes,
    ceiling: float,
    *,
    role: str = "gate",
    alpha: float = 0.05,
    alpha_fail: float | None = None,
    name: str | None = None,
) -> Claim:
    """The rate of ones is at most `ceiling`: costly errors, refusals. Arguments and errors mirror `at_least`."""
    return _rate_claim(Kind.AT_MOST, outcomes, ceiling, role, alpha, alpha_fail, name)


def _rate_claim(
    kind: Kind, outcomes: Outcomes, bound: float, role: str, alpha: float, alpha_fail: float | None, name: str | None
) -> Claim:
    _require_zeros_and_ones(outcomes, kind)
    return _claim(kind, outcomes, bound, role, alpha, alpha_fail, name)


def cost_at_most(
    outcomes: Outcomes,
    ceiling: float,
    *,
    cost_max: float,
    role: str = "gate",
    alpha: float = 0.05,
    alpha_fail: float | None = None,
    name: str | None = None,
) -> Claim:
    """The mean cost per decision is at most `ceiling`.

    Values are costs from 0 to `cost_max`, the largest cost a decision could have had, all in the task's unit. Other
    arguments and errors as in `at_least`.
    """
    _require_costs(outcomes, cost_max)
    return _claim(Kind.COST_AT_MOST, outcomes, ceiling, role, alpha, alpha_fail, name, cost_max=float(cost_max))


def quantile_at_most(
    outcomes: Outcomes,
    ceiling: float,
    *,
    quantile: float,
    role: str = "gate",
    alpha: float = 0.05,
    alpha_fail: float | None = None,
    name: str | None = None,
) -> Claim:
    """The `quantile` of the latencies is at most `ceiling`, both in seconds: 0.95 for "95% of answers within …".

    Values are latencies of at least 0; that of a request without an answer is UNANSWERED_S of `harness.core.metrics`.
    Other arguments and errors as in `at_least`.
    """
    if bool((outcomes.values < 0).any()):
        raise ClaimError("quantile_at_most takes latencies of at least 0 seconds")
    if outcomes.n:
        check_quantile_reachable(
            quantile, ceiling, outcomes.n_clusters, role=role, alpha=alpha, clustered=outcomes.clustered
        )
    return Claim(
        kind=Kind.QUANTILE_AT_MOST,
        outcomes=outcomes,
        bound=float(ceiling),
        role=word(Role, role),
        alpha=checked_level("alpha", alpha),
        alpha_fail=checked_level("alpha_fail", alpha if alpha_fail is None else alpha_fail),
        name=str(name or f"{Kind.QUANTILE_AT_MOST} {ceiling:g}"),
        quantile=float(quantile),
    )


def never(
    outcomes: Outcomes,
    *,
    assure: float | None = None,
    role: str = "gate",
    alpha: float = 0.05,
    name: str | None = None,
) -> Claim:
    """Zero tolerance: no value is above 0, in any case and any repeat.

    With `assure` (a rate in (0, 1)) the cases must also be enough to show that violations are rarer than that, or the
    claim stays inconclusive. Raises ClaimError for negative values or arguments outside their ranges.
    """
    if bool((outcomes.values < 0).any()):
        raise ClaimError("never() takes values of at least 0, where anything above 0 is a violation")
    if assure is not None and not 0 < assure < 1:
        raise ClaimError(f"assure must be a rate strictly between 0 and 1, got {assure!r}")
    return Claim(
        kind=Kind.NEVER,
        outcomes=outcomes,
        bound=0.0,
        role=word(Role, role),
        alpha=checked_level("alpha", alpha),
        alpha_fail=checked_level("alpha", alpha),
        name=str(name or Kind.NEVER),
        assure=assure,
    )


def no_worse(
    candidate: Outcomes,
    baseline: Outcomes,
    margin: float,
    *,
    role: str = "gate",
    alpha: float = 0.05,
    alpha_fail: float | None = None,
    name: str | None = None,
    identical: bool = False,
) -> Claim:
    """The candidate's rate of ones is not lower than the baseline's by `margin` or more, on the same cases.

    Cases are paired by their ids, in any order; clusters are the candidate's, or else the baseline's. `margin` in
    [0, 1] as a difference of rates (0.03: three points). `identical` says that the strategy's digest is unchanged and
    all predictions come from the ledger. Other arguments and errors as in `at_least`; also a ClaimError where the two
    have different numbers of repeats.
    """
    _require_zeros_and_ones(candidate, Kind.NO_WORSE)
    _require_zeros_and_ones(baseline, Kind.NO_WORSE)
    _require_equal_repeats(candidate, baseline)
    return _claim(
        Kind.NO_WORSE, candidate, margin, role, alpha, alpha_fail, name, baseline=baseline, identical=bool(identical)
    )


def cost_no_worse(
    candidate: Outcomes,
    baseline: Outcomes,
    margin: float,
    *,
    cost_max: float,
    role: str = "gate",
    alpha: float = 0.05,
    alpha_fail: float | None = None,
    name: str | None = None,
    identical: bool = False,
) -> Claim:
    """The candidate's mean cost per decision is not higher than the baseline's by `margin` or more, on the same cases.

    `margin` is at least 0, in the unit of the costs; `cost_max` as in `cost_at_most`, the rest as in `no_worse`.
    """
    _require_costs(candidate, cost_max)
    _require_costs(baseline, cost_max)
    _require_equal_repeats(candidate, baseline)
    return _claim(
        Kind.COST_NO_WORSE,
        candidate,
        margin,
        role,
        alpha,
        alpha_fail,
        name,
        baseline=baseline,
        cost_max=float(cost_max),
        identical=bool(identical),
    )


def _claim(
    kind: Kind,
    outcomes: Outcomes,
    bound: float,
    role: str,
    alpha: float,
    alpha_fail: float | None,
    name: str | None,
    *,
    baseline: Outcomes | None = None,
    cost_max: float | None = None,
    identical: bool = False,
) -> Claim:
    claim = Claim(
        kind=kind,
        outcomes=outcomes,
        bound=float(bound),
        role=word(Role, role),
        alpha=checked_level("alpha", alpha),
        alpha_fail=checked_level("alpha_fail", alpha if alpha_fail is None else alpha_fail),
        name=str(name or f"{kind} {bound:g}"),
        baseline=baseline,
        cost_max=cost_max,
        identical=identical,
    )
    units = outcomes if outcomes.clusters is not None or baseline is None else baseline
    if outcomes.n and units.n:  # without cases there is nothing to reach: such a claim is judged, as incomplete
        check_reachable(
            kind,
            claim.bound,
            units.n_clusters,
            role=claim.role,
            alpha=claim.alpha,
            cost_max=None if cost_max is None else cost_max * largest_cluster_share(units),
            clustered=units.clustered,
        )
    return claim


def largest_cluster_share(outcomes: Outcomes) -> float:
    """How much larger the largest cluster is than the mean cluster: 1 where all cases stand alone."""
    if not outcomes.clustered:
        return 1.0
    return int(np.bincount(outcomes.cluster_codes).max()) * outcomes.n_clusters / outcomes.n


def _require_zeros_and_ones(outcomes: Outcomes, kind: Kind) -> None:
    values = outcomes.values
    known = (values == 0) | (values == 1) | np.isnan(values)
    if not known.all():
        odd = float(values[~known][0])
        raise ClaimError(f"{kind} takes outcomes of 0 and 1 (one per answer, NaN where it is missing), got {odd!r}")


def _require_shares(outcomes: Outcomes, kind: Kind) -> None:
    values = outcomes.values[~np.isnan(outcomes.values)]
    if values.size and not 0 <= values.min() <= values.max() <= 1:
        raise ClaimError(f"{kind} takes shares between 0 and 1, got {values.min():g} to {values.max():g}")


def _require_costs(outcomes: Outcomes, cost_max: float) -> None:
    if not 0 < cost_max < math.inf:
        raise ClaimError(f"cost_max must be a finite number above 0, got {cost_max!r}")
    values = outcomes.values[~np.isnan(outcomes.values)]
    if values.size and (values.min() < 0 or values.max() > cost_max):
        odd = float(values.min() if values.min() < 0 else values.max())
        raise ClaimError(f"costs must lie between 0 and cost_max = {cost_max!r}, got {odd!r}")


def _require_equal_repeats(candidate: Outcomes, baseline: Outcomes) -> None:
    if candidate.repeats != baseline.repeats:
        raise ClaimError(
            f"both sides need the same number of repeats: the candidate has {candidate.repeats}, the baseline "
            f"{baseline.repeats}; run the candidate with {baseline.repeats}, or accept a new baseline"
        )
