"""transformers' Trainer as it is used here: the loss of the answers, one line per epoch, resumable checkpoints."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.errors import TrainingError
from harness.core.lazy import need
from harness.training.cards import Epoch, best_epoch, epoch_line
from harness.training.causal_data import Example, answer_losses

Progress = Callable[[str, int, int], None]
STATE = "trainer_state.json"
"""What a checkpoint is complete with: the Trainer writes it last."""


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written whole, None if there is none."""
    found = sorted(folder.glob("checkpoint-*"), key=checkpoint_step, reverse=True)
    return next((path for path in found if _log(path)), None)


def checkpoint_step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def curve_of(checkpoint: Path) -> list[Epoch]:
    """The training curve up to a checkpoint."""
    return read_curve(_log(checkpoint))


def read_curve(log: Sequence[Mapping[str, Any]]) -> list[Epoch]:
    """The Trainer's log as one line per epoch."""
    losses = {row["step"]: float(row["loss"]) for row in log if "loss" in row}
    judged = [row for row in log if "eval_loss" in row]
    return [
        Epoch(number, losses[row["step"]], float(row["eval_loss"]), float(row["eval_exact"]))
        for number, row in enumerate(judged, 1)
    ]


def _log(checkpoint: Path) -> list[dict[str, Any]]:
    try:
        log: list[dict[str, Any]] = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))["log_history"]
    except (OSError, ValueError):
        return []
    return log


def ended(curve: Sequence[Epoch], *, epochs: int, patience: int) -> bool:
    """Whether a training is over: all epochs done, or `patience` of them without a lower validation loss."""
    return bool(curve) and (len(curve) >= epochs or len(curve) - best_epoch(curve).number >= patience)


def make_trainer(
    *,
    model: Any,
    collator: Callable[[Sequence[Example]], dict[str, Any]],
    training: Sequence[Example],
    validation: Sequence[Example],
    arguments: Mapping[str, Any],
    epochs: int,
    patience: int,
    progress: Progress,
) -> Any:
    """A Trainer that keeps the loss to the answers and stops early. `arguments` are those of TrainingArguments."""
    torch, transformers = need("torch", extra="local"), need("transformers", extra="local")

    # Their bases are imported at first use, so mypy can't know them.
    class AnswerTrainer(transformers.Trainer):  # type: ignore[misc,name-defined]
        """Mean loss of the answers, each weighed."""

        def compute_loss(
            self, model: Any, inputs: Mapping[str, Any], return_outputs: bool = False, **_: Any
        ) -> Any | tuple[Any, dict[str, Any]]:
            losses, exact = answer_losses(torch, model, inputs)
            loss = (losses * inputs["weights"]).mean()
            return (loss, {"exact": exact}) if return_outputs else loss

    class Watch(transformers.TrainerCallback):  # type: ignore[misc,name-defined]
        """Tells how far the training is, and ends it."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            steps = state.max_steps // epochs
            done = (state.global_step - 1) % steps + 1
            progress(f"epoch {(state.global_step - 1) // steps + 1}", done, steps)

        def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            curve = read_curve(state.log_history)
            progress(epoch_line(curve[-1]), 1, 1)
            if not math.isfinite(curve[-1].validation_loss):
                raise TrainingError(
                    f"the validation loss is {curve[-1].validation_loss} after epoch {curve[-1].number}; "
                    "expected a number: try a lower `learning_rate`"
                )
            if ended(curve, epochs=epochs, patience=patience):
                control.should_training_stop = True

    options = transformers.TrainingArguments(**arguments, **_ALWAYS)
    if options.n_gpu > 1:
        options._n_gpu = 1  # several GPUs would be used through DataParallel, which splits batches and sums
    trainer = AnswerTrainer(
        model=model,
        args=options,
        train_dataset=list(training),
        eval_dataset=list(validation),
        data_collator=collator,
        compute_metrics=lambda judged: {"exact": float(judged.predictions.mean())},
        callbacks=[Watch()],
    )
    trainer.model_accepts_loss_kwargs = False  # the loss is a mean over cases, not over tokens
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


_ALWAYS: Mapping[str, Any] = {
    "eval_strategy": "epoch",
    "save_strategy": "epoch",
    "logging_strategy": "epoch",
    "save_total_limit": 2,  # the best and the last
    "metric_for_best_model": "loss",
    "greater_is_better": False,
    "label_names": ["labels"],
    "remove_unused_columns": False,
    "train_sampling_strategy": "group_by_length",  # little is padding
    "lr_scheduler_type": "cosine",
    "logging_nan_inf_filter": False,
    "disable_tqdm": True,
    "report_to": "none",
    "log_level": "error",
}
