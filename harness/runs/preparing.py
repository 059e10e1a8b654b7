"""`harness prepare`: raw rows → pool, validation and holdout, with a data card of every step that changed something."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.digests import digest
from harness.core.errors import FixtureError
from harness.core.kinds import Kind
from harness.core.records import Case, Slice, Task
from harness.core.schemas import AnswerSchema, label_text
from harness.fixtures_io.cases import read_rows, write_cases, write_jsonl
from harness.fixtures_io.declarations import shown
from harness.fixtures_io.importing import RAW
from harness.fixtures_io.tasks import TASK_FILE, load_fixture
from harness.preparing.cleaning import clean
from harness.preparing.duplicates import Policy, find_pairs, settle_copies
from harness.preparing.labels import (
    Suspect,
    conflicts,
    disagreements,
    label_counts,
    label_report,
    spelling_variants,
    suspects,
)
from harness.preparing.masking import mask, mask_samples
from harness.preparing.needs import Need
from harness.preparing.personal_data import find_personal_data
from harness.preparing.rows import Row, StepReport
from harness.preparing.rules import Change, changed_rules
from harness.preparing.splitting import Split, split
from harness.reporting.data_card import Prepared, data_card

CARD, SUSPECTS, SETTINGS = "CARD.md", "suspects.jsonl", "prepared.json"
SEMANTIC_UP_TO = 50_000
"""Rows that are compared by meaning without being asked to: one core embeds about 50 mails of 46 words in a second."""
Embed = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a preparation does. Shares are of all rows; the holdout is to carry claims of `accuracy` and `margin`.

    `semantic`: whether texts are embedded; None for up to SEMANTIC_UP_TO rows.
    """

    leave_out: tuple[str, ...] = ()
    masking: bool = True
    semantic: bool | None = None
    holdout: float = 0.3
    validation: float = 0.1
    accuracy: float | None = None
    margin: float | None = None
    seed: int = 7

    def __post_init__(self) -> None:
        """Raises FixtureError for numbers that are no shares, or leave nothing to the pool."""
        if not (self.holdout > 0 <= self.validation and self.holdout + self.validation < 1):
            raise FixtureError(
                f"a holdout of {self.holdout:g} and a validation of {self.validation:g} are no shares of the rows that "
                "leave some to the pool; expected numbers above 0 that are less than 1 together, such as 0.3 and 0.1"
            )
        for name in ("accuracy", "margin"):
            if (value := getattr(self, name)) is not None and not 0 < value < 1:
                raise FixtureError(f"{name} is a rate above 0 and below 1, such as 0.9; got {value:g}")

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(slots=True)
class _Steps:
    """The reports so far; samples of what came before the masking are masked too."""

    done: list[StepReport] = field(default_factory=list)

    def add(self, *reports: StepReport) -> Iterator[str]:
        for report in reports:
            self.done.append(report)
            yield f"{report.name}: {_counted(report.counts)}"


def prepare(folder: Path, settings: Settings, *, embed: Embed) -> Iterator[str]:
    """Prepare the raw rows of the task in `folder`, and say what each step did.

    Writes pool.jsonl, validation.jsonl, holdout.jsonl, CARD.md, suspects.jsonl and prepared.json; the same rows and
    settings give the same bytes. Raises FixtureError where there are no raw rows, or the holdout is frozen.
    """
    if not (folder / TASK_FILE).is_file():
        raise FixtureError(
            f"{shown(folder)} holds no {TASK_FILE}; write one with: harness import csv … --out {shown(folder)}"
        )
    fixture = load_fixture(folder)
    if fixture.lock_path.exists():
        raise FixtureError(
            f"{shown(folder)} is frozen, and preparing it again would change its holdout; if that is meant, delete "
            f"{shown(fixture.lock_path)} first, or add cases with: harness freeze --extend"
        )
    rows, task = read_raw(folder), fixture.task
    closed, free = _fields(task)
    steps = _Steps()
    yield f"{shown(folder / RAW)}: {len(rows)} rows"
    read = len(rows)
    if settings.semantic is None:
        settings = replace(settings, semantic=read <= SEMANTIC_UP_TO)
        if not settings.semantic:
            yield (
                f"more than {SEMANTIC_UP_TO:,} rows: nothing is compared by meaning, so fewer copies and wrong labels "
                "are found; --semantic does it, at about an hour of one core for 200,000 mails"
            )
    cleaned, reports = clean(rows, leave_out=settings.leave_out, free_fields=free)
    yield from steps.add(*reports)
    if settings.masking:
        _refuse_personal_labels(cleaned, closed)
        cleaned, report = mask(cleaned, labels=closed)
        steps.done = [mask_samples(earlier) for earlier in steps.done]
        yield from steps.add(report)
    policy, embedding = Policy(), embed if settings.semantic else None
    pairs = find_pairs(cleaned, policy=policy, embed=embedding)
    kept, report = settle_copies(cleaned, pairs, policy=policy)
    yield from steps.add(report)
    ranked: list[Suspect] = []
    changes: list[Change] = []
    for name in closed:
        found = [conflicts(kept, pairs, name)]
        if embedding is not None:
            found.append(disagreements(kept, name, embedding))
        ranked += suspects(*found)
        changes += changed_rules(kept, pairs, name)
        yield from steps.add(label_report(kept, ranked, spelling_variants(kept, name)))
    parts = split(
        kept,
        field=closed[0] if closed else None,
        holdout=settings.holdout,
        validation=settings.validation,
        needs=_needs(settings, task),
        seed=settings.seed,
    )
    yield from steps.add(parts.report)
    if parts.reach:
        yield f"the holdout could tell: {parts.reach['']}"
        yield from (f"of another size: {reach}" for reach in parts.other_sizes)
    _write(folder, parts, ranked)
    prepared = Prepared(
        task=task.name,
        read=read,
        steps=tuple(steps.done),
        labels={name: label_counts(kept, name) for name in closed},
        changes=tuple(changes),
        suspects=len(ranked),
        reach={name or "all": str(reach) for name, reach in parts.reach.items()},
        other_sizes=tuple(map(str, parts.other_sizes)),
        settings=settings.as_dict(),
    )
    (folder / CARD).write_text(data_card(prepared), encoding="utf-8")
    made = {"settings": settings.as_dict(), "raw": digest(sorted(_plain(row) for row in rows)), "rows": read}
    (folder / SETTINGS).write_text(json.dumps(made, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    if settings.masking:
        _declare_masked(folder / "task.yaml", task)
    yield f"look at {shown(folder / CARD)} and {shown(folder / SUSPECTS)}, then: harness freeze {shown(folder)}"


def read_raw(folder: Path) -> list[Row]:
    """The rows that an import wrote."""
    path = folder / RAW
    if not path.is_file():
        raise FixtureError(f"{shown(path)} is missing; write it with: harness import csv … --out {shown(folder)}")
    return [
        Row(
            id=row["id"],
            inputs=row["inputs"],
            expected=row["expected"],
            tags=tuple(row.get("tags", ())),
            cluster=row.get("cluster"),
            date=row.get("date"),
            line=row.get("line", number),
        )
        for number, row in read_rows(path)
    ]


def _fields(task: Task) -> tuple[list[str], list[str]]:
    """The decision fields with a closed list of values, and the others."""
    schema = AnswerSchema(task.schema)
    closed = [name for name in task.decision_fields if schema.enumerated(name) is not None]
    return closed, [name for name in task.decision_fields if name not in closed]


def _refuse_personal_labels(rows: Sequence[Row], closed: Sequence[str]) -> None:
    """Raises FixtureError for labels that hold personal data: masked, different ones would become one."""
    for name in closed:
        labels = sorted({label_text(row.expected[name]) for row in rows})
        if found := [number for number, label in enumerate(labels) if find_personal_data(label)]:
            raise FixtureError(
                f"{len(found)} of {len(labels)} labels of {name!r} hold personal data, which can't be masked without "
                "mixing labels up; name them otherwise in the table and import it again, or prepare with --no-masking"
            )


def _needs(settings: Settings, task: Task) -> list[Need]:
    needs = []
    if settings.accuracy is not None:
        needs.append(Need(kind=Kind.AT_LEAST, bound=settings.accuracy))
    if settings.margin is not None:
        needs.append(Need(kind=Kind.NO_WORSE, bound=settings.margin))
        critical: list[Slice] = [part for part in task.slices if part.critical]
        needs += [Need(kind=Kind.NO_WORSE, bound=3 * settings.margin, part=part) for part in critical]
    return needs


def _write(folder: Path, parts: Split, ranked: Sequence[Suspect]) -> None:
    for name, rows in (("pool", parts.pool), ("validation", parts.validation), ("holdout", parts.holdout)):
        write_cases(folder / f"{name}.jsonl", map(_case, rows))
    write_jsonl(
        folder / SUSPECTS,
        (
            {
                "id": suspect.row,
                "field": suspect.field,
                "given": suspect.given,
                "suggested": suspect.suggested,
                "suspicion": round(suspect.suspicion, 4),
                "reasons": list(suspect.reasons),
            }
            for suspect in ranked
        ),
    )


def _case(row: Row) -> Case:
    return Case(id=row.id, inputs=row.inputs, expected=row.expected, tags=row.tags, cluster=row.cluster)


def _plain(row: Row) -> str:
    return json.dumps([row.id, dict(row.inputs), dict(row.expected), row.cluster, row.date], sort_keys=True)


def _declare_masked(path: Path, task: Task) -> None:
    """Says in task.yaml that personal data is masked; everything else of the file stays as it is written."""
    if not task.personal_data_masked:
        text = path.read_text(encoding="utf-8")
        kept = [line for line in text.splitlines() if not line.startswith("personal_data:")]
        path.write_text("\n".join([*kept, "personal_data: masked"]) + "\n", encoding="utf-8")


def _counted(counts: Mapping[str, int]) -> str:
    told = [f"{number:,} {name}" for name, number in counts.items() if number]
    return ", ".join(told) or "nothing to do"
