"""Holdout and pool files: one labelled case per line of JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import FixtureError
from harness.core.records import Case
from harness.core.schemas import AnswerSchema
from harness.fixtures_io.declarations import shown

_KEYS = {"id", "inputs", "expected", "tags", "cluster", "supplement"}
SHOWN_PROBLEMS = 20


def read_cases(path: Path, schema: AnswerSchema, decision_fields: tuple[str, ...]) -> tuple[Case, ...]:
    """All cases of a file, in its order.

    Raises FixtureError that lists what is wrong by line: unreadable or empty file, a line that is no JSON object,
    missing or unknown keys, a duplicate id, an expected answer that the schema refuses.
    """
    file = shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FixtureError(f"{file} can't be read: {error}") from error
    cases: list[Case] = []
    problems: list[str] = []
    first_line: dict[str, int] = {}
    valid: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            case = _case(line)
        except ValueError as error:
            problems.append(f"{file}:{number}: {error}")
            continue
        if case.id in first_line:
            problems.append(f"{file}:{number}: the id {case.id!r} stands in line {first_line[case.id]} too")
            continue
        first_line[case.id] = number
        key = json.dumps(case.expected, sort_keys=True)
        if key not in valid:
            error_found = schema.first_error(case.expected)
            lacking = [name for name in decision_fields if name not in case.expected]
            valid[key] = error_found[1] if error_found else f"no value for {lacking[0]!r}" if lacking else ""
        if valid[key]:
            problems.append(f"{file}:{number}: case {case.id!r}: expected answer outside the schema: {valid[key]}")
            continue
        cases.append(case)
    if problems:
        more = len(problems) - SHOWN_PROBLEMS
        lines = problems[:SHOWN_PROBLEMS] + ([f"… and {more} more"] if more > 0 else [])
        raise FixtureError("\n  ".join([f"{file} has {len(problems)} bad lines:", *lines]))
    if not cases:
        raise FixtureError(f"{file} holds no cases; a holdout or pool needs at least one")
    return tuple(cases)


def _case(line: str) -> Case:
    try:
        row: Any = json.loads(line, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
        if "\\u" in line:
            json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("half of a character pair (a lone surrogate) is not text") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    unknown = sorted(set(row) - _KEYS)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; known are {', '.join(sorted(_KEYS))}")
    if not isinstance(row.get("id"), str) or not row["id"]:
        raise ValueError("`id` must be a text of one or more letters")
    inputs, expected, tags = row.get("inputs"), row.get("expected"), row.get("tags", [])
    if not isinstance(inputs, dict) or not inputs or not all(isinstance(v, str) for v in inputs.values()):
        raise ValueError("`inputs` must map one or more names to texts")
    if not any(v.strip() for v in inputs.values()):
        raise ValueError("the inputs are blank")
    if not isinstance(expected, dict):
        raise ValueError("`expected` must be an object")
    if not isinstance(tags, list) or not all(isinstance(t, str) for t in tags):
        raise ValueError("`tags` must be a list of texts")
    cluster = row.get("cluster")
    if cluster is not None and not isinstance(cluster, str):
        raise ValueError("`cluster` must be a text")
    if not isinstance(row.get("supplement", False), bool):
        raise ValueError("`supplement` must be true or false")
    return Case(
        id=row["id"],
        inputs=inputs,
        expected=expected,
        tags=tuple(tags),
        cluster=cluster,
        supplement=row.get("supplement", False),
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(n for n in names if names.count(n) > 1)!r} stands there twice")
    return found


def _finite(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _refuse(text)


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not a number of JSON")


def case_row(case: Case) -> dict[str, Any]:
    """A case as it stands in a file; keys that have their default are left out."""
    row: dict[str, Any] = {"id": case.id, "inputs": dict(case.inputs), "expected": dict(case.expected)}
    if case.tags:
        row["tags"] = list(case.tags)
    if case.cluster is not None:
        row["cluster"] = case.cluster
    if case.supplement:
        row["supplement"] = True
    return row


def write_cases(path: Path, cases: Iterable[Case]) -> None:
    write_jsonl(path, map(case_row, cases))


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """One line of JSON per row, written whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    partial.replace(path)
