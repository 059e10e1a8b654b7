"""How far a few-shot prompt's answers move when its examples do: each dropped in turn, their order permuted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.core import statistics as st
from harness.core.consistency import Share, decision, share
from harness.core.outcomes import FloatArray
from harness.core.records import Status
from harness.core.tables import STATUSES, OutcomeTable

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
    declared: OutcomeTable,
    drops: Sequence[tuple[Variant, OutcomeTable]],
    orders: Sequence[tuple[Variant, OutcomeTable]],
    *,
    examples: tuple[str, ...],
) -> Fragility:
    """The numbers of one strategy; all tables are of the same cases.

    `declared` is the declared prompt, asked twice; the others were asked once. Raises ValueError for no cases or no
    drops.
    """
    first, second = _Asked(declared, 0), _Asked(declared, 1)
    if not declared.case_ids or not drops:
        raise ValueError("there must be a case and an example to drop")
    alpha = (1 - CONFIDENCE) / 2 / (1 + len(drops) + len(orders))

    def group(arms: Sequence[tuple[Variant, OutcomeTable]]) -> Group:
        asked = [(variant, _Asked(table, 0)) for variant, table in arms]
        changed = np.zeros(len(declared.case_ids), dtype=np.bool_)
        for _, arm in asked:
            changed |= first.changed(arm)
        return Group(variants=tuple(_moved(*arm, first, alpha) for arm in asked), any_moved=int(changed.sum()))

    tables = [declared, *(table for _, table in (*drops, *orders))]
    return Fragility(
        run=run,
        examples=len(examples),
        cases=len(declared.case_ids),
        declared=share(first.right.reshape(-1, 1), declared.clusters),
        again=_moved(Variant(name="asked again", examples=examples), second, first, alpha),
        drops=group(drops),
        orders=group(orders) if orders else None,
        failed=sum(table.count(Status.ERROR) for table in tables),
    )


class _Asked:
    """One answer to each case: which are right, and what was decided."""

    def __init__(self, table: OutcomeTable, repeat: int) -> None:
        self.clusters = table.clusters
        self.right: FloatArray = (table.status[:, repeat] == STATUSES.index(Status.CORRECT)).astype(np.float64)
        self._decisions = [decision(answer, tuple(table.fields)) for answer in table.answers[:, repeat]]

    def changed(self, other: _Asked) -> NDArray[np.bool_]:
        pairs = zip(self._decisions, other._decisions, strict=True)
        return np.array([one != two for one, two in pairs], dtype=np.bool_)


def _moved(variant: Variant, asked: _Asked, declared: _Asked, alpha: float) -> Moved:
    differences = asked.right - declared.right
    clusters = declared.clusters
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
        accuracy=float(asked.right.mean()),
        losses=int((differences < 0).sum()),
        gains=int((differences > 0).sum()),
        moved=int(declared.changed(asked).sum()),
        change=bounds.estimate,
        lower=bounds.lower,
        upper=bounds.upper,
    )
