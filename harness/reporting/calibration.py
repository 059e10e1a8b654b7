"""A section of the page: whether the confidence of answers can be believed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.core.calibration import Calibration, calibration
from harness.reporting.blocks import table
from harness.reporting.model import SuiteReport


def calibrations(suite: SuiteReport, natural: NDArray[np.bool_]) -> dict[str, Calibration]:
    """Of each run whose confidence is known."""
    return {name: found for name, run in suite.runs.items() if (found := calibration(run.table, natural)) is not None}


def calibration_section(suite: SuiteReport, natural: NDArray[np.bool_]) -> Iterator[str]:
    """Mean confidence beside the share of right answers; nothing where no confidence is known."""
    found = calibrations(suite, natural)
    if not found:
        return
    yield "### Confidence"
    yield ""
    rows = [
        [
            f"`{name}`",
            f"{one.n} of {one.answers}",
            f"{100 * one.confidence:.1f}%",
            f"{100 * one.right:.1f}%",
            f"{100 * one.error:.1f} points",
        ]
        for name, one in found.items()
    ]
    yield from table(["strategy", "answers with a confidence", "mean confidence", "right", "calibration error"], rows)
    yield (
        "An answer's confidence is the lowest of its decision fields. The calibration error is the mean distance "
        "between confidence and share right over ten bins; 0 means that confidence can be read as a probability."
    )
    yield ""
