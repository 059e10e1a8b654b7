"""Calibration of confidence: what share of answers is right, against how sure they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.core.calibration import Calibration
from harness.reporting.blocks import many
from harness.reporting.calibration import calibrations
from harness.reporting.charts.chart import Chart, clipped
from harness.reporting.errors import most_important
from harness.reporting.model import SuiteReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RUNS = 6
COLUMNS = 3
LINE = 3.1
"""Inches of height of a line of panels."""


def reliability(suite: SuiteReport, natural: NDArray[np.bool_]) -> Chart | None:
    """A panel per run whose confidence is known, the shipped one first; None where none is."""
    found = calibrations(suite, natural)
    if not found:
        return None
    first = most_important(suite)
    names = sorted(found, key=lambda name: name != first)
    shown = {name: found[name] for name in names[:RUNS]}
    left_out = f" {many(len(names) - RUNS, 'more strategy', 'more strategies')} in the table." if names[RUNS:] else ""
    told = " ".join(_told(name, one) for name, one in shown.items())
    lines = (len(shown) - 1) // COLUMNS + 1
    return Chart(
        key="calibration",
        name="calibration",
        title="Share of right answers against confidence",
        words=(
            "On the diagonal confidence is what it says; below it answers are too sure. Bars are 95% intervals."
            f"{left_out} {told}"
        ),
        height=LINE * lines,
        draw=lambda figure, colours: _draw(figure, colours, shown),
    )


def _told(name: str, one: Calibration) -> str:
    bins = ", ".join(f"{100 * b.right:.0f}% of {b.n} at {100 * b.confidence:.0f}%" for b in one.bins)
    return f"{name}: right are {bins}."


def _draw(figure: Figure, colours: Mapping[str, str], shown: Mapping[str, Calibration]) -> None:
    height = figure.get_figheight()
    for number, (name, one) in enumerate(shown.items()):
        left = 0.09 + 0.315 * (number % COLUMNS)
        bottom = height - LINE * (number // COLUMNS + 1)
        ax = figure.add_axes((left, (bottom + 1.05) / height, 0.25, 1.75 / height))
        under = figure.add_axes((left, (bottom + 0.5) / height, 0.25, 0.45 / height), sharex=ax)
        _panel(ax, colours, one)
        ax.set_title(clipped(name), size=9.5, color=colours["ink"], loc="left")
        if number % COLUMNS:
            ax.tick_params(labelleft=False)
        else:
            ax.set_ylabel("share right")
            under.set_ylabel("answers")
            for axes in (ax, under):
                axes.yaxis.set_label_coords(-0.25, 0.5)
        _counts(under, colours, one)


def _panel(ax: Axes, colours: Mapping[str, str], one: Calibration) -> None:
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.grid(color=colours["grid"], linewidth=0.8)
    ax.set_axisbelow(True)
    ax.plot([0, 1], [0, 1], color=colours["muted"], linewidth=1, linestyle=(0, (4, 3)))
    ax.errorbar(
        [b.confidence for b in one.bins],
        [b.right for b in one.bins],
        yerr=[[b.right - b.lower for b in one.bins], [b.upper - b.right for b in one.bins]],
        fmt="o-",
        markersize=5,
        linewidth=1,
        elinewidth=1.2,
        capsize=2.5,
        color=colours["shipped"],
    )
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    ax.tick_params(labelbottom=False)


def _counts(ax: Axes, colours: Mapping[str, str], one: Calibration) -> None:
    """How many answers each bin holds, up to the most."""
    most = max(b.n for b in one.bins)
    for b in one.bins:
        ax.bar((b.start + b.end) / 2, b.n, width=0.085, color=colours["reference"])
    ax.set_ylim(0, 1.05 * most)
    ax.set_yticks([most], [f"{most:,}"])
    ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%")
    ax.set_xlabel("confidence")
