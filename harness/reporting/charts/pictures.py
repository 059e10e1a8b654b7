"""Charts as PNG files that markdown can link to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.digests import digest
from harness.reporting.charts.chart import Chart
from harness.reporting.charts.choosing import charts_of
from harness.reporting.charts.rendering import can_draw, png
from harness.reporting.model import Report

FOLDER = "charts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A chart and where its file is, from the folder of the report."""

    chart: Chart
    path: str


Pictures = Mapping[tuple[str, str], Sequence[Picture]]
"""By the suite and the key of the section that they stand in."""


def chart_files(report: Report) -> Pictures:
    """A picture for each chart; none where matplotlib is missing."""
    found: dict[tuple[str, str], list[Picture]] = {}
    for suite in report.suites if can_draw() else ():
        for chart in charts_of(suite):
            path = f"{FOLDER}/{_file_name(suite.name)}-{_file_name(chart.name)}.png"
            found.setdefault((suite.name, chart.key), []).append(Picture(chart=chart, path=path))
    return found


def paths(pictures: Pictures) -> Iterator[str]:
    return (picture.path for group in pictures.values() for picture in group)


def write_pictures(folder: Path, pictures: Pictures) -> None:
    """Draw them all."""
    for group in pictures.values():
        for picture in group:
            file = folder / picture.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png(picture.chart))


def _file_name(name: str) -> str:
    """`name` in letters that need no quoting; with a digest where any had to go, so that two stay two."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name)
    return plain if plain == name else f"{plain}-{digest(name)[:8]}"
