"""Confusion in money: what answering one label for another cost, for the field that cost most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.core.metrics import Confusion, confusions
from harness.core.schemas import label_text
from harness.reporting.charts.chart import Chart, clipped
from harness.reporting.escaping import plain_line
from harness.reporting.model import SuiteReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = 15
TOLD = 10
CLIPPED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyMatrix:
    """Summed cost by right and answered label of one field; `labels` are the axes, the last may group the others."""

    field: str
    labels: tuple[str, ...]
    costs: NDArray[np.float64]
    counts: NDArray[np.int64]
    pairs: tuple[Confusion, ...]


def money_matrix(suite: SuiteReport, run: str, natural: NDArray[np.bool_]) -> MoneyMatrix | None:
    """The matrix of the field whose confusions cost most; None where none costs anything.

    Fields with free values (most expected ones occur once) are left out: their labels mean nothing side by side.
    """
    found = [c for c in confusions(suite.runs[run].table, suite.cases, natural, suite.cost_of) if c.cost > 0]
    total: dict[str, float] = defaultdict(float)
    for pair in found:
        total[pair.field] += pair.cost
    total = {name: cost for name, cost in total.items() if _repeats(suite, name)}
    if not total:
        return None
    field = max(total, key=lambda name: (total[name], name))
    pairs = tuple(pair for pair in found if pair.field == field)
    weight: dict[str, float] = defaultdict(float)
    for pair in pairs:
        weight[pair.expected] += pair.cost
        weight[pair.answered] += pair.cost
    ranked = sorted(weight, key=lambda label: (-weight[label], label))
    kept, rest = (ranked, []) if len(ranked) <= LABELS else (ranked[: LABELS - 1], ranked[LABELS - 1 :])
    labels = (*kept, f"{len(rest)} others") if rest else tuple(kept)
    place = {label: number for number, label in enumerate(kept)} | dict.fromkeys(rest, len(kept))
    costs = np.zeros((len(labels), len(labels)))
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for pair in pairs:
        at = place[pair.expected], place[pair.answered]
        costs[at] += pair.cost
        counts[at] += pair.count
    return MoneyMatrix(field=field, labels=labels, costs=costs, counts=counts, pairs=pairs)


def _repeats(suite: SuiteReport, field: str) -> bool:
    return len({label_text(case.expected[field]) for case in suite.cases}) <= len(suite.cases) / 2


def confusion_in_money(suite: SuiteReport, run: str, natural: NDArray[np.bool_]) -> Chart | None:
    """The heat map of one run; None where no confusion costs anything."""
    matrix = money_matrix(suite, run, natural)
    if matrix is None:
        return None
    told = "; ".join(
        f"{plain_line(p.expected, limit=60)} answered as {plain_line(p.answered, limit=60)}: {p.cost:,.0f} in {p.count}"
        for p in matrix.pairs[:TOLD]
    )
    more = f"; and {len(matrix.pairs) - TOLD} more pairs" if len(matrix.pairs) > TOLD else ""
    size = len(matrix.labels)
    return Chart(
        key="confusions",
        name="confusion-in-money",
        title=f"What confusing {matrix.field} cost, by {run}",
        words=(
            f"Rows are the right label, columns the answered one; a cell is the summed cost of that confusion, "
            f"{matrix.costs.sum():,.0f} in all. Dearest first: {told}{more}."
        ),
        height=0.45 + _heads(matrix.labels) + 0.3 * max(size, 3),
        draw=lambda figure, colours: _draw(figure, colours, matrix),
    )


def _heads(labels: tuple[str, ...]) -> float:
    """Inches that the slanted labels over the columns take."""
    return 0.2 + 0.05 * max(len(clipped(label, CLIPPED)) for label in labels)


def _draw(figure: Figure, colours: Mapping[str, str], matrix: MoneyMatrix) -> None:
    from matplotlib.patches import Rectangle

    size, height, width = len(matrix.labels), figure.get_figheight(), figure.get_figwidth()
    names = [clipped(plain_line(label), CLIPPED) for label in matrix.labels]
    left, across = 1.75, min(width - 1.9, 0.75 * size)
    ax = figure.add_axes((left / width, 0.08 / height, across / width, 0.3 * max(size, 3) / height))
    ax.set_xlim(0, size)
    ax.set_ylim(size, 0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0, labelcolor=colours["ink"])
    ax.xaxis.tick_top()
    ax.set_xticks(np.arange(size) + 0.5, names, rotation=40, ha="left", rotation_mode="anchor")
    ax.set_yticks(np.arange(size) + 0.5, names)
    highest = matrix.costs.max()
    for row in range(size):
        for column in range(size):
            cost = float(matrix.costs[row, column])
            empty = cost == 0
            ax.add_patch(
                Rectangle(
                    (column + 0.03, row + 0.04),
                    0.94,
                    0.92,
                    facecolor=colours["grid"] if empty else colours["heat"],
                    alpha=(0.55 if row == column else 0.2) if empty else 0.12 + 0.55 * cost / highest,
                    linewidth=0,
                )
            )
            if not empty:
                ax.text(column + 0.5, row + 0.52, short(cost), ha="center", va="center", size=8, color=colours["ink"])
    figure.text(0.012, 1 - 0.2 / height, "right ↓  answered →", color=colours["muted"], va="center")


def short(cost: float) -> str:
    """An amount in at most five letters: 940, 12.5k, 3.1M."""
    for limit, unit in ((1e6, "M"), (1e4, "k")):
        if cost >= limit:
            return f"{cost / {'M': 1e6, 'k': 1e3}[unit]:.1f}{unit}"
    return f"{cost:,.0f}" if cost >= 10 else f"{cost:.2g}"
