"""report.html: the sections of the page with charts beside them and every case behind them, in one file."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.policy import Effect
from harness.core.records import BASELINE
from harness.reporting.charts.choosing import charts_of
from harness.reporting.charts.palette import DARK, LIGHT, css_variables
from harness.reporting.charts.rendering import INSTALL, can_draw, svg
from harness.reporting.deciding import claim_line, decision
from harness.reporting.html.explorer import explorer_data, script_json
from harness.reporting.html.fingerprint import meta
from harness.reporting.html.sampling import shares
from harness.reporting.html.text import Behind, Renderer
from harness.reporting.model import JudgedClaim, Report, SuiteReport
from harness.reporting.page import Section, page

if TYPE_CHECKING:
    from markupsafe import Markup

ASSETS = Path(__file__).parent / "assets"
_STATES = {"BLOCKED": "blocked", "PASS": "pass"}
_MISSING = f"Charts need matplotlib: {INSTALL}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A section as the template shows it."""

    id: str
    suite: str | None
    key: str
    heading: str
    level: int
    body: Markup
    figures: tuple[Mapping[str, Any], ...]


def report_html(report: Report, *, digest: str = "", sections: Sequence[Section] | None = None) -> str:
    """The whole page. `digest` tells later runs what it was made of; `sections` are those that were made already."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    chosen = list(shares(report.suites))
    shown = {suite.name: {suite.cases[row].id for row in kept.rows} for suite, kept in chosen}
    script = (ASSETS / "explorer.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    told = decision(report)
    return environment.get_template("report.html.j2").render(
        meta=Markup(meta(digest)),
        policy=_policy(script),
        title=told,
        state=next((state for word, state in _STATES.items() if told.startswith(word)), "open"),
        light=Markup(css_variables(LIGHT)),
        dark=Markup(css_variables(DARK)),
        style=Markup((ASSETS / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        blocks=list(_blocks(report, sections or page(report), shown)),
        data=Markup(script_json(explorer_data(report, chosen))),
        many_suites=len(report.suites) > 1,
        cases=any(shown.values()),
    )


def _policy(script: str) -> str:
    """Nothing is loaded, nothing is sent, and no script runs but the page's own."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _blocks(report: Report, sections: Sequence[Section], shown: Mapping[str, Collection[str]]) -> Iterator[_Block]:
    from markupsafe import Markup

    renderer = Renderer()
    taken: set[str] = set()
    figures = {suite.name: _figures(suite, taken) for suite in report.suites}
    behind = dict(_behind(report, shown))
    for section in sections:
        suite = section.suite
        made = renderer.section(
            section.lines,
            suite=suite or "",
            cases=_linkable(report, shown, section),
            behind=behind if suite is None else {},
        )
        yield _Block(
            id=_unique(section.key if suite is None else f"{suite}-{section.key}", taken),
            suite=suite,
            key=section.key,
            heading=made.heading,
            level=made.level or 3,
            body=Markup(made.body),
            figures=tuple(figures.get(suite, {}).get(section.key, ())) if suite else (),
        )


def _linkable(report: Report, shown: Mapping[str, Collection[str]], section: Section) -> Collection[str]:
    """The ids that mean a case wherever they stand: those that name no strategy, slice or field as well."""
    for suite in report.suites:
        if suite.name == section.suite and suite.name in shown:
            names = {*suite.runs, *suite.task.decision_fields, *(part.name for part in suite.task.slices)}
            return set(shown[suite.name]) - names
    return ()


def _figures(suite: SuiteReport, taken: set[str]) -> dict[str, list[Mapping[str, Any]]]:
    """The drawn charts of a suite by the key of their section."""
    from markupsafe import Markup

    found: dict[str, list[Mapping[str, Any]]] = {}
    drawn = can_draw()
    for chart in charts_of(suite):
        prefix = _unique(f"chart-{suite.name}-{chart.name}", taken)
        figure = {
            "svg": Markup(svg(chart, prefix)) if drawn else None,
            "title": chart.title,
            "note": "" if drawn else _MISSING,
        }
        found.setdefault(chart.key, []).append(figure)
    return found


def _behind(report: Report, shown: Mapping[str, Collection[str]]) -> Iterator[tuple[str, Behind]]:
    """(the line of the banner that tells a claim, the cases behind it)."""
    for suite in report.suites:
        for claim in suite.claims:
            if claim.effect is Effect.PASS or suite.name not in shown:
                continue
            found = _cases_behind(suite, claim, shown[suite.name])
            line = claim_line(claim)
            yield f"**{claim.verdict.status}** {line}", found
            yield f"{claim.verdict.status} {line}", found


def _cases_behind(suite: SuiteReport, claim: JudgedClaim, shown: Collection[str]) -> Behind:
    measure, paired = claim.measure, claim.against == BASELINE
    query = {"suite": suite.name, "strategy": measure.run, "slice": measure.slice or ""}
    query |= {"flip": "broken"} if paired else {"status": "bad"}
    words = "the cases that it lost" if paired else "the cases that are not right"
    return Behind(suite=suite.name, cases=shown, address=cases_link(query), words=words)


def cases_link(query: Mapping[str, str]) -> str:
    """The address of the explorer with these filters set."""
    from urllib.parse import urlencode

    return "#cases?" + urlencode({name: value for name, value in query.items() if value})


def _unique(wanted: str, taken: set[str]) -> str:
    slug = _slug(wanted)
    name, number = slug, 1
    while name in taken:
        number += 1
        name = f"{slug}-{number}"
    taken.add(name)
    return name


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "part"
