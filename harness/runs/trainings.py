"""`harness train`: train the LoRA weights that an adapter declares, on the pool of its task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.core.errors import TrainingError
from harness.core.prompting import inputs_text
from harness.core.records import Case
from harness.core.schemas import AnswerSchema
from harness.drivers.encoder_model import locate, verified_digest
from harness.fixtures_io.declarations import shown
from harness.fixtures_io.suites import Project, load_adapter
from harness.fixtures_io.tasks import load_fixture
from harness.reporting.progress import ProgressLine, Screen
from harness.training.encoder_lora import Hyperparameters, train_encoder


def _folded(case: Case) -> str:
    return " ".join(inputs_text(case.inputs).casefold().split())


def train(path: Path) -> Iterator[str]:
    """Train, write the weights and their card beside the adapter, and say how it went.

    Raises TrainingError if the adapter declares no training, or the pool holds a holdout case.
    """
    adapter = load_adapter(path)
    if adapter.driver != "encoder" or "lora" not in adapter.options or "training" not in adapter.options:
        raise TrainingError(f"{shown(path)} declares no training; expected an encoder with `lora` and `training`")
    declared = dict(adapter.options["training"])
    project = Project(root=path.parent.parent)
    fixture = load_fixture(project.fixture_folder(declared.pop("task"), path))
    pool = fixture.pool()
    held = {_folded(case) for case in fixture.holdout()}
    leaked = [case.id for case in pool if _folded(case) in held]
    if leaked:
        raise TrainingError(f"{len(leaked)} pool cases stand in the holdout too: {', '.join(leaked[:5])}; remove them")
    base = locate(adapter.model, adapter=adapter.name)
    line: ProgressLine | None = None
    last = ""

    def progress(what: str, done: int, total: int) -> None:
        nonlocal line, last
        if total == 1:
            print(what, flush=True)
            return
        if line is None or what != last:
            line, last = ProgressLine(what, total, Screen()), what
        line.show(done)
        if done == total:
            line.close()

    out = path.parent / str(adapter.options["lora"])
    card = train_encoder(
        base=base,
        base_digest=verified_digest(base, adapter.options.get("sha256"), adapter=adapter.name),
        pool=pool,
        schema=AnswerSchema(fixture.task.schema),
        out=out,
        task=fixture.task.name,
        hyperparameters=Hyperparameters(**declared),
        progress=progress,
    )
    yield f"{shown(out)}: epoch {card['kept_epoch']} kept, {card['duration_s']} s on {card['hardware']}"
