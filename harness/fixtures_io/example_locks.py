"""examples.lock.json: which pool cases each strategy shows, so that requests can be rendered without choosing again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.core.digests import digest
from harness.core.errors import FixtureError
from harness.core.records import Case, ExampleChoice, Strategy
from harness.fixtures_io.declarations import shown

FILE = "examples.lock.json"


def pool_digest(pool: Sequence[Case]) -> str:
    """A digest of the pool that does not depend on the order of its rows."""
    return digest(sorted([case.id, dict(case.inputs), dict(case.expected)] for case in pool))


def lock_entry(choice: ExampleChoice, pool: Sequence[Case], ids: Sequence[str]) -> dict[str, Any]:
    """What stands in the lock for one strategy: the choice, the pool it was made from, and the chosen ids in order."""
    return {"choice": {**asdict(choice), "ids": list(choice.ids)}, "pool": pool_digest(pool), "ids": list(ids)}


def write_example_lock(folder: Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
    text = json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def locked_examples(
    folder: Path, strategy: Strategy, pool: Sequence[Case], holdout_ids: frozenset[str]
) -> tuple[Case, ...]:
    """The examples of a strategy, in their order; empty for a strategy without examples.

    Raises FixtureError if the lock is missing or stale, or an id is not in the pool or stands in the holdout.
    """
    choice = strategy.examples
    if choice is None:
        return ()
    base = strategy.name.partition("@")[0]
    ids = choice.ids or _locked_ids(folder, base, choice, pool)
    leaked = [i for i in ids if i in holdout_ids]
    if leaked:
        raise FixtureError(
            f"{shown(folder)}: strategy {base!r} shows holdout cases as examples: {', '.join(leaked[:5])}; "
            "examples come from the pool only: remove these ids"
        )
    by_id = {case.id: case for case in pool}
    unknown = [i for i in ids if i not in by_id]
    if unknown:
        raise FixtureError(f"{shown(folder)}: strategy {base!r}: no pool case has the id {unknown[0]!r}")
    return tuple(by_id[i] for i in ids)


def _locked_ids(folder: Path, name: str, choice: ExampleChoice, pool: Sequence[Case]) -> tuple[str, ...]:
    path = folder / FILE
    remedy = f"choose the examples with: harness freeze {shown(folder)}"
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))[name]
        ids = tuple(entry["ids"])
        stale = lock_entry(choice, pool, ids) != entry
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FixtureError(f"{shown(path)} has no examples for {name!r}; {remedy}") from error
    if stale:
        raise FixtureError(f"{shown(path)}: the choice or the pool of {name!r} has changed since; {remedy}")
    return ids
