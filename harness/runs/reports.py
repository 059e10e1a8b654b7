"""From finished sessions to a report: gathers what reporting shows, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from harness.core.costs import cost_of
from harness.core.digests import digest
from harness.core.errors import FixtureError
from harness.core.gate import Verdict
from harness.core.policy import Effect
from harness.core.records import Adapter, Usage
from harness.core.schemas import AnswerSchema, label_text
from harness.core.scoring import SCORING_VERSION
from harness.core.tables import OutcomeTable
from harness.drivers.pricing import cost_usd
from harness.fixtures_io.suites import Project
from harness.fixtures_io.tasks import Fixture
from harness.reporting.charts.pictures import Pictures, chart_files, paths, write_pictures
from harness.reporting.comment import comment_markdown
from harness.reporting.files import verdicts_json, write_files, write_text
from harness.reporting.html.fingerprint import digest_in, digest_of
from harness.reporting.markdown import report_markdown
from harness.reporting.model import (
    AcceptedRun,
    EarlyStopped,
    HoldoutUse,
    JudgedClaim,
    Provenance,
    Report,
    RunReport,
    SelfTest,
    SuiteReport,
)
from harness.reporting.page import Section, page
from harness.reporting.provenance import effort_line
from harness.runs.declared import DeclaredClaim
from harness.runs.session import SuiteSession
from harness.runs.studies import CEILING, FRAGILITY, read_ceiling, read_fragility, study_file
from harness.runs.training_cards import trained_weights
from harness.runs.treatments import run_treatment

Settled = tuple[DeclaredClaim, Verdict, Effect]
_SERVED = ("openai_chat",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A suite that has been settled: its verdicts, the claims without one, and what makes its gate incomplete."""

    session: SuiteSession
    settled: Sequence[Settled]
    unjudged: Sequence[str]
    incomplete: Sequence[str]
    notes: Sequence[str] = ()
    use: HoldoutUse | None = None
    accepted: AcceptedRun | None = None
    selftest: SelfTest | None = None
    early: Mapping[str, EarlyStopped] = field(default_factory=dict)


def build_report(suites: Sequence[Finished], *, project: Project, provenance: Provenance) -> Report:
    """Everything that the report files show."""
    return Report(suites=[_suite(suite, project) for suite in suites], provenance=provenance)


def write_report(report: Report, folder: Path | None, *, png_charts: bool = False) -> str:
    """Write the report's files into `folder`, if there is one; returns verdicts.json.

    report.html, and the charts as PNG files where they are wanted, are made again only when what they show changed.
    """
    if folder is None:
        return verdicts_json(report)
    verdicts = write_files(folder, report)
    pictures = chart_files(report) if png_charts else {}
    sections = page(report)
    markdown = report_markdown(report, pictures, sections)
    write_text(folder / "report.md", markdown)
    write_text(folder / "comment.md", comment_markdown(report, sections))
    lasting = markdown.replace(effort_line(report), "")  # a run that found the same has the same page
    _write_page(report, folder, digest_of(report, lasting, verdicts), pictures, sections)
    return verdicts


def _write_page(report: Report, folder: Path, digest: str, pictures: Pictures, sections: Sequence[Section]) -> None:
    file = folder / "report.html"
    if digest_in(file) == digest and all((folder / name).is_file() for name in paths(pictures)):
        return
    from harness.reporting.html.page import report_html

    write_pictures(folder, pictures)
    write_text(file, report_html(report, digest=digest, sections=sections))


def _suite(finished: Finished, project: Project) -> SuiteReport:
    session = finished.session
    suite, task = session.suite, session.task
    runs = {}
    for name, table in session.executed().items():
        strategy, adapter = session.strategy(name), session.adapter(name)
        runs[name] = RunReport(
            strategy=strategy,
            driver=adapter.driver,
            model=adapter.model,
            identity=session.identity(name),
            digest=session.digest(name),
            table=table,
            usd_per_1000=_usd_per_1000(adapter, table),
            example_count=len(session.prompt(name).examples),
            early=finished.early.get(name),
            proofs=session.proofs(name),
            machine_s=_machine_s(adapter, table),
            treatment=run_treatment(session, name),
        )
    return SuiteReport(
        name=suite.name,
        task=task,
        cases=session.cases if runs else (),
        holdout_digest=session.holdout_digest if runs else "",
        schema_digest=digest(task.schema),
        scoring_version=SCORING_VERSION,
        runs=runs,
        claims=judged_claims(finished.settled),
        broken=session.broken,
        unjudged=finished.unjudged,
        incomplete=finished.incomplete,
        baseline=session.baseline,
        accepted=finished.accepted,
        cost_of=partial(cost_of, task),
        attribution=suite.fixture.attribution,
        notes=finished.notes,
        use=finished.use,
        selftest=finished.selftest,
        asked_again=session.asked_again,
        trained=trained_weights((name, session.adapter(name)) for name in runs),
        **_studies(session, project, runs),
        economics=suite.fixture.economics,
        pool={} if suite.fixture.economics is None else _pool_labels(suite.fixture),
    )


def _studies(session: SuiteSession, project: Project, runs: Iterable[str]) -> dict[str, Any]:
    """What was measured of these runs on pool cases."""
    found: dict[str, dict[str, Any]] = {"ceilings": {}, "fragilities": {}}
    for run in runs:
        for name, study, read in (("ceilings", CEILING, read_ceiling), ("fragilities", FRAGILITY, read_fragility)):
            path = study_file(project, study, session.suite.name, run)
            known = read(path, digest=session.answer_digest(run)) if path.is_file() else None
            if known is not None:
                found[name][run] = known
    return found


def judged_claims(settled: Sequence[Settled]) -> list[JudgedClaim]:
    """Settled claims as reports show them."""
    return [
        JudgedClaim(
            test=claim.test,
            index=claim.index,
            kind=claim.kind,
            measure=claim.measure,
            bound=claim.bound,
            role=claim.role,
            title=claim.title,
            verdict=verdict,
            effect=done,
            against=claim.against,
        )
        for claim, verdict, done in settled
    ]


def _usd_per_1000(adapter: Adapter, table: OutcomeTable) -> float | None:
    """What 1,000 answers cost by the adapter's price; None where the price is not known."""
    answered = int((~np.isnan(table.input_tokens)).sum())
    if not answered:
        return None
    usage = Usage(input_tokens=int(np.nansum(table.input_tokens)), output_tokens=int(np.nansum(table.output_tokens)))
    total = cost_usd(adapter.price, adapter.model, usage, adapter.options.get("provider"))
    return None if total is None else 1000 * total / answered


def _machine_s(adapter: Adapter, table: OutcomeTable) -> float | None:
    """Seconds of a machine per answer, measured when the answers were made; None where tokens have a price.

    A model in this process tells its share of the time; a server of one's own answers as many requests at once as the
    adapter sends.
    """
    known = table.latency_s[~np.isnan(table.latency_s)]
    if adapter.price is not None or not known.size:
        return None
    return float(known.mean()) / (adapter.limits.concurrency if adapter.driver in _SERVED else 1)


def _pool_labels(fixture: Fixture) -> dict[str, dict[str, int]]:
    """How many labelled examples the pool holds: decision field with a closed list of labels → label → count.

    Empty where there is no pool that can be read.
    """
    schema = AnswerSchema(fixture.task.schema)
    labels = {name: schema.enumerated(name) for name in fixture.task.decision_fields}
    counts = {name: {label_text(value): 0 for value in known} for name, known in labels.items() if known}
    try:
        for case in fixture.pool():
            for name, count in counts.items():
                label = label_text(case.expected[name])
                if label in count:  # several right labels are a list, which is none
                    count[label] += 1
    except FixtureError:
        return {}
    return counts
