"""The decision in one sentence, and what keeps it from being a PASS."""

from __future__ import annotations

from collections.abc import Iterator

from harness.core.policy import Effect
from harness.core.records import Stage
from harness.core.wording import sentence
from harness.reporting.blocking import cases_behind
from harness.reporting.blocks import many, subject
from harness.reporting.claims import per_strategy
from harness.reporting.escaping import markdown_code, markdown_text
from harness.reporting.model import JudgedClaim, Report, SuiteReport

RELEASE = "release"
"""The profile in which a claim that can't be judged, for want of a baseline, fails its test."""
BLOCKERS, OTHERS = 10, 8
"""How many claims are listed at the top that block, and that do not."""


def decision(report: Report) -> str:
    """The decision in one sentence. Claims about references, which never block, do not count."""
    if report.compared:
        return report.compared
    claims = [claim for suite in report.suites for claim in suite.claims if not _of_reference(suite, claim)]
    blocks, warns, met = (sum(c.effect is what for c in claims) for what in (Effect.BLOCK, Effect.WARN, Effect.PASS))
    if report.broken:
        return f"BLOCKED: {many(len(report.broken), 'strategy', 'strategies')} could not be run."
    if blocks:
        return f"BLOCKED: {many(blocks, 'claim')} not met."
    if not any(suite.claims for suite in report.suites):
        return "NOTHING JUDGED: no claim was settled."
    if report.provenance.profile == RELEASE and any(suite.unjudged for suite in report.suites):
        return f"INCOMPLETE, not a passed gate: claims could not be judged; {many(met, 'claim')} met."
    if any(suite.incomplete for suite in report.suites):
        return f"INCOMPLETE, not a passed gate: no claim blocks, {many(met, 'claim')} met."
    unsettled = sum(c.role == "gate" and c.effect is Effect.WARN for c in claims)
    if unsettled:
        return f"INCONCLUSIVE: no claim blocks, but {many(unsettled, 'gate')} not settled; {many(met, 'claim')} met."
    rest = f"; {many(warns, 'claim')} not met or not settled that may not block" if warns else ""
    return f"PASS: no claim blocks, {many(met, 'claim')} met{rest}."


def _of_reference(suite: SuiteReport, claim: JudgedClaim) -> bool:
    run = suite.runs.get(claim.measure.run)
    return run is not None and run.strategy.stage is Stage.REFERENCE


def head(report: Report) -> Iterator[str]:
    """The title, the decision, and what is not met."""
    yield "# Holdfast report"
    yield ""
    profile = "" if report.compared else f" Profile `{report.provenance.profile}`."
    yield f"**{decision(report)}**{profile}"
    yield ""
    yield from unmet_lines(report)


def unmet_lines(report: Report) -> Iterator[str]:
    """A list of what could not be run, what blocks with its cases, and what is not met or to be known besides.

    Bounded: how many more there are stands at the end of each. Nothing where all is met.
    """
    for name, why in report.broken.items():
        yield f"- `{name}` could not be run: {markdown_text(why, limit=500)}"
    blocking = [(suite, c) for suite in report.suites for c in suite.claims if c.effect is Effect.BLOCK]
    for suite, claim in blocking[:BLOCKERS]:
        yield f"- **{claim.verdict.status}** {claim_line(claim)}"
        if cases := cases_told(suite, claim):
            yield f"  - {cases}"
    if rest := [claim for _, claim in blocking[BLOCKERS:]]:
        yield f"- {many(len(rest), 'more claim')} that block, in `verdicts.json`: {per_strategy(rest)}"
    open_claims = [c for suite in report.suites for c in suite.claims if c.effect is Effect.WARN and c.role != "report"]
    for claim in open_claims[:OTHERS]:
        yield f"- {claim.verdict.status} {claim_line(claim)}"
    if others := open_claims[OTHERS:]:
        yield f"- {many(len(others), 'more claim')} not met that do not block: {per_strategy(others)}"
    notes = [line for suite in report.suites for line in (*suite.incomplete, *suite.unjudged)]
    for note in notes[:OTHERS]:
        yield f"- {markdown_text(note, limit=300)}"
    if len(notes) > OTHERS:
        yield f"- {many(len(notes) - OTHERS, 'more note')} in `verdicts.json`"
    if report.broken or blocking or open_claims or notes:
        yield ""


def claim_line(claim: JudgedClaim) -> str:
    return f"`{claim.measure.run}`, {sentence(claim.verdict, subject=subject(claim))}"


def cases_told(suite: SuiteReport, claim: JudgedClaim) -> str:
    """The cases that a blocking claim is about, dearest first; "" where it is about none in particular."""
    behind = cases_behind(suite, claim)
    return "" if behind is None else behind.told([markdown_code(name) for name, _ in behind.cases])
