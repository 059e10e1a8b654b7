"""Sections of the page: critical slices, and the others."""

from __future__ import annotations

from collections.abc import Iterator

from harness.core.metrics import members, rates
from harness.reporting.blocks import share, table
from harness.reporting.model import SuiteReport


def slices_section(suite: SuiteReport, *, critical: bool) -> Iterator[str]:
    """Accuracy and costly errors of every run on each slice of one sort; nothing where there is none."""
    parts = [part for part in suite.task.slices if part.critical is critical]
    if not parts:
        return
    yield "### Critical slices" if critical else "### Other slices"
    yield ""
    rows = []
    for part in parts:
        keep = members(suite.cases, part)
        cells = [f"`{part.name}`", str(int(keep.sum()))]
        for run in suite.runs.values():
            found = rates(run.table, suite.task, keep)
            cells.append(f"{share(found.correct, found.answered)} / {share(found.costly, found.answered)}")
        rows.append(cells)
    yield from table(["slice", "cases", *(f"`{name}`" for name in suite.runs)], rows)
    yield "Accuracy / costly errors."
    yield ""
