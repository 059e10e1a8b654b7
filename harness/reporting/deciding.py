"""The decision in one sentence, and what keeps it from being a PASS."""

from __future__ import annotations

from collections.abc import Iterator

from harness.core.policy import Effect
from harness.core.wording import sentence
from harness.reporting.blocks import many, subject
from harness.reporting.escaping import markdown_text
from harness.reporting.model import JudgedClaim, Report


def decision(report: Report) -> str:
    """The decision in one sentence."""
    blocks, warns = report.count(Effect.BLOCK), report.count(Effect.WARN)
    met = report.count(Effect.PASS)
    if report.broken:
        return f"BLOCKED: {many(len(report.broken), 'strategy', 'strategies')} could not be run."
    if blocks:
        return f"BLOCKED: {many(blocks, 'claim')} not met."
    if not met and not warns:
        return "NOTHING JUDGED: no claim was settled."
    if any(suite.incomplete for suite in report.suites):
        return f"INCOMPLETE, not a passed gate: no claim blocks, {many(met, 'claim')} met."
    rest = f"; {many(warns, 'claim')} not met or not settled that may not block" if warns else ""
    return f"PASS: no claim blocks, {many(met, 'claim')} met{rest}."


def head(report: Report) -> Iterator[str]:
    """The title, the decision, and every claim that is not met, those that block first."""
    yield "# Holdfast report"
    yield ""
    yield f"**{decision(report)}** Profile `{report.provenance.profile}`."
    yield ""
    for name, why in report.broken.items():
        yield f"- `{name}` could not be run: {markdown_text(why, limit=500)}"
    blocking = [c for suite in report.suites for c in suite.claims if c.effect is Effect.BLOCK]
    for claim in blocking:
        yield f"- **{claim.verdict.status}** {claim_line(claim)}"
    open_claims = [c for suite in report.suites for c in suite.claims if c.effect is Effect.WARN and c.role != "report"]
    for claim in open_claims:
        yield f"- {claim.verdict.status} {claim_line(claim)}"
    notes = [line for suite in report.suites for line in (*suite.incomplete, *suite.unjudged)]
    for note in notes:
        yield f"- {markdown_text(note, limit=300)}"
    if report.broken or blocking or open_claims or notes:
        yield ""


def claim_line(claim: JudgedClaim) -> str:
    return f"`{claim.measure.run}`, {sentence(claim.verdict, subject=subject(claim))}"
