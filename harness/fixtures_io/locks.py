"""The lock of a holdout: a hash per case and one over all, so that a changed holdout can't pass unseen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.digests import digest
from harness.core.errors import FixtureError
from harness.core.records import Case
from harness.fixtures_io.cases import case_row
from harness.fixtures_io.declarations import shown

NAMED = 10


def case_hash(case: Case) -> str:
    """A hash over inputs, expected answer, tags, cluster and supplement; shortened to 16 hexadecimal digits."""
    return digest(case_row(case))[:16]


def make_lock(cases: Iterable[Case], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The content of lock.json: hashes of all cases by id, of the schema, and of everything together."""
    hashes = {case.id: case_hash(case) for case in sorted(cases, key=lambda c: c.id)}
    return {"version": 1, "holdout": digest(hashes), "schema": digest(schema), "cases": hashes}


def write_lock(path: Path, lock: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(lock, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def verify_lock(path: Path, cases: Sequence[Case], schema: Mapping[str, Any]) -> str:
    """The holdout's digest; raises FixtureError that names the changed, added and missing cases."""
    folder = shown(path.parent)
    freeze = f"if that is meant, freeze it again with: harness freeze {folder}"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        locked: dict[str, str] = known["cases"]
        if not isinstance(locked, dict):
            raise TypeError("`cases` is no object")
    except FileNotFoundError as error:
        raise FixtureError(f"{folder} is not frozen: {shown(path)} is missing; run: harness freeze {folder}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FixtureError(f"{shown(path)} is not a lock ({error}); {freeze}") from error
    wrong = sorted(case.id for case in cases if locked.get(case.id) != case_hash(case))
    here = {case.id for case in cases} if wrong or len(locked) != len(cases) else locked
    differences = [
        ("changed", [i for i in wrong if i in locked]),
        ("added", [i for i in wrong if i not in locked]),
        ("missing", [i for i in locked if i not in here]),
    ]
    parts = [f"{len(ids)} {what}: {_named(ids)}" for what, ids in differences if ids]
    if parts:
        raise FixtureError(f"the holdout of {folder} is not the frozen one: {'; '.join(parts)}; {freeze}")
    if digest(schema) != known.get("schema"):
        raise FixtureError(f"the schema of {folder} is not the frozen one; {freeze}")
    return digest(locked)


def _named(ids: list[str]) -> str:
    return ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")
