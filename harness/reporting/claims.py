"""A section of the page: every claim about a strategy that may block, with its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core.wording import sentence
from harness.reporting.blocks import subject, table
from harness.reporting.model import JudgedClaim, SuiteReport


def claims_section(suite: SuiteReport, claims: Sequence[JudgedClaim]) -> Iterator[str]:
    """Asked, verdict, role and reason of each of `claims`, which leave out those about references."""
    if not claims:
        return
    yield "### Claims"
    yield ""
    if len(claims) < len(suite.claims):
        yield "Those about references, which never block, are in `verdicts.json`."
        yield ""
    rows = [
        [
            f"`{claim.measure.run}`",
            subject(claim),
            _asked(claim),
            str(claim.verdict.status),
            claim.role,
            sentence(claim.verdict).replace("|", "\\|"),
        ]
        for claim in claims
    ]
    yield from table(["strategy", "claim", "asked", "verdict", "role", "why"], rows)


def _asked(claim: JudgedClaim) -> str:
    if claim.kind == "never" or claim.bound is None:
        return "none"
    if claim.against is not None:
        worse = "rise" if claim.measure.metric == "cost" else "loss"
        return f"{worse} < {claim.bound:g}"
    sign = "≥" if claim.kind == "at_least" else "≤"
    return f"{sign} {claim.bound:g}" + (" s" if claim.measure.metric == "latency" else "")
