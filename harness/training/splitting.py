"""What every training does with its pool: a split that keeps clusters whole, and weights against imbalance."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from harness.core.errors import TrainingError
from harness.core.records import Case

SMALLEST_POOL = 20


def split_pool(pool: Sequence[Case], share: float, seed: int) -> tuple[list[Case], list[Case]]:
    """(training, validation) cases. Cases of one cluster stay on one side; row order does not matter.

    Whole clusters go to validation in a seeded order until it holds `share` of the pool.
    """
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in sorted(pool, key=lambda c: c.id):
        groups[case.cluster or f"case:{case.id}"].append(case)
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    training: list[Case] = []
    validation: list[Case] = []
    for name in names:
        side = validation if len(validation) < share * len(pool) else training
        side.extend(groups[name])
    return training, validation


def split_for_training(pool: Sequence[Case], share: float, seed: int) -> tuple[list[Case], list[Case]]:
    """`split_pool`, of a pool that can be trained on; raises TrainingError for one that is too small for it."""
    if len(pool) < SMALLEST_POOL:
        raise TrainingError(f"the pool has {len(pool)} cases; training needs at least {SMALLEST_POOL}")
    training, validation = split_pool(pool, share, seed)
    if not training:
        raise TrainingError("clusters stay whole, and these leave no case to train on: the pool needs more clusters")
    return training, validation


def label_weights(labels: Sequence[str], power: float, *, known: Iterable[str]) -> dict[str, float]:
    """Inverse frequency to the power `power` for each of the `known` labels, with mean 1 over `labels`.

    0 weighs all cases alike, 1 makes all labels count alike.
    """
    counts = Counter(labels)
    raw = {label: (len(labels) / max(1, counts[label])) ** power for label in known}
    mean = sum(raw[label] * n for label, n in counts.items()) / len(labels)
    return {label: weight / mean for label, weight in raw.items()}
