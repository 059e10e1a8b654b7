"""The cases behind a claim that is not met, by their ids: a claim is looked into case by case."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.metrics import dearest_errors, members
from harness.core.records import Measure, Status
from harness.core.tables import STATUSES, OutcomeTable
from harness.core.verdicts import some
from harness.reporting.model import JudgedClaim, SuiteReport

SHOWN = 5
_NO_CASES = ("latency", "flip_rate", "disagreement")
"""What these are about is no wrong answer to a case."""


def cases_behind(suite: SuiteReport, claim: JudgedClaim) -> str:
    """The cases of a claim that is not met, plain text: "lost: a, b and 3 more"; "" where none can be named.

    Of a paired claim the lost ones, of zero tolerance the violations, else those that count against it, dearest first.
    """
    verdict = claim.verdict
    if verdict.missing_ids:
        return f"without an answer: {some(verdict.missing_ids, SHOWN)}"
    if claim.against is not None:
        return f"lost: {some(verdict.lost_ids, SHOWN)}" if verdict.lost_ids else ""
    if verdict.violation_ids:
        return f"violations: {some(verdict.violation_ids, SHOWN)}"
    if claim.measure.metric in _NO_CASES or claim.measure.run not in suite.runs:
        return ""
    table = suite.runs[claim.measure.run].table
    part = suite.task.slice(claim.measure.slice) if claim.measure.slice else None
    keep = members(suite.cases, part) & ~_fine(table, claim.measure)
    ids = [table.case_ids[row] for row, _ in dearest_errors(table, keep, len(table.case_ids))]
    return f"dearest errors: {some(ids, SHOWN)}" if ids else ""


def _fine(table: OutcomeTable, measure: Measure) -> NDArray[np.bool_]:
    """The cases of which no answer counts against a measure."""
    fine: Any
    match measure.metric:
        case "field_accuracy" if measure.field is not None:
            fine = table.fields[measure.field]
        case "format_validity" | "unusable":
            fine = table.valid
        case "error_rate":
            fine = table.status != STATUSES.index(Status.ERROR)
        case "review_rate":
            fine = table.status != STATUSES.index(Status.REVIEW)
        case _:
            fine = table.status == STATUSES.index(Status.CORRECT)
    found: NDArray[np.bool_] = fine.all(axis=1)
    return found
