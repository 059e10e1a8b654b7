"""How the weights of fine-tuned strategies were trained: the curves, and whether they show overfitting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.reporting.blocks import table
from harness.reporting.model import TrainedEpoch, TrainedWeights

BAR = 20


def training_section(trained: Mapping[str, TrainedWeights]) -> Iterator[str]:
    """A curve for each adapter with trained weights; nothing for none."""
    if not trained:
        return
    yield "### How the weights were trained"
    yield ""
    for adapter, weights in trained.items():
        users = ", ".join(f"`{run}`" for run in weights.runs)
        yield (
            f"`{adapter}`, used by {users}: {weights.training_cases} pool cases to train on and "
            f"{weights.validation_cases} to validate with. {curve_told(weights)}"
        )
        yield ""
        highest = max(max(e.training_loss, e.validation_loss) for e in weights.curve)
        rows = [
            [
                f"**{e.number}** (kept)" if e.number == weights.kept_epoch else str(e.number),
                f"{e.training_loss:.3f}",
                _bar(e.training_loss, highest),
                f"{e.validation_loss:.3f}",
                _bar(e.validation_loss, highest),
                f"{100 * e.exact:.1f}%",
            ]
            for e in weights.curve
        ]
        yield from table(["epoch", "training loss", "", "validation loss", "", "validation cases all right"], rows)


def curve_told(weights: TrainedWeights) -> str:
    """What the curve says of overfitting, in one or two sentences."""
    kept, last = _epoch(weights, weights.kept_epoch), weights.curve[-1]
    told = f"At the kept epoch the validation loss is {kept.validation_loss:.3f}, the training loss "
    told += f"{kept.training_loss:.3f}"
    if kept is last:
        return f"{told}; the validation loss was still falling when the training ended."
    rose = f"the validation loss rose to {last.validation_loss:.3f} by epoch {last.number}"
    if last.training_loss >= kept.training_loss:
        return f"{told}; {rose}."
    fell = f"the training loss fell to {last.training_loss:.3f}"
    return f"{told}. Later epochs overfit and were not kept: {rose}, while {fell}."


def _epoch(weights: TrainedWeights, number: int) -> TrainedEpoch:
    return next(e for e in weights.curve if e.number == number)


def _bar(value: float, highest: float) -> str:
    return "█" * max(1, round(BAR * value / highest)) if highest else ""
