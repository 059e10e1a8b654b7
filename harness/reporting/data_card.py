"""The data card of a prepared task, as markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from harness.reporting.escaping import markdown_code, markdown_text

RAREST = 10


class Sample(Protocol):
    """One thing that a step did: the rows that it is about, and the texts to look at."""

    @property
    def rows(self) -> tuple[str, ...]: ...
    @property
    def texts(self) -> tuple[str, ...]: ...
    @property
    def field(self) -> str: ...


class Step(Protocol):
    """What a step of the preparation changed."""

    @property
    def name(self) -> str: ...
    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def samples(self) -> Sequence[Sample]: ...


class Change(Protocol):
    """A label that became another at some day."""

    @property
    def field(self) -> str: ...
    @property
    def before(self) -> str: ...
    @property
    def after(self) -> str: ...
    @property
    def since(self) -> str: ...
    @property
    def groups(self) -> int: ...
    @property
    def p(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that a card tells. `labels` counts labels by field, `reach` says by label what the holdout could tell, and
    `other_sizes` what smaller and larger ones could.
    """

    task: str
    read: int
    steps: Sequence[Step]
    labels: Mapping[str, Mapping[str, int]]
    changes: Sequence[Change]
    suspects: int
    reach: Mapping[str, str]
    other_sizes: Sequence[str]
    settings: Mapping[str, Any]


def data_card(prepared: Prepared) -> str:
    """The whole card; the same preparation gives the same text."""
    return "\n".join(_lines(prepared)) + "\n"


def _lines(prepared: Prepared) -> Iterator[str]:
    yield f"# Data card: {prepared.task}"
    yield ""
    yield f"Made by `harness prepare` out of {prepared.read:,} rows. Settings: {_settings(prepared.settings)}."
    yield ""
    yield "| step | what it changed or found |"
    yield "|---|---|"
    for step in prepared.steps:
        told = ", ".join(f"{number:,} {name}" for name, number in step.counts.items() if number) or "nothing"
        yield f"| {step.name} | {told} |"
    yield ""
    if prepared.reach:
        others = "".join(f" Of another size: {reach}." for reach in prepared.other_sizes)
        yield f"**What the holdout could tell**, at 5% one-sided: {prepared.reach['all']}.{others}"
        yield ""
    for name, counts in prepared.labels.items():
        rare = sorted(counts.items(), key=lambda item: (item[1], item[0]))[:RAREST]
        yield f"**Labels of `{name}`**: {len(counts)}. The rarest: " + ", ".join(
            f"{markdown_code(label)} {number:,}" for label, number in rare
        )
        yield ""
    for change in prepared.changes:
        yield (
            f"- `{change.field}`: what was {markdown_code(change.before)} is {markdown_code(change.after)} since "
            f"{change.since} ({change.groups} groups of like texts, p = {change.p:.2g})"
        )
    if prepared.suspects:
        yield f"{prepared.suspects:,} labels may be wrong; `suspects.jsonl` ranks them. Nothing was changed."
        yield ""
    yield "## Samples"
    for step in prepared.steps:
        if step.samples:
            yield ""
            yield f"### {step.name}"
            yield ""
            for sample in step.samples:
                rows = ", ".join(map(markdown_code, sample.rows))
                texts = " → ".join(markdown_text(text) for text in sample.texts)
                yield f"- {rows + ': ' if rows else ''}{texts}"


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items() if value not in (None, (), []))
