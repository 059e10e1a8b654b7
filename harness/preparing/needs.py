"""How large a holdout has to be for what is to be claimed of it, and what each size could tell."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.errors import ClaimError
from harness.core.kinds import Kind
from harness.core.reach import cases_needed, rounded_down, rounded_up, supported_bound
from harness.core.records import Slice
from harness.core.statistics import minimum_detectable_effect, zero_failures_sample_size, zero_failures_upper

ALPHA, POWER = 0.05, 0.8
DISCORDANCE = 0.1
"""The share of cases that is taken to flip between candidate and baseline where nothing better is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A claim that the holdout has to be able to carry, over all cases or those of a slice.

    `bound` is the floor, ceiling or margin as in `harness.core.reach`, for `never` the rate to be assured; `cost_max`
    is needed for costs.
    """

    kind: Kind
    bound: float
    alpha: float = ALPHA
    cost_max: float | None = None
    part: Slice | None = None

    def units(self, *, clustered: bool) -> int:
        """The smallest number of independent cases (clusters, if `clustered`). Raises ClaimError if none is enough."""
        if self.kind is Kind.NEVER:
            return zero_failures_sample_size(self.bound, self.alpha)
        least = cases_needed(self.kind, self.bound, alpha=self.alpha, cost_max=self.cost_max, clustered=clustered)
        if least is None:
            raise ClaimError(f"{self} can't be shown on any number of cases: choose a looser bound")
        return least

    def __str__(self) -> str:
        return f"{self.kind} {self.bound:g}" + (f" on slice {self.part.name}" if self.part else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeReach:
    """What `n` independent cases could tell at best, as rates.

    `floor`: the highest floor of a rate that they could show, `assured`: the rate of violations that none at all would
    exclude, `margin`: the smallest margin of a regression claim that an unchanged candidate passes, `change`: the
    smallest true change that is found with a power of 80%, where one case in ten flips. All at 5%, one-sided.
    """

    n: int
    floor: float
    assured: float
    margin: float
    change: float

    def __str__(self) -> str:
        return (
            f"{self.n} cases: floors up to {rounded_down(self.floor)}, violations rarer than "
            f"{rounded_up(self.assured)} assured, margins above {rounded_up(self.margin)}, changes from "
            f"{rounded_up(self.change)} found"
        )


def size_reach(n: int, *, clustered: bool = False) -> SizeReach:
    """What `n` cases (clusters, if `clustered`) could tell. Raises ValueError for less than 1."""
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n!r}")
    return SizeReach(
        n=n,
        floor=supported_bound(Kind.AT_LEAST, n, alpha=ALPHA, clustered=clustered),
        assured=zero_failures_upper(n, ALPHA),
        margin=supported_bound(Kind.NO_WORSE, n, alpha=ALPHA, clustered=clustered),
        change=min(1.0, minimum_detectable_effect(n, DISCORDANCE, ALPHA, POWER)),
    )
