"""Declared claims → verdicts, once their measures can be computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.core import gate
from harness.core.errors import ClaimError
from harness.core.gate import Claim, Verdict
from harness.core.outcomes import Outcomes
from harness.core.records import Measure
from harness.runs.declared import DeclaredClaim


def settle(
    claims: Sequence[DeclaredClaim],
    outcomes: Callable[[Measure], Outcomes],
    largest_cost: Callable[[Measure], float],
    identical: Callable[[DeclaredClaim], bool] = lambda claim: False,
) -> list[Verdict]:
    """The verdicts of all claims of one suite, in their order, settled as one family.

    `identical` tells of a paired claim whether its run is the one it is compared with, digest and predictions alike.
    """
    return gate.settle([core_claim(claim, outcomes, largest_cost, identical) for claim in claims])


def core_claim(
    claim: DeclaredClaim,
    outcomes: Callable[[Measure], Outcomes],
    largest_cost: Callable[[Measure], float],
    identical: Callable[[DeclaredClaim], bool],
) -> Claim:
    """What a test declared, as the gate's core takes it, with the outcomes that are known."""
    values = outcomes(claim.measure)
    name = claim.title
    if claim.kind == "never":
        return gate.never(values, assure=claim.assure, role=claim.role, alpha=claim.alpha, name=name)
    if claim.bound is None:
        raise ClaimError(f"{claim.test}: {name} has no bound")
    if claim.kind == "no_worse" and claim.baseline is not None:
        accepted, same = outcomes(claim.baseline), identical(claim)
        if claim.measure.metric == "cost":
            return gate.cost_no_worse(
                values,
                accepted,
                claim.bound,
                cost_max=largest_cost(claim.measure),
                role=claim.role,
                alpha=claim.alpha,
                alpha_fail=claim.alpha_fail,
                name=name,
                identical=same,
            )
        return gate.no_worse(
            values,
            accepted,
            claim.bound,
            role=claim.role,
            alpha=claim.alpha,
            alpha_fail=claim.alpha_fail,
            name=name,
            identical=same,
        )
    if claim.measure.quantile is not None:
        return gate.quantile_at_most(
            values,
            claim.bound,
            quantile=claim.measure.quantile,
            role=claim.role,
            alpha=claim.alpha,
            alpha_fail=claim.alpha_fail,
            name=name,
        )
    if claim.kind == "at_least":
        return gate.at_least(
            values,
            claim.bound,
            role=claim.role,
            alpha=claim.alpha,
            alpha_fail=claim.alpha_fail,
            name=name,
            shares=claim.measure.k is not None,
        )
    if claim.measure.metric == "cost":
        return gate.cost_at_most(
            values,
            claim.bound,
            cost_max=largest_cost(claim.measure),
            role=claim.role,
            alpha=claim.alpha,
            alpha_fail=claim.alpha_fail,
            name=name,
        )
    return gate.at_most(values, claim.bound, role=claim.role, alpha=claim.alpha, alpha_fail=claim.alpha_fail, name=name)
