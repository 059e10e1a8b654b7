"""A section of the page: two runs case by case, overall and per slice, with the bounds of their difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core.gate import Kind, Verdict
from harness.core.wording import number, percent
from harness.reporting.blocks import subject, table
from harness.reporting.model import JudgedClaim

NO_SLICE = "all cases"


def paired_section(claims: Sequence[JudgedClaim]) -> Iterator[str]:
    """Accuracy then and now with Tango's bounds and the exact p of a loss, and what errors cost; nothing unpaired."""
    rates = [claim for claim in claims if claim.verdict.claim.kind is Kind.NO_WORSE]
    costs = [claim for claim in claims if claim.verdict.claim.kind is Kind.COST_NO_WORSE]
    if not rates and not costs:
        return
    yield "### Case by case"
    yield ""
    if rates:
        head = [
            "accuracy on",
            "cases",
            "A",
            "B",
            "change in points",
            "lost",
            "gained",
            "p of a loss",
            "verdict",
            "role",
        ]
        yield from table(head, [_rate_row(claim) for claim in rates])
    for claim in costs:
        yield _cost_line(claim)
        yield ""
    yield (
        "Changes with bounds that each hold with 95% confidence; p is exact, and a FAIL is corrected for all "
        "comparisons that are made."
    )
    yield ""


def _rate_row(claim: JudgedClaim) -> list[str]:
    verdict = claim.verdict
    name = NO_SLICE if claim.measure.slice is None else f"`{claim.measure.slice}`"
    return [
        name,
        str(verdict.n),
        _percent(verdict.baseline_estimate),
        _percent(verdict.candidate_estimate),
        change_in_points(verdict),
        _amount(verdict.losses),
        _amount(verdict.gains),
        "–" if verdict.p is None else number(verdict.p),
        str(verdict.status),
        claim.role,
    ]


def _cost_line(claim: JudgedClaim) -> str:
    verdict = claim.verdict
    if verdict.estimate is None or verdict.baseline_estimate is None or verdict.candidate_estimate is None:
        return f"{subject(claim)}: not known."
    then, now = (f"{1000 * value:,.0f}" for value in (verdict.baseline_estimate, verdict.candidate_estimate))
    bounds = [f"{1000 * bound:+,.0f}" for bound in (verdict.lower, verdict.upper) if bound is not None]
    between = f" ({' to '.join(bounds)})" if len(bounds) == 2 else ""
    return f"Errors cost {then} per 1,000 in A and {now} in B: {1000 * verdict.estimate:+,.0f}{between}."


def change_in_points(verdict: Verdict) -> str:
    """ "+3.5 (-0.2 to +7.2)"; "–" where it is not known."""
    if verdict.estimate is None:
        return "–"
    bounds = [f"{100 * bound:+.1f}" for bound in (verdict.lower, verdict.upper) if bound is not None]
    between = f" ({' to '.join(bounds)})" if len(bounds) == 2 else ""
    return f"{100 * verdict.estimate:+.1f}{between}"


def _percent(value: float | None) -> str:
    return "–" if value is None else percent(value)


def _amount(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
