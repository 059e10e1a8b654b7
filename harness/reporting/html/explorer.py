"""The data of the case explorer: compact, and inert wherever it is put into a page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.records import Answer, Stage, Status
from harness.core.schemas import label_text
from harness.core.tables import MISSING, STATUSES, OutcomeTable
from harness.reporting.html.sampling import LONGEST, Chosen, flips
from harness.reporting.model import Report, SuiteReport

STATUS_LETTERS = {Status.CORRECT: "c", Status.WRONG: "w", Status.INVALID: "i", Status.ERROR: "e", Status.REVIEW: "r"}
_LETTERS = np.array([*(STATUS_LETTERS[status] for status in STATUSES), "m"])
"""By status code; MISSING, -1, is the last."""
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_UNSAFE_LETTER = re.compile("[<>&\u2028\u2029]")


def visible(text: str) -> str:
    """`text` with what can't be seen, or would reorder what can, spelt out: ⟨U+202E⟩. Tabs and line ends stay."""
    return _HIDDEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text.replace("\r\n", "\n"))


def script_json(data: Any) -> str:
    """JSON that can't end the element that it stands in, nor begin a comment there."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _UNSAFE_LETTER.sub(lambda match: _UNSAFE[match[0]], text)


def explorer_data(report: Report, chosen: Iterable[tuple[SuiteReport, Chosen]]) -> dict[str, Any]:
    """All suites with the chosen cases."""
    return {"suites": [_suite(suite, kept) for suite, kept in chosen]}


def _suite(suite: SuiteReport, kept: Chosen) -> dict[str, Any]:
    """Columns over the chosen cases; `answers` holds each different answer once, and the runs point into it."""
    rows = np.array(kept.rows, dtype=np.intp)
    fields = suite.task.decision_fields
    answers = _Answers(fields)
    cases = [suite.cases[row] for row in kept.rows]
    slices = [[n for n, part in enumerate(suite.task.slices) if part.contains(case)] for case in cases]
    inputs = [dict(case.inputs.items()) for case in cases]
    names = list(dict.fromkeys(name for given in inputs for name in given))
    runs = [_run(suite, name, rows, answers) for name in suite.runs]
    baseline = None if suite.baseline is None else _table(suite.baseline, rows, answers)
    return {
        "name": visible(suite.name),
        "fields": [visible(field) for field in fields],
        "slices": [{"name": visible(part.name), "critical": part.critical} for part in suite.task.slices],
        "inputs": [visible(name) for name in names],
        "told": kept.told,
        "total": len(suite.cases),
        "cases": {
            "id": [visible(case.id) for case in cases],
            "text": [_inputs(given, names) for given in inputs],
            "expected": [answers.number(case.expected) for case in cases],
            "slices": slices,
        },
        "runs": runs,
        "baseline": baseline,
        "answers": answers.all,
    }


def _inputs(inputs: Mapping[str, str], names: Sequence[str]) -> list[str | None]:
    return [None if name not in inputs else _shortened(inputs[name]) for name in names]


def _shortened(text: str) -> str:
    if len(text) <= LONGEST:
        return visible(text)
    return f"{visible(text[:LONGEST])}… ({len(text) - LONGEST:,} more characters)"


class _Answers:
    """Numbers for answers: equal ones share one."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._numbers: dict[tuple[str, ...], int] = {}

    def number(self, answer: Answer | None) -> int:
        """-1 for an answer that can't be used."""
        if answer is None:
            return -1
        key = tuple(label_text(answer.get(field)) for field in self._fields)
        return self._numbers.setdefault(key, len(self._numbers))

    @property
    def all(self) -> list[list[str]]:
        return [[_shortened(text) for text in key] for key in self._numbers]


def _run(suite: SuiteReport, name: str, rows: NDArray[np.intp], answers: _Answers) -> dict[str, Any]:
    run = suite.runs[name]
    found = {
        "name": visible(name),
        "stage": str(run.strategy.stage),
        "reference": run.strategy.stage is Stage.REFERENCE,
        **_table(run.table, rows, answers),
    }
    sides = flips(suite, name)
    if sides is not None:
        broken, fixed = (side[rows] for side in sides)
        found["flips"] = "".join(np.where(broken, "b", np.where(fixed, "f", ".")).tolist())
    return found


def _table(table: OutcomeTable, rows: NDArray[np.intp], answers: _Answers) -> dict[str, Any]:
    """Case by case, the repeats of each side by side. `wrong` has a bit for each field that is not right."""
    status, cost, confidence = table.status[rows], table.cost[rows], table.confidence[rows]
    wrong = np.zeros(status.shape, dtype=np.int64)
    for bit, right in enumerate(table.fields.values()):
        wrong |= np.where(right[rows] | (status == MISSING), 0, 1 << bit)
    given: list[Answer | None] = table.answers[rows].ravel().tolist()
    problems = {at: text for at, text in enumerate(table.problems[rows].flat) if text}
    texts = {at: text for at, text in enumerate(table.texts[rows].flat) if text}
    return {
        "repeats": table.shape[1],
        "status": "".join(_LETTERS[status.ravel()].tolist()),
        "answers": [answers.number(answer) for answer in given],
        "wrong": wrong.ravel().tolist(),
        "cost": [_number(value) for value in cost.ravel().tolist()],
        "confidence": None
        if np.isnan(confidence).all()
        else [_number(value) for value in np.round(confidence, 3).ravel().tolist()],
        "problems": {at: _shortened(str(text)) for at, text in problems.items()},
        "texts": {at: visible(str(text)) for at, text in texts.items()},
    }


def _number(value: float) -> float | int | None:
    if math.isnan(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.6g}")
