"""What a blocked test says: the estimate with its bounds, what was asked, and the worst cases by cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.core.gate import Verdict
from harness.core.metrics import dearest_errors, members
from harness.core.prompting import inputs_text
from harness.core.records import ANCHOR
from harness.core.schemas import label_text
from harness.core.tables import OutcomeTable
from harness.core.wording import sentence
from harness.runs.declared import DeclaredClaim
from harness.runs.session import SuiteSession

SHOWN = 3
TEXT = 160


def failure_message(session: SuiteSession, claim: DeclaredClaim, verdict: Verdict) -> str:
    """The message of a test whose claim blocks: what was found, and the cases that flipped or cost most."""
    measure = claim.measure
    where = f" on slice {measure.slice}" if measure.slice else ""
    subject = measure.metric.replace("_", " ")
    where += " against the anchor" if claim.against == ANCHOR else ""
    lines = [f"{verdict.status}: {measure.run}, {subject}{where}", sentence(verdict, subject=subject)]
    if verdict.lost_ids and claim.against is not None:
        lines += _lost_cases(session, measure.run, claim.against, verdict.lost_ids)
    elif measure.metric != "flip_rate":
        lines += _worst_cases(session, measure.run, measure.slice)
    return "\n".join(lines)


def _worst_cases(session: SuiteSession, run: str, slice_name: str | None) -> list[str]:
    table = session.table(run)
    keep = members(session.cases, session.task.slice(slice_name) if slice_name else None)
    worst = dearest_errors(table, keep, SHOWN)
    lines = ["", "worst cases by cost:"] if worst else []
    for row, cost in worst:
        lines.append(_case_line(session, row, f" (cost {cost:g})"))
        lines += _answer_lines(session, row, table, "answered")
    return lines


def _lost_cases(session: SuiteSession, run: str, against: str, lost: Sequence[str]) -> list[str]:
    """The lost cases whose answers cost most now, with what was answered before and after."""
    before, after = session.table(against), session.table(run)
    keep = np.isin(np.array(after.case_ids), list(lost))
    lines = ["", f"lost since the {against} ({len(lost)}), dearest first:"]
    for row, cost in dearest_errors(after, keep, SHOWN):
        lines.append(_case_line(session, row, f" (cost {cost:g})"))
        lines += _answer_lines(session, row, after, "now answered", before)
    return lines


def _case_line(session: SuiteSession, row: int, note: str) -> str:
    case = session.cases[row]
    text = " ".join(inputs_text(case.inputs).split())
    return f"  {case.id}{note}: {text[:TEXT]}{'…' if len(text) > TEXT else ''}"


def _answer_lines(
    session: SuiteSession, row: int, table: OutcomeTable, verb: str, before: OutcomeTable | None = None
) -> list[str]:
    expected, answer = session.cases[row].expected, table.answers[row][0]
    if answer is None:
        return [f"    no usable answer: {table.problems[row][0]}"]
    old = before.answers[row][0] if before is not None else None
    return [
        f"    {name}: expected {label_text(expected[name])}, "
        + (f"before {label_text(old.get(name))}, " if old is not None else "")
        + f"{verb} {label_text(answer.get(name))}"
        for name in session.task.decision_fields
        if answer.get(name) != expected[name]
    ]
