"""From finished sessions to a report: gathers what reporting shows, and where it comes from."""

from __future__ import annotations

import json
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from harness import __version__
from harness.core.comparisons import right
from harness.core.costs import field_cost
from harness.core.digests import digest
from harness.core.gate import Verdict
from harness.core.policy import Effect
from harness.core.records import ANCHOR, Adapter, FieldCost, Task, Usage
from harness.core.scoring import SCORING_VERSION
from harness.core.tables import OutcomeTable
from harness.core.wording import measured, wrapped
from harness.drivers.pricing import cost_usd
from harness.reporting.charts.pictures import Pictures, chart_files, paths, write_pictures
from harness.reporting.escaping import plain_line
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
from harness.runs.declared import DeclaredClaim
from harness.runs.session import SuiteSession
from harness.runs.training_cards import trained_weights
from harness.runs.treatments import run_treatment

Settled = tuple[DeclaredClaim, Verdict, Effect]
UNMET = 10
WIDTH = 100
LONGEST = 3 * WIDTH
_PACKAGES = ("numpy", "scipy", "jsonschema", "torch", "transformers", "peft", "openai")


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


def build_report(suites: Sequence[Finished], *, root: Path, profile: str) -> Report:
    """Everything that the report files show."""
    return Report(
        suites=[_suite(suite) for suite in suites],
        provenance=Provenance(
            revision=git_revision(root), versions=versions(), command="pytest suites/", profile=profile
        ),
    )


def write_report(report: Report, folder: Path | None, *, png_charts: bool = False) -> str:
    """Write report.md, report.html, verdicts.json and outcomes.jsonl into `folder`, if any; returns verdicts.json.

    report.html, and the charts as PNG files where they are wanted, are made again only when what they show changed.
    """
    verdicts = verdicts_json(report)
    if folder is not None:
        write_files(folder, report)
        pictures = chart_files(report) if png_charts else {}
        markdown = report_markdown(report, pictures)
        write_text(folder / "report.md", markdown)
        _write_page(report, folder, digest_of(report, markdown, verdicts), pictures)
    return verdicts


def _write_page(report: Report, folder: Path, digest: str, pictures: Pictures) -> None:
    file = folder / "report.html"
    if digest_in(file) == digest and all((folder / name).is_file() for name in paths(pictures)):
        return
    from harness.reporting.html.page import report_html

    write_pictures(folder, pictures)
    write_text(file, report_html(report, digest=digest))


def summary_lines(verdicts: str) -> list[str]:
    """The counts of each suite, and the gates and guards that are not met, from the text of verdicts.json."""
    content = json.loads(verdicts)
    lines = []
    for suite in content["suites"]:
        claims = suite["claims"]
        counts = Counter(str(claim["status"]) for claim in claims)
        blocks = sum(claim["effect"] == str(Effect.BLOCK) for claim in claims)
        told = ", ".join(f"{counts[status]} {status}" for status in ("PASS", "INCONCLUSIVE", "FAIL") if counts[status])
        lines.append(f"{suite['suite']}: {told or 'nothing judged'}; {blocks or 'none'} blocking")
        lines += [f"{suite['suite']}: {run} could not be run: {why}" for run, why in suite["broken"].items()]
    return lines + _unmet_lines(content["suites"])


def _unmet_lines(suites: Sequence[Mapping[str, Any]]) -> list[str]:
    """The gates and guards that are not PASS, each with its sentence, those that block first."""
    unmet = [
        (f"{suite['suite']}/{claim['run']}" if len(suites) > 1 else claim["run"], claim)
        for suite in suites
        for claim in suite["claims"]
        if claim["role"] != "report" and claim["status"] != "PASS"
    ]
    unmet.sort(key=lambda named: bool(named[1]["effect"] != str(Effect.BLOCK)))
    lines: list[str] = []
    for run, claim in unmet[:UNMET]:
        subject = measured(claim["metric"], **{name: claim.get(name) for name in ("field", "slice", "quantile", "k")})
        subject += " against the anchor" if claim.get("against") == ANCHOR else ""
        told = f"{claim['status']}: {run}, {subject}: {claim['sentence']}"
        lines += wrapped(plain_line(told, limit=LONGEST), width=WIDTH, indent="  ")
    if len(unmet) > UNMET:
        lines.append(f"  and {len(unmet) - UNMET} more that are not PASS")
    return lines


def git_revision(root: Path) -> str:
    """The commit of the project, with `+changes` if files differ from it; "" outside git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+changes", "--abbrev=12", "--exclude=*"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """The versions of Holdfast, Python and the packages that answers may depend on."""
    found = {"holdfast": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _suite(finished: Finished) -> SuiteReport:
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
        cost_of=lambda name, expected, given: _cost_of(task, name, expected, given),
        attribution=suite.fixture.attribution,
        notes=finished.notes,
        use=finished.use,
        selftest=finished.selftest,
        asked_again=session.asked_again,
        trained=trained_weights((name, session.adapter(name)) for name in runs),
    )


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


def _cost_of(task: Task, name: str, expected: object, given: object) -> float:
    if right(task, name, expected, given):
        return 0.0
    return field_cost(task.costs.fields.get(name, FieldCost()), expected, given)  # type: ignore[arg-type]


def _usd_per_1000(adapter: Adapter, table: OutcomeTable) -> float | None:
    """What 1,000 answers cost by the adapter's price; None where the price is not known."""
    answered = int((~np.isnan(table.input_tokens)).sum())
    if not answered:
        return None
    usage = Usage(input_tokens=int(np.nansum(table.input_tokens)), output_tokens=int(np.nansum(table.output_tokens)))
    total = cost_usd(adapter.price, adapter.model, usage, adapter.options.get("provider"))
    return None if total is None else 1000 * total / answered
