"""Texts that stand twice: exactly, or with a word changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from harness.core.folding import folded

NEAR = 0.8
"""The similarity from which a text is a near copy of another."""
SHINGLE = 5
"""Letters in a shingle: long enough that few are shared by chance, short enough for texts of ten words."""

_CELLS, _PAIRS = 2**22, 2**15
"""Pairs that may share shingles, and pairs that are compared, at a time."""
_ROUNDING = 1e-9
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Row `row` of the texts is, by `similarity`, a copy of row `of` of the others."""

    row: int
    of: int
    similarity: float


def near_copies(texts: Sequence[str], others: Sequence[str], *, at_least: float = NEAR) -> list[Copy]:
    """For each of `texts` that is a copy of one of `others`, the most similar one, in the order of `texts`.

    Similarity is the Jaccard index of the sets of 5-letter shingles of the folded texts: 1 for exact copies, about 0.8
    when one word in twelve was changed. `at_least` is above 0. Nothing is missed by chance: pairs are left out only
    where they can't be similar enough.
    """
    if not (texts and others):
        return []
    sets = shingles([*texts, *others])
    matrix, sizes = sets.matrix(), sets.sizes
    rarest = _rarest(matrix, sizes, at_least)
    one, other = rarest[: len(texts)], rarest[len(texts) :].T.tocsr()
    found: list[Copy] = []
    step = max(16, _CELLS // len(others))
    for start in range(0, len(texts), step):
        rows, places = (one[start : start + step] @ other).nonzero()
        rows, places = rows + start, places + len(texts)
        possible = np.minimum(sizes[rows], sizes[places]) >= (at_least - _ROUNDING) * np.maximum(
            sizes[rows], sizes[places]
        )
        rows, places = rows[possible], places[possible]
        similarity = np.concatenate(
            [np.zeros(0)]
            + [
                _similarity(matrix, sizes, rows[i : i + _PAIRS], places[i : i + _PAIRS])
                for i in range(0, rows.size, _PAIRS)
            ]
        )
        best: dict[int, Copy] = {}
        for pair in np.lexsort((places, -similarity)).tolist():
            if similarity[pair] < at_least:
                break
            row = int(rows[pair])
            best.setdefault(row, Copy(row=row, of=int(places[pair]) - len(texts), similarity=float(similarity[pair])))
        found += [best[row] for row in sorted(best)]
    return found


def _rarest(matrix: csr_array, sizes: NDArray[np.int64], at_least: float) -> csr_array:
    """Of each text as many of its shingles, those first that few texts have, that similar ones share one of them.

    Two texts with an index of `at_least` share that part of the shingles of either, so of all but as many one is shared
    (prefix filtering, Bayardo, Ma and Srikant 2007). Shingles that most texts have are thereby not looked at.
    """
    common = np.bincount(matrix.indices, minlength=matrix.shape[1])
    rank = np.empty_like(common)
    rank[np.argsort(common, kind="stable")] = np.arange(common.size)
    ordered = csr_array((matrix.data, rank[matrix.indices], matrix.indptr), shape=matrix.shape)
    ordered.sort_indices()
    enough = sizes - np.ceil(sizes * (at_least - _ROUNDING)).astype(np.int64) + 1
    starts = np.concatenate([[0], np.cumsum(enough)])
    places = np.arange(starts[-1]) + np.repeat(matrix.indptr[:-1] - starts[:-1], enough)
    return csr_array((ordered.data[places], ordered.indices[places], starts), shape=matrix.shape)


def _similarity(
    matrix: csr_array, sizes: NDArray[np.int64], rows: NDArray[np.int64], others: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The Jaccard index of pairs of rows."""
    shared = matrix[rows].multiply(matrix[others]).sum(axis=1)
    return np.asarray(shared / (sizes[rows] + sizes[others] - shared), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shingles:
    """The shingles of texts as 64-bit numbers: those of text i are `numbers[starts[i]:starts[i + 1]]`, ascending.

    Two shingles have one number with a probability of 2^-64.
    """

    numbers: NDArray[np.uint64]
    starts: NDArray[np.int64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many different shingles each text has, 1 at least."""
        return self.starts[1:] - self.starts[:-1]

    def of(self, text: int) -> NDArray[np.uint64]:
        return self.numbers[self.starts[text] : self.starts[text + 1]]

    def similarity(self, one: int, other: int) -> float:
        """The Jaccard index of two texts."""
        left, right = self.of(one), self.of(other)
        shared = np.intersect1d(left, right, assume_unique=True).size
        return float(shared / (left.size + right.size - shared))

    def matrix(self) -> csr_array:
        """A row for each text, a column for each shingle, 1 where the text has it."""
        columns = np.unique(self.numbers, return_inverse=True)[1]
        width = int(columns.max()) + 1 if columns.size else 0
        ones = np.ones(columns.size, dtype=np.float32)
        return csr_array((ones, columns, self.starts), shape=(self.starts.size - 1, width))


def shingles(texts: Sequence[str]) -> Shingles:
    """The 5-letter shingles of the folded texts, with a space on either side; a shorter text is one shingle."""
    each = [_numbers(folded(text)) for text in texts]
    starts = np.zeros(len(each) + 1, dtype=np.int64)
    np.cumsum([part.size for part in each], out=starts[1:])
    return Shingles(numbers=np.concatenate(each) if each else np.zeros(0, dtype=np.uint64), starts=starts)


def _numbers(text: str) -> NDArray[np.uint64]:
    """A polynomial of the letters modulo 2^64 for each window; its last factor carries the last letter to all bits."""
    letters = np.frombuffer(f" {text} ".ljust(SHINGLE, "\0").encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    windows = letters.size - SHINGLE + 1
    numbers = np.zeros(windows, dtype=np.uint64)
    for place in range(SHINGLE):
        numbers = (numbers + letters[place : place + windows]) * _FACTOR
    return np.unique(numbers)
