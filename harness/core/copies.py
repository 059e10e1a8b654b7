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

_CELLS = 2**22
"""Pairs that are compared at a time."""
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
    when one word in twelve was changed. All pairs are compared, so nothing is missed by chance.
    """
    sets = shingles([*texts, *others])
    matrix = sets.matrix()
    left, right = matrix[: len(texts)], matrix[len(texts) :].T.tocsr()
    sizes, other_sizes = sets.sizes[: len(texts)], sets.sizes[len(texts) :]
    found: list[Copy] = []
    step = max(16, _CELLS // max(1, len(others)))
    for start in range(0, len(texts), step) if len(others) else ():
        shared = (left[start : start + step] @ right).toarray()
        similarity = shared / (sizes[start : start + step, None] + other_sizes[None, :] - shared)
        best = similarity.argmax(axis=1)
        for row, column in enumerate(best.tolist()):
            value = float(similarity[row, column])
            if value >= at_least:
                found.append(Copy(row=start + row, of=column, similarity=value))
    return found


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
