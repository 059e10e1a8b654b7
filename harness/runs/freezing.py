"""`harness freeze`: lock a holdout, or choose and lock the examples of a suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.core.errors import FixtureError
from harness.core.prompting import read_definitions
from harness.core.records import Strategy
from harness.core.schemas import AnswerSchema
from harness.fixtures_io.declarations import shown
from harness.fixtures_io.example_locks import FILE, lock_entry, write_example_lock
from harness.fixtures_io.locks import make_lock, read_lock, write_lock
from harness.fixtures_io.suites import SUITE_FILE, FixtureMissing, Project, Suite, load_suite
from harness.fixtures_io.tasks import TASK_FILE, Fixture, load_fixture
from harness.runs.embedding import Embedder
from harness.training.examples import choose_examples


def freeze(folder: Path) -> Iterator[str]:
    """Lock what `folder` holds and say what was done. Raises FixtureError for a folder that is neither kind."""
    if (folder / SUITE_FILE).is_file():
        yield from _freeze_examples(folder)
    elif (folder / TASK_FILE).is_file():
        yield _freeze_holdout(folder)
    else:
        raise FixtureError(f"{shown(folder)} holds neither a task.yaml nor a {SUITE_FILE}")


def _freeze_holdout(folder: Path) -> str:
    fixture = load_fixture(folder)
    try:
        before = read_lock(fixture.lock_path)
    except FixtureError:  # missing or damaged: it is made anew
        before = None
    return lock_line(fixture, before)


def lock_line(fixture: Fixture, before: Mapping[str, Any] | None) -> str:
    """Lock a fixture as it is, in place of the lock `before`, and say so."""
    cases = fixture.unverified_holdout()
    lock = make_lock(cases, fixture.parts, before=before)
    write_lock(fixture.lock_path, lock)
    return f"{shown(fixture.lock_path)}: {len(cases)} cases, holdout {lock['holdout'][:12]}"


def _freeze_examples(folder: Path) -> Iterator[str]:
    try:
        suite = load_suite(folder / SUITE_FILE, Project(root=folder.parent.parent))
    except FixtureMissing as missing:
        raise FixtureError(f"{shown(folder)}: no fixture yet; import it with: {missing}") from missing
    pool = suite.fixture.pool()
    field = suite.fixture.task.decision_fields[0]
    embed = _embedder(suite)
    entries = {}
    for run, strategy in suite.strategies.items():
        name = run.partition("@")[0]
        choice = strategy.examples
        if choice is None or choice.ids or name in entries:
            continue
        definitions = _definitions(suite, strategy).get(field, {})
        ids = choose_examples(choice, pool, field=field, definitions=definitions, embed=embed)
        entries[name] = lock_entry(choice, pool, ids)
        yield f"{name}: {len(ids)} examples, {choice.select}"
    write_example_lock(folder, entries)
    yield f"{shown(folder / FILE)}: {len(entries)} strategies"


def _definitions(suite: Suite, strategy: Strategy) -> dict[str, dict[str, str]]:
    text = suite.prompts[strategy.prompt]
    return read_definitions(text, AnswerSchema(suite.fixture.task.schema))[0]


def _embedder(suite: Suite) -> Embedder:
    encoders = [a for a in suite.adapters.values() if a.driver == "encoder" and "lora" not in a.options]
    return Embedder(encoders[0] if encoders else None)
