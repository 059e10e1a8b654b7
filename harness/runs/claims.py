"""Claims on measures that are not computed yet, and their settlement once they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.core import gate
from harness.core.errors import ClaimError
from harness.core.gate import Claim, Verdict
from harness.core.outcomes import Outcomes
from harness.core.records import Measure

ROLES = ("gate", "guard", "report")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredClaim:
    """What one line of a test claims: plain data, equal when declared again."""

    test: str
    index: int
    kind: str
    measure: Measure
    bound: float | None = None
    role: str = "gate"
    alpha: float = 0.05
    name: str | None = None
    assure: float | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ClaimError(f"role {self.role!r} is not known; expected one of {', '.join(ROLES)}")
        if not 0 < self.alpha < 0.5:
            raise ClaimError(f"alpha is {self.alpha}; expected a number between 0 and 0.5")

    @property
    def title(self) -> str:
        """The claim as a reader of a report knows it."""
        return self.name or str(self.measure)


def settle(
    claims: Sequence[DeclaredClaim],
    outcomes: Callable[[Measure], Outcomes],
    largest_cost: Callable[[Measure], float],
) -> list[Verdict]:
    """The verdicts of all claims of one suite, in their order, settled as one family."""
    return gate.settle([_claim(claim, outcomes, largest_cost) for claim in claims])


def _claim(
    claim: DeclaredClaim, outcomes: Callable[[Measure], Outcomes], largest_cost: Callable[[Measure], float]
) -> Claim:
    values = outcomes(claim.measure)
    name = claim.title
    if claim.kind == "never":
        return gate.never(values, assure=claim.assure, role=claim.role, alpha=claim.alpha, name=name)
    if claim.bound is None:
        raise ClaimError(f"{claim.test}: {name} has no bound")
    if claim.kind == "at_least":
        return gate.at_least(values, claim.bound, role=claim.role, alpha=claim.alpha, name=name)
    if claim.measure.metric == "cost":
        return gate.cost_at_most(
            values,
            claim.bound,
            cost_max=largest_cost(claim.measure),
            role=claim.role,
            alpha=claim.alpha,
            name=name,
        )
    return gate.at_most(values, claim.bound, role=claim.role, alpha=claim.alpha, name=name)
