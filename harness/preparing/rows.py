"""A row of a table on its way to a case, and what a step of its preparation reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One labelled text before it is a case.

    `date` is a day or moment in ISO 8601 form, None where the table has none. `line` counts from 1 in the file that the
    row was read from, its first line where it has several.
    """

    id: str
    inputs: Mapping[str, str]
    expected: Mapping[str, Any]
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    date: str | None = None
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One thing that a step did, to be looked at.

    `rows` holds the ids that it is about, `texts` what to look at: a text before and after, or one text of each row.
    `field` is the dotted path of the text, such as `inputs.text`, "" where the whole row is meant.
    """

    rows: tuple[str, ...]
    texts: tuple[str, ...]
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What a step changed or found: `counts` by what it was, and a few samples in the order of the rows."""

    name: str
    counts: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[Sample, ...] = ()
