"""Sections of the page: critical slices, and the others."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.core.metrics import members, rates
from harness.reporting.blocks import share, table
from harness.reporting.model import RunReport, SuiteReport

COLUMNS = 6
"""How many strategies stand side by side; the others follow in tables of their own."""


def slices_section(suite: SuiteReport, *, critical: bool) -> Iterator[str]:
    """Accuracy and costly errors of every run on each slice of one sort; nothing where there is none."""
    parts = [part for part in suite.task.slices if part.critical is critical]
    if not parts:
        return
    yield "### Critical slices" if critical else "### Other slices"
    yield ""
    kept = [members(suite.cases, part) for part in parts]
    runs = list(suite.runs.items())
    for start in range(0, len(runs), COLUMNS):
        beside = runs[start : start + COLUMNS]
        rows = [
            [f"`{part.name}`", str(int(keep.sum())), *(_cell(suite, run, keep) for _, run in beside)]
            for part, keep in zip(parts, kept, strict=True)
        ]
        yield from table(["slice", "cases", *(f"`{name}`" for name, _ in beside)], rows)
    yield "Accuracy / costly errors."
    yield ""


def _cell(suite: SuiteReport, run: RunReport, keep: NDArray[np.bool_]) -> str:
    found = rates(run.table, suite.task, keep)
    return f"{share(found.correct, found.answered)} / {share(found.costly, found.answered)}"
