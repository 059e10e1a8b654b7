"""`[tool.holdfast]` of pyproject.toml, checked. Imported when tests are collected: nothing heavy is imported here."""

from __future__ import annotations

import argparse
import os
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import ClaimError
from harness.core.policy import INCONCLUSIVE, PROFILES, Effect

if TYPE_CHECKING:
    from harness.core.shards import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asked for; None is the default."""

    root: Path
    adapter: str | None = None
    repeats: int | None = None
    profile: str | None = None
    report: Path | None = None
    accept: str | None = None
    overrides: tuple[str, ...] = ()
    record: Path | None = None
    replay: Path | None = None
    selftest: bool = False
    early_stop: bool = False
    fresh: bool = False
    dry_run: bool = False
    max_cost: float | None = None
    shard: Shard | None = None
    command: str = "pytest suites/"


TYPED = "HOLDFAST_COMMAND"


def given_options(option: argparse.Namespace, root: Path, arguments: Iterable[object]) -> Options:
    """The options of a pytest command line, in a project at `root`; `arguments` are what was typed behind `pytest`.

    A command that starts pytest says in the environment what was typed instead.
    """
    return Options(
        root=root,
        adapter=option.gate_adapter,
        repeats=option.gate_repeats,
        profile=option.gate_profile,
        report=Path(option.gate_report) if option.gate_report else None,
        accept=option.gate_accept,
        overrides=tuple(option.gate_override_slice),
        record=Path(option.gate_record).absolute() if option.gate_record else None,
        replay=Path(option.gate_replay).absolute() if option.gate_replay else None,
        selftest=option.gate_selftest,
        early_stop=option.gate_early_stop,
        fresh=option.gate_fresh,
        dry_run=option.gate_dry_run,
        max_cost=option.gate_max_cost,
        shard=option.gate_shard,
        command=os.environ.get(TYPED) or shlex.join(["pytest", *map(str, arguments)]),
    )


def settings(root: Path) -> dict[str, Any]:
    """`[tool.holdfast]` of the project's pyproject.toml; raises ClaimError for a key that is not known."""
    path = root / "pyproject.toml"
    if not path.is_file():
        return {}
    found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("holdfast", {})
    known = ("adapters", "fixtures", "inconclusive", "png_charts", "profile", "reports")
    unknown = sorted(set(found) - set(known))
    if unknown:
        raise ClaimError(
            f"pyproject.toml: [tool.holdfast] has the unknown key {unknown[0]!r}; known: {', '.join(known)}"
        )
    return found


def inconclusive(declared: object) -> dict[str, Effect]:
    """What an INCONCLUSIVE gate does in each profile, declared or by default; raises ClaimError for other words."""
    where, words = "pyproject.toml: [tool.holdfast] inconclusive", (str(Effect.WARN), str(Effect.BLOCK))
    if not isinstance(declared, dict):
        raise ClaimError(f'{where} is {declared!r}; expected a table such as {{pr = "warn", release = "block"}}')
    for profile, word in declared.items():
        if profile not in PROFILES:
            raise ClaimError(f"{where} has the unknown profile {profile!r}; expected one of {', '.join(PROFILES)}")
        if word not in words:
            raise ClaimError(f"{where}.{profile} is {word!r}; expected {' or '.join(words)}")
    return {**INCONCLUSIVE, **{profile: Effect(word) for profile, word in declared.items()}}


def switch(found: Mapping[str, Any], key: str) -> bool:
    """Whether something that is off by default is declared on; raises ClaimError for anything but true and false."""
    value = found.get(key, False)
    if not isinstance(value, bool):
        raise ClaimError(f"pyproject.toml: [tool.holdfast] {key} is {value!r}; expected true or false")
    return value
