"""comment.md: the report as a comment on a pull request, short in the open and whole where it is unfolded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.core.metrics import members, rates
from harness.core.records import Stage
from harness.core.tables import OutcomeTable
from harness.reporting.blocks import many, share, table
from harness.reporting.changed_treatment import kinds_told
from harness.reporting.deciding import decision, unmet_lines
from harness.reporting.escaping import markdown_text
from harness.reporting.model import Report, RunReport, SuiteReport
from harness.reporting.page import Section, page
from harness.reporting.strategies import strategies_section

MARKER = "<!-- holdfast: this comment is updated by the next run -->"
"""The first line, by which a workflow finds the comment that it made before."""
LIMIT = 65_536
"""GitHub refuses a longer comment. It counts characters; bytes of UTF-8 are never fewer."""
_IN_THE_OPEN = ("decision", "strategies")


def comment_markdown(report: Report, sections: Sequence[Section] | None = None) -> str:
    """At most 65,536 bytes: decision, blockers with their cases, changed numbers, strategies; the rest folded.

    What does not fit is left out from the end, section by section, and said so. `sections` is the page of this report
    where it was made already.
    """
    opened = [*_head(report), *_numbers(report)]
    folded = [_folded(section) for section in sections or page(report) if section.key not in _IN_THE_OPEN]
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
    yield from unmet_lines(report)


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
    natural = members(suite.cases, None) & before.whole
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
    if run.table.shape[1] != before.shape[1]:
        return [f"`{name}`", kinds_told(suite, run), *["–"] * 4]
    keep = natural & run.table.whole
    was, now = before.always_right[keep], run.table.always_right[keep]
    then, today = rates(before, suite.task, keep), rates(run.table, suite.task, keep)
    return [
        f"`{name}`",
        kinds_told(suite, run),
        str(int((was & ~now).sum())),
        str(int((~was & now).sum())),
        f"{share(then.correct, then.answered)} → {share(today.correct, today.answered)}",
        f"{then.cost_per_1000:,.0f} → {today.cost_per_1000:,.0f}" if keep.any() else "–",
    ]


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
