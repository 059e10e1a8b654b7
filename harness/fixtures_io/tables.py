"""Tables of any common kind → rows with the line where each begins, and what is wrong with the others."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import FixtureError
from harness.core.lazy import need
from harness.fixtures_io.declarations import shown, suggestion

DELIMITERS = ",;\t|"
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a file as (line, values by column), its bad rows as (line, problem), and how its bytes were read."""

    rows: Sequence[tuple[int, Mapping[str, Any]]]
    problems: Sequence[tuple[int, str]]
    columns: tuple[str, ...]
    encoding: str = "utf-8"


def read_table(path: Path, kind: str, *, at: str = "") -> Table:
    """Read a file of one of KINDS. `at` is the dotted path of the list of rows inside a `json` document.

    Raises FixtureError for a file that can't be read at all.
    """
    try:
        return KINDS[kind](path, at)
    except OSError as error:
        raise FixtureError(f"{shown(path)} can't be read: {error}") from error


def column(table: Table, path: Path, name: str) -> Callable[[Mapping[str, Any]], Any]:
    """Gets a column's value out of a row: by its name, or by a dotted path into nested objects.

    Raises FixtureError with the nearest name where no row has such a column; a row without it gives None.
    """
    if name in table.columns:
        return lambda values: values.get(name)
    parts = name.split(".")
    if parts[0] not in table.columns or len(parts) == 1:
        raise FixtureError(
            f"{shown(path)} has no column {name!r}; expected {suggestion(name, list(table.columns)) or 'a header line'}"
        )

    def get(values: Mapping[str, Any]) -> Any:
        found: Any = values
        for part in parts:
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    return get


def _csv(path: Path, at: str) -> Table:
    text, encoding = decoded(path)
    head = text[: text.find("\n")] if "\n" in text else text
    delimiter = max(DELIMITERS, key=lambda mark: (head.count(mark), -DELIMITERS.index(mark)))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    rows: list[tuple[int, Mapping[str, Any]]] = []
    problems: list[tuple[int, str]] = []
    begins = 1
    try:
        columns = tuple(next(reader, ()))
        if twice := [name for name, count in Counter(columns).items() if count > 1]:
            raise FixtureError(f"{shown(path)} has two columns {twice[0]!r}; rename one of them in its header line")
        begins = reader.line_num + 1
        for values in reader:
            line, begins = begins, reader.line_num + 1
            if len(values) == len(columns):
                rows.append((line, dict(zip(columns, values, strict=True))))
            elif values:
                problems.append((line, "another number of fields than the header"))
    except csv.Error as error:
        raise FixtureError(
            f"{shown(path)}:{begins}: the row that begins here can't be read as CSV: {error}; look for a quotation "
            "mark that is not closed, or not doubled within a value"
        ) from error
    return Table(rows, problems, columns, encoding)


def _jsonl(path: Path, at: str) -> Table:
    text, encoding = decoded(path)
    rows: list[tuple[int, Mapping[str, Any]]] = []
    problems: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append((number, f"not JSON: {error}"))
            continue
        if isinstance(value, dict):
            rows.append((number, value))
        else:
            problems.append((number, "not a JSON object"))
    return Table(rows, problems, _columns(values for _, values in rows), encoding)


def _json(path: Path, at: str) -> Table:
    text, encoding = decoded(path)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FixtureError(f"{shown(path)} is not JSON: {error}") from error
    for part in at.split(".") if at else ():
        if not isinstance(found, dict) or part not in found:
            names = list(found) if isinstance(found, dict) else []
            raise FixtureError(
                f"{shown(path)} has no {part!r} in {at!r}; expected {suggestion(part, names) or 'a list'}"
            )
        found = found[part]
    if not isinstance(found, list):
        lists = [name for name, value in found.items() if isinstance(value, list)] if isinstance(found, dict) else []
        raise FixtureError(f"{shown(path)}: no list of rows there; give --at {' or '.join(lists[:6]) or 'PATH'}")
    rows: list[tuple[int, Mapping[str, Any]]] = []
    problems: list[tuple[int, str]] = []
    for number, value in enumerate(found, 1):
        if isinstance(value, dict):
            rows.append((number, value))
        elif isinstance(value, list):
            rows.append((number, {str(position): part for position, part in enumerate(value)}))
        else:
            problems.append((number, "neither an object nor a list"))
    return Table(rows, problems, _columns(values for _, values in rows), encoding)


def _parquet(path: Path, at: str) -> Table:
    parquet, arrow = need("pyarrow.parquet", extra="prepare"), need("pyarrow", extra="prepare")
    try:
        found = parquet.read_table(path)
    except arrow.ArrowInvalid as error:
        raise FixtureError(f"{shown(path)} can't be read as Parquet: {error}") from error
    rows = [(number, _plain(values)) for number, values in enumerate(found.to_pylist(), 1)]
    return Table(rows, [], tuple(found.column_names))


KINDS: dict[str, Callable[[Path, str], Table]] = {"csv": _csv, "jsonl": _jsonl, "json": _json, "parquet": _parquet}


def decoded(path: Path) -> tuple[str, str]:
    """The text of a file and its encoding: by its byte order mark, UTF-8 where it is that, or the likeliest one.

    Raises FixtureError for bytes that are no text.
    """
    content = path.read_bytes()
    encoding = next((name for mark, name in _BOMS if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding), encoding
    except UnicodeDecodeError as error:
        best = None if b"\0" in content else need("charset_normalizer", extra="prepare").from_bytes(content).best()
        if best is None:
            raise FixtureError(f"{shown(path)} is no text: {error}; save it as UTF-8") from error
        return str(best), str(best.encoding)


def _columns(rows: Iterator[Mapping[str, Any]]) -> tuple[str, ...]:
    """All keys, in the order in which they first appear."""
    return tuple(dict.fromkeys(name for row in rows for name in row))


def _plain(value: Any) -> Any:
    """A value of Arrow as JSON has it: NaN is nothing, days and times are texts in ISO 8601 form."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, float) and math.isnan(value):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value
