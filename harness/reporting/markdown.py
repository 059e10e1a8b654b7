"""report.md: the sections of the page, one after the other."""

from __future__ import annotations

from harness.reporting.model import Report
from harness.reporting.page import page


def report_markdown(report: Report) -> str:
    """The whole page."""
    lines = [line for section in page(report) for line in section.lines]
    return "\n".join(lines).rstrip() + "\n"
