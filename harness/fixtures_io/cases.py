"""Holdout and pool files: one labelled case per line of JSON."""

from __future__ import annotations

import json
import math
import os
from array import array
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from pathlib import Path
from typing import Any, BinaryIO, overload

from harness.core.errors import FixtureError
from harness.core.records import Answer, Case
from harness.core.schemas import AnswerSchema
from harness.fixtures_io.declarations import shown

_KEYS = {"id", "inputs", "expected", "tags", "cluster", "supplement"}
SHOWN_PROBLEMS = 20


class StoredInputs(Mapping[str, str]):
    """The inputs of one case, read from its file whenever they are looked at: texts are not kept in memory."""

    __slots__ = ("_file", "_length", "_start")

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._file = file
        self._start = start
        self._length = length

    def _read(self) -> dict[str, str]:
        line = os.pread(self._file.fileno(), self._length, self._start)
        inputs: dict[str, str] = json.loads(line)["inputs"]
        return inputs

    def __getitem__(self, name: str) -> str:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def items(self) -> ItemsView[str, str]:
        return self._read().items()

    def values(self) -> ValuesView[str]:
        return self._read().values()

    def __repr__(self) -> str:
        return repr(self._read())


class CaseFile(Sequence[Case]):
    """The cases of a file, in its order. Ids and expected answers are in memory, inputs stay in the file, which is held
    open: whatever replaces it later, the cases are those that were read.
    """

    def __init__(
        self,
        path: Path,
        schema: AnswerSchema,
        decision_fields: tuple[str, ...],
        *,
        one_of: frozenset[str] = frozenset(),
    ) -> None:
        """`one_of` are the fields whose expected value may be a list of alternatives.

        Raises FixtureError that lists what is wrong by line: an unreadable or empty file, a line that is no JSON
        object, missing or unknown keys, a duplicate id, an expected answer that the schema refuses.
        """
        self._ids: list[str] = []
        self._rest: list[_Rest] = []
        self._starts, self._lengths = array("Q"), array("Q")
        reading = _Reading(shown(path), schema, decision_fields, one_of)
        try:
            self._file = path.open("rb")
            start = 0
            for number, line in enumerate(self._file, 1):
                case = reading.case(number, line)
                if case is not None:
                    self._add(case, reading, start, len(line))
                start += len(line)
        except OSError as error:
            raise FixtureError(f"{shown(path)} can't be read: {error}") from error
        reading.finish(len(self._ids))

    def _add(self, case: Case, reading: _Reading, start: int, length: int) -> None:
        self._ids.append(case.id)
        self._rest.append(reading.shared(case))
        self._starts.append(start)
        self._lengths.append(length)

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, at: int) -> Case: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[Case]: ...

    def __getitem__(self, at: int | slice) -> Case | Sequence[Case]:
        if isinstance(at, slice):
            return tuple(self[i] for i in range(*at.indices(len(self))))
        expected, tags, cluster, supplement = self._rest[at]
        return Case(
            id=self._ids[at],
            inputs=StoredInputs(self._file, self._starts[at], self._lengths[at]),
            expected=expected,
            tags=tags,
            cluster=cluster,
            supplement=supplement,
        )


_Rest = tuple[Answer, tuple[str, ...], str | None, bool]


class _Reading:
    """What is found while a file is read: problems by line, and what many cases have in common."""

    def __init__(
        self, file: str, schema: AnswerSchema, decision_fields: tuple[str, ...], one_of: frozenset[str]
    ) -> None:
        self._name = file
        self._schema = schema
        self._decision_fields = decision_fields
        self._one_of = one_of
        self._problems: list[str] = []
        self._first_line: dict[str, int] = {}
        self._wrong: dict[str, str] = {}
        self._shared: dict[str, _Rest] = {}

    def case(self, number: int, line: bytes) -> Case | None:
        """The case of a line; None for a blank or a bad one."""
        if not line.strip():
            return None
        try:
            case = _case(line.decode("utf-8"))
            if case.id in self._first_line:
                raise ValueError(f"the id {case.id!r} stands in line {self._first_line[case.id]} too")
            self._first_line[case.id] = number
            if wrong := self._outside_schema(case.expected):
                raise ValueError(f"case {case.id!r}: expected answer outside the schema: {wrong}")
        except UnicodeDecodeError as error:
            self._problems.append(f"{self._name}:{number}: not UTF-8: {error.reason} at byte {error.start + 1}")
            return None
        except ValueError as error:
            self._problems.append(f"{self._name}:{number}: {error}")
            return None
        return case

    def shared(self, case: Case) -> _Rest:
        """All of a case but id and inputs, one object for all cases that are equal in it."""
        rest = (case.expected, case.tags, case.cluster, case.supplement)
        return self._shared.setdefault(json.dumps(rest), rest)

    def finish(self, cases: int) -> None:
        if self._problems:
            more = len(self._problems) - SHOWN_PROBLEMS
            lines = self._problems[:SHOWN_PROBLEMS] + ([f"… and {more} more"] if more > 0 else [])
            raise FixtureError("\n  ".join([f"{self._name} has {len(self._problems)} bad lines:", *lines]))
        if not cases:
            raise FixtureError(f"{self._name} holds no cases; a holdout or pool needs at least one")

    def _outside_schema(self, expected: Answer) -> str:
        key = json.dumps(expected, sort_keys=True)
        if key not in self._wrong:
            self._wrong[key] = self._first_problem(expected)
        return self._wrong[key]

    def _first_problem(self, expected: Answer) -> str:
        for answer in self._alternatives(expected):
            if found := self._schema.first_error(answer):
                return found[1]
        lacking = [name for name in self._decision_fields if name not in expected]
        return f"no value for {lacking[0]!r}" if lacking else ""

    def _alternatives(self, expected: Answer) -> Iterator[Answer]:
        """Answers that together hold every alternative of every field; the answer itself where it has none."""
        several = {n: v for n, v in expected.items() if n in self._one_of and isinstance(v, list)}
        if empty := [name for name, values in several.items() if not values]:
            raise ValueError(f"{empty[0]!r} has an empty list of alternatives")
        first = {**expected, **{name: values[0] for name, values in several.items()}}
        yield first
        for name, values in several.items():
            yield from ({**first, name: value} for value in values[1:])


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


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a file that `write_jsonl` made, with their line numbers. Raises FixtureError for another."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise FixtureError(f"{shown(path)}:{number}: not JSON: {error}") from error
            if not isinstance(row, dict) or not {"id", "inputs", "expected"} <= set(row):
                raise FixtureError(f"{shown(path)}:{number}: not a row with `id`, `inputs` and `expected`")
            yield number, row


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
