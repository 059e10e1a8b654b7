"""Sections of the page: what the errors of the most important strategy cost, its confusions, its dearest cases."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.core.comparisons import right
from harness.core.confusion import OTHER, REVIEWED, UNUSABLE, MoneyConfusion, money_confusion
from harness.core.metrics import confusions, costly, dearest_errors
from harness.core.prompting import inputs_text
from harness.core.records import Answer, Case, Stage
from harness.core.schemas import label_text
from harness.reporting.blocks import table
from harness.reporting.escaping import markdown_code, markdown_text
from harness.reporting.model import SuiteReport

WORST = 8
PAIRS = 10


def most_important(suite: SuiteReport) -> str:
    """The run whose errors are shown: the shipped one if it was run, else the last."""
    shipped = [name for name, run in suite.runs.items() if run.strategy.stage is Stage.SHIPPED]
    return shipped[0] if shipped else list(suite.runs)[-1]


def money_matrix(suite: SuiteReport, name: str, natural: NDArray[np.bool_]) -> MoneyConfusion | None:
    """The confusion matrix of the run `name` for the field whose errors cost most; None where they cost nothing.

    Free values, most of which are expected once, mean nothing side by side and are left out.
    """
    labelled = [
        field
        for field in suite.task.decision_fields
        if 2 * len({label_text(case.expected[field]) for case in suite.cases}) <= len(suite.cases)
    ]
    found = money_confusion(suite.runs[name].table, suite.cases, natural, suite.cost_of, fields=labelled)
    return found if found is not None and found.costs.any() else None


def money_section(suite: SuiteReport, name: str, natural: NDArray[np.bool_]) -> Iterator[str]:
    """The confusion matrix of the run `name` in money, for the field whose errors cost most.

    Nothing where errors cost nothing. Rows and columns without a confusion are left out.
    """
    found = money_matrix(suite, name, natural)
    if found is None:
        return
    rows = [row for row in np.argsort(-found.costs.sum(axis=1), kind="stable").tolist() if found.counts[row].any()]
    columns = np.flatnonzero(found.counts.any(axis=0)).tolist()
    wrong = found.counts.sum(axis=1)
    cells = [
        [
            _label(found.rows[row]),
            *(_cell(found.costs[row, column], found.counts[row, column]) for column in columns),
            f"{found.costs[row].sum():,.0f} ({wrong[row]} of {wrong[row] + found.right[row]})",
        ]
        for row in rows
    ]
    yield f"### What the errors of `{name}` cost, by `{found.field}`"
    yield ""
    yield "The right label of each row, the answered one above: summed cost, and in brackets how often."
    if len(suite.task.decision_fields) > 1:
        yield f"Of all fields with labels, the wrong ones of `{found.field}` cost most."
    yield ""
    yield from table(["right", *(_label(found.columns[column]) for column in columns), "all errors"], cells)


def _cell(cost: float, count: int) -> str:
    return f"{cost:,.0f} ({count})" if count else ""


def _label(name: str) -> str:
    return name if name in (OTHER, UNUSABLE, REVIEWED) else markdown_code(name, limit=40)


def confusions_section(suite: SuiteReport, name: str, natural: NDArray[np.bool_]) -> Iterator[str]:
    """The pairs of labels that cost most in the run `name`; nothing where it confuses none."""
    found = confusions(suite.runs[name].table, suite.cases, natural, suite.cost_of)[:PAIRS]
    if not found:
        return
    yield f"### What `{name}` confuses at the highest cost"
    yield ""
    rows = [
        [f"`{c.field}`", markdown_code(c.expected), markdown_code(c.answered), str(c.count), f"{c.cost:,.0f}"]
        for c in found
    ]
    yield from table(["field", "right", "answered", "times", "cost"], rows)


def worst_section(suite: SuiteReport, name: str) -> Iterator[str]:
    """The dearest cases of the run `name`, supplement included; nothing where all are right."""
    outcomes = suite.runs[name].table
    dear = int(costly(outcomes, suite.task).any(axis=1).sum())
    worst = dearest_errors(outcomes, np.ones(len(suite.cases), dtype=np.bool_), WORST)
    if not worst:
        return
    yield f"### Worst cases of `{name}`"
    yield ""
    yield f"{dear} of {len(suite.cases)} cases, supplement included, hold a costly error. The dearest:"
    yield ""
    for row, cost in worst:
        case, repeat = suite.cases[row], outcomes.first_wrong(row)
        answer = outcomes.answers[row][repeat]
        yield f"- {markdown_code(case.id)}, cost {cost:g}: {_difference(suite, case, answer or {})}"
        if answer is None:
            yield f"  (no usable answer: {markdown_text(outcomes.problems[row][repeat])})"
        yield f"  > {markdown_text(inputs_text(case.inputs))}"
    yield ""


def _difference(suite: SuiteReport, case: Case, answer: Answer) -> str:
    expected = case.expected
    parts = [
        f"`{f}` is {markdown_code(label_text(expected[f]))}, answered {markdown_code(label_text(answer.get(f)))}"
        for f in suite.task.decision_fields
        if not right(suite.task, f, expected[f], answer.get(f))
    ]
    return "; ".join(parts)
