"""report.md: the sections of the page, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.reporting.charts.pictures import Pictures
from harness.reporting.escaping import markdown_text
from harness.reporting.model import Report
from harness.reporting.page import Section, page


def report_markdown(report: Report, pictures: Pictures | None = None, sections: Sequence[Section] | None = None) -> str:
    """The whole page, with links to `pictures` under the headings of their sections.

    `sections` is the page of this report where it was made already.
    """
    lines: list[str] = []
    for section in sections or page(report):
        head, *rest = section.lines
        lines += [head, *_pictures(pictures or {}, section.suite, section.key), *rest]
    return "\n".join(lines).rstrip() + "\n"


def _pictures(pictures: Pictures, suite: str | None, key: str) -> Iterator[str]:
    for picture in pictures.get((suite or "", key), ()):
        yield ""
        yield f"![{markdown_text(picture.chart.title)}]({picture.path})"
