"""Holdout cases that are nearly in the pool: near copies by their letters, semantic ones by their embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.core.copies import near_copies
from harness.core.folding import fingerprint
from harness.core.prompting import inputs_text
from harness.core.records import Case
from harness.fixtures_io.cards import TrainingCard
from harness.fixtures_io.example_locks import pool_digest
from harness.preparing.duplicates import SEMANTIC
from harness.runs.leaks import Leak

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
_BLOCK = 512


def near_leaks(holdout: Sequence[Case], pool: Sequence[Case]) -> list[Leak]:
    """The holdout cases with a near copy in the pool, each with the most similar one; exact copies are no near ones."""
    texts, others = _texts(holdout), _texts(pool)
    found = []
    for copy in near_copies(texts, others):
        text, other = texts[copy.row], others[copy.of]
        if fingerprint(text) != fingerprint(other):
            found.append(_leak(holdout[copy.row], pool[copy.of], text, other, "near", copy.similarity))
    return found


def semantic_leaks(holdout: Sequence[Case], pool: Sequence[Case], embed: Embed) -> list[Leak]:
    """The holdout cases that say the same as a pool case, each with the most similar one."""
    texts, others = _texts(holdout), _texts(pool)
    if not texts or not others:
        return []
    vectors = embed([*texts, *others])
    rows, columns = vectors[: len(texts)], vectors[len(texts) :]
    found = []
    for start in range(0, len(rows), _BLOCK):
        cosines = rows[start : start + _BLOCK] @ columns.T
        best = cosines.argmax(axis=1)
        for row, column in enumerate(best.tolist(), start):
            value = float(cosines[row - start, column])
            if value >= SEMANTIC:
                found.append(_leak(holdout[row], pool[column], texts[row], others[column], "semantic", min(value, 1.0)))
    return found


def untold_training(cards: Sequence[TrainingCard], pool: Sequence[Case]) -> list[str]:
    """In words, for which cards near and semantic copies can't be told, since not all their texts are in the pool."""
    known = {fingerprint(text) for text in _texts(pool)} if any(card.texts for card in cards) else set()
    told = []
    for card in cards:
        if card.texts is None:
            if card.data != pool_digest(pool):
                told.append(
                    f"the card of {card.adapter} does not hold its texts, and it was not trained on this pool: whether "
                    "holdout cases were among them can't be told; train it again with: harness train"
                )
        elif others := sum(value not in known for value in card.texts.values()):
            told.append(
                f"{others} of {len(card.texts)} texts that {card.adapter} was trained on are not in this pool: "
                "of them only exact copies can be told"
            )
    return told


def _texts(cases: Sequence[Case]) -> list[str]:
    return [inputs_text(case.inputs) for case in cases]


def _leak(case: Case, other: Case, text: str, other_text: str, how: str, similarity: float) -> Leak:
    return Leak(
        holdout=case.id,
        text=text,
        source="pool",
        other=other.id,
        other_text=other_text,
        how=how,
        similarity=similarity,
    )
