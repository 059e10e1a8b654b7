"""comment.md: the report as a comment on a pull request, short in the open and whole where it is unfolded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.core.metrics import members, rates
from harness.core.policy import Effect
from harness.core.records import Stage, Status
from harness.core.tables import MISSING, STATUSES, OutcomeTable
from harness.reporting.blocks import many, share, table
from harness.reporting.changed_treatment import kinds_told
from harness.reporting.deciding import cases_told, claim_line, decision
from harness.reporting.escaping import markdown_text
from harness.reporting.model import JudgedClaim, Report, RunReport, SuiteReport
from harness.reporting.page import Section, page
from harness.reporting.strategies import strategies_section

MARKER = "<!-- holdfast: this comment is updated by the next run -->"
"""The first line, by which a workflow finds the comment that it made before."""
LIMIT = 65_536
"""GitHub refuses a longer comment. It counts characters; bytes of UTF-8 are never fewer."""
BLOCKERS, UNMET = 20, 10
_IN_THE_OPEN = ("decision", "strategies")


def comment_markdown(report: Report) -> str:
    """At most 65,536 bytes: decision, blockers with their cases, changed numbers, strategies; the rest folded.

    What does not fit is left out from the end, section by section, and said so.
    """
    opened = [*_head(report), *_numbers(report)]
    folded = [_folded(section) for section in page(report) if section.key not in _IN_THE_OPEN]
    text, room = "\n".join(opened) + "\n", LIMIT - 200  # for the last line
    if len(text.encode()) > room:
        return "\n".join(_head(report)) + "\nThe tables do not fit into a comment: see `report.md`.\n"
    for kept, part in enumerate(folded):
        if len(text.encode()) + len(part.encode()) > room:
            left = many(len(folded) - kept, "more section")
            return f"{text}\nWhat does not fit into a comment is in `report.md`: {left}.\n"
        text += part
    return text


def _head(report: Report) -> Iterator[str]:
    yield MARKER
    yield f"### Holdfast: {decision(report)}"
    yield ""
    for name, why in report.broken.items():
        yield f"- `{name}` could not be run: {markdown_text(why, limit=500)}"
    unmet = [(suite, claim) for suite in report.suites for claim in suite.claims if claim.effect is not Effect.PASS]
    blocking = [pair for pair in unmet if pair[1].effect is Effect.BLOCK]
    for suite, claim in blocking[:BLOCKERS]:
        yield from _blocker(report, suite, claim)
    if len(blocking) > BLOCKERS:
        yield f"- and {len(blocking) - BLOCKERS} more that block"
    open_claims = [claim for _, claim in unmet if claim.effect is Effect.WARN and claim.role != "report"]
    for claim in open_claims[:UNMET]:
        yield f"- {claim.verdict.status}, does not block: {claim_line(claim)}"
    if len(open_claims) > UNMET:
        yield f"- and {len(open_claims) - UNMET} more that are not met and do not block"
    notes = [line for suite in report.suites for line in (*suite.incomplete, *suite.unjudged)]
    yield from (f"- {markdown_text(note, limit=300)}" for note in notes[:UNMET])
    if len(notes) > UNMET:
        yield f"- and {many(len(notes) - UNMET, 'more note')}"
    yield ""


def _blocker(report: Report, suite: SuiteReport, claim: JudgedClaim) -> Iterator[str]:
    where = f"{markdown_text(suite.name)}: " if len(report.suites) > 1 else ""
    yield f"- **{claim.verdict.status}** {where}{claim_line(claim)}"
    if cases := cases_told(suite, claim):
        yield f"  - {cases}"


def _numbers(report: Report) -> Iterator[str]:
    """Of each suite the numbers that changed, and its strategies."""
    for suite in report.suites:
        if not suite.runs:
            continue
        if len(report.suites) > 1:
            yield f"#### {suite.name}"
            yield ""
        yield from changed_numbers(suite)
        strategies = list(strategies_section(suite, members(suite.cases, None)))
        yield from (f"#{line}" if line.startswith("### ") else line for line in strategies)


def changed_numbers(suite: SuiteReport) -> Iterator[str]:
    """A row per strategy that may block: lost and gained cases, accuracy and costs, then and now; none if unknown."""
    before = suite.baseline
    if before is None:
        return
    natural = members(suite.cases, None) & (before.status != MISSING).all(axis=1)
    rows = [
        _changed(suite, name, run, before, natural)
        for name, run in suite.runs.items()
        if run.strategy.stage is not Stage.REFERENCE
    ]
    if rows:
        yield "#### Since the baseline"
        yield ""
        yield from table(
            ["strategy", "what was changed", "lost", "gained", "accuracy", "cost of errors per 1,000"], rows
        )


def _changed(
    suite: SuiteReport, name: str, run: RunReport, before: OutcomeTable, natural: NDArray[np.bool_]
) -> list[str]:
    keep = natural & (run.table.status != MISSING).all(axis=1)
    was, now = _right(before)[keep], _right(run.table)[keep]
    then, today = rates(before, suite.task, keep), rates(run.table, suite.task, keep)
    return [
        f"`{name}`",
        kinds_told(suite, run),
        str(int((was & ~now).sum())),
        str(int((~was & now).sum())),
        f"{share(then.correct, then.answered)} → {share(today.correct, today.answered)}",
        f"{then.cost_per_1000:,.0f} → {today.cost_per_1000:,.0f}" if keep.any() else "–",
    ]


def _right(outcomes: OutcomeTable) -> NDArray[np.bool_]:
    """The cases that are right in every repeat."""
    right: NDArray[np.bool_] = (outcomes.status == STATUSES.index(Status.CORRECT)).all(axis=1)
    return right


def _folded(section: Section) -> str:
    """A section that opens at a click, under its own heading."""
    lines = list(section.lines)
    title = section.key.replace("_", " ")
    if lines and lines[0].startswith("#"):
        title = lines.pop(0).lstrip("#").strip().replace("`", "")
    suite = "" if section.suite is None else f"{section.suite}: "
    body = "\n".join(lines).strip("\n")
    name = title if title == section.suite else suite + title
    return f"\n<details><summary>{markdown_text(name)}</summary>\n\n{body}\n\n</details>\n"
