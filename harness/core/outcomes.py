"""Outcomes in columns: one number per case and repeat, which is what metrics, statistics and the gate work on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """One number per case and repeat: 1 or 0 for right or wrong (or "it happened"), or a cost.

    `values` has the shape (cases, repeats); one dimension is taken as one repeat. NaN is an answer that was expected
    and is missing. `case_ids` names the rows, without duplicates. `clusters` names for every row what it was made from
    (a template, a customer thread; None: it stands alone); None as a whole means that all cases stand alone. The order
    of the rows has no meaning. Values become a read-only float64 array, ids and clusters tuples. Raises ValueError for
    lengths that differ, duplicate ids, values that are not numbers or are infinite, and for zero repeats.
    """

    values: FloatArray
    case_ids: tuple[str, ...]
    clusters: tuple[str | None, ...] | None = None

    def __init__(
        self,
        *,
        values: ArrayLike,
        case_ids: Iterable[object],
        clusters: Sequence[str | None] | NDArray[np.generic] | None = None,
    ) -> None:
        array = _columns(values)
        ids = _ids(case_ids)
        if len(ids) != len(array):
            raise ValueError(f"case_ids must name every row of values: expected {len(array)}, got {len(ids)}")
        labels = None if clusters is None else _labels(clusters)
        if labels is not None and len(labels) != len(array):
            raise ValueError(f"clusters must name one cluster per case: expected {len(array)}, got {len(labels)}")
        object.__setattr__(self, "values", array)
        object.__setattr__(self, "case_ids", ids)
        object.__setattr__(self, "clusters", labels)

    def __repr__(self) -> str:
        return f"Outcomes({self.n} cases, {self.repeats} repeats, {self.n_clusters} clusters)"

    @property
    def n(self) -> int:
        """How many cases."""
        return len(self.case_ids)

    @property
    def repeats(self) -> int:
        """How many answers per case."""
        return int(self.values.shape[1])

    @cached_property
    def cluster_codes(self) -> NDArray[np.intp]:
        """The number of each row's cluster, counted from 0 in the order of the rows."""
        if self.clusters is None:
            return np.arange(self.n, dtype=np.intp)
        return np.fromiter(_numbered(self.clusters), dtype=np.intp, count=self.n)

    @cached_property
    def n_clusters(self) -> int:
        """How many groups of cases are independent of each other; the number of cases where all stand alone."""
        return int(self.cluster_codes.max()) + 1 if self.n else 0

    @property
    def clustered(self) -> bool:
        """Whether any two cases share a cluster."""
        return self.n_clusters < self.n

    @cached_property
    def missing_ids(self) -> tuple[str, ...]:
        """The sorted ids of the cases that miss an answer."""
        return self.ids_where(np.isnan(self.values).any(axis=1))

    def ids_where(self, rows: ArrayLike) -> tuple[str, ...]:
        """The sorted ids of the marked rows."""
        return tuple(sorted(self.case_ids[row] for row in np.flatnonzero(rows)))


def restricted(outcomes: Outcomes, case_ids: Sequence[str]) -> Outcomes:
    """The rows of these cases alone, in the order of `outcomes`."""
    if outcomes.case_ids == case_ids:
        return outcomes
    wanted = set(case_ids)
    rows = [row for row, name in enumerate(outcomes.case_ids) if name in wanted]
    return Outcomes(
        values=outcomes.values[rows],
        case_ids=[outcomes.case_ids[row] for row in rows],
        clusters=None if outcomes.clusters is None else [outcomes.clusters[row] for row in rows],
    )


def _numbered(labels: Iterable[str | None]) -> Iterator[int]:
    """The number of each label's first appearance among the different ones; None is different from all."""
    numbers: dict[str, int] = {}
    following = 0
    for label in labels:
        number = following if label is None else numbers.setdefault(label, following)
        following += number == following
        yield number


def _columns(values: ArrayLike) -> FloatArray:
    try:
        array = np.array(values, dtype=np.float64)  # always a copy: the caller's array stays the caller's
    except (TypeError, ValueError) as error:
        raise ValueError(f"values must be numbers in rows of one length: {error}") from error
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2:
        raise ValueError(f"values must have the shape (cases, repeats), got {array.ndim} dimensions")
    if array.shape[1] == 0:
        raise ValueError("values must hold at least one repeat per case")
    if np.isinf(array).any():
        raise ValueError("values must be finite numbers, or NaN where an answer is missing")
    array.setflags(write=False)
    return array


def _ids(case_ids: Iterable[object]) -> tuple[str, ...]:
    if isinstance(case_ids, str):
        raise ValueError("case_ids must be a sequence of ids, got one string")
    ids = tuple(map(str, case_ids))
    # Sorted hashes take a tenth of the memory of a set of the ids; equal ones may belong to different ids.
    hashes = np.sort(np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids)))
    if (hashes[1:] == hashes[:-1]).any() and len(set(ids)) != len(ids):
        seen: set[str] = set()
        twice = sorted({name for name in ids if name in seen or seen.add(name)})  # type: ignore[func-returns-value]
        raise ValueError(f"case_ids must be unique; {len(twice)} occur more than once: {', '.join(twice[:5])}")
    return ids


def _labels(clusters: Sequence[str | None] | NDArray[np.generic]) -> tuple[str | None, ...]:
    if isinstance(clusters, str):
        raise ValueError("clusters must be a sequence of names, got one string")
    return tuple([None if label is None else str(label) for label in clusters])
