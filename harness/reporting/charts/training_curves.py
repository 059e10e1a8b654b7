"""Training and validation loss by epoch, and which epoch was kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from harness.reporting.charts.chart import Chart
from harness.reporting.model import TrainedWeights
from harness.reporting.training import curve_told

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ADAPTERS = 4


def training_curves(trained: Mapping[str, TrainedWeights]) -> Iterator[Chart]:
    """A chart per adapter with trained weights; of many the first ADAPTERS, the rest is in the tables."""
    for adapter, weights in islice(trained.items(), ADAPTERS):
        yield _chart(adapter, weights)


def _chart(adapter: str, weights: TrainedWeights) -> Chart:
    told = "; ".join(
        f"epoch {e.number}: training {e.training_loss:.3f}, validation {e.validation_loss:.3f}" for e in weights.curve
    )
    return Chart(
        key="training",
        name=f"training-{adapter}",
        title=f"Loss by epoch, {adapter}",
        words=f"{curve_told(weights)} Epoch {weights.kept_epoch} was kept. {told}.",
        height=2.9,
        draw=lambda figure, colours: _draw(figure, colours, weights),
    )


def _draw(figure: Figure, colours: Mapping[str, str], weights: TrainedWeights) -> None:
    from matplotlib.ticker import MaxNLocator

    ax = figure.add_axes((0.09, 0.19, 0.72, 0.76))
    epochs = [e.number for e in weights.curve]
    ax.grid(color=colours["grid"], linewidth=0.8)
    ax.set_axisbelow(True)
    ax.axvline(weights.kept_epoch, color=colours["muted"], linewidth=1, linestyle=(0, (4, 3)))
    lines = {
        "validation": ([e.validation_loss for e in weights.curve], "shipped", "s", "-"),
        "training": ([e.training_loss for e in weights.curve], "candidate", "o", (0, (5, 2))),
    }
    ends = {name: values[-1] for name, (values, *_) in lines.items()}
    top = 1.06 * max(max(values) for values, *_ in lines.values())
    apart = 0.09 * top
    for name, (values, colour, marker, dashes) in lines.items():
        ax.plot(epochs, values, color=colours[colour], marker=marker, markersize=4, linestyle=dashes, linewidth=1.6)
        other = ends["training" if name == "validation" else "validation"]
        nudge = max(0.0, apart - abs(ends[name] - other)) / 2 * (1 if ends[name] >= other else -1)
        ax.text(1.02, ends[name] + nudge, name, transform=ax.get_yaxis_transform(), va="center", color=colours[colour])
    ax.set_ylim(0, top)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    ax.text(weights.kept_epoch, top, " kept", va="top", color=colours["muted"])
