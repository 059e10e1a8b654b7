"""Which p-values count as a failure when many claims are judged together (STATISTICS.md, section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.core import statistics as st


class PValue(NamedTuple):
    """One claim's p-value, the smallest it could have been, and the error that its FAIL may have."""

    p: float
    p_min: float
    alpha: float


class Decision(NamedTuple):
    failed: bool
    decided_at: float


def blocking_failures(values: Sequence[PValue]) -> list[Decision]:
    """Tarone-Holm over all blocking claims, in the order given: the chance of any false FAIL is at most alpha.

    Claims may differ in alpha: each p-value is held against its own alpha divided by the common k. A claim's own p_min
    is taken as 0 where its failure is decided: with the given p_min, one more wrong answer could make the claim count
    among the testable ones, undo another claim's failure, and so its own. That rejects no more than Tarone-Holm does.
    """
    if not values:
        return []
    top = max(value.alpha for value in values)
    p = [min(1.0, value.p * (top / value.alpha)) for value in values]
    p_min = [min(1.0, value.p_min * (top / value.alpha)) for value in values]
    failed, levels = st.tarone_holm_decisions(p, p_min, top)
    for index in [index for index, rejected in enumerate(failed) if rejected]:
        blind = [*p_min[:index], 0.0, *p_min[index + 1 :]]
        again, again_levels = st.tarone_holm_decisions(p, blind, top)
        failed[index], levels[index] = again[index], again_levels[index]
    return [
        Decision(rejected, level * (value.alpha / top))
        for rejected, level, value in zip(failed, levels, values, strict=True)
    ]


def reported_failures(values: Sequence[PValue]) -> list[Decision]:
    """Benjamini-Hochberg over the claims that never block, in the order given."""
    if not values:
        return []
    top = max(value.alpha for value in values)
    adjusted = st.benjamini_hochberg([min(1.0, value.p * (top / value.alpha)) for value in values])
    failed = [value <= top for value in adjusted]
    share = max(1, sum(failed)) / len(values)
    return [Decision(rejected, value.alpha * share) for rejected, value in zip(failed, values, strict=True)]
