"""Which charts a suite has something to show in."""

from __future__ import annotations

from collections.abc import Iterator

from harness.core.metrics import members
from harness.reporting.charts.accuracy_cost import accuracy_cost
from harness.reporting.charts.chart import Chart
from harness.reporting.charts.confusion import confusion_in_money
from harness.reporting.charts.reliability import reliability
from harness.reporting.charts.slice_changes import charts_of_changes
from harness.reporting.charts.training_curves import training_curves
from harness.reporting.errors import most_important
from harness.reporting.model import SuiteReport


def charts_of(suite: SuiteReport) -> Iterator[Chart]:
    """In the order of the page."""
    if not suite.runs:
        return
    natural = members(suite.cases, None)
    once = (
        accuracy_cost(suite, natural),
        confusion_in_money(suite, most_important(suite), natural),
        reliability(suite, natural),
    )
    yield from (chart for chart in once if chart is not None)
    yield from charts_of_changes(suite)
    yield from training_curves(suite.trained)
