"""A section of the page: the strategies side by side, with bounds, and field by field."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.core.metrics import UNANSWERED_S, costly, rates, shown_interval
from harness.core.records import ParseMode, Status
from harness.core.tables import MISSING, STATUSES, OutcomeTable
from harness.reporting.blocks import share, table
from harness.reporting.early import early_markdown
from harness.reporting.model import RunReport, SuiteReport


def strategies_section(suite: SuiteReport, natural: NDArray[np.bool_]) -> Iterator[str]:
    """Rates with intervals, costs and latency of every run over the natural holdout."""
    yield "### Strategies"
    yield ""
    rows = []
    for name, run in suite.runs.items():
        found = rates(run.table, suite.task, natural)
        rows.append(
            [
                f"`{name}`",
                str(run.strategy.stage),
                _interval(run.table, run.table.status == STATUSES.index(Status.CORRECT), natural),
                _interval(run.table, run.table.valid, natural),
                _interval(run.table, costly(run.table, suite.task), natural),
                f"{found.cost_per_1000:,.0f}",
                "?" if run.usd_per_1000 is None else f"{run.usd_per_1000:,.2f}",
                *_latency(run),
            ]
        )
    head = ["strategy", "stage", "accuracy", "format validity", "costly errors"]
    yield from table([*head, "cost of errors per 1,000", "US$ per 1,000 answers", "latency p50", "p95"], rows)
    yield "Rates with 95% Wilson intervals; accuracy is all decision fields right."
    tables = [run.table for run in suite.runs.values()]
    if any(one.shape[1] > 1 or len(set(one.clusters) - {None}) for one in tables):
        yield "Repeats of a case, and cases of one group, count in them as the independent cases that they are worth."
    loose = [f"`{n}` ({r.strategy.parse})" for n, r in suite.runs.items() if r.strategy.parse is not ParseMode.STRICT]
    if loose:
        yield f"Not parsed strictly: {', '.join(loose)}."
    reviewed = {n: r.table.count(Status.REVIEW) for n, r in suite.runs.items() if r.table.count(Status.REVIEW)}
    if reviewed:
        yield "Sent to a person: " + ", ".join(f"`{n}` {count}" for n, count in reviewed.items()) + "."
    yield ""
    yield from early_markdown(suite.runs)


def _latency(run: RunReport) -> list[str]:
    """A request without an answer took longer than any other, as in a claim about latency."""
    asked = run.table.latency_s[run.table.status != MISSING]
    known = asked[~np.isnan(asked)]
    if not known.size:
        return ["–", "–"]
    found = np.quantile(np.nan_to_num(asked, nan=UNANSWERED_S), (0.5, 0.95))
    return [_seconds(float(value)) if value <= known.max() else "no answer" for value in found]


def _seconds(value: float) -> str:
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def _interval(table: OutcomeTable, flags: NDArray[np.bool_], natural: NDArray[np.bool_]) -> str:
    answered = int((table.status[natural] != MISSING).sum())
    if not answered:
        return "–"
    low, high = shown_interval(table, flags, natural)
    return f"{share(int(flags[natural].sum()), answered)} ({100 * low:.1f}–{100 * high:.1f})"


def fields_section(suite: SuiteReport, natural: NDArray[np.bool_]) -> Iterator[str]:
    """The accuracy of each decision field; nothing where there is just one."""
    if len(suite.task.decision_fields) < 2:
        return
    rows = []
    for name, run in suite.runs.items():
        found = rates(run.table, suite.task, natural)
        rows.append([f"`{name}`", *(share(found.field_correct[f], found.answered) for f in suite.task.decision_fields)])
    yield "### Field by field"
    yield ""
    yield from table(["strategy", *(f"`{f}`" for f in suite.task.decision_fields)], rows)
