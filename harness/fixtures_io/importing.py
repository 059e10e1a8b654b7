"""Tables of labelled texts → a task: task.yaml, schema.json, pool.jsonl, holdout.jsonl and lock.json."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from harness.core.errors import FixtureError
from harness.core.records import Case
from harness.fixtures_io.cases import SHOWN_PROBLEMS, write_cases
from harness.fixtures_io.declarations import shown, suggestion
from harness.fixtures_io.locks import make_lock, write_lock
from harness.fixtures_io.tasks import load_fixture


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import made. `only_in_pool` are labels that no holdout row has."""

    out: Path
    pool: int
    holdout: int
    labels: Counter[str]
    only_in_pool: tuple[str, ...]
    in_both: int

    def lines(self) -> Iterator[str]:
        """What a person should know, a line each."""
        yield f"{shown(self.out)}: {self.pool} pool and {self.holdout} holdout cases, {len(self.labels)} labels"
        rare = [f"{label} ({n})" for label, n in sorted(self.labels.items(), key=lambda row: (row[1], row[0]))[:3]]
        yield f"rarest in the pool: {', '.join(rare)}"
        if self.only_in_pool:
            yield f"{len(self.only_in_pool)} labels stand in the pool only: {', '.join(self.only_in_pool[:5])}"
        if self.in_both:
            yield f"{self.in_both} holdout texts stand in the pool as well, word for word"


def import_csv(
    *, pool: Path, holdout: Path, text: str, label: str, out: Path, name: str, attribution: str = ""
) -> Imported:
    """Make a single-label task in `out`; the holdout is frozen at once, and equal files give equal bytes.

    Ids are `pool-00001` and `holdout-00001` by row. Raises FixtureError that lists every bad row by line, and for a
    label of the holdout that the pool does not have, an unusable name, or a folder that holds another task.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise FixtureError(f"{name!r} can't name a task; expected lower-case letters, digits and _: give --name")
    if (out / "task.yaml").exists():
        raise FixtureError(f"{shown(out)} holds a task already; delete the folder first, or give another --out")
    pool_cases = _read(pool, text, label, "pool")
    holdout_cases = _read(holdout, text, label, "holdout")
    labels = Counter(str(case.expected[label]) for case in pool_cases)
    held = Counter(str(case.expected[label]) for case in holdout_cases)
    unknown = sorted(set(held) - set(labels))
    if unknown:
        raise FixtureError(
            f"{shown(holdout)} has labels that {shown(pool)} has not: {', '.join(unknown[:5])}; "
            "a label without pool cases can't be learnt: correct them or move some rows"
        )
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "required": [label],
        "properties": {label: {"enum": sorted(labels)}},
    }
    task = {"name": name, "schema": "schema.json", "decision_fields": [label]}
    if attribution:
        task["attribution"] = attribution
    write_cases(out / "pool.jsonl", pool_cases)
    write_cases(out / "holdout.jsonl", holdout_cases)
    (out / "schema.json").write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "task.yaml").write_text(yaml.safe_dump(task, sort_keys=False, allow_unicode=True), encoding="utf-8")
    fixture = load_fixture(out)
    write_lock(fixture.lock_path, make_lock(holdout_cases, fixture.parts))
    texts = {case.inputs["text"] for case in pool_cases}
    return Imported(
        out=out,
        pool=len(pool_cases),
        holdout=len(holdout_cases),
        labels=labels,
        only_in_pool=tuple(sorted(set(labels) - set(held))),
        in_both=sum(case.inputs["text"] in texts for case in holdout_cases),
    )


def _read(path: Path, text: str, label: str, prefix: str) -> list[Case]:
    cases: list[Case] = []
    problems: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(path, reader.fieldnames or (), (text, label))
            for row in reader:
                problem = _problem(row, text, label)
                if problem:
                    problems.append(f"line {reader.line_num}: {problem}")
                    continue
                case_id = f"{prefix}-{len(cases) + len(problems) + 1:05d}"
                cases.append(Case(id=case_id, inputs={"text": row[text]}, expected={label: row[label].strip()}))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FixtureError(f"{shown(path)} can't be read as UTF-8 CSV: {error}") from error
    if problems:
        more = [f"… and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
        rows = "\n  ".join([*problems[:SHOWN_PROBLEMS], *more])
        raise FixtureError(f"{shown(path)} has {len(problems)} bad rows; nothing was written:\n  {rows}")
    if not cases:
        raise FixtureError(f"{shown(path)} holds no rows")
    return cases


def _check_columns(path: Path, found: Sequence[str], wanted: tuple[str, str]) -> None:
    for name in wanted:
        if name not in found:
            raise FixtureError(f"{shown(path)} has no column {name!r}; expected {suggestion(name, list(found))}")


def _problem(row: dict[str, str], text: str, label: str) -> str:
    if None in row or None in row.values():
        return "another number of fields than the header"
    if not row[text].strip():
        return "the text is blank"
    return "" if row[label].strip() else "the label is blank"
