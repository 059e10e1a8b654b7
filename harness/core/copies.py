"""Texts that stand twice: exactly, or with a word changed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from harness.core.digests import digest

NEAR = 0.8
"""The similarity from which a text is a near copy of another."""
SHINGLE = 5
"""Letters in a shingle: long enough that few are shared by chance, short enough for texts of ten words."""

_WORDS = re.compile(r"\w+")
_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Row `row` of the texts is, by `similarity`, a copy of row `of` of the others."""

    row: int
    of: int
    similarity: float


def folded(text: str) -> str:
    """The words of a text without case, punctuation and white space; texts that fold alike are exact copies.

    A text without any word (signs, emoji) keeps its signs.
    """
    lower = text.casefold()
    return " ".join(_WORDS.findall(lower)) or " ".join(lower.split())


def fingerprint(text: str) -> str:
    """16 hexadecimal digits, equal for exact copies: tells later whether a text was seen, without holding it."""
    return digest(folded(text))[:16]


def near_copies(texts: Sequence[str], others: Sequence[str], *, at_least: float = NEAR) -> list[Copy]:
    """For each of `texts` that is a copy of one of `others`, the most similar one, in the order of `texts`.

    Similarity is the Jaccard index of the sets of 5-letter shingles of the folded texts: 1 for exact copies, about 0.8
    when one word in twelve was changed. All pairs are compared, so nothing is missed by chance.
    """
    numbers: dict[str, int] = {}
    rows, columns = _incidence(texts, numbers), _incidence(others, numbers)
    sizes, other_sizes = rows.size(), columns.size()
    right = columns.matrix(len(numbers)).T.tocsr()
    left = rows.matrix(len(numbers))
    found: list[Copy] = []
    for start in range(0, len(texts), _ROWS) if len(others) else ():
        shared = (left[start : start + _ROWS] @ right).toarray()
        similarity = shared / (sizes[start : start + _ROWS, None] + other_sizes[None, :] - shared)
        best = similarity.argmax(axis=1)
        for row, column in enumerate(best.tolist()):
            value = float(similarity[row, column])
            if value >= at_least:
                found.append(Copy(row=start + row, of=column, similarity=value))
    return found


@dataclass(frozen=True, slots=True)
class _Incidence:
    """Which shingles stand in which text: those of text i are `columns[starts[i]:starts[i + 1]]`."""

    starts: list[int]
    columns: list[int]

    def size(self) -> NDArray[np.int64]:
        starts = np.asarray(self.starts, dtype=np.int64)
        return starts[1:] - starts[:-1]

    def matrix(self, width: int) -> csr_array:
        ones = np.ones(len(self.columns), dtype=np.float32)
        return csr_array((ones, self.columns, self.starts), shape=(len(self.starts) - 1, width))


def _incidence(texts: Iterable[str], numbers: dict[str, int]) -> _Incidence:
    starts, columns = [0], list[int]()
    for text in texts:
        columns += [numbers.setdefault(shingle, len(numbers)) for shingle in _shingles(text)]
        starts.append(len(columns))
    return _Incidence(starts, columns)


def _shingles(text: str) -> Mapping[str, None]:
    """In the order of the text: a set would number them differently in each process."""
    padded = f" {folded(text)} "
    return dict.fromkeys(padded[i : i + SHINGLE] for i in range(max(1, len(padded) - SHINGLE + 1)))
