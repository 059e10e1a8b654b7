"""A section of the page: the answers that can not be used, by kind, with samples."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from harness.core.tables import MISSING, STATUSES, TEXT_KEPT
from harness.reporting.blocks import many, table
from harness.reporting.escaping import markdown_code, markdown_text
from harness.reporting.model import RunReport, SuiteReport

SAMPLES = 3
KINDS = 12
LONGEST = 160
_MEANINGS = {
    "fence": "in a code fence",
    "prose": "words around the JSON",
    "truncated": "cut off at the token limit",
    "several_objects": "more than one JSON object",
    "duplicate_key": "a key that stands twice",
    "unknown_label": "a value that the schema does not list",
    "rule": "values that the schema does not allow together",
    "schema": "against the schema in another way",
}


class _Kind(NamedTuple):
    """How answers can't be used: their status, and why."""

    status: str
    problem: str


class _Sample(NamedTuple):
    """An answer as it came; the shortest sort first."""

    length: int
    text: str
    run: str
    case_id: str


def formats_section(suite: SuiteReport) -> Iterator[str]:
    """How many answers of each run were invalid, failed or missing, by kind, with the shortest ones of each kind.

    Nothing where all can be used.
    """
    counts: dict[_Kind, Counter[str]] = defaultdict(Counter)
    samples: dict[_Kind, list[_Sample]] = defaultdict(list)
    for name, run in suite.runs.items():
        _count(name, run, counts, samples)
    if not counts:
        return
    kinds = sorted(counts, key=lambda kind: (-counts[kind].total(), kind))
    runs = [name for name in suite.runs if any(name in counter for counter in counts.values())]
    rows = [[_words(kind), kind.status, *(str(counts[kind][name] or "") for name in runs)] for kind in kinds[:KINDS]]
    if len(kinds) > KINDS:
        rest = sum((counts[kind] for kind in kinds[KINDS:]), Counter())
        rows.append([many(len(kinds) - KINDS, "other kind"), "", *(str(rest[name] or "") for name in runs)])
    yield "### Answers that can't be used"
    yield ""
    also = (
        " Those of cases that count for their slices only are here too."
        if any(case.supplement for case in suite.cases)
        else ""
    )
    yield f"They count as wrong, at their case's maximum cost.{also}"
    yield ""
    yield from table(["kind", "status", *(f"`{name}`" for name in runs)], rows)
    yield from _samples({kind: samples[kind] for kind in kinds[:KINDS] if samples[kind]})


def _count(name: str, run: RunReport, counts: dict[_Kind, Counter[str]], samples: dict[_Kind, list[_Sample]]) -> None:
    outcomes = run.table
    asked = outcomes.status != MISSING if run.early is not None else True
    for row, col in np.argwhere(~outcomes.valid & asked).tolist():
        code = int(outcomes.status[row, col])
        status = "missing" if code == MISSING else str(STATUSES[code])
        kind = _Kind(status, outcomes.problems[row][col] or status)
        counts[kind][name] += 1
        text = outcomes.texts[row][col]
        if text:
            samples[kind].append(_Sample(len(text), text, name, outcomes.case_ids[row]))


def _samples(found: Mapping[_Kind, list[_Sample]]) -> Iterator[str]:
    """At most SAMPLES different texts of each kind, of different runs where that can be."""
    if not found:
        return
    yield "The shortest of each kind, as they came:"
    yield ""
    for kind, samples in found.items():
        meaning = f" ({_MEANINGS[kind.problem]})" if kind.problem in _MEANINGS else ""
        yield f"- {_words(kind)}{meaning}:"
        for sample in _chosen(samples):
            cut = " (and more)" if sample.length == TEXT_KEPT else ""
            shown = markdown_text(sample.text, limit=LONGEST)
            yield f"  - {markdown_code(sample.case_id)} by `{sample.run}`: {shown}{cut}"
    yield ""


def _chosen(samples: list[_Sample]) -> list[_Sample]:
    """The shortest of each run first, no text twice."""
    shortest: dict[str, _Sample] = {}
    for sample in sorted(samples):
        shortest.setdefault(sample.text, sample)
    seen: Counter[str] = Counter()
    ranked = []
    for sample in shortest.values():
        ranked.append((seen[sample.run], sample))
        seen[sample.run] += 1
    return [sample for _, sample in sorted(ranked)[:SAMPLES]]


def _words(kind: _Kind) -> str:
    return markdown_text(kind.problem.replace("_", " "))
