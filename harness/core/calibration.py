"""How far an answer's confidence can be believed: its share of right answers, bin by bin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.core.records import Status
from harness.core.statistics import wilson_interval
from harness.core.tables import STATUSES, OutcomeTable

BINS = 10
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceBin:
    """The `n` answers with a confidence from `start` to `end`: their mean, and the share `right` with its bounds."""

    start: float
    end: float
    n: int
    confidence: float
    right: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """`error` is the expected calibration error: the mean distance of confidence and share right, weighed by answers.

    `n` of `answers` usable answers have a confidence. `confidence` and `right` are the means over those. Bins without
    an answer are left out.
    """

    n: int
    answers: int
    confidence: float
    right: float
    error: float
    bins: tuple[ConfidenceBin, ...]


def calibration(table: OutcomeTable, keep: NDArray[np.bool_]) -> Calibration | None:
    """The calibration over the kept cases and all repeats; None where no confidence is known.

    Bins are of equal width. An answer is right where all decision fields are. Source: Guo et al. 2017
    (arXiv:1706.04599) for the error, Wilson 1927 for the bounds.
    """
    confidence = table.confidence[keep]
    known = ~np.isnan(confidence)
    sure = confidence[known]
    if not sure.size:
        return None
    right = (table.status[keep] == STATUSES.index(Status.CORRECT))[known]
    place = np.minimum((sure * BINS).astype(np.intp), BINS - 1)
    bins = tuple(_bin(number, sure[place == number], right[place == number]) for number in np.unique(place).tolist())
    return Calibration(
        n=int(sure.size),
        answers=int(table.valid[keep].sum()),
        confidence=float(sure.mean()),
        right=float(right.mean()),
        error=sum(b.n * abs(b.right - b.confidence) for b in bins) / int(sure.size),
        bins=bins,
    )


def _bin(number: int, confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> ConfidenceBin:
    n, k = int(right.size), int(right.sum())
    lower, upper = wilson_interval(k, n, CONFIDENCE)
    return ConfidenceBin(
        start=number / BINS,
        end=(number + 1) / BINS,
        n=n,
        confidence=float(confidence.mean()),
        right=k / n,
        lower=lower,
        upper=upper,
    )
