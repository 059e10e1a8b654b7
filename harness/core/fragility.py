"""How far a few-shot prompt's answers move when its examples do: each dropped in turn, their order permuted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.core import statistics as st
from harness.core.consistency import Share, decision, share
from harness.core.outcomes import FloatArray
from harness.core.records import Outcome, Status

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A prompt that shows `examples`, pool ids in their order; `dropped` is the one left out, "" for none."""

    name: str
    examples: tuple[str, ...]
    dropped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One variant beside the declared prompt, on the same cases.

    `losses` and `gains` are cases that became wrong and right, `moved` are all whose decision changed. `change` of the
    accuracy has bounds that hold with 95% confidence for all variants together.
    """

    variant: Variant
    accuracy: float
    losses: int
    gains: int
    moved: int
    change: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Variants of one kind. `any_moved` counts the cases whose decision changed in at least one of them."""

    variants: tuple[Moved, ...]
    any_moved: int

    @property
    def lowest(self) -> Moved:
        return min(self.variants, key=lambda moved: moved.change)

    @property
    def highest(self) -> Moved:
        return max(self.variants, key=lambda moved: moved.change)

    @property
    def mean_moved(self) -> float:
        return sum(moved.moved for moved in self.variants) / len(self.variants)

    def by_weight(self) -> list[Moved]:
        """Those that move the accuracy most first; of equal ones those that move more answers."""
        return sorted(self.variants, key=lambda m: (-abs(m.change), -m.moved, m.variant.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragility:
    """What moves when the examples of one strategy do.

    `again` is the declared prompt asked a second time: what moves there is not due to the examples. `orders` is None
    where there is but one order. `failed` counts requests without an answer, which count as wrong.
    """

    run: str
    examples: int
    cases: int
    declared: Share
    again: Moved
    drops: Group
    orders: Group | None
    failed: int


def fragility(
    run: str,
    declared: Sequence[Sequence[Outcome]],
    drops: Sequence[tuple[Variant, Sequence[Outcome]]],
    orders: Sequence[tuple[Variant, Sequence[Outcome]]],
    *,
    fields: Sequence[str],
    clusters: Sequence[str | None],
    examples: tuple[str, ...],
) -> Fragility:
    """The numbers of one strategy; all outcomes are of the same cases in the same order.

    `declared` holds those of the declared prompt, asked twice; `fields` are the task's decision fields, `clusters` name
    what each case was made from. Raises ValueError for no cases or no drops.
    """
    first, second = declared
    if not first or not drops:
        raise ValueError("there must be a case and an example to drop")
    alpha = (1 - CONFIDENCE) / 2 / (1 + len(drops) + len(orders))

    def moved(variant: Variant, outcomes: Sequence[Outcome]) -> Moved:
        return _moved(variant, first, outcomes, fields=fields, clusters=clusters, alpha=alpha)

    def group(arms: Sequence[tuple[Variant, Sequence[Outcome]]]) -> Group:
        changed = np.zeros(len(first), dtype=np.bool_)
        for _, outcomes in arms:
            changed |= _changed(first, outcomes, fields)
        return Group(variants=tuple(moved(*arm) for arm in arms), any_moved=int(changed.sum()))

    arms = [first, second, *(outcomes for _, outcomes in (*drops, *orders))]
    return Fragility(
        run=run,
        examples=len(examples),
        cases=len(first),
        declared=share(_right(first).reshape(-1, 1), clusters),
        again=moved(Variant(name="asked again", examples=examples), second),
        drops=group(drops),
        orders=group(orders) if orders else None,
        failed=sum(outcome.status is Status.ERROR for outcomes in arms for outcome in outcomes),
    )


def _moved(
    variant: Variant,
    declared: Sequence[Outcome],
    outcomes: Sequence[Outcome],
    *,
    fields: Sequence[str],
    clusters: Sequence[str | None],
    alpha: float,
) -> Moved:
    right = _right(outcomes)
    differences = right - _right(declared)
    alone = len({name for name in clusters if name is not None}) + sum(name is None for name in clusters)
    clustered = alone < len(differences)
    bounds = st.step_scaled_tango(
        differences,
        len(differences),
        alpha,
        design_effect=st.design_effect(differences, clusters) if clustered else 1.0,
        degrees_of_freedom=alone - 1 if clustered else None,
    )
    return Moved(
        variant=variant,
        accuracy=float(right.mean()),
        losses=int((differences < 0).sum()),
        gains=int((differences > 0).sum()),
        moved=int(_changed(declared, outcomes, fields).sum()),
        change=bounds.estimate,
        lower=bounds.lower,
        upper=bounds.upper,
    )


def _right(outcomes: Sequence[Outcome]) -> FloatArray:
    return np.array([outcome.status is Status.CORRECT for outcome in outcomes], dtype=np.float64)


def _changed(one: Sequence[Outcome], other: Sequence[Outcome], fields: Sequence[str]) -> NDArray[np.bool_]:
    pairs = zip(one, other, strict=True)
    return np.array([decision(a.answer, fields) != decision(b.answer, fields) for a, b in pairs], dtype=np.bool_)
