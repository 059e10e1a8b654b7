"""How alike a strategy answers when it is asked the same several times (intervals: STATISTICS.md, section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.core import statistics as st
from harness.core.outcomes import FloatArray, Outcomes
from harness.core.rate_evidence import effective_rate
from harness.core.records import Answer, Status
from harness.core.schemas import label_text
from harness.core.tables import STATUSES, OutcomeTable

ALPHA = 0.025
"""On each side of an interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A mean share of cases with its two-sided 95% interval."""

    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """What `repeats` answers to each of `cases` cases say: pass^1 to pass^`repeats`, and the share that differ."""

    cases: int
    repeats: int
    pass_hat: tuple[Share, ...]
    disagreement: Share


def pass_hat(table: OutcomeTable, k: int) -> FloatArray:
    """Per case the chance that `k` of its answers, drawn from those made, are all correct: shape (cases, 1).

    Raises ValueError for more than were made. Source: pass^k of tau-bench (arXiv:2406.12045), which is unbiased.
    """
    repeats = table.shape[1]
    chances = np.array([st.pass_hat_k(repeats, correct, k) for correct in range(repeats + 1)])
    correct = (table.status == STATUSES.index(Status.CORRECT)).sum(axis=1)
    values: FloatArray = chances[correct].reshape(-1, 1)
    return values


def disagreement(table: OutcomeTable) -> FloatArray:
    """Per case 1 where its answers differ in a decision field, or some can be used and some not: shape (cases, 1)."""
    fields = tuple(table.fields)
    differs = [len({decision(answer, fields) for answer in answers}) > 1 for answers in table.answers]
    return np.array(differs, dtype=np.float64).reshape(-1, 1)


def consistency(table: OutcomeTable, keep: NDArray[np.bool_]) -> Consistency | None:
    """The consistency over the kept cases whose answers are all there; None for one answer per case, or no case."""
    whole = keep & table.whole
    repeats = table.shape[1]
    if repeats < 2 or not whole.any():
        return None
    clusters = [name for name, kept in zip(table.clusters, whole, strict=True) if kept]
    return Consistency(
        cases=int(whole.sum()),
        repeats=repeats,
        pass_hat=tuple(share(pass_hat(table, k)[whole], clusters) for k in range(1, repeats + 1)),
        disagreement=share(disagreement(table)[whole], clusters),
    )


def decision(answer: Answer | None, fields: Sequence[str]) -> tuple[str, ...] | None:
    """The values of the decision fields as texts, to be compared; None where there is no usable answer."""
    return None if answer is None else tuple(label_text(answer.get(name)) for name in fields)


def share(values: FloatArray, clusters: Sequence[str | None]) -> Share:
    """The mean of values from 0 to 1, one per case (shape (cases, 1)), with its interval over clusters."""
    outcomes = Outcomes(values=values, case_ids=range(len(values)), clusters=clusters)
    rate, ones, size = effective_rate(outcomes, values[:, 0], ALPHA)
    return Share(
        estimate=rate,
        lower=min(st.clopper_pearson_lower(ones, size, ALPHA), rate),
        upper=max(st.clopper_pearson_upper(ones, size, ALPHA), rate),
    )
