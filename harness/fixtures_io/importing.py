"""Tables of labelled texts → a task: task.yaml and schema.json, and its cases or the raw rows to prepare them from."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from harness.core.errors import FixtureError
from harness.core.records import Case
from harness.fixtures_io.cases import SHOWN_PROBLEMS, case_row, write_cases, write_jsonl
from harness.fixtures_io.declarations import shown
from harness.fixtures_io.inference import infer_schema, label_counts
from harness.fixtures_io.locks import make_lock, write_lock
from harness.fixtures_io.tables import Table, column, read_table
from harness.fixtures_io.tasks import load_fixture

RAW = "raw.jsonl"
MANY_LABELS = 20
"""Up to as many labels are a closed list, however few the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where in a table a case stands. Names may be dotted paths into nested objects; a field is called as the last part
    of its path, or as the NAME of `NAME=COLUMN`.

    `labels` are fields with a closed list of values, `values` those with free ones, `answer` a whole answer as an
    object or its JSON text.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    answer: str | None = None
    id: str | None = None
    date: str | None = None
    cluster: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file with rows; `at` is the dotted path of their list inside a JSON document."""

    path: Path
    kind: str
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import made. `holdout` is None where all rows are raw. `only_in_pool` are labels no holdout row has."""

    out: Path
    pool: int
    holdout: int | None
    labels: Mapping[str, Counter[str]]
    only_in_pool: tuple[str, ...]
    in_both: int
    notes: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """What a person should know, a line each."""
        yield from self.notes
        told = ", ".join(f"{len(counts)} labels of {name}" for name, counts in self.labels.items())
        many = f"{self.pool} rows" if self.holdout is None else f"{self.pool} pool and {self.holdout} holdout cases"
        yield f"{shown(self.out)}: {many}{', ' + told if told else ''}"
        for name, counts in self.labels.items():
            rare = [f"{label} ({n})" for label, n in sorted(counts.items(), key=lambda row: (row[1], row[0]))[:3]]
            yield f"rarest of {name}: {', '.join(rare)}"
            if len(counts) > max(MANY_LABELS, self.pool // 2):
                yield f"{name} has a label for nearly every row; if its values are free, import it with --value {name}"
        if self.only_in_pool:
            yield f"{len(self.only_in_pool)} labels stand in the pool only: {', '.join(self.only_in_pool[:5])}"
        if self.in_both:
            yield f"{self.in_both} holdout texts stand in the pool as well, word for word: see them with: harness check"
        if self.holdout is None:
            yield f"next: harness prepare {shown(self.out)}"


def import_tables(
    *,
    rows: Source,
    holdout: Source | None,
    columns: Columns,
    out: Path,
    name: str,
    attribution: str = "",
    accept_leaks: str = "",
    skip_bad_rows: bool = False,
) -> Imported:
    """Make a task in `out`, equal files giving equal bytes.

    With a `holdout` the rows are the pool, and the holdout is frozen at once; ids are `pool-00001` and `holdout-00001`
    by row. Without one all rows are written to RAW, to be prepared. Raises FixtureError that lists every bad row by
    line (`skip_bad_rows` leaves them out and counts them), and for a label of the holdout that the pool does not have,
    an unusable name, columns that are not there, or a folder that holds another task.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise FixtureError(f"{name!r} can't name a task; expected lower-case letters, digits and _: give --name")
    if (out / "task.yaml").exists():
        raise FixtureError(f"{shown(out)} holds a task already; delete the folder first, or give another --out")
    if not (columns.labels or columns.values or columns.answer):
        raise FixtureError("no column holds what is right; give --label, --value or --answer")
    notes: list[str] = []
    pool = _read(rows, columns, "pool" if holdout else "row", skip_bad_rows, notes)
    held = _read(holdout, columns, "holdout", skip_bad_rows, notes) if holdout else []
    schema = _schema(columns, [case.expected for case, _ in (*pool, *held)])
    labels = label_counts([case.expected for case, _ in pool], schema)
    known, in_holdout = _labels(labels), _labels(label_counts([case.expected for case, _ in held], schema))
    if holdout and (unknown := sorted(label for _, label in in_holdout - known)):
        raise FixtureError(
            f"{shown(holdout.path)} has labels that {shown(rows.path)} has not: {', '.join(unknown[:5])}; "
            "a label without pool cases can't be learnt: correct them or move some rows"
        )
    task: dict[str, Any] = {"name": name, "schema": "schema.json", "decision_fields": list(schema["properties"])}
    task |= {key: value for key, value in (("attribution", attribution), ("accept_leaks", accept_leaks)) if value}
    out.mkdir(parents=True, exist_ok=True)
    if holdout:
        write_cases(out / "pool.jsonl", [case for case, _ in pool])
        write_cases(out / "holdout.jsonl", [case for case, _ in held])
    else:
        write_jsonl(out / RAW, (case_row(case) | extra for case, extra in pool))
    (out / "schema.json").write_text(json.dumps(schema, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "task.yaml").write_text(yaml.safe_dump(task, sort_keys=False, allow_unicode=True), encoding="utf-8")
    if holdout:
        fixture = load_fixture(out)
        write_lock(fixture.lock_path, make_lock([case for case, _ in held], fixture.parts))
    texts = {tuple(case.inputs.values()) for case, _ in pool}
    return Imported(
        out=out,
        pool=len(pool),
        holdout=len(held) if holdout else None,
        labels=labels,
        only_in_pool=tuple(sorted(label for _, label in known - in_holdout)) if holdout else (),
        in_both=sum(tuple(case.inputs.values()) in texts for case, _ in held),
        notes=tuple(notes),
    )


_Rows = list[tuple[Case, dict[str, Any]]]


def _read(source: Source, columns: Columns, prefix: str, skip: bool, notes: list[str]) -> _Rows:
    """The cases of a file, each with its line, and its date where there is one."""
    table = read_table(source.path, source.kind, at=source.at)
    if table.problems and not table.rows:
        raise FixtureError(f"{shown(source.path)} has no row that can be read:\n  {_told(table.problems)}")
    reader = _RowReader(table, source.path, columns)
    cases: _Rows = []
    problems = list(table.problems)
    seen: dict[str, int] = {}
    numbers = {line: number for number, line in enumerate(sorted([n for n, _ in (*table.rows, *table.problems)]), 1)}
    for line, values in table.rows:
        try:
            case, extra = reader.case(values, f"{prefix}-{numbers[line]:05d}")
            if case.id in seen:
                raise ValueError(f"the id {case.id!r} stands in line {seen[case.id]} too")
        except ValueError as error:
            problems.append((line, str(error)))
            continue
        seen[case.id] = line
        cases.append((case, {**extra, "line": line}))
    if table.encoding not in ("utf-8", "utf-8-sig"):
        notes.append(f"{shown(source.path)} was read as {table.encoding}; look whether its letters are right")
    if problems:
        told = _told(problems)
        if not skip:
            raise FixtureError(
                f"{shown(source.path)} has {len(problems)} bad rows; nothing was written:\n  {told}\n"
                "correct them, or leave them out with --skip-bad-rows"
            )
        notes.append(f"{shown(source.path)}: {len(problems)} bad rows are left out:\n  {told}")
    if not cases:
        raise FixtureError(f"{shown(source.path)} holds no rows")
    return cases


def _told(problems: Sequence[tuple[int, str]]) -> str:
    more = [f"… and {len(problems) - SHOWN_PROBLEMS} more"] if len(problems) > SHOWN_PROBLEMS else []
    return "\n  ".join([*(f"line {line}: {what}" for line, what in sorted(problems)[:SHOWN_PROBLEMS]), *more])


class _RowReader:
    """Rows of one table → cases. Raises ValueError with what is wrong with a row."""

    def __init__(self, table: Table, path: Path, columns: Columns) -> None:
        def get(name: str | None) -> Callable[[Mapping[str, Any]], Any]:
            return column(table, path, name.rpartition("=")[2]) if name is not None else lambda values: None

        self._texts = {
            _field(name) if len(columns.texts) > 1 or "=" in name else "text": get(name) for name in columns.texts
        }
        self._labels = {_field(name): get(name) for name in columns.labels}
        self._values = {_field(name): get(name) for name in columns.values}
        self._has_answer = columns.answer is not None
        self._answer, self._id = get(columns.answer), get(columns.id)
        self._date, self._cluster = get(columns.date), get(columns.cluster)
        self._has_id = columns.id is not None

    def case(self, values: Mapping[str, Any], case_id: str) -> tuple[Case, dict[str, Any]]:
        inputs = {name: get(values) for name, get in self._texts.items()}
        for name, text in inputs.items():
            if not isinstance(text, str):
                raise ValueError(f"the {name} is no text" if text is not None else f"there is no {name}")
        if not any(text.strip() for text in inputs.values()):
            raise ValueError("the text is blank")
        date, cluster = self._date(values), self._cluster(values)
        case = Case(
            id=str(self._id(values)) if self._has_id else case_id,
            inputs=inputs,
            expected=self._expected(values),
            cluster=None if cluster in (None, "") else str(cluster),
        )
        return case, {} if date in (None, "") else {"date": _date(str(date))}

    def _expected(self, values: Mapping[str, Any]) -> dict[str, Any]:
        expected: dict[str, Any] = {}
        if self._has_answer:
            expected.update(_object(self._answer(values)))
        for name, get in self._labels.items():
            label = get(values)
            if label is None or (isinstance(label, str) and not label.strip()):
                raise ValueError("the label is blank" if len(self._labels) == 1 else f"the label {name} is blank")
            expected[name] = label.strip() if isinstance(label, str) else label
        for name, get in self._values.items():
            value = get(values)
            expected[name] = None if value == "" else value
        return expected


def _date(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no date; expected ISO 8601, such as 2026-03-01 or 2026-03-01 09:30") from None
    return text


def _object(answer: Any) -> dict[str, Any]:
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except ValueError as error:
            raise ValueError(f"the answer is not JSON: {error}") from error
    if not isinstance(answer, dict) or not answer:
        raise ValueError("the answer is no JSON object")
    return answer


def _labels(counts: Mapping[str, Counter[str]]) -> set[tuple[str, str]]:
    return {(field, label) for field, found in counts.items() for label in found}


def _field(name: str) -> str:
    given, _, path = name.rpartition("=")
    return given or path.rpartition(".")[2]


def _schema(columns: Columns, answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    schema = infer_schema(answers)
    for name in map(_field, columns.labels):
        found = {json.dumps(answer[name]): answer[name] for answer in answers}
        schema["properties"][name] = {"enum": sorted(found.values(), key=str)}
    return schema
