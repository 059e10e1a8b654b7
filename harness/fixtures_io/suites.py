"""strategies.yaml and adapters/*.yaml → a Suite, checked whole together with its task and prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.core.errors import DeclarationError, Problem
from harness.core.prompting import read_definitions
from harness.core.records import (
    Adapter,
    Decoding,
    ExampleChoice,
    Limits,
    ParseMode,
    Price,
    Sampling,
    Stage,
    Strategy,
)
from harness.core.schemas import AnswerSchema
from harness.fixtures_io.declarations import Declaration, read_declaration, shown, suggestion
from harness.fixtures_io.tasks import Fixture, load_fixture

SUITES, SUITE_FILE = "suites", "strategies.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Where the content folders of a project are."""

    root: Path
    fixtures: str = "fixtures"
    adapters: str = "adapters"
    reports: str = "reports"

    def fixture_folder(self, task: str, beside: Path) -> Path:
        """The folder of a task that is declared by name, or by a path relative to the declaring file."""
        if "/" in task or task.startswith("."):
            return (beside.parent / task).resolve()
        return self.root / self.fixtures / task

    def adapter_file(self, name: str) -> Path:
        return self.root / self.adapters / f"{name}.yaml"

    def adapter_names(self) -> list[str]:
        return sorted(p.stem for p in (self.root / self.adapters).glob("*.yaml"))


class FixtureMissing(Exception):
    """The suite's fixture has not been imported yet; the message is the command that imports it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The strategies of one suite on its task. `strategies` holds each (strategy, adapter) pair under its run name."""

    name: str
    folder: Path
    fixture: Fixture
    strategies: Mapping[str, Strategy]
    adapters: Mapping[str, Adapter]
    prompts: Mapping[str, str] = field(default_factory=dict)

    @property
    def shipped(self) -> str | None:
        """The run name of the shipped strategy, None if the suite declares none."""
        return next((run for run, s in self.strategies.items() if s.stage is Stage.SHIPPED), None)

    def asking(self, repeats: int) -> Suite:
        """The same suite, with so many answers to each case."""
        return replace(self, strategies={n: replace(s, repeats=repeats) for n, s in self.strategies.items()})


def load_adapter(path: Path) -> Adapter:
    """One adapters/*.yaml; raises DeclarationError with every problem in it."""
    data = read_declaration(path, "adapter").data
    known = ("driver", "model", "external", "limits", "price")
    price = data.get("price")
    return Adapter(
        name=path.stem,
        driver=data["driver"],
        model=data["model"],
        options={k: v for k, v in data.items() if k not in known},
        external=data.get("external", False),
        limits=Limits(**data.get("limits", {})),
        price=Price(**price) if isinstance(price, dict) else price,
        file=str(path),
    )


def load_suite(path: Path, project: Project, *, adapter_override: str | None = None) -> Suite:
    """The suite of one strategies.yaml.

    `adapter_override` replaces the default adapter. Raises DeclarationError with the problems of all files involved at
    once, and FixtureMissing if the fixture folder is not there and the suite says how to import it.
    """
    declaration = read_declaration(path, "strategies")
    data = declaration.data
    folder = project.fixture_folder(data["task"], path)
    if "when_missing" in data and not (folder / "task.yaml").is_file():
        raise FixtureMissing(data["when_missing"])
    problems: list[Problem] = []
    fixture = _fixture(declaration, project, folder, problems)
    defaults = [adapter_override] if adapter_override else data.get("adapters") or [data.get("adapter")]
    if "adapter" in data and "adapters" in data:
        problems.append(declaration.problem(("adapters",), "`adapter` and `adapters` both stand here", "one of them"))
    problems.extend(_stage_problems(declaration))
    strategies: dict[str, Strategy] = {}
    prompts: dict[str, str] = {}
    for name, row in data["strategies"].items():
        chosen = [row["adapter"]] if "adapter" in row else defaults
        if chosen == [None]:
            problems.append(
                declaration.problem(("strategies", name), "no adapter, and the suite has no default", "`adapter: NAME`")
            )
            chosen = []
        for adapter in chosen:
            run = name if len(chosen) == 1 else f"{name}@{adapter}"
            strategies[run] = _strategy(run, row, data, adapter)
        problems.extend(_prompt_problems(declaration, name, row, path.parent, fixture, prompts))
    adapters = _adapters(declaration, project, strategies, adapter_override, problems)
    if problems or fixture is None:
        raise DeclarationError(list(dict.fromkeys(problems)))
    return Suite(
        name=path.parent.name,
        folder=path.parent,
        fixture=fixture,
        strategies=strategies,
        adapters=adapters,
        prompts=prompts,
    )


def suites_on(fixture: Path, project: Project) -> list[Suite]:
    """The suites of a project that judge on a fixture folder. Raises DeclarationError for one that is wrong."""
    files = sorted((project.root / SUITES).glob(f"*/{SUITE_FILE}"))
    tasks = [read_declaration(file, "strategies").data["task"] for file in files]
    folder = fixture.resolve()
    return [
        load_suite(file, project)
        for file, task in zip(files, tasks, strict=True)
        if project.fixture_folder(task, file).resolve() == folder
    ]


def _fixture(declaration: Declaration, project: Project, folder: Path, problems: list[Problem]) -> Fixture | None:
    if not (folder / "task.yaml").is_file():
        known = sorted(p.parent.name for p in (project.root / project.fixtures).glob("*/task.yaml"))
        near = suggestion(declaration.data["task"], known)
        problems.append(declaration.problem(("task",), f"there is no {shown(folder / 'task.yaml')}", near))
        return None
    try:
        return load_fixture(folder)
    except DeclarationError as error:
        problems.extend(error.problems)
        return None


def _stage_problems(declaration: Declaration) -> Iterator[Problem]:
    rows = declaration.data["strategies"]
    shipped = [name for name, row in rows.items() if row["stage"] == "shipped"]
    for name in shipped[1:]:
        yield declaration.problem(
            ("strategies", name, "stage"),
            f"{shipped[0]!r} is shipped already",
            "exactly one shipped strategy per suite",
        )
    if not shipped:
        yield declaration.problem(("strategies",), "no strategy is shipped", "exactly one with `stage: shipped`")


def _prompt_problems(
    declaration: Declaration,
    name: str,
    row: Mapping[str, Any],
    folder: Path,
    fixture: Fixture | None,
    prompts: dict[str, str],
) -> Iterator[Problem]:
    prompt = row["prompt"]
    if prompt in prompts:
        return
    file = folder / prompt
    try:
        prompts[prompt] = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        known = sorted(str(p.relative_to(folder)) for p in folder.glob("prompts/*.md"))
        yield declaration.problem(
            ("strategies", name, "prompt"), f"{shown(file)} can't be read", suggestion(prompt, known)
        )
        return
    if fixture is not None:
        _, problems = read_definitions(prompts[prompt], AnswerSchema(fixture.task.schema), file=shown(file))
        yield from problems


def _adapters(
    declaration: Declaration,
    project: Project,
    strategies: Mapping[str, Strategy],
    override: str | None,
    problems: list[Problem],
) -> dict[str, Adapter]:
    adapters: dict[str, Adapter] = {}
    for name in sorted({s.adapter for s in strategies.values()}):
        path = project.adapter_file(name)
        if not path.is_file():
            lines = [key for key, _ in declaration.lines.items() if _names(declaration, key, name)]
            where = lines[0] if lines else ()
            source = "--gate-adapter: " if name == override else ""
            problems.append(
                declaration.problem(
                    where, f"{source}there is no {shown(path)}", suggestion(name, project.adapter_names())
                )
            )
            continue
        try:
            adapters[name] = load_adapter(path)
        except DeclarationError as error:
            problems.extend(error.problems)
    return adapters


def _names(declaration: Declaration, key: tuple[str | int, ...], adapter: str) -> bool:
    if not key or ("adapter" not in (key[-1], *map(str, key[:1])) and key[0] != "adapters"):
        return False
    value: Any = declaration.data
    for part in key:
        value = value[part]
    return bool(value == adapter)


def _strategy(run: str, row: Mapping[str, Any], data: Mapping[str, Any], adapter: str) -> Strategy:
    examples = row.get("examples")
    return Strategy(
        name=run,
        stage=Stage(row["stage"]),
        adapter=adapter,
        prompt=row["prompt"],
        examples=None
        if examples is None
        else ExampleChoice(
            select=examples.get("select", "ids"),
            k=examples.get("k", len(examples.get("ids", ()))),
            seed=examples.get("seed", 0),
            ids=tuple(examples.get("ids", ())),
        ),
        decoding=Decoding(row.get("decoding", "free")),
        sampling=Sampling(**row.get("sampling", {})),
        parse=ParseMode(row.get("parse", "strict")),
        repeats=row.get("repeats", data.get("repeats", 1)),
        thresholds={**data.get("thresholds", {}), **row.get("thresholds", {})},
        validator=row.get("validator"),
        review_below=row.get("review_below"),
    )
