"""Which of many texts are alike: by shingles (MinHash, then the Jaccard index), or by embeddings (cosine).

Groups, not all pairs: two texts that already hang together through others are not compared again, so that a
thousand copies of one text cost a thousand links and not half a million. Every link is verified.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.copies import Shingles, shingles
from harness.core.lazy import need
from harness.preparing.groups import Groups

BANDS, BAND_ROWS = 25, 5
"""A pair of similarity s shares a band with probability 1 - (1 - s^5)^25: 0.99995 at 0.8, 0.55 at 0.5."""
ESTIMATE_BELOW = 4.0
"""Standard errors of the estimated similarity that a pair may lie below the threshold and still be verified."""
_SEED = 1
_BLOCK = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Texts `one` < `other` are alike by `similarity`."""

    one: int
    other: int
    similarity: float


def near_links(texts: Sequence[str], *, at_least: float, groups: Groups) -> list[Link]:
    """Links between texts whose 5-letter shingles have a Jaccard index of `at_least` or more.

    The index is computed, not estimated; MinHash only proposes the pairs. A pair that has exactly `at_least` is missed
    with a probability of 5e-5 at 0.8, 1e-3 at 0.75, 9e-3 at 0.7; a more similar one more rarely. Texts
    in one of the `groups` make no link, and links join them. The order of the texts decides which of several possible
    links are found, never the groups.
    """
    sets = shingles(texts)
    signatures = _signatures(sets)
    lowest = at_least - ESTIMATE_BELOW * np.sqrt(at_least * (1 - at_least) / signatures.shape[1])
    found: list[Link] = []
    for band in range(BANDS):
        keys = _band_keys(signatures[:, band * BAND_ROWS : (band + 1) * BAND_ROWS])
        order = np.argsort(keys, kind="stable")
        for left, right in _pairs_of_equal_keys(keys[order], order, groups):
            likely = _agreement(signatures, left, right) >= lowest
            for one, other in zip(left[likely].tolist(), right[likely].tolist(), strict=True):
                similarity = sets.similarity(one, other)
                if similarity >= at_least:
                    found.append(Link(one=one, other=other, similarity=similarity))
                    groups.join(one, other)
    return found


def semantic_links(vectors: NDArray[np.float32], *, at_least: float, groups: Groups) -> list[Link]:
    """Links between unit vectors with a cosine of `at_least` or more, the most similar of a block first.

    All pairs are compared, block by block; those in one of the `groups` make no link, and links join them.
    """
    found: list[Link] = []
    for start in range(0, len(vectors), _BLOCK):
        rows = vectors[start : start + _BLOCK]
        for after in range(start, len(vectors), _BLOCK):
            cosines = rows @ vectors[after : after + _BLOCK].T
            left, right = np.nonzero(cosines >= at_least)
            apart = start + left < after + right
            left, right = left[apart], right[apart]
            values = np.minimum(cosines[left, right], 1)
            for place in np.argsort(-values, kind="stable").tolist():
                one, other = start + int(left[place]), after + int(right[place])
                if groups.join(one, other):
                    found.append(Link(one=one, other=other, similarity=float(values[place])))
    return found


def _signatures(sets: Shingles) -> NDArray[np.uint32]:
    """MinHash signatures, a row for each text."""
    minhash: Any = need("datasketch", extra="prepare").MinHash
    upper = (sets.numbers >> np.uint64(32)).astype(np.uint32)
    parts = (upper[sets.starts[i] : sets.starts[i + 1]].tolist() for i in range(sets.starts.size - 1))
    rows = minhash.generator(parts, num_perm=BANDS * BAND_ROWS, seed=_SEED, hashfunc=int, scheme="affine32")
    signatures = np.empty((sets.starts.size - 1, BANDS * BAND_ROWS), dtype=np.uint32)
    for i, row in enumerate(rows):
        signatures[i] = row.hashvalues
    return signatures


def _band_keys(band: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """One number for the rows of a band: equal where the rows are, and else only by a chance of 2^-64."""
    key = np.zeros(len(band), dtype=np.uint64)
    for column in band.T:
        key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key


def _pairs_of_equal_keys(
    keys: NDArray[np.uint64], order: NDArray[np.int64], groups: Groups
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of things with equal keys that are not in one group yet: neighbours in the sorted `keys` first, then those
    two apart, and so on; `order` tells which thing a place is. What is joined between two steps is not offered again.
    """
    places, apart = np.arange(len(keys)), 0
    while places.size:
        apart += 1
        places = places[places + apart < len(keys)]
        places = places[keys[places] == keys[places + apart]]
        left, right = order[places], order[places + apart]
        open_ = groups.roots[left] != groups.roots[right]
        if open_.any():
            yield np.minimum(left, right)[open_], np.maximum(left, right)[open_]
        if apart & (apart - 1) == 0:  # now and then: keys whose things are all in one group have no pair to offer
            places = _still_open(places, keys, groups.roots[order])


def _still_open(places: NDArray[np.int64], keys: NDArray[np.uint64], roots: NDArray[np.int64]) -> NDArray[np.int64]:
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    lengths = np.diff(np.r_[starts, len(keys)])
    mixed = np.minimum.reduceat(roots, starts) != np.maximum.reduceat(roots, starts)
    still_open: NDArray[np.bool_] = np.repeat(mixed, lengths)[places]
    return places[still_open]


def _agreement(
    signatures: NDArray[np.uint32], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The estimated similarity of each pair: the share of the signature that agrees."""
    shares = np.empty(left.size)
    for start in range(0, left.size, _BLOCK * 16):
        part = slice(start, start + _BLOCK * 16)
        shares[part] = (signatures[left[part]] == signatures[right[part]]).mean(axis=1)
    return shares
