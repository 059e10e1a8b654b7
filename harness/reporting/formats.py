"""A section of the page: the answers that can not be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from harness.core.tables import MISSING, STATUSES
from harness.reporting.blocks import table
from harness.reporting.model import SuiteReport


def formats_section(suite: SuiteReport) -> Iterator[str]:
    """How many answers of each run were invalid, failed or missing, by kind; nothing where all can be used."""
    rows = []
    for name, run in suite.runs.items():
        kinds: dict[str, Counter[str]] = {"invalid": Counter(), "error": Counter()}
        asked = run.table.status != MISSING if run.early is not None else True
        for row, col in np.argwhere(~run.table.valid & asked).tolist():
            code = int(run.table.status[row, col])
            status = "missing" if code == MISSING else str(STATUSES[code])
            kinds.setdefault(status, Counter())[run.table.problems[row][col] or status] += 1
        for status, counter in kinds.items():
            rows += [[f"`{name}`", status, kind.replace("_", " "), str(n)] for kind, n in counter.most_common()]
    if rows:
        yield "### Answers that can't be used"
        yield ""
        yield "They count as wrong, at their case's maximum cost."
        yield ""
        yield from table(["strategy", "status", "kind", "answers"], rows)
