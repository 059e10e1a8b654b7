"""The report as sections in the order in which a reviewer reads them; markdown and HTML show the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.core.metrics import members
from harness.core.records import Stage
from harness.reporting.budgets import what_cases_can_tell
from harness.reporting.calibration import calibration_section
from harness.reporting.ceiling import ceiling_section
from harness.reporting.changes import changes
from harness.reporting.claims import claims_section
from harness.reporting.deciding import head
from harness.reporting.economics import economics_section
from harness.reporting.errors import confusions_section, money_section, most_important, worst_section
from harness.reporting.escaping import markdown_text
from harness.reporting.formats import formats_section
from harness.reporting.model import Report, SuiteReport
from harness.reporting.paired import paired_section
from harness.reporting.proofs import proofs_section
from harness.reporting.provenance import digests_section, provenance_section
from harness.reporting.recommendation import recommendation_section
from harness.reporting.reuse import reuse_markdown
from harness.reporting.selftest import selftest_markdown
from harness.reporting.slices import slices_section
from harness.reporting.stability import stability_section
from harness.reporting.strategies import fields_section, strategies_section
from harness.reporting.training import training_section


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page in markdown, its heading included. `key` names what it is about, `suite` whose it is.

    `suite` is None for what is about all suites.
    """

    key: str
    suite: str | None
    lines: tuple[str, ...]


def page(report: Report) -> list[Section]:
    """All sections that have something to say."""
    sections = [Section(key="decision", suite=None, lines=tuple(head(report)))]
    for suite in report.suites:
        for key, lines in _suite(suite, compared=bool(report.compared)):
            section = Section(key=key, suite=suite.name, lines=tuple(lines))
            if section.lines:
                sections.append(section)
    sections.append(Section(key="provenance", suite=None, lines=tuple(provenance_section(report))))
    return sections


def _suite(suite: SuiteReport, *, compared: bool) -> Iterator[tuple[str, Iterable[str]]]:
    yield "suite", _about(suite)
    if not suite.runs:
        return
    natural, shown = members(suite.cases, None), most_important(suite)
    claims = [c for c in suite.claims if suite.runs[c.measure.run].strategy.stage is not Stage.REFERENCE]
    yield "paired", paired_section(claims) if compared else ()
    yield "changes", changes(suite, natural)
    yield "strategies", strategies_section(suite, natural)
    yield "fields", fields_section(suite, natural)
    yield "critical_slices", slices_section(suite, critical=True)
    yield "money", money_section(suite, shown, natural)
    yield "confusions", confusions_section(suite, shown, natural)
    yield "worst", worst_section(suite, shown)
    yield "formats", formats_section(suite)
    yield "stability", stability_section(suite, natural)
    yield "calibration", calibration_section(suite, natural)
    yield "detectable", what_cases_can_tell(claims)
    yield "ceiling", ceiling_section(suite, natural)
    yield "reuse", reuse_markdown(suite.use) if suite.use is not None else ()
    yield "selftest", selftest_markdown(suite.selftest) if suite.selftest is not None else ()
    yield "economics", economics_section(suite)
    yield "recommendation", recommendation_section(suite)
    yield "claims", claims_section(suite, claims)
    yield "other_slices", slices_section(suite, critical=False)
    yield "training", training_section(suite.trained)
    yield "proofs", proofs_section(suite.runs)
    yield "digests", digests_section(suite)


def _about(suite: SuiteReport) -> Iterator[str]:
    natural = int(members(suite.cases, None).sum())
    supplement = len(suite.cases) - natural
    yield f"## {suite.name}"
    yield ""
    extra = f" and {supplement} more that count for their slices only" if supplement else ""
    yield f"{natural} holdout cases{extra}."
    if suite.attribution:
        yield f"Data: {markdown_text(suite.attribution)}."
    for note in suite.notes:
        yield f"Note: {markdown_text(note, limit=500)}."
    yield ""
