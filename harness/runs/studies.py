"""What `harness ceiling` and `harness fragility` measured, kept for reports: reports/<study>/<suite>/<strategy>.json.

Each file holds the digest of the strategy that was studied, so that the numbers of another one are never shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from harness.core.ceiling import Ceiling, Change, Point
from harness.core.consistency import Share
from harness.core.fragility import Fragility, Group, Moved, Variant
from harness.fixtures_io.suites import Project
from harness.reporting.files import write_text

FORMAT = 1
CEILING, FRAGILITY = "ceiling", "fragility"
Row = Mapping[str, Any]
T = TypeVar("T")


def study_file(project: Project, study: str, suite: str, run: str) -> Path:
    """Where the numbers of the study CEILING or FRAGILITY of a strategy are kept."""
    return project.root / project.reports / study / suite / f"{run}.json"


def write_ceiling(path: Path, found: Ceiling, *, digest: str, seed: int) -> None:
    """Equal numbers, equal bytes."""
    _write(path, CEILING, asdict(found), digest=digest, seed=seed)


def write_fragility(path: Path, found: Fragility, *, digest: str, seed: int) -> None:
    """Equal numbers, equal bytes."""
    row = asdict(found)
    for moved in row["drops"]["variants"]:
        del moved["variant"]["examples"]  # all but the one that was dropped
    _write(path, FRAGILITY, row, digest=digest, seed=seed)


def read_ceiling(path: Path, *, digest: str) -> Ceiling | None:
    """The numbers of the strategy with this digest; None where none were kept, or those of another one."""
    return _read(path, CEILING, digest, _ceiling)


def read_fragility(path: Path, *, digest: str) -> Fragility | None:
    """The numbers of the strategy with this digest; None where none were kept, or those of another one."""
    return _read(path, FRAGILITY, digest, _fragility)


def _write(path: Path, study: str, row: Row, *, digest: str, seed: int) -> None:
    content = {"version": FORMAT, "digest": digest, "seed": seed, study: row}
    write_text(path, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def _read(path: Path, study: str, digest: str, made: Callable[[Row], T]) -> T | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        fits = content["version"] == FORMAT and content["digest"] == digest
        return made(content[study]) if fits else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _ceiling(row: Row) -> Ceiling:
    changes = {name: _change(row[name]) for name in ("per_example", "per_token", "gain")}
    points = tuple(
        Point(**{**point, "accuracy": Share(**point["accuracy"]), "change": _change(point["change"])})
        for point in row["points"]
    )
    return Ceiling(**{**row, **changes, "points": points})


def _change(row: Row | None) -> Change | None:
    return None if row is None else Change(**row)


def _fragility(row: Row) -> Fragility:
    examples = tuple(row["again"]["variant"]["examples"])
    return Fragility(
        **{
            **row,
            "declared": Share(**row["declared"]),
            "again": _moved(row["again"], examples),
            "drops": _group(row["drops"], examples),
            "orders": None if row["orders"] is None else _group(row["orders"], examples),
        }
    )


def _group(row: Row, examples: tuple[str, ...]) -> Group:
    return Group(variants=tuple(_moved(moved, examples) for moved in row["variants"]), any_moved=row["any_moved"])


def _moved(row: Row, examples: tuple[str, ...]) -> Moved:
    variant = row["variant"]
    shown = tuple(variant.get("examples", [i for i in examples if i != variant["dropped"]]))
    return Moved(**{**row, "variant": Variant(name=variant["name"], dropped=variant["dropped"], examples=shown)})
