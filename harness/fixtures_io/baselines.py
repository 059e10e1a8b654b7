"""Accepted predictions: reports/baselines/<suite>/<strategy>.jsonl, a header line and a line per case, sorted.

The anchor, the predictions of a pinned release, is a file of the same format in the folder `anchor` beside it.

Small and diffable, since it is reviewed like code. Statuses and costs are not in it: they follow from the answers, so
that a new policy can be applied to old predictions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import FixtureError
from harness.core.records import BASELINE, Answer
from harness.core.treatment import Treatment, read_treatment
from harness.fixtures_io.cases import write_jsonl
from harness.fixtures_io.declarations import shown

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was accepted of one case: an answer per repeat, and why there was none or a person was asked."""

    answers: tuple[Answer | None, ...]
    statuses: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """An accepted run. `header` holds reason, date, revision, versions, digests, repeats and the list of claims."""

    header: Mapping[str, Any]
    cases: Mapping[str, Accepted]

    @property
    def repeats(self) -> int:
        return int(self.header["repeats"])

    @property
    def treatment(self) -> Treatment | None:
        """What determined the accepted answers; None for a baseline from before this was kept."""
        return read_treatment(self.header.get("treatment"))

    @property
    def claims(self) -> Sequence[Mapping[str, Any]]:
        return tuple(self.header["claims"])


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write whole or not at all; equal baselines, equal bytes."""
    rows = [{"baseline": FORMAT, **baseline.header}]
    for case_id in sorted(baseline.cases):
        accepted = baseline.cases[case_id]
        row: dict[str, Any] = {"case": case_id, "answers": list(accepted.answers), "statuses": list(accepted.statuses)}
        if any(accepted.problems):
            row["problems"] = list(accepted.problems)
        rows.append(row)
    write_jsonl(path, rows)


def read_baseline(path: Path) -> Baseline | None:
    """The accepted run, None if none was accepted yet. Raises FixtureError for a file that is no baseline."""
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except FileNotFoundError:
        return None
    try:
        header, *rows = [json.loads(line) for line in lines]
        if header.pop("baseline") != FORMAT:
            raise ValueError("another format")
        repeats = int(header["repeats"])
        read_treatment(header.get("treatment"))
        cases = {
            str(row["case"]): Accepted(
                tuple(row["answers"]), tuple(row["statuses"]), tuple(row.get("problems", [""] * repeats))
            )
            for row in rows
        }
        if any(len(a.answers) != repeats or len(a.statuses) != repeats for a in cases.values()):
            raise ValueError(f"a case without {repeats} answers")
        for name in ("holdout", "schema", "scoring", "digest", "claims"):
            header[name]
        header["claims"] = [_completed(claim) for claim in header["claims"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "restore it from git, or delete it and accept a run again"
        raise FixtureError(f"{shown(path)} is not a baseline ({error!r}); {remedy}") from error
    return Baseline(header=header, cases=cases)


def _completed(claim: Mapping[str, Any]) -> dict[str, Any]:
    """A claim with all that is stored now: older headers know no anchor, quantile, k or assurance, and one alpha."""
    against = BASELINE if claim["kind"] == "no_worse" else None
    return {"against": against, "alpha_fail": claim["alpha"], "quantile": None, "k": None, "assure": None, **claim}
