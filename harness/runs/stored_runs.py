"""A stored run: what its report folder tells of its cases and answers, read back."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.core.errors import HoldfastError, LedgerError
from harness.core.records import (
    Answer,
    Case,
    Costs,
    Decoding,
    Failure,
    Outcome,
    ParseMode,
    Response,
    Slice,
    Stage,
    Status,
    Strategy,
    Task,
    Usage,
)
from harness.core.tables import OutcomeTable, TableBuilder
from harness.core.treatment import Treatment, read_treatment
from harness.fixtures_io.suites import Project
from harness.fixtures_io.tasks import load_fixture
from harness.reporting.files import FORMAT
from harness.reporting.model import RunReport

VERDICTS, OUTCOMES = "verdicts.json", "outcomes.jsonl"
NOT_HERE = "(not stored with the run, and not in this project's fixture)"
_MISSING = "missing"
_BY_IDENTITY = ("driver", "name")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSuite:
    """One suite of a stored run. `facts` are those of verdicts.json; `rows` are the answers by strategy and case."""

    name: str
    task: Task
    cases: Mapping[str, Case]
    facts: Mapping[str, Any]
    rows: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]] = field(repr=False)

    @property
    def holdout(self) -> str:
        return str(self.facts["holdout"])

    def repeats(self, run: str) -> int:
        return max((len(rows) for rows in self.rows[run].values()), default=1)

    def run(self, run: str, *, name: str, stage: Stage, cases: Sequence[Case]) -> RunReport:
        """One strategy on some of the cases, under another name and stage."""
        facts = self.facts["runs"][run]
        treatment = read_treatment(facts["treatment"])
        return RunReport(
            strategy=self._strategy(facts, treatment, name=name, stage=stage, repeats=self.repeats(run)),
            driver=str(facts["driver"]),
            model=str(facts["model"]),
            identity={} if treatment is None else _identity(treatment),
            digest=str(facts["digest"]),
            table=self._table(run, cases),
            usd_per_1000=facts["usd_per_1000"],
            example_count=0 if treatment is None else len(treatment.examples),
            treatment=treatment,
        )

    @staticmethod
    def _strategy(
        facts: Mapping[str, Any], treatment: Treatment | None, *, name: str, stage: Stage, repeats: int
    ) -> Strategy:
        settings = {} if treatment is None else treatment.settings
        return Strategy(
            name=name,
            stage=stage,
            adapter=str(facts["adapter"]),
            prompt=str(facts["prompt"]),
            decoding=Decoding(settings.get("decoding", Decoding.FREE)),
            parse=ParseMode(settings.get("parse", ParseMode.STRICT)),
            repeats=repeats,
        )

    def _table(self, run: str, cases: Sequence[Case]) -> OutcomeTable:
        builder = TableBuilder(
            cases=cases,
            repeats=self.repeats(run),
            decision_fields=self.task.decision_fields,
            largest_cost=float(self.facts["runs"][run]["largest_cost"]),
        )
        for case in cases:
            for row in self.rows[run].get(case.id, ()):
                if row["status"] != _MISSING:
                    builder.add(_outcome(row, self.task.decision_fields), _reply(row))
        return builder.finish()


def read_run(folder: Path, project: Project) -> dict[str, StoredSuite]:
    """The suites of a report folder that were run, by name.

    Texts of cases and costs of fields are taken from the project where it holds the same holdout, else they are left
    out. Raises LedgerError for a folder that is no report, or one that was written before runs could be read back.
    """
    verdicts = folder / VERDICTS
    try:
        content = json.loads(verdicts.read_text(encoding="utf-8"))
        if content["version"] != FORMAT:
            raise ValueError("another format")
        suites = {str(facts["suite"]): facts for facts in content["suites"] if facts["runs"]}
        rows = _rows(folder / OUTCOMES)
        found = {name: _suite(facts, rows.get(name, {}), project) for name, facts in suites.items()}
        for suite in found.values():
            for run in suite.rows:
                suite.run(run, name=run, stage=Stage.CANDIDATE, cases=())
        return found
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        told = error.strerror if isinstance(error, OSError) else repr(error)
        raise LedgerError(
            f"{folder} is no stored run that can be read back ({told}); expected a folder with {VERDICTS} and "
            f"{OUTCOMES}, as `pytest suites/ --gate-report {folder}` writes it"
        ) from error


def _rows(path: Path) -> dict[str, dict[str, dict[str, list[dict[str, Any]]]]]:
    """The rows by suite, strategy and case."""
    found: dict[str, dict[str, dict[str, list[dict[str, Any]]]]] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            of_run = found.setdefault(row["suite"], {}).setdefault(row["strategy"], {})
            of_run.setdefault(row["case"], []).append(row)
    return found


def _suite(
    facts: Mapping[str, Any], rows: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]], project: Project
) -> StoredSuite:
    slices = tuple(
        Slice(name=str(name), tag=_tag(name), critical=bool(part["critical"])) for name, part in facts["slices"].items()
    )
    dear = facts["costly_at_least"]
    stored = Task(
        name=str(facts["task"]),
        schema={},
        decision_fields=tuple(facts["fields"]),
        slices=slices,
        costs=Costs(costly_at_least=math.inf if dear is None else float(dear)),
    )
    known = _from_fixture(stored.name, str(facts["holdout"]), project)
    task, inputs = (stored, {}) if known is None else (replace(known[0], slices=slices), known[1])
    cases = {case.id: case for case in _cases(rows, inputs)}
    return StoredSuite(name=str(facts["suite"]), task=task, cases=cases, facts=facts, rows=rows)


def _cases(
    rows: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]], inputs: Mapping[str, Mapping[str, str]]
) -> Iterator[Case]:
    """All strategies of a run were asked the same cases."""
    for case_id, found in next(iter(rows.values()), {}).items():
        row = found[0]
        yield Case(
            id=str(case_id),
            inputs=inputs.get(case_id, {"text": NOT_HERE}),
            expected=row["expected"],
            tags=tuple(map(_tag, row.get("slices", ()))),
            cluster=row.get("cluster"),
            supplement=bool(row.get("supplement", False)),
        )


def _tag(name: object) -> str:
    """Membership of a slice was found when the run was judged, and is kept as a tag."""
    return f"in {name}"


def _from_fixture(task: str, holdout: str, project: Project) -> tuple[Task, Mapping[str, Mapping[str, str]]] | None:
    """The task and the inputs of its cases; None where the project holds no such holdout."""
    try:
        fixture = load_fixture(project.root / project.fixtures / task)
        frozen = fixture.frozen()
    except (HoldfastError, OSError):
        return None
    if frozen.lock.digest != holdout:
        return None
    return fixture.task, {case.id: case.inputs for case in frozen.cases}


def _identity(treatment: Treatment) -> dict[str, str]:
    """What the driver said of itself."""
    found = {**treatment.model, **treatment.lora, **treatment.libraries}
    return {name: value for name, value in found.items() if name not in _BY_IDENTITY}


def _outcome(row: Mapping[str, Any], fields: Sequence[str]) -> Outcome:
    answer: Answer | None = row["answer"]
    status = Status(row["status"])
    wrong = set(row["wrong"] if status in (Status.WRONG, Status.REVIEW) else fields if answer is None else ())
    return Outcome(
        case_id=str(row["case"]),
        repeat=int(row["repeat"]),
        status=status,
        fields={name: name not in wrong for name in fields},
        cost=float(row["cost"]),
        valid=answer is not None,
        answer=answer,
        problem=str(row["problem"]),
        confidence=row.get("confidence"),
    )


def _reply(row: Mapping[str, Any]) -> Response | Failure:
    if row["latency_s"] is None:
        return Failure(kind=str(row["problem"]), message="")
    return Response(
        text=str(row.get("text", "")),
        latency_s=float(row["latency_s"]),
        usage=Usage(input_tokens=int(row["input_tokens"]), output_tokens=int(row["output_tokens"])),
    )
