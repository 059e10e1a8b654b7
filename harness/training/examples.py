"""Choosing few-shot examples from the pool: random, balanced, diverse or hard."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import FixtureError
from harness.core.lazy import need
from harness.core.prompting import inputs_text
from harness.core.records import Case, ExampleChoice
from harness.core.schemas import label_text

FOLDS = 5
Embed = Callable[[Sequence[str]], NDArray[np.float32]]


def choose_examples(
    choice: ExampleChoice,
    pool: Sequence[Case],
    *,
    field: str,
    definitions: Mapping[str, str],
    embed: Embed,
) -> tuple[str, ...]:
    """The ids of `choice.k` pool cases; the order of the pool's rows does not matter.

    `field` is the field whose labels are balanced over; `definitions` maps its labels to what a prompt says of them.
    Raises FixtureError if the pool has fewer cases than asked for.
    """
    cases = sorted(pool, key=lambda case: case.id)
    if choice.k > len(cases):
        raise FixtureError(f"{choice.k} examples are asked for, and the pool has {len(cases)} cases")
    if choice.select == "random":
        return tuple(case.id for case in random.Random(choice.seed).sample(cases, choice.k))
    if choice.select == "balanced":
        return _balanced(cases, choice, field)
    vectors = embed([inputs_text(case.inputs) for case in cases])
    if choice.select == "diverse":
        return _diverse(cases, choice, vectors)
    return _hard(cases, choice, field, vectors, definitions, embed)


def _balanced(cases: Sequence[Case], choice: ExampleChoice, field: str) -> tuple[str, ...]:
    """As many of each label as can be: labels in turn, each giving its next case in a seeded order."""
    by_label: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_label[label_text(case.expected[field])].append(case)
    order = random.Random(choice.seed)
    queues = [order.sample(by_label[label], len(by_label[label])) for label in sorted(by_label)]
    chosen: list[str] = []
    while len(chosen) < choice.k:
        for queue in queues:
            if queue and len(chosen) < choice.k:
                chosen.append(queue.pop().id)
    return tuple(chosen)


def _diverse(cases: Sequence[Case], choice: ExampleChoice, vectors: NDArray[np.float32]) -> tuple[str, ...]:
    """k-means on the embeddings; the case nearest to each centre that no other centre has taken."""
    cluster = need("sklearn.cluster", extra="local")
    centres = cluster.KMeans(n_clusters=choice.k, n_init=4, random_state=choice.seed).fit(vectors).cluster_centers_
    chosen: list[int] = []
    for centre in centres:
        distance = ((vectors - centre) ** 2).sum(axis=1)
        distance[chosen] = np.inf
        chosen.append(int(distance.argmin()))
    return tuple(cases[row].id for row in chosen)


def _hard(
    cases: Sequence[Case],
    choice: ExampleChoice,
    field: str,
    vectors: NDArray[np.float32],
    definitions: Mapping[str, str],
    embed: Embed,
) -> tuple[str, ...]:
    """The cases that are answered wrong by the largest margin when their fold is left out.

    Each label is represented by its definition and the mean of its cases in the other folds. Where fewer than k cases
    are answered wrong, those answered right by the smallest margin follow.
    """
    labels = sorted({label_text(case.expected[field]) for case in cases})
    target = np.array([labels.index(label_text(case.expected[field])) for case in cases])
    defined = embed([definitions.get(label, label.replace("_", " ")) for label in labels])
    fold = np.array(random.Random(choice.seed).choices(range(FOLDS), k=len(cases)))
    margin = np.zeros(len(cases))
    for left_out in range(FOLDS):
        held = fold == left_out
        centres = defined.copy()
        for row in range(len(labels)):
            own = vectors[(target == row) & ~held]
            if len(own):
                centres[row] = (centres[row] + own.mean(axis=0)) / 2
        scores = vectors[held] @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T
        right = scores[np.arange(len(scores)), target[held]]
        scores[np.arange(len(scores)), target[held]] = -np.inf
        margin[held] = right - scores.max(axis=1)
    order = sorted(range(len(cases)), key=lambda row: (margin[row], cases[row].id))
    return tuple(cases[row].id for row in order[: choice.k])
