"""Confusion in money: what answering one label for another cost, for the field that cost most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.core.confusion import MoneyConfusion
from harness.reporting.charts.chart import Chart, clipped
from harness.reporting.errors import money_matrix
from harness.reporting.escaping import plain_line
from harness.reporting.model import SuiteReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOLD = 10
CLIPPED = 20


def confusion_in_money(suite: SuiteReport, run: str, natural: NDArray[np.bool_]) -> Chart | None:
    """The heat map of one run; None where no wrong answer costs anything."""
    found = money_matrix(suite, run, natural)
    if found is None:
        return None
    rows, columns = np.flatnonzero(found.counts.any(axis=1)), np.flatnonzero(found.counts.any(axis=0))
    dearest = sorted(np.argwhere(found.costs).tolist(), key=lambda at: (-found.costs[*at], at))
    told = "; ".join(
        f"{plain_line(found.rows[row], limit=60)} answered as {plain_line(found.columns[column], limit=60)}: "
        f"{found.costs[row, column]:,.0f} in {found.counts[row, column]}"
        for row, column in dearest[:TOLD]
    )
    more = f"; and {len(dearest) - TOLD} more cells" if len(dearest) > TOLD else ""
    return Chart(
        key="money",
        name="confusion-in-money",
        title=f"What wrong answers for {found.field} cost, by {run}",
        words=(
            f"Rows are the right label, columns the answered one; a cell is the summed cost of that confusion, "
            f"{found.costs.sum():,.0f} in all. Dearest first: {told}{more}."
        ),
        height=0.45 + _heads(found.columns) + 0.3 * max(len(rows), 3),
        draw=lambda figure, colours: _draw(figure, colours, found, rows, columns),
    )


def _heads(labels: tuple[str, ...]) -> float:
    """Inches that the slanted labels over the columns take."""
    return 0.2 + 0.05 * max(len(clipped(label, CLIPPED)) for label in labels)


def _draw(
    figure: Figure,
    colours: Mapping[str, str],
    found: MoneyConfusion,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> None:
    from matplotlib.patches import Rectangle

    height, width = figure.get_figheight(), figure.get_figwidth()
    left, across = 1.75, min(width - 2.6, 0.75 * len(columns))
    ax = figure.add_axes((left / width, 0.08 / height, across / width, 0.3 * max(len(rows), 3) / height))
    ax.set_xlim(0, len(columns))
    ax.set_ylim(len(rows), 0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0, labelcolor=colours["ink"])
    ax.xaxis.tick_top()
    heads = [clipped(plain_line(found.columns[column]), CLIPPED) for column in columns]
    ax.set_xticks(np.arange(len(columns)) + 0.5, heads, rotation=40, ha="left", rotation_mode="anchor")
    ax.set_yticks(np.arange(len(rows)) + 0.5, [clipped(plain_line(found.rows[row]), CLIPPED) for row in rows])
    highest = found.costs.max()
    for y, row in enumerate(rows):
        for x, column in enumerate(columns):
            cost, seen = float(found.costs[row, column]), bool(found.counts[row, column])
            same = found.rows[row] == found.columns[column]
            ax.add_patch(
                Rectangle(
                    (x + 0.03, y + 0.04),
                    0.94,
                    0.92,
                    facecolor=colours["heat" if seen else "grid"],
                    alpha=0.12 + 0.55 * cost / highest if seen else 0.55 if same else 0.2,
                    linewidth=0,
                )
            )
            if seen:
                ax.text(x + 0.5, y + 0.52, short(cost), ha="center", va="center", size=8, color=colours["ink"])
    figure.text(0.012, 1 - 0.2 / height, "right ↓  answered →", color=colours["muted"], va="center")


def short(cost: float) -> str:
    """An amount in at most five letters: 940, 12.5k, 3.1M."""
    for limit, unit in ((1e6, "M"), (1e4, "k")):
        if cost >= limit:
            return f"{cost / {'M': 1e6, 'k': 1e3}[unit]:.1f}{unit}"
    return f"{cost:,.0f}" if cost >= 10 or cost == 0 else f"{cost:.2g}"
