"""A section of the page: every claim about a strategy that may block, with its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.core.policy import Effect
from harness.core.wording import sentence
from harness.reporting.blocks import subject, table
from harness.reporting.model import JudgedClaim, SuiteReport

MOST = 25
"""How many rows a table of claims has; a reader of more takes verdicts.json."""


def claims_section(suite: SuiteReport, claims: Sequence[JudgedClaim]) -> Iterator[str]:
    """Asked, verdict, role and reason of `claims`, which leave out those about references: first what is not met.

    Of more than `MOST` claims those that are met are only counted.
    """
    if not claims:
        return
    yield "### Claims"
    yield ""
    if len(claims) < len(suite.claims):
        yield "Those about references, which never block, are in `verdicts.json`."
        yield ""
    ordered = sorted(claims, key=_urgency)
    if len(ordered) > MOST:
        ordered = [claim for claim in ordered if claim.effect is not Effect.PASS]
        left_out = ordered[MOST:]
        if left_out:
            yield f"The first {MOST} that are not met; {per_strategy(left_out)} more are in `verdicts.json`."
            yield ""
    yield from _table(ordered[:MOST])
    if len(claims) > MOST:
        met = [claim for claim in claims if claim.effect is Effect.PASS]
        yield f"Met, each with its numbers in `verdicts.json`: {per_strategy(met) or 'none'}."
        yield ""


def per_strategy(claims: Sequence[JudgedClaim]) -> str:
    """How many claims there are about each strategy: "`few_shot` 12, `prompt` 3"."""
    counts = Counter(claim.measure.run for claim in claims)
    return ", ".join(f"`{run}` {count}" for run, count in counts.items())


def _urgency(claim: JudgedClaim) -> int:
    """Those that block first, then what is not met, then what is."""
    return [Effect.BLOCK, Effect.WARN, Effect.PASS].index(claim.effect)


def _table(claims: Sequence[JudgedClaim]) -> Iterator[str]:
    if not claims:
        return
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
