"""What a blocked test says: what was found, the cases that flipped or cost most, and the numbers behind it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from harness.core.consistency import disagreement
from harness.core.gate import Verdict
from harness.core.metrics import dearest_errors
from harness.core.prompting import inputs_text
from harness.core.records import ANCHOR, Answer, Scalar, Status
from harness.core.schemas import label_text
from harness.core.tables import STATUSES, OutcomeTable
from harness.core.wording import budget, details, flipped, measured, seconds, sentence, wrapped
from harness.execution.scheduler import Progress
from harness.reporting.escaping import plain_line
from harness.runs.declared import DeclaredClaim
from harness.runs.session import SuiteSession

SHOWN = 3
TEXT = 160
VALUE = 60
WIDTH = 92
"""A terminal of 100 columns, less the margin that pytest puts before a failure."""


def failure_message(session: SuiteSession, claim: DeclaredClaim, verdict: Verdict) -> str:
    """The message of a test whose claim blocks: the statement, the flipped or worst cases, and two lines of numbers."""
    measure = claim.measure
    subject = measured(measure.metric, field=measure.field, quantile=measure.quantile, k=measure.k)
    where = f" on slice {measure.slice}" if measure.slice else ""
    where += " against the anchor" if claim.against == ANCHOR else ""
    lines = [f"{verdict.status}: {measure.run}, {subject}{where}", *_wrapped(sentence(verdict, subject=subject))]
    if verdict.lost_ids and claim.against is not None:
        lines += _lost_cases(session, measure.run, claim.against, verdict)
    elif measure.metric == "latency":
        lines += _slowest_cases(session, measure.run, measure.slice)
    elif measure.metric == "disagreement":
        lines += _differing_cases(session, measure.run, measure.slice)
    elif measure.metric != "flip_rate":
        lines += _worst_cases(session, measure.run, measure.slice)
    stands = budget(verdict)
    lines += ["", *_wrapped(f"in numbers: {details(verdict)}"), *([f"this claim {stands}"] if stands else [])]
    return "\n".join(lines)


def interrupted_line(running: tuple[str, Progress] | None, *, fresh: bool) -> str:
    """What an interrupted run has of the strategy that it was asking, and how to go on."""
    after = "the same command asks all again (--gate-fresh)" if fresh else "the same command resumes"
    if running is None:
        return f"interrupted before any model was asked; {after}"
    run, progress = running
    kept = progress.stored + progress.answered
    return f"interrupted: {kept} of {progress.total} requests of {run} are answered and kept; {after}"


def _worst_cases(session: SuiteSession, run: str, slice_name: str | None) -> list[str]:
    table = session.table(run)
    keep = session.members(slice_name)
    worst = dearest_errors(table, keep, SHOWN)
    lines = ["", "worst cases by cost:"] if worst else []
    for row, cost in worst:
        lines += _case_lines(session, row, cost)
        lines += _answer_lines(session, row, table.first_wrong(row), table)
    return lines


def _slowest_cases(session: SuiteSession, run: str, slice_name: str | None) -> list[str]:
    latency = session.table(run).latency_s
    keep = session.members(slice_name)
    longest = np.nan_to_num(latency, nan=-1.0).max(axis=1)
    rows = sorted((row for row in np.flatnonzero(keep).tolist() if longest[row] >= 0), key=lambda row: -longest[row])
    return ["", "slowest answers:", *(f"  {session.cases[row].id}: {seconds(longest[row])}" for row in rows[:SHOWN])]


def _differing_cases(session: SuiteSession, run: str, slice_name: str | None) -> list[str]:
    """The cases whose answers differ most often, with how often each was given."""
    table, fields = session.table(run), session.task.decision_fields
    rows = np.flatnonzero((disagreement(table)[:, 0] > 0) & session.members(slice_name)).tolist()
    given = {row: Counter(_decision(answer, fields) for answer in table.answers[row]) for row in rows}
    rows.sort(key=lambda row: (given[row].most_common(1)[0][1], table.case_ids[row]))
    lines = ["", f"answers differ in {len(rows)} cases, most often in:"] if rows else []
    for row in rows[:SHOWN]:
        counts = ", ".join(f"{n} × {words}" for words, n in sorted(given[row].items(), key=lambda g: (-g[1], g[0])))
        lines += _wrapped(f"{table.case_ids[row]}: {counts}", indent="  ")
    return lines


def _decision(answer: Answer | None, fields: Sequence[str]) -> str:
    return "no usable answer" if answer is None else " ".join(_value(answer.get(name)) for name in fields)


def _lost_cases(session: SuiteSession, run: str, against: str, verdict: Verdict) -> list[str]:
    """The lost cases whose answers cost most now, with what was answered before and after, and all flipped ids."""
    before, after = session.table(against), session.table(run)
    keep = np.isin(np.array(after.case_ids), list(verdict.lost_ids))
    lines = ["", f"lost since the {against} ({len(verdict.lost_ids)}), dearest first:"]
    for row, cost in dearest_errors(after, keep, SHOWN):
        lines += _case_lines(session, row, cost)
        lines += _answer_lines(session, row, _lost_in(before, after, row), after, before)
    return [*lines, *_wrapped(flipped(verdict), indent="  ")]


def _lost_in(before: OutcomeTable, after: OutcomeTable, row: int) -> int:
    """A repeat that was right before and is not now; if there is none, one that is not right now."""
    correct = STATUSES.index(Status.CORRECT)
    wrong = after.status[row] != correct
    return int((wrong.astype(np.int8) + (wrong & (before.status[row] == correct))).argmax())


def _case_lines(session: SuiteSession, row: int, cost: float) -> list[str]:
    case = session.cases[row]
    text = plain_line(inputs_text(case.inputs), limit=TEXT)
    return _wrapped(f"{case.id} (cost {cost:g}): {text}", indent="  ")


def _answer_lines(
    session: SuiteSession, row: int, repeat: int, table: OutcomeTable, before: OutcomeTable | None = None
) -> list[str]:
    """A line per decision field that is not right, and why there is no decision where there is none."""
    expected, answer, problem = session.cases[row].expected, table.answers[row][repeat], table.problems[row][repeat]
    old = before.answers[row][repeat] if before is not None else None
    now = "answered" if before is None else "now answered"
    lines = []
    for name in session.task.decision_fields:
        if answer is not None and answer.get(name) == expected[name]:
            continue
        given = [f"expected {_value(expected[name])}"]
        given += [f"before {_value(old.get(name))}"] if old is not None else []
        given += [f"{now} {_value(answer.get(name))}"] if answer is not None else []
        lines += _wrapped(f"{name}: {', '.join(given)}", indent="    ")
    if problem:
        used = "no usable answer" if answer is None else "sent to a person"
        lines += _wrapped(f"{used}: {plain_line(problem)}", indent="    ")
    return lines


def _value(value: Scalar) -> str:
    return plain_line(label_text(value), limit=VALUE)


def _wrapped(text: str, *, indent: str = "") -> list[str]:
    return wrapped(text, width=WIDTH, indent=indent)
