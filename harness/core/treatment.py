"""What a run's answers and outcomes depend on, and which kinds of change lie between two of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from harness.core.records import Strategy

LORA = ("lora", "heads", "card")
"""The names in a driver's identity that stand for trained weights."""

LIBRARIES = ("torch", "transformers", "peft", "llguidance", "dateparser")
"""The names in a driver's identity that stand for versions of libraries."""

CONTEXT = 2


class Kind(StrEnum):
    """The kinds of change, in the order in which they are told."""

    PROMPT = "prompt"
    EXAMPLES = "examples"
    MODEL = "model"
    LORA = "LoRA"
    SETTINGS = "settings"
    SCHEMA = "schema"
    FIXTURE = "fixture"
    LIBRARIES = "libraries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """All that determines the answers of one run and how they are scored.

    `prompt` is the text of the prompt file, `examples` are pool ids in their order. `model`, `lora` and `libraries` are
    what the driver says of itself, by name; `settings` how it is asked and read; `fixture` holds a digest of each part
    of the fixture that gives its cases their meaning.
    """

    prompt: str
    examples: tuple[str, ...]
    schema: str
    model: Mapping[str, str] = field(default_factory=dict)
    lora: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    fixture: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One kind of change in words; `diff` are the lines of a unified diff, without file names, where texts differ."""

    kind: Kind
    detail: str
    diff: tuple[str, ...] = ()


def treatment(
    strategy: Strategy,
    *,
    prompt: str,
    examples: Sequence[str],
    driver: str,
    model: str,
    identity: Mapping[str, str],
    schema: str,
    fixture: Mapping[str, str],
) -> Treatment:
    """The treatment of one strategy by a driver that says `identity` of itself; `schema` is a digest."""
    known = {name: value for name, value in sorted(identity.items()) if value}
    settings = {
        "decoding": str(strategy.decoding),
        "temperature": f"{strategy.sampling.temperature:g}",
        "max_tokens": str(strategy.sampling.max_tokens),
        "seed": str(strategy.sampling.seed),
        "parse": str(strategy.parse),
        "repeats": str(strategy.repeats),
        "validator": strategy.validator or "none",
        "review_below": "never" if strategy.review_below is None else f"{strategy.review_below:g}",
    }
    special = (*LORA, *LIBRARIES)
    return Treatment(
        prompt=prompt,
        examples=tuple(examples),
        schema=schema,
        model={"driver": driver, "name": model, **{k: v for k, v in known.items() if k not in special}},
        lora={k: v for k, v in known.items() if k in LORA},
        libraries={k: v for k, v in known.items() if k in LIBRARIES},
        settings=settings,
        fixture=dict(fixture),
    )


def read_treatment(stored: Mapping[str, Any] | None) -> Treatment | None:
    """A treatment that was stored as a plain mapping; None for None. Raises TypeError or KeyError for another form."""
    if stored is None:
        return None
    values = {entry.name: stored[entry.name] for entry in fields(Treatment)}
    return Treatment(**(values | {"examples": tuple(values["examples"])}))


def changes_between(before: Treatment, now: Treatment) -> list[Change]:
    """Every kind of change from `before` to `now`, in the order of `Kind`; empty where nothing was changed."""
    return list(_changes(before, now))


def _changes(before: Treatment, now: Treatment) -> Iterator[Change]:
    if before.prompt != now.prompt:
        old, new = before.prompt.splitlines(), now.prompt.splitlines()
        diff = tuple(difflib.unified_diff(old, new, n=CONTEXT, lineterm=""))[2:]
        added, removed = (sum(line.startswith(sign) for line in diff) for sign in "+-")
        yield Change(kind=Kind.PROMPT, detail=f"{_count(added, 'line')} added, {removed} removed", diff=diff)
    if before.examples != now.examples:
        yield Change(kind=Kind.EXAMPLES, detail=_examples(before.examples, now.examples))
    for kind, was, is_now in (
        (Kind.MODEL, before.model, now.model),
        (Kind.LORA, before.lora, now.lora),
        (Kind.SETTINGS, before.settings, now.settings),
    ):
        if was != is_now:
            yield Change(kind=kind, detail=_entries(was, is_now))
    if before.schema != now.schema:
        yield Change(kind=Kind.SCHEMA, detail=f"{_short(before.schema)} → {_short(now.schema)}")
    for kind, was, is_now in (
        (Kind.FIXTURE, before.fixture, now.fixture),
        (Kind.LIBRARIES, before.libraries, now.libraries),
    ):
        if was != is_now:
            yield Change(kind=kind, detail=_entries(was, is_now))


def _examples(before: Sequence[str], now: Sequence[str]) -> str:
    added = [name for name in now if name not in before]
    removed = [name for name in before if name not in now]
    if not added and not removed:
        return f"the same {len(now)} in another order"
    parts = [f"{len(before)} → {len(now)}"]
    parts += [f"{word} {_some(names)}" for word, names in (("added", added), ("removed", removed)) if names]
    return "; ".join(parts)


def _some(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _entries(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return "; ".join(f"{n} {_short(before.get(n, 'none'))} → {_short(now.get(n, 'none'))}" for n in names)


def _short(value: str) -> str:
    """A digest by its start."""
    is_digest = len(value) == 64 and all(c in "0123456789abcdef" for c in value)
    return value[:12] if is_digest else value


def _count(amount: int, noun: str) -> str:
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"
