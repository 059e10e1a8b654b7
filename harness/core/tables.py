"""All outcomes of one strategy in columns, on which metrics are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.records import Case, Failure, Outcome, Response, Status

STATUSES = tuple(Status)
MISSING = -1
TEXT_KEPT = 500
"""How many characters of an answer that can't be used are kept, for samples in reports."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutcomeTable:
    """Outcomes as arrays of shape (cases, repeats), in the order of the cases.

    `status` holds indices into STATUSES, MISSING where an expected answer is not there. `fields` maps a decision field
    to 1 (right) or 0. `answers` holds each case's parsed answers, `problems` why one was invalid, failed or reviewed.
    `latency_s` and `tokens` are NaN where nothing was answered; latency is what was measured when the answer was made.
    `texts` holds the beginning of what was answered where it can't be used, "" elsewhere. `confidence` is the lowest
    probability among the chosen values of the decision fields, NaN where it is not known.
    """

    case_ids: tuple[str, ...]
    clusters: tuple[str | None, ...]
    status: NDArray[np.int8]
    valid: NDArray[np.bool_]
    cost: NDArray[np.float64]
    fields: Mapping[str, NDArray[np.bool_]]
    latency_s: NDArray[np.float64]
    input_tokens: NDArray[np.float64]
    output_tokens: NDArray[np.float64]
    answers: NDArray[np.object_]
    problems: NDArray[np.object_]
    texts: NDArray[np.object_]
    confidence: NDArray[np.float64]
    largest_cost: float
    provider_models: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        cases, repeats = self.status.shape
        return cases, repeats

    @property
    def missing(self) -> int:
        """How many expected answers are not there."""
        return int((self.status == MISSING).sum())

    def same_answers(self, other: OutcomeTable, rows: NDArray[np.bool_]) -> bool:
        """Whether every answer of these rows is that of the other table, and ended as it did."""
        if self.case_ids != other.case_ids or not np.array_equal(self.status[rows], other.status[rows]):
            return False
        return all(one == two for one, two in zip(self.answers[rows].flat, other.answers[rows].flat, strict=True))

    def count(self, status: Status) -> int:
        return int((self.status == STATUSES.index(status)).sum())

    def first_wrong(self, row: int) -> int:
        """The first repeat of a case that is not right; 0 where all are."""
        return int((self.status[row] != STATUSES.index(Status.CORRECT)).argmax())


@dataclass(slots=True)
class TableBuilder:
    """Collects outcomes in any order; `finish` leaves MISSING what never came."""

    cases: Sequence[Case]
    repeats: int
    decision_fields: Sequence[str]
    largest_cost: float
    _row: dict[str, int] = field(init=False)
    _answers: NDArray[np.object_] = field(init=False)
    _problems: NDArray[np.object_] = field(init=False)
    _texts: NDArray[np.object_] = field(init=False)
    _models: set[str] = field(init=False, default_factory=set)
    _arrays: dict[str, NDArray[Any]] = field(init=False)
    _fields: dict[str, NDArray[np.bool_]] = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(self.cases), self.repeats)
        self._row = {case.id: row for row, case in enumerate(self.cases)}
        self._arrays = {
            "status": np.full(shape, MISSING, dtype=np.int8),
            "valid": np.zeros(shape, dtype=np.bool_),
            "cost": np.full(shape, np.nan),
            "latency_s": np.full(shape, np.nan),
            "input_tokens": np.full(shape, np.nan),
            "output_tokens": np.full(shape, np.nan),
            "confidence": np.full(shape, np.nan),
        }
        self._fields = {name: np.zeros(shape, dtype=np.bool_) for name in self.decision_fields}
        self._answers = np.full(shape, None, dtype=np.object_)
        self._problems = np.full(shape, "", dtype=np.object_)
        self._texts = np.full(shape, "", dtype=np.object_)

    def add(self, outcome: Outcome, reply: Response | Failure) -> None:
        at = self._row[outcome.case_id], outcome.repeat
        self._arrays["status"][at] = STATUSES.index(outcome.status)
        self._arrays["valid"][at] = outcome.valid
        self._arrays["cost"][at] = outcome.cost
        for name, right in outcome.fields.items():
            self._fields[name][at] = right
        self._answers[at] = outcome.answer
        self._problems[at] = outcome.problem
        if isinstance(reply, Response):
            self._arrays["latency_s"][at] = reply.latency_s
            self._arrays["input_tokens"][at] = reply.usage.input_tokens
            self._arrays["output_tokens"][at] = reply.usage.output_tokens
            self._models.add(reply.provider_model)
            if not outcome.valid:
                self._texts[at] = reply.text[:TEXT_KEPT]
        if outcome.confidence is not None:
            self._arrays["confidence"][at] = outcome.confidence

    def finish(self) -> OutcomeTable:
        return OutcomeTable(
            case_ids=tuple(case.id for case in self.cases),
            clusters=tuple(case.cluster for case in self.cases),
            answers=self._answers,
            problems=self._problems,
            texts=self._texts,
            largest_cost=self.largest_cost,
            fields=self._fields,
            provider_models=tuple(sorted(self._models)),
            **self._arrays,
        )
