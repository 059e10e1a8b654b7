"""What a blocked test says: the estimate with its bounds, what was asked, and the worst cases by cost."""

from __future__ import annotations

from harness.core.gate import Verdict
from harness.core.metrics import dearest_errors, members
from harness.core.prompting import inputs_text
from harness.core.schemas import label_text
from harness.core.wording import sentence
from harness.runs.declared import DeclaredClaim
from harness.runs.session import SuiteSession

SHOWN = 3
TEXT = 160


def failure_message(session: SuiteSession, claim: DeclaredClaim, verdict: Verdict) -> str:
    """The message of a test whose claim blocks."""
    measure = claim.measure
    where = f" on slice {measure.slice}" if measure.slice else ""
    subject = measure.metric.replace("_", " ")
    lines = [f"{verdict.status}: {measure.run}, {subject}{where}", sentence(verdict, subject=subject)]
    if measure.metric != "flip_rate":
        lines += _worst_cases(session, measure.run, measure.slice)
    return "\n".join(lines)


def _worst_cases(session: SuiteSession, run: str, slice_name: str | None) -> list[str]:
    table, cases = session.table(run), session.cases
    keep = members(cases, session.task.slice(slice_name) if slice_name else None)
    worst = dearest_errors(table, keep, SHOWN)
    lines = ["", "worst cases by cost:"] if worst else []
    for row, cost in worst:
        case, answer = cases[row], table.answers[row][0]
        text = " ".join(inputs_text(case.inputs).split())
        lines.append(f"  {case.id} (cost {cost:g}): {text[:TEXT]}{'…' if len(text) > TEXT else ''}")
        if answer is None:
            lines.append(f"    no usable answer: {table.problems[row][0]}")
            continue
        lines += [
            f"    {name}: expected {label_text(case.expected[name])}, answered {label_text(answer.get(name))}"
            for name in session.task.decision_fields
            if answer.get(name) != case.expected[name]
        ]
    return lines
