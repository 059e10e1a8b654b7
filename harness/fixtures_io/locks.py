"""The lock of a fixture: a hash per case, of what the cases mean, and one over all, so that no change passes unseen."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.core.digests import digest
from harness.core.errors import FixtureError
from harness.core.records import Case
from harness.fixtures_io.cases import case_row
from harness.fixtures_io.declarations import shown

VERSION = 2
NAMED = 10
_OLD_PARTS = ("schema",)
"""What a lock of version 1 covers besides the cases."""


class Part(NamedTuple):
    """What a lock covers besides the cases, and the file in which it stands."""

    content: Any
    file: Path


class Locked(NamedTuple):
    """The digest of the frozen holdout and of those it came from, and what its lock does not cover ("" if it does)."""

    digest: str
    earlier: tuple[str, ...] = ()
    outdated: str = ""


def case_hash(case: Case) -> str:
    """A hash over inputs, expected answer, tags, cluster and supplement; shortened to 16 hexadecimal digits."""
    return digest(case_row(case))[:16]


def make_lock(
    cases: Iterable[Case], parts: Mapping[str, Part], *, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The content of lock.json: a hash of each case by id, of each part by name, and one over all.

    `before` is the lock that this one replaces. `earlier` lists the digests of the holdouts that this one came from:
    those before it, as long as one frozen case stayed as it was.
    """
    hashes = {case.id: case_hash(case) for case in sorted(cases, key=lambda c: c.id)}
    holdout = digest(hashes)
    old: Mapping[str, str] = before["cases"] if before else {}
    earlier: list[str] = []
    if before and any(old.get(case_id) == value for case_id, value in hashes.items()):
        earlier = [name for name in dict.fromkeys([*before.get("earlier", ()), digest(old)]) if name != holdout]
    head = {
        "version": VERSION,
        "holdout": holdout,
        "parts": {name: digest(part.content) for name, part in parts.items()},
        "earlier": earlier,
    }
    return {**head, "all": digest(head), "cases": hashes}


def write_lock(path: Path, lock: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(lock, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def read_lock(path: Path) -> dict[str, Any]:
    """The content of a lock of any version. Raises FixtureError for one that is missing or none."""
    folder = shown(path.parent)
    try:
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(known["cases"], dict):
            raise TypeError("`cases` is no object")
        version = int(known.get("version", 1))
        if version > VERSION:
            raise ValueError(f"its version is {version}, and this Holdfast reads up to {VERSION}")
    except FileNotFoundError as error:
        raise FixtureError(f"{folder} is not frozen: {shown(path)} is missing; run: harness freeze {folder}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FixtureError(f"{shown(path)} is not a lock ({error}); {_freeze(path)}") from error
    return known


def verify_lock(path: Path, cases: Sequence[Case], holdout: Path, parts: Mapping[str, Part]) -> Locked:
    """Raises FixtureError that names what is not as it was frozen: cases of the file `holdout`, and parts."""
    known = read_lock(path)
    changes = [*case_changes(known, cases, holdout), *part_changes(known, parts)]
    if changes:
        raise FixtureError(
            f"{shown(path.parent)} is not the frozen one: {'; '.join(changes)}; restore it, or {_freeze(path)}"
        )
    found = digest(known["cases"])
    if known.get("version", 1) == 1:
        names = ", ".join(name for name in parts if name not in _OLD_PARTS)
        renew = f"renew it with: harness freeze {shown(path.parent)}"
        return Locked(found, (), f"{shown(path)} is of version 1, which does not cover {names}; {renew}")
    head = {name: value for name, value in known.items() if name not in ("all", "cases")}
    if known.get("all") != digest(head) or known.get("holdout") != found:
        raise FixtureError(f"{shown(path)} was changed by hand: its hashes do not fit each other; {_freeze(path)}")
    return Locked(found, tuple(known["earlier"]))


def case_changes(known: Mapping[str, Any], cases: Sequence[Case], holdout: Path, *, added: bool = True) -> list[str]:
    """Which cases of the file `holdout` are not as in the lock `known`, in words; without `added`, new ones may be."""
    locked: Mapping[str, str] = known["cases"]
    wrong = sorted(case.id for case in cases if locked.get(case.id) != case_hash(case))
    here = {case.id for case in cases} if wrong or len(locked) != len(cases) else locked
    differences = [
        ("changed", [i for i in wrong if i in locked]),
        ("added", [i for i in wrong if i not in locked] if added else []),
        ("missing", [i for i in locked if i not in here]),
    ]
    told = [f"{len(ids)} {what}: {_named(ids)}" for what, ids in differences if ids]
    return [f"{shown(holdout)}: {'; '.join(told)}"] if told else []


def part_changes(known: Mapping[str, Any], parts: Mapping[str, Part]) -> Iterator[str]:
    """The parts that are not as in the lock `known`, a line for each file that they stand in."""
    old = known.get("version", 1) == 1
    hashes: Mapping[str, str] = known if old else known.get("parts", {})
    changed: dict[Path, list[str]] = defaultdict(list)
    for name, part in parts.items():
        if (name in _OLD_PARTS or not old) and hashes.get(name) != digest(part.content):
            changed[part.file].append(name)
    for file, names in changed.items():
        yield f"{shown(file)}: {' and '.join(names)} changed"


def common_digest(path: Path, case_ids: Iterable[str]) -> str:
    """The digest that a holdout of just these cases has, as they are locked; "" if one of them is not in the lock."""
    locked: Mapping[str, str] = read_lock(path)["cases"]
    hashes = {case_id: locked.get(case_id, "") for case_id in case_ids}
    return digest(hashes) if all(hashes.values()) else ""


def _freeze(path: Path) -> str:
    return f"if that is meant, freeze it again with: harness freeze {shown(path.parent)}"


def _named(ids: list[str]) -> str:
    return ", ".join(ids[:NAMED]) + (f" and {len(ids) - NAMED} more" if len(ids) > NAMED else "")
