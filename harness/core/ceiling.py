"""Whether a prompt is at its ceiling: accuracy against its examples and its tokens, on the same cases.

The slope is the mean over cases of each case's own least-squares slope, which uses all points of a case and leaves the
answers to one case free to depend on each other (summary measures: Matthews et al. 1990, BMJ 300:230). Its bounds are
those of a paired change, Tango's scaled by the step (STATISTICS.md, section 5): with two points it is that change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # scipy.special itself is loaded at its first use
from numpy.typing import ArrayLike, NDArray

from harness.core import statistics as st
from harness.core.consistency import Share, share
from harness.core.outcomes import FloatArray
from harness.core.records import Status
from harness.core.tables import MISSING, STATUSES, OutcomeTable

ALPHA = 0.025
"""On each side of an interval."""
WORTH = 0.02
"""A gain of accuracy that is worth a longer prompt; a prompt is at its ceiling where less than that is left."""
MOST_CASES = 100_000

Clusters = Sequence[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of accuracy with its two-sided 95% interval."""

    estimate: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arm:
    """A strategy, or a variant of one. `right` is the share of right answers of each case, the same cases in all arms.

    `tokens` is how long the requests are on average, None where no driver said so.
    """

    name: str
    examples: int
    tokens: float | None
    right: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A prompt on the curve. `change` is against the point before it, None for the first one."""

    name: str
    examples: int
    tokens: float | None
    accuracy: Share
    change: Change | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What more examples do for the strategy `run`, SUITE/STRATEGY, on `cases` cases of the `source` pool or holdout.

    `per_example` and `per_token` are slopes over all points, the latter None where the tokens are not known or do not
    differ. `gain` is what the last doubling brought, or more than a doubling where no point lies that near: from
    `first` to `last` examples, by the slope over the points between them. `more_cases` would settle what is open, None
    where nothing is, or where cases alone will not settle it. `failed` requests count as wrong.
    """

    run: str
    source: str
    cases: int
    points: tuple[Point, ...]
    per_example: Change
    per_token: Change | None
    first: int
    last: int
    gain: Change
    more_cases: int | None
    failed: int = 0

    @property
    def at_ceiling(self) -> bool | None:
        """True where what is left to gain is not worth it, False where examples still help, None where that is open.

        What more examples would bring is at most what the last doubling brought. Where that begins with no example, a
        gain says that examples help, and not whether more of them would.
        """
        if self.gain.upper < WORTH:
            return True
        return False if self.gain.lower > 0 and self.first else None

    @property
    def sentence(self) -> str:
        """The conclusion, with the numbers that it rests on."""
        points, low, high = (100 * x for x in (self.gain.estimate, self.gain.lower, self.gain.upper))
        moved = (
            f"gained {points:.1f} points of accuracy" if points >= 0 else f"changed accuracy by {points:+.1f} points"
        )
        told = (
            f"{self.last} examples instead of {self.first or 'none'} {moved} ({low:+.1f} to {high:+.1f}) on "
            f"{self.cases:,} {self.source} cases"
        )
        return f"{told}: {self._conclusion()}"

    def _conclusion(self) -> str:
        if self.at_ceiling:
            return f"at its ceiling, for less than {100 * WORTH:g} points are left to be gained by more examples"
        if self.at_ceiling is False:
            return "still rising, so more examples are worth trying"
        if self.gain.lower > 0:
            return "examples help, and whether more of them would is open until points between are measured"
        if self.more_cases is None:
            return "whether that is a gain is open"
        return f"whether more would help is open, and {self.more_cases:,} more cases would settle it"


def arm(name: str, examples: int, table: OutcomeTable, keep: NDArray[np.bool_]) -> Arm:
    """A table as an arm, over the kept cases."""
    right = (table.status[keep] == STATUSES.index(Status.CORRECT)).mean(axis=1, dtype=np.float64)
    tokens = table.input_tokens[keep]
    known = tokens[tokens > 0]  # 0 is what a driver says that does not count
    return Arm(name=name, examples=examples, tokens=float(known.mean()) if known.size else None, right=right)


def answered(tables: Sequence[OutcomeTable], keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The kept cases whose answers are there in all tables."""
    whole = keep.copy()
    for table in tables:
        whole &= (table.status != MISSING).all(axis=1)
    return whole


def slope(x: ArrayLike, right: FloatArray, clusters: Clusters) -> Change:
    """By how much accuracy changes with one more of `x`, which has a number per column of `right` (cases × columns).

    Raises ValueError for no cases, or where `x` does not differ.
    """
    return _scaled(x, right, clusters)[0]


def curve(run: str, arms: Sequence[Arm], clusters: Clusters, *, source: str, failed: int = 0) -> Ceiling:
    """The ceiling of `run`, whose arms differ in their examples. Raises ValueError for fewer than two numbers of them.

    `clusters` name what each case was made from.
    """
    arms = sorted(arms, key=lambda a: a.examples)
    numbers = [a.examples for a in arms]
    right = np.column_stack([a.right for a in arms])
    first = max((n for n in numbers if 2 * n <= numbers[-1]), default=numbers[0])
    tail = [i for i, n in enumerate(numbers) if n >= first]
    steps = np.array([numbers[i] for i in tail]) / max(1, numbers[-1] - first)
    gain, with_more = _scaled(steps, right[:, tail], clusters)
    return Ceiling(
        run=run,
        source=source,
        cases=len(right),
        points=_points(arms, clusters),
        per_example=slope(numbers, right, clusters),
        per_token=token_slope(arms, clusters),
        first=first,
        last=numbers[-1],
        gain=gain,
        more_cases=_needed(gain, with_more, len(right), rising=first > 0),
        failed=failed,
    )


def token_slope(arms: Sequence[Arm], clusters: Clusters) -> Change | None:
    """By how much accuracy changes with one more token of the prompt; None where tokens are unknown or alike."""
    tokens = [a.tokens for a in arms if a.tokens is not None]
    if len(tokens) < len(arms) or len(set(tokens)) < 2:
        return None
    return slope(tokens, np.column_stack([a.right for a in arms]), clusters)


def _points(arms: Sequence[Arm], clusters: Clusters) -> tuple[Point, ...]:
    found = []
    for i, one in enumerate(arms):
        pair = None if i == 0 else slope([0, 1], np.column_stack([arms[i - 1].right, one.right]), clusters)
        accuracy = share(one.right.reshape(-1, 1), clusters)
        found.append(Point(name=one.name, examples=one.examples, tokens=one.tokens, accuracy=accuracy, change=pair))
    return tuple(found)


Bounds = Callable[[float], Change]
"""The change as it would be with so many times the cases, and the same answers."""


def _scaled(x: ArrayLike, right: FloatArray, clusters: Clusters) -> tuple[Change, Bounds]:
    place = np.asarray(x, dtype=np.float64)
    spread = ((place - place.mean()) ** 2).sum()
    if not len(right) or spread == 0:
        raise ValueError("there must be a case, and two points that differ")
    weights = (place - place.mean()) / spread
    largest = float(weights[weights > 0].sum())  # the slope of a case that is right from some point on
    own = np.clip(np.round(right @ weights / largest, 12), -1, 1)  # rounding must not make a slope of none
    alone = len({name for name in clusters if name is not None}) + sum(name is None for name in clusters)
    clustered = alone < len(own)
    effect = st.design_effect(own, clusters) if clustered else 1.0
    freedom = alone - 1 if clustered else None
    found = st.step_scaled_tango(own, len(own), ALPHA, design_effect=effect, degrees_of_freedom=freedom)

    def scaled(lower: float, upper: float) -> Change:
        return Change(estimate=largest * found.estimate, lower=largest * lower, upper=largest * upper)

    def bounds(times: float) -> Change:
        if alone == 1:  # more cases of one cluster say nothing
            return scaled(found.lower, found.upper)
        level = float(scipy.special.ndtr(-st.critical_value(ALPHA, freedom)))
        losses, gains, n = (part * times / effect for part in (found.losses, found.gains, float(len(own))))
        lower, upper = st.tango_lower(losses, gains, n, level), -st.tango_lower(gains, losses, n, level)
        return scaled(found.step * lower, found.step * upper)

    return scaled(found.lower, found.upper), bounds


def _needed(now: Change, later: Bounds, n: int, *, rising: bool) -> int | None:
    """How many more cases would settle whether the ceiling is reached; None where nothing is open, or too many would.

    `rising`: a gain, too, would settle it.
    """

    def settled(change: Change) -> bool:
        return change.upper < WORTH or (change.lower > 0 and rising)

    if settled(now):
        return None
    low, high = n, 2 * n
    while not settled(later(high / n)):
        low, high = high, 2 * high
        if high > MOST_CASES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(later(middle / n)) else (middle, high)
    return high - n
