"""A section of the page: how far answers stay the same when the same is asked again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.reporting.again import asked_again_section
from harness.reporting.consistency import consistency_section
from harness.reporting.model import SuiteReport

REPEATS = 3


def stability_section(suite: SuiteReport, natural: NDArray[np.bool_]) -> Iterator[str]:
    """Several answers to each case, and answers that were asked for again; or that nothing is known of it."""
    known = [*consistency_section(suite.runs, natural), *asked_again_section(suite)]
    yield "### Stability"
    yield ""
    if known:
        yield from known
    else:
        yield (
            "Each case was asked once, so it is not known how alike the answers are when the same is asked again; "
            f"`pytest suites/ --gate-repeats {REPEATS}` measures it."
        )
        yield ""
