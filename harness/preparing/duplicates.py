"""Rows that say the same: found, grouped into clusters, and all but one left out where that is the policy."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from harness.core.copies import NEAR
from harness.core.digests import canonical_json
from harness.core.folding import fingerprint, folded
from harness.core.prompting import inputs_text
from harness.preparing.dates import moment
from harness.preparing.groups import Groups
from harness.preparing.near import near_links, semantic_links
from harness.preparing.rows import Row, Sample, StepReport

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts → unit vectors, a row for each."""

SEMANTIC = 0.97
"""The cosine of all-MiniLM-L6-v2 from which texts say the same; lower ones tie whole intents of queries together."""
SAMPLES = 20


class Alike(StrEnum):
    """How two rows are alike."""

    EXACT = "exact"
    NEAR = "near"
    SEMANTIC = "semantic"


class Keep(StrEnum):
    """What becomes of rows that are alike and have the same answer: one of them is kept, or all in one cluster."""

    ONE = "one"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two rows, by their ids, that are alike; `similarity` is 1, a Jaccard index or a cosine."""

    one: str
    other: str
    kind: Alike
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """From which similarity rows are alike, and what becomes of them.

    `near` is a Jaccard index of 5-letter shingles, `semantic` a cosine, both above 0 and at most 1.
    """

    near: float = NEAR
    semantic: float = SEMANTIC
    exact_copies: Keep = Keep.ONE
    near_copies: Keep = Keep.CLUSTER
    semantic_copies: Keep = Keep.CLUSTER

    def __post_init__(self) -> None:
        for name in ("near", "semantic"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, got {getattr(self, name)!r}")

    def keep(self, kind: Alike) -> Keep:
        return {Alike.EXACT: self.exact_copies, Alike.NEAR: self.near_copies, Alike.SEMANTIC: self.semantic_copies}[
            kind
        ]


def find_pairs(rows: Sequence[Row], *, policy: Policy | None = None, embed: Embed | None = None) -> tuple[Pair, ...]:
    """Pairs of rows that are alike, enough of them to hold each group of such rows together.

    Each row is tied to one it is alike with: to the oldest of its exact copies, or by its text to a near or (with
    `embed`) a semantic one. Two rows that hang together through others need no pair of their own. The row order does
    not matter. Ids must be unique. Raises FixtureError for a date that is none.
    """
    chosen = policy or Policy()
    copies: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        copies[folded(inputs_text(row.inputs))].append(row)
    texts = sorted(copies)
    firsts, pairs = list[Row](), list[Pair]()
    for text in texts:
        first, *others = sorted(copies[text], key=_age)
        firsts.append(first)
        pairs += [Pair(one=first.id, other=other.id, kind=Alike.EXACT, similarity=1.0) for other in others]
    groups = Groups(len(texts))
    links = [(Alike.NEAR, link) for link in near_links(texts, at_least=chosen.near, groups=groups)]
    if embed is not None and texts:
        vectors = embed([inputs_text(first.inputs) for first in firsts])
        found = semantic_links(vectors, at_least=chosen.semantic, groups=groups)
        links += [(Alike.SEMANTIC, link) for link in found]
    for kind, link in links:
        one, other = firsts[link.one], firsts[link.other]
        pairs.append(Pair(one=one.id, other=other.id, kind=kind, similarity=link.similarity))
    return tuple(pairs)


def settle_copies(
    rows: Sequence[Row], pairs: Sequence[Pair], *, policy: Policy | None = None
) -> tuple[list[Row], StepReport]:
    """The rows that stay, in their order, with the clusters that `pairs` make of them.

    Of copies with the same answer whose kind keeps one, the oldest stays (then the one whose id comes first) and takes
    over the tags of the others. Copies with different answers all stay, in one cluster. Clusters that rows have
    already grow together where a pair joins them, under the name that comes first.
    """
    chosen = policy or Policy()
    places = {row.id: place for place, row in enumerate(rows)}
    joined, same = Groups(len(rows)), Groups(len(rows))
    for pair in pairs:
        joined.join(places[pair.one], places[pair.other])
        if chosen.keep(pair.kind) is Keep.ONE:
            same.join(places[pair.one], places[pair.other])
    tags: dict[int, tuple[str, ...]] = {}
    disagreeing = 0
    for members in same.members():
        by_answer: dict[str, list[int]] = defaultdict(list)
        for place in members:
            by_answer[canonical_json(rows[place].expected)].append(place)
        disagreeing += len(by_answer) > 1
        for alike in by_answer.values():
            by_age = sorted(alike, key=lambda place: _age(rows[place]))
            tags[by_age[0]] = tuple(dict.fromkeys(tag for place in by_age for tag in rows[place].tags))
    names = _cluster_names(rows, sorted(tags), joined)
    stay = [
        replace(rows[place], tags=tags[place], cluster=names.get(place, rows[place].cluster)) for place in sorted(tags)
    ]
    sizes = Counter(row.cluster for row in stay if row.cluster is not None)
    kinds = Counter(pair.kind for pair in pairs)
    report = StepReport(
        name="duplicates",
        counts={
            **{f"{kind} pairs": kinds[kind] for kind in Alike},
            "rows left out": len(rows) - len(stay),
            "copies with different answers": disagreeing,
            "clusters": len(sizes),
            "rows in clusters": sum(sizes.values()),
            "largest cluster": max(sizes.values(), default=0),
        },
        samples=_samples(rows, pairs, places),
    )
    return stay, report


def _cluster_names(rows: Sequence[Row], kept: Sequence[int], joined: Groups) -> Mapping[int, str]:
    """The cluster of each kept row that shares one with another kept row, through copies or declared clusters."""
    declared: dict[str, int] = {}
    for place in kept:
        cluster = rows[place].cluster
        if cluster is not None:
            joined.join(place, declared.setdefault(cluster, place))
    groups: dict[int, list[int]] = defaultdict(list)
    roots = joined.roots
    for place in kept:
        groups[int(roots[place])].append(place)
    names: dict[int, str] = {}
    for members in groups.values():
        if len(members) > 1:
            own = [cluster for place in members if (cluster := rows[place].cluster) is not None]
            name = min(own) if own else f"copies-{min(fingerprint(inputs_text(rows[p].inputs)) for p in members)}"
            names.update(dict.fromkeys(members, name))
    return names


def _samples(rows: Sequence[Row], pairs: Iterable[Pair], places: Mapping[str, int]) -> tuple[Sample, ...]:
    """The first few pairs of each kind, in the order of the rows."""
    first: dict[Alike, list[Pair]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda p: (places[p.one], places[p.other])):
        if len(first[pair.kind]) < SAMPLES:
            first[pair.kind].append(pair)
    shown = [pair for kind in Alike for pair in first[kind]]
    return tuple(
        Sample(
            rows=(pair.one, pair.other),
            texts=tuple(inputs_text(rows[places[id_]].inputs) for id_ in (pair.one, pair.other)),
        )
        for pair in shown
    )


def _age(row: Row) -> tuple[bool, float, str]:
    """The oldest first, rows without a date last, then by id."""
    when = moment(row)
    return when is None, when.timestamp() if when else 0.0, row.id
