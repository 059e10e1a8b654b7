"""task.yaml → Task, and the files of a fixture folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harness.core.comparisons import same
from harness.core.economics import Economics
from harness.core.errors import DeclarationError, FixtureError, Problem
from harness.core.records import Compare, Comparison, Costs, FieldCost, Slice, Task
from harness.core.schemas import AnswerSchema, label_text
from harness.fixtures_io.cases import CaseFile
from harness.fixtures_io.declarations import Declaration, KeyPath, read_declaration, shown, suggestion
from harness.fixtures_io.economics import economics_problems, read_economics
from harness.fixtures_io.locks import Locked, Part, verify_lock

TASK_FILE = "task.yaml"
_LOCKED = {
    "costs": ("costs", "costly"),
    "compare": ("compare",),
    "decision_fields": ("decision_fields",),
    "slices": ("slices",),
}
"""What task.yaml says about the meaning of cases: the name in the lock, and its keys."""


class Frozen(NamedTuple):
    """The cases that strategies are judged on, and what their lock says of them."""

    cases: CaseFile
    lock: Locked


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """A task and where its files are.

    `parts` is what the lock covers besides the cases. `accept_leaks` is why copies of holdout cases may be in what
    strategies know; "" where they may not. `economics` is the money around the decisions, None where not declared.
    """

    task: Task
    folder: Path
    holdout_path: Path
    pool_path: Path
    parts: Mapping[str, Part]
    attribution: str = ""
    accept_leaks: str = ""
    economics: Economics | None = None

    @property
    def lock_path(self) -> Path:
        return self.folder / "lock.json"

    def holdout(self) -> CaseFile:
        """The frozen holdout, verified against its lock. Raises FixtureError if it can't be read or was changed."""
        return self.frozen().cases

    def frozen(self) -> Frozen:
        """The frozen holdout and its lock; errors as in `holdout`."""
        cases = self.unverified_holdout()
        return Frozen(cases, verify_lock(self.lock_path, cases, self.holdout_path, self.parts))

    def unverified_holdout(self) -> CaseFile:
        if not self.holdout_path.exists():
            raise FixtureError(
                f"{shown(self.holdout_path)} is missing; restore it, or make it out of imported rows with: "
                f"harness prepare {shown(self.folder)}"
            )
        return self.cases_of(self.holdout_path)

    def pool(self) -> CaseFile:
        """The labelled cases for examples and training."""
        return self.cases_of(self.pool_path)

    def cases_of(self, path: Path) -> CaseFile:
        """The cases of another file, checked like the holdout's."""
        several = frozenset(name for name, comparison in self.task.comparisons.items() if comparison.one_of)
        return CaseFile(path, AnswerSchema(self.task.schema), self.task.decision_fields, one_of=several)


def load_fixture(folder: Path) -> Fixture:
    """Read task.yaml and the schema in `folder`; raises DeclarationError with every problem found."""
    declaration = read_declaration(folder / TASK_FILE, "task")
    data = declaration.data
    schema = _schema(declaration, folder / data["schema"])
    problems = list(_problems(declaration, schema))
    guide_path = folder / data["guide"] if "guide" in data else None
    guide = ""
    if guide_path is not None:
        try:
            guide = guide_path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            problems.append(declaration.problem(("guide",), f"{shown(guide_path)} can't be read: {error}"))
    if problems:
        raise DeclarationError(problems)
    task = Task(
        name=data["name"],
        schema=schema.schema,
        decision_fields=tuple(data["decision_fields"]),
        slices=tuple(_slice(name, row) for name, row in data.get("slices", {}).items()),
        costs=_costs(data),
        comparisons={name: _comparison(row) for name, row in data.get("compare", {}).items()},
        guide=guide,
        personal_data_masked=data.get("personal_data") == "masked",
    )
    return Fixture(
        task=task,
        folder=folder,
        holdout_path=folder / data.get("holdout", "holdout.jsonl"),
        pool_path=folder / data.get("pool", "pool.jsonl"),
        parts={
            "schema": Part(schema.schema, folder / data["schema"]),
            "guide": Part(guide, guide_path or folder / TASK_FILE),
            **{name: Part({key: data.get(key) for key in keys}, folder / TASK_FILE) for name, keys in _LOCKED.items()},
        },
        attribution=data.get("attribution", ""),
        accept_leaks=data.get("accept_leaks", ""),
        economics=read_economics(data),
    )


def _schema(declaration: Declaration, path: Path) -> AnswerSchema:
    from jsonschema import SchemaError

    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeclarationError([declaration.problem(("schema",), f"{shown(path)} can't be read: {error}")]) from error
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise DeclarationError([Problem(file=shown(path), line=line, key="", message=f"not JSON: {error}")]) from error
    try:
        if not isinstance(schema, dict):
            raise SchemaError("not an object")
        answers = AnswerSchema(schema)
    except SchemaError as error:
        key = ".".join(map(str, error.absolute_path))
        raise DeclarationError([Problem(file=shown(path), line=1, key=key, message=error.message)]) from error
    if not answers.fields:
        problem = Problem(file=shown(path), line=1, key="", message="no `properties`", expected="an object's schema")
        raise DeclarationError([problem])
    return answers


def _problems(declaration: Declaration, schema: AnswerSchema) -> Iterator[Problem]:
    data = declaration.data
    fields = list(schema.fields)
    for position, name in enumerate(data["decision_fields"]):
        if name not in fields:
            yield declaration.problem(
                ("decision_fields", position), f"the schema has no field {name!r}", suggestion(name, fields)
            )
    for slice_name, row in data.get("slices", {}).items():
        for name, value in row.get("where", {}).items():
            path = ("slices", slice_name, "where", name)
            if name not in fields:
                yield declaration.problem(path, f"the schema has no field {name!r}", suggestion(name, fields))
                continue
            for position, label in enumerate(_many(value)):
                place = (*path, position) if isinstance(value, list) else path
                yield from _unknown_label(declaration, schema, name, place, label, exact=True)
    yield from _cost_problems(declaration, schema)
    yield from _comparison_problems(declaration, fields)
    yield from economics_problems(declaration)


def _cost_problems(declaration: Declaration, schema: AnswerSchema) -> Iterator[Problem]:
    fields = list(schema.fields)
    for name, cost in declaration.data.get("costs", {}).items():
        if name in ("invalid", "review"):
            continue
        if name not in fields:
            yield declaration.problem(("costs", name), f"the schema has no field {name!r}", suggestion(name, fields))
            continue
        for position, label in enumerate(cost.get("ordinal", ())):
            place = ("costs", name, "ordinal", position)
            yield from _unknown_label(declaration, schema, name, place, label, exact=True)
        for label, row in cost.get("from", {}).items():
            place = ("costs", name, "from", label)
            yield from _unknown_label(declaration, schema, name, place, label)
            for predicted in row:
                if predicted != "any":
                    yield from _unknown_label(declaration, schema, name, (*place, predicted), predicted)
        known = schema.enumerated(name)
        if ("missed" in cost or "needless" in cost) and not (known and all(isinstance(v, bool) for v in known)):
            yield declaration.problem(("costs", name), "`missed` and `needless` are for booleans", "default and from")


def _unknown_label(
    declaration: Declaration, schema: AnswerSchema, name: str, path: KeyPath, value: Any, *, exact: bool = False
) -> Iterator[Problem]:
    """`exact` where the value itself is compared with answers, so that 1 does not do for the label "1"."""
    known = schema.enumerated(name)
    if known is None:
        return
    labels = {label_text(v): v for v in known}
    text = label_text(value)
    if text not in labels:
        near = suggestion(text, list(labels))
    elif exact and not any(same(v, value) for v in known):
        near = f"{text!r}" if isinstance(labels[text], str) else f"{text} without quotes"
    else:
        return
    yield declaration.problem(path, f"{value!r} is not a label of {name!r}", near)


def _many(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list) else (value,)


def _slice(name: str, row: dict[str, Any]) -> Slice:
    return Slice(
        name=name,
        where={field: _many(value) for field, value in row.get("where", {}).items()},
        tag=row.get("tag"),
        critical=row.get("critical", False),
    )


def _comparison(row: str | dict[str, Any]) -> Comparison:
    declared: dict[str, Any] = {"as": row} if isinstance(row, str) else row
    return Comparison(
        compare=Compare(declared["as"]),
        within=float(declared.get("within", 0)),
        relative=float(declared.get("relative", 0)),
        least_f1=float(declared.get("at_least", 1)),
        one_of=declared.get("one_of", False),
    )


def _comparison_problems(declaration: Declaration, fields: list[str]) -> Iterator[Problem]:
    belongs = {"within": "number", "relative": "number", "at_least": "set_f1"}
    for name, row in declaration.data.get("compare", {}).items():
        if name not in fields:
            yield declaration.problem(("compare", name), f"the schema has no field {name!r}", suggestion(name, fields))
        elif isinstance(row, dict):
            for key, kind in belongs.items():
                if key in row and row["as"] != kind:
                    yield declaration.problem(("compare", name, key), f"{key!r} is for `as: {kind}`, not {row['as']}")


def _costs(data: dict[str, Any]) -> Costs:
    declared = data.get("costs", {})
    return Costs(
        invalid=float(declared.get("invalid", 0)),
        review=float(declared.get("review", 0)),
        fields={name: _field_cost(row) for name, row in declared.items() if name not in ("invalid", "review")},
        costly_at_least=float(data.get("costly", {}).get("at_least", "inf")),
    )


def _field_cost(row: dict[str, Any]) -> FieldCost:
    return FieldCost(
        default=float(row.get("default", 0)),
        pairs={label: {k: float(v) for k, v in pairs.items()} for label, pairs in row.get("from", {}).items()},
        ordinal=tuple(row.get("ordinal", ())),
        under=float(row.get("under", 0)),
        over=float(row.get("over", 0)),
        missed=float(row["missed"]) if "missed" in row else None,
        needless=float(row["needless"]) if "needless" in row else None,
    )
