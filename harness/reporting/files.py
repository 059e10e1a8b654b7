"""verdicts.json and outcomes.jsonl: what machines read. No time and no path inside; equal inputs, equal bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.core.consistency import consistency
from harness.core.metrics import costly, members
from harness.core.records import Status
from harness.core.tables import MISSING, STATUSES, OutcomeTable
from harness.core.wording import sentence
from harness.reporting.changed_treatment import treatment_changes
from harness.reporting.deciding import decision
from harness.reporting.model import JudgedClaim, Report, RunReport, SuiteReport
from harness.reporting.recommendation import economics_numbers

FORMAT = 1


def verdicts_json(report: Report) -> str:
    """Every claim with all numbers of its verdict, in the order of suites, tests and lines."""
    suites = [
        {
            "suite": suite.name,
            "task": suite.task.name,
            "fields": list(suite.task.decision_fields),
            "slices": {part.name: {"critical": part.critical} for part in suite.task.slices},
            "costly_at_least": _plain(suite.task.costs.costly_at_least),
            "holdout": suite.holdout_digest,
            "schema": suite.schema_digest,
            "scoring": suite.scoring_version,
            "runs": {
                name: {
                    "stage": str(run.strategy.stage),
                    "adapter": run.strategy.adapter,
                    "prompt": run.strategy.prompt,
                    "driver": run.driver,
                    "model": run.model,
                    "usd_per_1000": run.usd_per_1000,
                    "largest_cost": run.table.largest_cost,
                    "digest": run.digest,
                    "treatment": None if run.treatment is None else asdict(run.treatment),
                    "changed": _changed(suite, run),
                    "missing": run.table.missing,
                    "consistency": _consistency(suite, run),
                    "proofs": None if run.proofs is None else {proof.name: proof.status for proof in run.proofs},
                }
                for name, run in suite.runs.items()
            },
            "broken": dict(suite.broken),
            "unjudged": list(suite.unjudged),
            "incomplete": list(suite.incomplete),
            "claims": [_claim(claim) for claim in suite.claims],
            "economics": economics_numbers(suite),
        }
        for suite in report.suites
    ]
    content = {
        "version": FORMAT,
        "decision": decision(report),
        "profile": report.provenance.profile,
        "suites": suites,
    }
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _changed(suite: SuiteReport, run: RunReport) -> dict[str, str] | None:
    """Kind of change → what changed since the accepted run; None where that is not known."""
    found = treatment_changes(suite, run)
    return None if found is None else {str(change.kind): change.detail for change in found}


def _consistency(suite: SuiteReport, run: RunReport) -> dict[str, Any] | None:
    """pass^k for k = 1 and on, and the share of cases whose answers differ, over the natural holdout."""
    found = consistency(run.table, members(suite.cases, None))
    return None if found is None else asdict(found)


def _claim(claim: JudgedClaim) -> dict[str, Any]:
    measure = claim.measure
    named = ("slice", "field", "quantile", "k")
    details = {name: value for name in named if (value := getattr(measure, name)) is not None}
    numbers = {f.name: _plain(getattr(claim.verdict, f.name)) for f in fields(claim.verdict) if f.name != "claim"}
    return {
        "test": claim.test,
        "index": claim.index,
        "kind": claim.kind,
        "title": claim.title,
        "run": measure.run,
        "metric": measure.metric,
        **details,
        "against": claim.against,
        "bound": claim.bound,
        "role": claim.role,
        "alpha": claim.verdict.claim.alpha,
        "alpha_fail": claim.verdict.claim.alpha_fail,
        "effect": str(claim.effect),
        "sentence": sentence(claim.verdict),
        **numbers,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value


def outcome_rows(suite: SuiteReport) -> Iterator[dict[str, Any]]:
    """A row per case, strategy and repeat.

    What is not the rule stands only where it is so: the slices of a case, its cluster, that it is a supplement; the
    fields that an answer has wrong, how sure the model was, and the beginning of an answer that can't be used.
    """
    about = _about_cases(suite)
    for name, run in suite.runs.items():
        table = run.table
        dear = costly(table, suite.task)
        for row, case in enumerate(suite.cases):
            expected = {field: case.expected[field] for field in suite.task.decision_fields}
            for repeat in range(table.shape[1]):
                at = row, repeat
                code = int(table.status[at])
                yield {
                    "suite": suite.name,
                    "case": case.id,
                    "strategy": name,
                    "repeat": repeat,
                    "status": "missing" if code == MISSING else str(STATUSES[code]),
                    "answer": table.answers[row][repeat],
                    "expected": expected,
                    "cost": _plain(float(table.cost[at])),
                    "costly": bool(dear[at]),
                    "problem": table.problems[row][repeat],
                    "latency_s": _plain(round(float(table.latency_s[at]), 6)),
                    "input_tokens": _plain(float(table.input_tokens[at])),
                    "output_tokens": _plain(float(table.output_tokens[at])),
                    **about[row],
                    **_about_answer(table, at),
                }


def _about_cases(suite: SuiteReport) -> list[dict[str, Any]]:
    parts = [(part.name, members(suite.cases, part)) for part in suite.task.slices]
    found: list[dict[str, Any]] = []
    for row, case in enumerate(suite.cases):
        slices = [name for name, keep in parts if keep[row]]
        found.append(
            {
                **({"slices": slices} if slices else {}),
                **({"cluster": case.cluster} if case.cluster is not None else {}),
                **({"supplement": True} if case.supplement else {}),
            }
        )
    return found


def _about_answer(table: OutcomeTable, at: tuple[int, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if table.valid[at] and STATUSES[int(table.status[at])] is not Status.CORRECT:
        found["wrong"] = [name for name, right in table.fields.items() if not right[at]]
    if not math.isnan(confidence := float(table.confidence[at])):
        found["confidence"] = confidence
    if text := table.texts[at]:
        found["text"] = text
    return found


def write_text(path: Path, text: str) -> None:
    """Write whole or not at all."""
    _write(path, [text])


def _write(path: Path, parts: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(parts)
    partial.replace(path)


def write_files(folder: Path, report: Report) -> str:
    """Write verdicts.json and outcomes.jsonl into `folder`; returns the text of the former."""
    verdicts = verdicts_json(report)
    write_text(folder / "verdicts.json", verdicts)
    rows = (row for suite in report.suites for row in outcome_rows(suite))
    _write(folder / "outcomes.jsonl", (json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return verdicts
