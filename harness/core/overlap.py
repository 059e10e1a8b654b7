"""Which cases several models or prompts get wrong together: where they do, the prompt is not the problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from harness.core.records import Status
from harness.core.tables import STATUSES, OutcomeTable


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedErrors:
    """The cases that two strategies get wrong: `both`, or `either`.

    `expected` is how many both would get wrong if the errors of one said nothing about those of the other.
    """

    runs: tuple[str, str]
    both: int
    either: int
    expected: float

    @property
    def jaccard(self) -> float:
        """The shared cases as a share of all that one of the two gets wrong; 0 where there are none."""
        return self.both / self.either if self.either else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """The errors of several strategies on the same `cases`. `wrong` counts those of each.

    `all_wrong` are the ids of the cases that every strategy gets wrong, in the order of the cases; `expected` is how
    many these would be if the strategies' errors had nothing to do with each other.
    """

    cases: int
    wrong: Mapping[str, int]
    pairs: tuple[SharedErrors, ...]
    all_wrong: tuple[str, ...]
    expected: float

    @property
    def fewest(self) -> str:
        """The strategy that gets the fewest cases wrong."""
        return min(self.wrong, key=lambda run: self.wrong[run])

    @property
    def beyond_chance(self) -> float:
        """The share of the errors of `fewest` that all make, less what chance would give: 0 as by chance, 1 for all.

        Strategies that are nearly always wrong share errors with any other, which says nothing of the cases.
        """
        most = self.wrong[self.fewest]
        return (len(self.all_wrong) - self.expected) / (most - self.expected) if most > self.expected else 0.0


def wrong_cases(table: OutcomeTable, keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the kept cases are wrong: not right in half of their answers or more."""
    right = (table.status[keep] == STATUSES.index(Status.CORRECT)).mean(axis=1)
    flags: NDArray[np.bool_] = right <= 0.5
    return flags


def overlap(wrong: Mapping[str, NDArray[np.bool_]], case_ids: Sequence[str]) -> Overlap:
    """The shared errors of the strategies, each with a flag per case. Raises ValueError for no strategies or cases."""
    if not wrong or not case_ids:
        raise ValueError("there must be a strategy and a case")
    n = len(case_ids)
    counts = {run: int(flags.sum()) for run, flags in wrong.items()}
    pairs = [
        SharedErrors(
            runs=(one, other),
            both=int((wrong[one] & wrong[other]).sum()),
            either=int((wrong[one] | wrong[other]).sum()),
            expected=counts[one] * counts[other] / n,
        )
        for one, other in combinations(wrong, 2)
    ]
    everywhere = np.logical_and.reduce(list(wrong.values()))
    return Overlap(
        cases=n,
        wrong=counts,
        pairs=tuple(pairs),
        all_wrong=tuple(case_ids[i] for i in np.flatnonzero(everywhere).tolist()),
        expected=n * float(np.prod([count / n for count in counts.values()])),
    )
