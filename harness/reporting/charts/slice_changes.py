"""The change of accuracy on each slice since the baseline, with bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.core.claims import no_worse
from harness.core.metrics import members, outcomes_of
from harness.core.paired_evidence import weigh_no_worse
from harness.core.records import BASELINE, Measure, Slice, Stage
from harness.core.tables import MISSING, OutcomeTable
from harness.core.verdicts import known
from harness.reporting.blocks import many
from harness.reporting.charts.chart import Chart, clipped
from harness.reporting.model import SuiteReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 25
RUNS = 3
_EACH_SIDE = 0.025
"""One-sided level of each bound, so that both make a 95% interval."""
_ANY_MARGIN = 0.5
"""The bounds of a change do not depend on the margin of the claim that they are taken from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceChange:
    """A slice of `n` cases: the change of accuracy with its bounds, and how many cases were lost and gained."""

    name: str
    critical: bool
    n: int
    change: float
    lower: float
    upper: float
    lost: int
    gained: int


def slice_changes(suite: SuiteReport, run: str) -> list[SliceChange]:
    """Every slice with cases that both sides answered: those critical first, then by how far they changed."""
    return _changes(suite, run, _parts(suite))


def _parts(suite: SuiteReport) -> list[tuple[Slice, NDArray[np.bool_]]]:
    return [(part, members(suite.cases, part)) for part in suite.task.slices]


def _changes(suite: SuiteReport, run: str, parts: Sequence[tuple[Slice, NDArray[np.bool_]]]) -> list[SliceChange]:
    before = suite.baseline
    if before is None:
        return []
    now = suite.runs[run].table
    both = _there(before) & _there(now)
    found = []
    for part, inside in parts:
        keep = inside & both
        if not keep.any():
            continue
        candidate, accepted = (
            outcomes_of(table, suite.task, keep, Measure(run=name, metric="accuracy", slice=part.name))
            for name, table in ((run, now), (BASELINE, before))
        )
        if candidate.repeats != accepted.repeats:
            return []
        seen = weigh_no_worse(no_worse(candidate, accepted, _ANY_MARGIN, role="report", alpha=_EACH_SIDE)).measured
        found.append(
            SliceChange(
                name=part.name,
                critical=part.critical,
                n=seen.n,
                change=known(seen.estimate),
                lower=known(seen.lower),
                upper=known(seen.upper),
                lost=len(seen.lost_ids),
                gained=len(seen.gained_ids),
            )
        )
    return sorted(found, key=lambda s: (not s.critical, -abs(s.change), s.change, s.name))


def _there(table: OutcomeTable) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (table.status != MISSING).all(axis=1)
    return found


def charts_of_changes(suite: SuiteReport) -> Iterator[Chart]:
    """A chart for each run that may be shipped and changed on some slice, the shipped one first; at most RUNS."""
    runs = [name for name, run in suite.runs.items() if run.strategy.stage is not Stage.REFERENCE]
    runs.sort(key=lambda name: suite.runs[name].strategy.stage is not Stage.SHIPPED)
    key = "critical_slices" if any(part.critical for part in suite.task.slices) else "other_slices"
    made, parts = 0, _parts(suite) if suite.baseline is not None else []
    for run in runs:
        changes = _changes(suite, run, parts)
        if made < RUNS and any(one.lost or one.gained for one in changes):
            made += 1
            yield _chart(key, run, changes)


def _chart(key: str, run: str, changes: Sequence[SliceChange]) -> Chart:
    shown = changes[:SHOWN]
    rest = len(changes) - len(shown)
    told = "; ".join(
        f"{s.name}{' (critical)' if s.critical else ''}: {100 * s.change:+.1f} ({100 * s.lower:+.1f} to "
        f"{100 * s.upper:+.1f}), lost {s.lost}, gained {s.gained} of {s.n}"
        for s in shown
    )
    left_out = f" {many(rest, 'slice')} that changed least {'is' if rest == 1 else 'are'} left out." if rest else ""
    return Chart(
        key=key,
        name=f"slice-changes-{run}",
        title=f"Change of accuracy on each slice since the baseline, {run}",
        words=f"Points of accuracy with 95% intervals, on the same cases.{left_out} {told}.",
        height=1.25 + 0.23 * len(shown),
        draw=lambda figure, colours: _draw(figure, colours, shown),
    )


def _draw(figure: Figure, colours: Mapping[str, str], shown: Sequence[SliceChange]) -> None:
    height = figure.get_figheight()
    ax = figure.add_axes((0.3, 0.85 / height, 0.53, 1 - 0.95 / height))
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.grid(axis="x", color=colours["grid"], linewidth=0.8)
    ax.set_axisbelow(True)
    ax.axvline(0, color=colours["muted"], linewidth=1.2)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0, labelcolor=colours["ink"])
    names = [f"{clipped(s.name, 30)}{' ●' if s.critical else ''}" for s in shown]
    ax.set_yticks(range(len(shown)), names)
    ax.set_xlabel("change of accuracy in points, 95% interval")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:+.0f}".replace("-", "−") if value else "0")
    for row, one in enumerate(shown):
        sure = "worse" if one.upper < 0 else "better" if one.lower > 0 else "muted"
        marker = "v" if one.change < 0 else "^" if one.change > 0 else "o"
        ax.errorbar(
            [100 * one.change],
            [row],
            xerr=[[100 * (one.change - one.lower)], [100 * (one.upper - one.change)]],
            fmt=marker,
            markersize=6,
            color=colours[sure],
            markerfacecolor=colours["paper"] if sure == "muted" else colours[sure],
            elinewidth=1.3,
            capsize=2.5,
        )
        ax.text(
            1.02,
            row,
            f"−{one.lost} +{one.gained} of {one.n}",
            transform=ax.get_yaxis_transform(),
            va="center",
            color=colours["muted"],
        )
    legend = "filled: the interval leaves out 0 · hollow: it does not"
    critical = " · ● critical" if any(s.critical for s in shown) else ""
    figure.text(0.3, 0.1 / height, legend + critical, color=colours["muted"], va="bottom")
