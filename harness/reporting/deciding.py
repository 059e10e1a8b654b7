"""The decision in one sentence, and what keeps it from being a PASS."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.core.metrics import METRICS, dearest_errors, members, outcomes_of
from harness.core.policy import Effect
from harness.core.records import Stage
from harness.core.tables import OutcomeTable
from harness.core.wording import sentence
from harness.reporting.blocks import many, subject
from harness.reporting.escaping import markdown_code, markdown_text
from harness.reporting.model import JudgedClaim, Report, SuiteReport

NAMED = 8


def decision(report: Report) -> str:
    """The decision in one sentence. Claims about references, which never block, do not count."""
    claims = [claim for suite in report.suites for claim in suite.claims if not _of_reference(suite, claim)]
    blocks, warns, met = (sum(c.effect is what for c in claims) for what in (Effect.BLOCK, Effect.WARN, Effect.PASS))
    if report.broken:
        return f"BLOCKED: {many(len(report.broken), 'strategy', 'strategies')} could not be run."
    if blocks:
        return f"BLOCKED: {many(blocks, 'claim')} not met."
    if not any(suite.claims for suite in report.suites):
        return "NOTHING JUDGED: no claim was settled."
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
    """The title, the decision, and every claim that is not met, those that block first."""
    yield "# Holdfast report"
    yield ""
    yield f"**{decision(report)}** Profile `{report.provenance.profile}`."
    yield ""
    for name, why in report.broken.items():
        yield f"- `{name}` could not be run: {markdown_text(why, limit=500)}"
    blocking = [(suite, c) for suite in report.suites for c in suite.claims if c.effect is Effect.BLOCK]
    for suite, claim in blocking:
        yield f"- **{claim.verdict.status}** {claim_line(claim)}"
        if cases := _cases(suite, claim):
            yield f"  - {cases}"
    open_claims = [c for suite in report.suites for c in suite.claims if c.effect is Effect.WARN and c.role != "report"]
    for claim in open_claims:
        yield f"- {claim.verdict.status} {claim_line(claim)}"
    notes = [line for suite in report.suites for line in (*suite.incomplete, *suite.unjudged)]
    for note in notes:
        yield f"- {markdown_text(note, limit=300)}"
    if report.broken or blocking or open_claims or notes:
        yield ""


def _cases(suite: SuiteReport, claim: JudgedClaim) -> str:
    """The cases that a blocking claim is about, dearest first; "" where it is about none in particular."""
    run, verdict = suite.runs.get(claim.measure.run), claim.verdict
    if run is None:
        return ""
    ids = {*verdict.lost_ids, *verdict.violation_ids} or set(_unmet(suite, run.table, claim))
    found = dearest_errors(run.table, np.array([name in ids for name in run.table.case_ids], dtype=np.bool_), NAMED)
    if not found:
        return ""
    named = ", ".join(f"{markdown_code(suite.cases[row].id)} (cost {cost:g})" for row, cost in found)
    more = f" and {len(ids) - len(found)} more" if len(ids) > len(found) else ""
    return f"{'lost' if verdict.lost_ids else 'cases'}, dearest first: {named}{more}"


def _unmet(suite: SuiteReport, table: OutcomeTable, claim: JudgedClaim) -> tuple[str, ...]:
    """The cases that count against a floor or a ceiling."""
    measure = claim.measure
    if measure.metric not in METRICS or measure.metric == "latency":
        return ()
    part = suite.task.slice(measure.slice) if measure.slice else None
    outcomes = outcomes_of(table, suite.task, members(suite.cases, part), measure)
    if claim.kind == "at_least":
        return outcomes.ids_where((outcomes.values < 1).any(axis=1))
    return outcomes.ids_where((outcomes.values > 0).any(axis=1)) if claim.kind == "at_most" else ()


def claim_line(claim: JudgedClaim) -> str:
    return f"`{claim.measure.run}`, {sentence(claim.verdict, subject=subject(claim))}"
