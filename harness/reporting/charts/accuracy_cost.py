"""Accuracy with bounds against what 1,000 decisions cost, one point per strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.core.metrics import rates
from harness.core.records import Stage
from harness.core.statistics import wilson_interval
from harness.reporting.charts.chart import Chart, clipped
from harness.reporting.economics import accounts_of
from harness.reporting.model import SuiteReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CONFIDENCE = 0.95
_MARKERS = {Stage.SHIPPED: "D", Stage.CANDIDATE: "^", Stage.REFERENCE: "o"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A strategy: its accuracy with bounds, what 1,000 decisions cost, and whether another beats it in both."""

    name: str
    stage: Stage
    accuracy: float
    lower: float
    upper: float
    cost: float
    dominated: bool = False


def points(suite: SuiteReport, natural: NDArray[np.bool_]) -> list[Point]:
    """A point for each run with an answer, in declared order. The cost is that of errors, and of inference if known."""
    found = []
    for name, run in suite.runs.items():
        rate = rates(run.table, suite.task, natural)
        if not rate.answered or np.isnan(rate.cost_per_1000):
            continue
        lower, upper = wilson_interval(rate.correct, rate.answered, CONFIDENCE)
        found.append((name, run.strategy.stage, rate.correct / rate.answered, lower, upper, rate.cost_per_1000))
    costs, _ = _costs(suite, {name: cost for name, *_, cost in found})
    accuracies = {name: accuracy for name, _, accuracy, *_ in found}
    return [
        Point(
            name=name,
            stage=stage,
            accuracy=accuracy,
            lower=lower,
            upper=upper,
            cost=costs[name],
            dominated=any(
                costs[other] <= costs[name]
                and accuracies[other] >= accuracy
                and (costs[other] < costs[name] or accuracies[other] > accuracy)
                for other in costs
            ),
        )
        for name, stage, accuracy, lower, upper, _ in found
    ]


def _costs(suite: SuiteReport, errors: Mapping[str, float]) -> tuple[Mapping[str, float], str]:
    """What 1,000 decisions cost by strategy, given the cost of errors, and what is in it, in words.

    All costs where the task declares economics and they are known of every strategy.
    """
    accounts = accounts_of(suite)
    if accounts is not None and errors.keys() <= accounts.costings.keys():
        monthly = {name: accounts.costings[name].monthly(accounts.volume) for name in errors}
        total = {name: 1000 * one.estimate / accounts.volume for name, one in monthly.items() if one is not None}
        if total.keys() == errors.keys():
            return total, f"in {accounts.economics.currency}: inference, errors, correction and fixed"
    usd = {name: suite.runs[name].usd_per_1000 for name in errors}
    if not any(usd.values()):
        return errors, "of errors"
    return {name: cost + (usd[name] or 0.0) for name, cost in errors.items()}, "of errors, and of inference where known"


def accuracy_cost(suite: SuiteReport, natural: NDArray[np.bool_]) -> Chart | None:
    """The chart; None where nothing was answered."""
    shown = points(suite, natural)
    if not shown:
        return None
    _, included = _costs(suite, {p.name: p.cost for p in shown})
    told = "; ".join(
        f"{p.name} ({p.stage}): {_percent(p.accuracy)} ({_percent(p.lower)} to {_percent(p.upper)}), "
        f"cost {p.cost:,.0f}{', beaten in both by another' if p.dominated else ''}"
        for p in shown
    )
    return Chart(
        key="strategies",
        name="accuracy-and-cost",
        title="Accuracy against cost per 1,000 decisions",
        words=(
            f"Up and left is better. Bars are 95% intervals of accuracy. Cost per 1,000 decisions {included}. {told}."
        ),
        height=max(3.6, 1.5 + 0.2 * len(shown)),
        draw=lambda figure, colours: _draw(figure, colours, shown, included),
    )


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f}%"


def _draw(figure: Figure, colours: Mapping[str, str], shown: Sequence[Point], included: str) -> None:
    from matplotlib.ticker import MaxNLocator

    height = figure.get_figheight()
    ax = figure.add_axes((0.09, 0.85 / height, 0.54, 1 - 1.0 / height))
    dearest = max(p.cost for p in shown) or 1.0
    low = max(0.0, min(p.lower for p in shown) - 0.03)
    high = min(1.0, max(p.upper for p in shown) + 0.02)
    ax.set_xlim(0, 1.06 * dearest)
    ax.set_ylim(low, high)
    ax.grid(color=colours["grid"], linewidth=0.8)
    ax.set_axisbelow(True)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.yaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")
    ax.set_xlabel(f"cost per 1,000 decisions {included}")
    ax.set_ylabel("accuracy, all decision fields right")
    gap = (high - low) * 0.19 / (height - 1.0)
    end = 1.06 * dearest
    by_height = sorted(shown, key=lambda p: (p.accuracy, -p.cost, p.name))
    for point, at in zip(by_height, spread([p.accuracy for p in by_height], low, high, gap), strict=True):
        colour = colours[str(point.stage)]
        ax.plot(
            [point.cost, 1.02 * end, 1.045 * end],
            [point.accuracy, at, at],
            color=colours["muted"],
            linewidth=0.7,
            linestyle=(0, (1, 2)),
            clip_on=False,
            zorder=1,
        )
        ax.errorbar(
            [point.cost],
            [point.accuracy],
            yerr=[[point.accuracy - point.lower], [point.upper - point.accuracy]],
            fmt=_MARKERS[point.stage],
            markersize=6.5,
            color=colour,
            markerfacecolor=colours["paper"] if point.dominated else colour,
            elinewidth=1.3,
            capsize=3,
            zorder=3,
        )
        ax.text(1.16 * end, at, _percent(point.accuracy), va="center", ha="right", color=colours["muted"])
        ax.text(1.18 * end, at, clipped(point.name), va="center", color=colours["ink"])
    _legend(figure, colours, {p.stage for p in shown}, any(p.dominated for p in shown))


def _legend(figure: Figure, colours: Mapping[str, str], stages: set[Stage], dominated: bool) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], linestyle="", marker=marker, color=colours[str(stage)], label=str(stage))
        for stage, marker in _MARKERS.items()
        if stage in stages
    ]
    if dominated:
        entries.append(
            Line2D(
                [],
                [],
                linestyle="",
                marker="o",
                color=colours["muted"],
                markerfacecolor=colours["paper"],
                label="hollow: another is at least as accurate and as cheap",
            )
        )
    figure.legend(handles=entries, loc="lower left", bbox_to_anchor=(0.075, 0.0), ncols=len(entries), frameon=False)


def spread(wanted: Sequence[float], low: float, high: float, gap: float) -> list[float]:
    """Places for labels as near to the rising `wanted` ones as `gap` allows, from `low` to `high` if they fit."""
    places: list[float] = []
    for value in wanted:
        places.append(max(value, places[-1] + gap if places else low))
    for back in range(len(places) - 1, -1, -1):
        places[back] = min(places[back], high if back == len(places) - 1 else places[back + 1] - gap)
    return places
