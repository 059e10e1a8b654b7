"""What the cases can tell: the budget of each claim, and the difference that they could not have seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core.gate import Kind, Rule, Verdict
from harness.core.wording import budget, number, percent, points
from harness.reporting.blocks import subject, table
from harness.reporting.claims import MOST
from harness.reporting.model import JudgedClaim

_COSTS = (Kind.COST_AT_MOST, Kind.COST_NO_WORSE)


def what_cases_can_tell(claims: Sequence[JudgedClaim]) -> Iterator[str]:
    """A section with a row per claim; of more than `MOST` those about all cases come first. Nothing for no claims."""
    if not claims:
        return
    yield "### What these cases can tell"
    yield ""
    head = ["strategy", "claim", "can stand", "smallest detectable difference", "independent cases", "p", "decided at"]
    shown = claims
    if len(claims) > MOST:
        shown = sorted(claims, key=lambda claim: claim.measure.slice is not None)[:MOST]
    yield from table(head, [_row(claim) for claim in shown])
    if len(shown) < len(claims):
        yield f"The other {len(claims) - len(shown)} claims have these numbers in `verdicts.json`."
        yield ""
    yield (
        "A difference smaller than the smallest detectable one may be there unseen: that one would have been found 4 "
        "times out of 5. For zero tolerance it is the largest rate that no violation still leaves open."
    )
    yield ""


def _row(claim: JudgedClaim) -> list[str]:
    verdict = claim.verdict
    return [
        f"`{claim.measure.run}`",
        subject(claim) if verdict.claim.baseline is None else f"change of {subject(claim)}",
        budget(verdict) or "–",
        _detectable(verdict),
        _independent(verdict),
        f"{_number(verdict.p_mid)} (mid-p)" if verdict.rule is Rule.MID_P else _number(verdict.p),
        _number(verdict.decided_at),
    ]


def _detectable(verdict: Verdict) -> str:
    kind = verdict.claim.kind
    if verdict.estimate is None or kind is Kind.QUANTILE_AT_MOST:
        return "–"
    if kind is Kind.NEVER:
        return "–" if verdict.violation_ids or verdict.upper is None else f"a rate of {percent(verdict.upper)}"
    if verdict.mde is None:
        return "nothing varied" if verdict.deff is not None else "–"
    if kind in _COSTS:
        return f"{number(verdict.mde)} per decision"
    return points(verdict.mde) if verdict.mde <= 1 else "none: too few cases"


def _independent(verdict: Verdict) -> str:
    """How many cases there are, in which groups, and how many independent ones they are worth."""
    parts = [str(verdict.n)]
    if verdict.n_clusters < verdict.n:
        parts.append(f"in {verdict.n_clusters} groups")
    if verdict.repeats > 1:
        parts.append(f"asked {verdict.repeats} times each")
    text = " ".join(parts)
    if verdict.deff is None or verdict.deff <= 1:
        return text
    return f"{text}; design effect {verdict.deff:.3g}, worth {verdict.n / verdict.deff:.0f}"


def _number(value: float | None) -> str:
    return "–" if value is None else number(value)
