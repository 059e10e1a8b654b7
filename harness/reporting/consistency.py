"""A part of report.md: how alike strategies answer that were asked several times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from harness.core.consistency import Share, consistency
from harness.reporting.blocks import table
from harness.reporting.model import RunReport


def consistency_section(runs: Mapping[str, RunReport], natural: NDArray[np.bool_]) -> Iterator[str]:
    """pass^k for each k, and the share of cases whose answers differ; nothing where each case was asked once."""
    known = {name: found for name, run in runs.items() if (found := consistency(run.table, natural)) is not None}
    if not known:
        return
    yield "#### Consistency"
    yield ""
    rows = [
        [f"pass^{k}", *(_words(found.pass_hat[k - 1]) if k <= found.repeats else "–" for found in known.values())]
        for k in range(1, max(found.repeats for found in known.values()) + 1)
    ]
    rows.append(["answers differ", *(_words(found.disagreement) for found in known.values())])
    yield from table(["", *(f"`{name}` ({found.repeats} answers)" for name, found in known.items())], rows)
    yield (
        "pass^k: the share of cases right in all of k answers. Answers differ where a decision field does, or where "
        "only some can be used. With 95% intervals."
    )
    yield ""


def _words(share: Share) -> str:
    return f"{100 * share.estimate:.1f}% ({100 * share.lower:.1f}–{100 * share.upper:.1f})"
