"""`harness train`: train the LoRA weights or heads that an adapter declares, on the pool of its task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.core.comparisons import first_choice
from harness.core.copies import near_copies
from harness.core.errors import DeclarationError, TrainingError
from harness.core.prompting import inputs_text, make_prompt
from harness.core.records import Adapter, Case, Prompt, Strategy, Task
from harness.core.schemas import AnswerSchema
from harness.drivers.causal_model import files_digest
from harness.drivers.encoder_model import locate, verified_digest
from harness.fixtures_io.declarations import read_declaration, shown, suggestion
from harness.fixtures_io.example_locks import locked_examples
from harness.fixtures_io.suites import SUITE_FILE, SUITES, FixtureMissing, Project, Suite, load_adapter, load_suite
from harness.fixtures_io.tasks import Fixture, load_fixture
from harness.reporting.progress import ProgressLine, Screen
from harness.training.causal_lora import CausalHyperparameters, train_causal
from harness.training.encoder_lora import Hyperparameters, train_encoder
from harness.training.span_heads import SpanHyperparameters, train_spans

_SHOWN = 5
Say = Callable[[str], None]


def train(path: Path) -> Iterator[str]:
    """Train, write the weights and their card beside the adapter, and say how it went.

    Raises TrainingError if the adapter declares no training, or the pool holds copies of holdout cases.
    """
    adapter = load_adapter(path)
    weights, make = _TRAININGS.get(adapter.driver, ("", None))
    if make is None or weights not in adapter.options or "training" not in adapter.options:
        wanted = ", ".join(f"`{key}` with driver {driver}" for driver, (key, _) in _TRAININGS.items())
        raise TrainingError(f"{shown(path)} declares no training; expected `training` and {wanted}")
    out = path.parent / str(adapter.options[weights])
    card = make(adapter, path, out, _Progress())
    yield f"{shown(out)}: epoch {card['kept_epoch']} kept, {card['duration_s']} s on {card['hardware']}"


def _train_encoder(adapter: Adapter, path: Path, out: Path, progress: _Progress) -> dict[str, Any]:
    declared = dict(adapter.options["training"])
    fixture = load_fixture(Project(root=path.parent.parent).fixture_folder(declared.pop("task"), path))
    pool = _without_copies(fixture, declared.pop("holdout_copies", "refuse"), progress.line)
    base = locate(adapter.model, adapter=adapter.name)
    return train_encoder(
        base=base,
        base_digest=verified_digest(base, adapter.options.get("sha256"), adapter=adapter.name),
        pool=pool,
        schema=AnswerSchema(fixture.task.schema),
        out=out,
        task=fixture.task.name,
        hyperparameters=Hyperparameters(**declared),
        progress=progress,
    )


def _train_causal(adapter: Adapter, path: Path, out: Path, progress: _Progress) -> dict[str, Any]:
    declared = dict(adapter.options["training"])
    name = declared.pop("strategy")
    suite, strategy = _strategy(path, name)
    pool = _without_copies(suite.fixture, declared.pop("holdout_copies", "refuse"), progress.line)
    prompt, examples = _prompt(suite, strategy)
    base = locate(adapter.model, revision=adapter.options.get("revision"), adapter=adapter.name)
    return train_causal(
        base=base,
        base_digest=files_digest(base, adapter=adapter.name),
        pool=[_as_answered(suite.fixture.task, case) for case in pool if case.id not in examples],
        prompt=prompt,
        out=out,
        task=suite.fixture.task.name,
        strategy=name,
        hyperparameters=CausalHyperparameters(**declared),
        progress=progress,
        **{key: adapter.options[key] for key in ("device", "dtype", "template") if key in adapter.options},
    )


def _train_spans(adapter: Adapter, path: Path, out: Path, progress: _Progress) -> dict[str, Any]:
    declared = dict(adapter.options["training"])
    fixture = load_fixture(Project(root=path.parent.parent).fixture_folder(declared.pop("task"), path))
    pool = _without_copies(fixture, declared.pop("holdout_copies", "refuse"), progress.line)
    base = locate(adapter.model, adapter=adapter.name)
    return train_spans(
        base=base,
        base_digest=verified_digest(base, adapter.options.get("sha256"), adapter=adapter.name),
        pool=pool,
        schema=AnswerSchema(fixture.task.schema),
        comparisons=fixture.task.comparisons,
        received=adapter.options.get("received"),
        out=out,
        task=fixture.task.name,
        hyperparameters=SpanHyperparameters(**declared),
        progress=progress,
    )


_TRAININGS: Mapping[str, tuple[str, Callable[[Adapter, Path, Path, _Progress], dict[str, Any]]]] = {
    "encoder": ("lora", _train_encoder),
    "encoder_spans": ("heads", _train_spans),
    "transformers_local": ("lora", _train_causal),
}
"""By driver: the adapter's key for the folder of its weights, and what trains them."""


def _strategy(path: Path, name: str) -> tuple[Suite, Strategy]:
    """The strategy declared as SUITE/STRATEGY, and its suite; raises DeclarationError if there is none."""
    project = Project(root=path.parent.parent)
    folder, _, wanted = name.partition("/")
    declaration = read_declaration(path, "adapter")
    file = project.root / SUITES / folder / SUITE_FILE
    if not file.is_file():
        known = sorted(p.parent.name for p in (project.root / SUITES).glob(f"*/{SUITE_FILE}"))
        near = suggestion(folder, known)
        raise DeclarationError([declaration.problem(("training", "strategy"), f"there is no {shown(file)}", near)])
    try:
        suite = load_suite(file, project)
    except FixtureMissing as missing:
        raise TrainingError(f"{shown(file)}: no fixture yet; import it with: {missing}") from missing
    for run, strategy in suite.strategies.items():
        if run.partition("@")[0] == wanted:
            return suite, strategy
    near = suggestion(wanted, [run.partition("@")[0] for run in suite.strategies])
    problem = declaration.problem(("training", "strategy"), f"{shown(file)} has no strategy {wanted!r}", near)
    raise DeclarationError([problem])


def _prompt(suite: Suite, strategy: Strategy) -> tuple[Prompt, set[str]]:
    """What the strategy's requests share, and the ids of the pool cases that it shows: their answers are known."""
    fixture = suite.fixture
    held = frozenset(case.id for case in fixture.holdout())
    examples = locked_examples(suite.folder, strategy, fixture.pool(), held)
    text, schema = suite.prompts[strategy.prompt], AnswerSchema(fixture.task.schema)
    shown_cases = [_as_answered(fixture.task, case) for case in examples]
    return make_prompt(text, schema, [(c.inputs, c.expected) for c in shown_cases]), {c.id for c in examples}


def _as_answered(task: Task, case: Case) -> Case:
    """A case with the answer that a model is to learn."""
    return replace(case, expected=first_choice(task, case.expected))


def _without_copies(fixture: Fixture, copies: str, say: Say) -> Sequence[Case]:
    """The pool without copies of holdout cases. Raises TrainingError if there are any and they are to be refused."""
    pool, holdout = fixture.pool(), fixture.holdout()
    found = near_copies([inputs_text(c.inputs) for c in pool], [inputs_text(c.inputs) for c in holdout])
    if not found:
        return pool
    pairs = [f"{pool[c.row].id} of {holdout[c.of].id} ({c.similarity:.0%})" for c in found[:_SHOWN]]
    listed = ", ".join(pairs) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    what = f"{len(found)} pool cases are copies of holdout cases: {listed}"
    if copies == "refuse":
        raise TrainingError(
            f"{what}; remove them from {shown(fixture.pool_path)}, or declare `holdout_copies: leave_out`"
        )
    say(f"{what}; left out")
    copied = {copy.row for copy in found}
    return [case for row, case in enumerate(pool) if row not in copied]


class _Progress:
    """Prints what is told about a whole step, and draws how far the current one is."""

    def __init__(self) -> None:
        self._drawn: ProgressLine | None = None
        self._what = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        if total == 1:
            self.line(what)
            return
        if self._drawn is None or what != self._what:
            self._drawn, self._what = ProgressLine(what, total, Screen()), what
        self._drawn.show(done)
        if done == total:
            self._drawn.close()

    def line(self, text: str) -> None:
        print(text, flush=True)
