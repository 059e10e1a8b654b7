"""Which cases the explorer holds where not all fit on a page: what is wrong or changed, and a sample of the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.core.prompting import inputs_text
from harness.core.records import Stage, Status
from harness.core.tables import MISSING, STATUSES, OutcomeTable
from harness.reporting.model import SuiteReport

MOST = 20_000
"""How many cases a page holds, all suites together."""
MOST_TEXT = 25_000_000
"""How many characters of inputs a page holds, all suites together."""
SAMPLE = 1_000
"""How many cases that every strategy gets right stand for all of them, where not all fit."""
LONGEST = 4_000
"""How many characters of one input are shown."""

Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The rows of the cases that are shown, rising, and `told` what is left out, "" for nothing."""

    rows: tuple[int, ...]
    told: str = ""


def right(table: OutcomeTable) -> Flags:
    """The cases that are right in every repeat."""
    found: Flags = (table.status == STATUSES.index(Status.CORRECT)).all(axis=1)
    return found


def flips(suite: SuiteReport, run: str) -> tuple[Flags, Flags] | None:
    """(broken, fixed): cases right before and not now, and the other way; None without a baseline or for references.

    Cases that either side was not asked are neither.
    """
    before, now = suite.baseline, suite.runs[run]
    if before is None or now.strategy.stage is Stage.REFERENCE:
        return None
    asked = (before.status != MISSING).all(axis=1) & (now.table.status != MISSING).all(axis=1)
    return right(before) & ~right(now.table) & asked, ~right(before) & right(now.table) & asked


def chosen(suite: SuiteReport, *, most: int = MOST, most_text: int = MOST_TEXT) -> Chosen:
    """All cases where they fit; else every flip, then every error as far as `most` allows, and a sample of the rest.

    Errors of strategies that may be shipped come before those of references, dear ones before cheap ones; the sample
    follows the hashes of the ids. So equal inputs give equal rows.
    """
    groups = _groups(suite) if len(suite.cases) > most else {"": np.arange(len(suite.cases))}
    sample = min(SAMPLE, most // 10)
    kept: list[int] = []
    told: list[str] = []
    left = most_text
    for name, rows in groups.items():
        room = most - len(kept) - (0 if name in ("", "right") else sample)
        wanted = rows[: min(room, sample) if name == "right" else max(room, 0)]
        held = 0
        for row in wanted.tolist():
            left -= min(len(inputs_text(suite.cases[row].inputs)), LONGEST)
            if left < 0:
                break
            kept.append(row)
            held += 1
        if rows.size and name:
            told.append(f"{held:,} of {rows.size:,} {_NAMES[name]}")
        elif held < rows.size:
            told.append(f"the first {held:,} in the order of the holdout")
    if not told:
        return Chosen(rows=tuple(kept))
    head = f"The explorer holds {len(kept):,} of {len(suite.cases):,} cases"
    return Chosen(rows=tuple(sorted(kept)), told=f"{head}: {', '.join(told)}. The others are in outcomes.jsonl.")


_NAMES = {
    "flips": "cases that flipped since the baseline",
    "errors": "that a candidate or the shipped strategy gets wrong (the dearest)",
    "references": "that only references get wrong (the dearest)",
    "right": "that all get right (a sample by the hash of their ids)",
}


def _groups(suite: SuiteReport) -> Mapping[str, Rows]:
    """Every case in exactly one group, each in the order in which its cases are taken."""
    size = len(suite.cases)
    flipped, wrong, wrong_reference = (np.zeros(size, dtype=np.bool_) for _ in range(3))
    cost = np.zeros(size)
    for name, run in suite.runs.items():
        cost = np.maximum(cost, np.nan_to_num(run.table.cost).max(axis=1))
        if run.strategy.stage is Stage.REFERENCE:
            wrong_reference |= ~right(run.table)
        else:
            wrong |= ~right(run.table)
        for side in flips(suite, name) or ():
            flipped |= side
    dearest = np.lexsort((np.arange(size), -cost))
    rest = ~(flipped | wrong | wrong_reference)
    return {
        "flips": dearest[flipped[dearest]],
        "errors": dearest[(wrong & ~flipped)[dearest]],
        "references": dearest[(wrong_reference & ~wrong & ~flipped)[dearest]],
        "right": np.array(sorted(np.flatnonzero(rest).tolist(), key=lambda r: _hash(suite.cases[r].id)), dtype=np.intp),
    }


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def shares(suites: Sequence[SuiteReport]) -> Iterator[tuple[SuiteReport, Chosen]]:
    """The chosen cases of each suite that has any, the room of the page shared equally among the suites."""
    shown = [suite for suite in suites if suite.runs]
    for suite in shown:
        yield suite, chosen(suite, most=MOST // len(shown), most_text=MOST_TEXT // len(shown))
