"""What changed since the accepted baseline: what was done to each run, and the cases that it lost and gained."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.core.comparisons import right
from harness.core.metrics import dearest_errors
from harness.core.prompting import inputs_text
from harness.core.records import Stage, Status
from harness.core.schemas import label_text
from harness.core.tables import MISSING, STATUSES, OutcomeTable
from harness.reporting.blocks import table
from harness.reporting.changed_treatment import kinds_told, treatment_lines
from harness.reporting.escaping import markdown_code, markdown_text
from harness.reporting.model import AcceptedRun, SuiteReport

SHOWN = 8
"""How many cases of a strategy are shown on either side, where there are few strategies."""
SHOWN_IN_ALL = 40


def changes(suite: SuiteReport, natural: NDArray[np.bool_]) -> Iterator[str]:
    """What was done since the accepted baseline and what came of it on the natural cases; nothing without a baseline.

    The cases are those that each run lost (they were right) and gained, dearest first.
    """
    if suite.accepted is None and suite.baseline is None:
        return
    yield "### Changed since the baseline"
    yield ""
    if suite.accepted is not None:
        yield _accepted(suite.accepted)
        yield ""
    runs = {n: run for n, run in suite.runs.items() if run.strategy.stage is not Stage.REFERENCE}
    if suite.baseline is None:
        yield "Its answers can't be compared with these, since cases, schema or scoring are not the same."
        yield ""
        yield from treatment_lines(suite, list(runs.values()))
        return
    before = suite.baseline
    was = _right(before)
    natural = natural & (before.status != MISSING).all(axis=1)
    rows: list[list[str]] = []
    cases: list[str] = []
    for name, run in runs.items():
        asked = natural & (run.table.status != MISSING).all(axis=1)
        now = _right(run.table)
        lost, gained = was & ~now & asked, ~was & now & asked
        moved = run.table.cost[asked].mean(axis=1) - before.cost[asked].mean(axis=1)
        rows.append(
            [
                f"`{name}`",
                kinds_told(suite, run),
                str(int(lost.sum())),
                str(int(gained.sum())),
                _moved(moved[moved > 0]),
                _moved(-moved[moved < 0]),
            ]
        )
        for side, keep in (("lost", lost), ("gained", gained)):
            cases += _cases(suite, name, side, keep, most=_most(side, len(runs)))
    yield from table(["strategy", "what was changed", "lost", "gained", "cost up", "cost down"], rows)
    yield "Lost cases were right and are not, gained ones the reverse; cost is that of errors, over the same cases."
    yield ""
    yield from treatment_lines(suite, list(runs.values()))
    if cases:
        yield from cases
        yield ""


def _accepted(accepted: AcceptedRun) -> str:
    if not accepted.date:
        return f"The baseline is `{accepted.strategy}`: {markdown_text(accepted.reason)}."
    commit = f" at `{markdown_text(accepted.revision)}`" if accepted.revision else ""
    told = f"The baseline is `{accepted.strategy}` as accepted on {markdown_text(accepted.date)}{commit}: "
    note = "" if accepted.treatment else " It was accepted before prompts and settings were kept with it."
    return f"{told}{markdown_text(accepted.reason)}.{note}"


def _most(side: str, runs: int) -> int:
    """How many cases are shown; of very many strategies only lost ones."""
    most = min(SHOWN, SHOWN_IN_ALL // (4 * runs))
    return max(1, most) if side == "lost" else most


def _moved(amounts: NDArray[np.float64]) -> str:
    """How much in how many cases."""
    if not amounts.size:
        return "–"
    return f"{amounts.sum():,.0f} in {amounts.size} {'case' if amounts.size == 1 else 'cases'}"


def _right(outcomes: OutcomeTable) -> NDArray[np.bool_]:
    """The cases that are right in every repeat."""
    right: NDArray[np.bool_] = (outcomes.status == STATUSES.index(Status.CORRECT)).all(axis=1)
    return right


def _cases(suite: SuiteReport, name: str, side: str, keep: NDArray[np.bool_], *, most: int) -> Iterator[str]:
    """A line per case and its input below; the cost is that of the wrong side."""
    assert suite.baseline is not None
    before, now = suite.baseline, suite.runs[name].table
    wrong = now if side == "lost" else before
    for row, cost in dearest_errors(wrong, keep, most):
        case = suite.cases[row]
        priced = f"cost {cost:g}" if side == "lost" else f"cost {cost:g} before"
        yield f"- {side} by `{name}`: {markdown_code(case.id)}, {priced}: {_told(suite, row, before, now)}"
        yield f"  > {markdown_text(inputs_text(case.inputs))}"
    more = int(keep.sum()) - most
    if more > 0:
        yield f"- {side} by `{name}`: {more} more, in `outcomes.jsonl`"


def _told(suite: SuiteReport, row: int, before: OutcomeTable, now: OutcomeTable) -> str:
    """Expected, before and now of the fields that either side has wrong, and why a side gave no decision.

    Of several repeats each side shows its first that is not right.
    """
    expected = suite.cases[row].expected
    sides = [(when, side, side.first_wrong(row)) for when, side in (("before", before), ("now", now))]
    parts = []
    for field in suite.task.decision_fields:
        given = {when: side.answers[row][repeat] for when, side, repeat in sides}
        if not all(a is not None and right(suite.task, field, expected[field], a.get(field)) for a in given.values()):
            words = [f"{when} {markdown_code(label_text(a.get(field)))}" for when, a in given.items() if a is not None]
            parts.append(", ".join([f"`{field}` is {markdown_code(label_text(expected[field]))}", *words]))
    for when, side, repeat in sides:
        problem = side.problems[row][repeat]
        if problem:
            used = "no usable answer" if side.answers[row][repeat] is None else "sent to a person"
            parts.append(f"{when} {used} ({markdown_text(problem)})")
    return "; ".join(parts)
