"""From finished sessions to a report: gathers what reporting shows, and where it comes from."""

from __future__ import annotations

import json
import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from harness import __version__
from harness.core.costs import field_cost
from harness.core.digests import digest
from harness.core.gate import Verdict
from harness.core.policy import Effect
from harness.core.records import Adapter, FieldCost, Task, Usage
from harness.core.scoring import SCORING_VERSION
from harness.core.tables import OutcomeTable
from harness.drivers.pricing import cost_usd
from harness.reporting.files import verdicts_json, write_files, write_text
from harness.reporting.markdown import report_markdown
from harness.reporting.model import JudgedClaim, Provenance, Report, RunReport, SuiteReport
from harness.runs.declared import DeclaredClaim
from harness.runs.session import SuiteSession

Settled = tuple[DeclaredClaim, Verdict, Effect]
_PACKAGES = ("numpy", "scipy", "jsonschema", "torch", "transformers", "peft", "openai")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A suite that has been settled: its verdicts, the claims without one, and what makes its gate incomplete."""

    session: SuiteSession
    settled: Sequence[Settled]
    unjudged: Sequence[str]
    incomplete: Sequence[str]


def build_report(suites: Sequence[Finished], *, root: Path, profile: str) -> Report:
    """Everything that the report files show."""
    return Report(
        suites=[_suite(suite) for suite in suites],
        provenance=Provenance(
            revision=git_revision(root), versions=versions(), command="pytest suites/", profile=profile
        ),
    )


def write_report(report: Report, folder: Path | None) -> str:
    """Write report.md, verdicts.json and outcomes.jsonl into `folder`, if there is one; returns verdicts.json."""
    if folder is not None:
        write_files(folder, report)
        write_text(folder / "report.md", report_markdown(report))
    return verdicts_json(report)


def summary_lines(verdicts: str) -> list[str]:
    """The decision and the counts of each suite, from the text of verdicts.json."""
    content = json.loads(verdicts)
    lines = []
    for suite in content["suites"]:
        claims = suite["claims"]
        counts = Counter(str(claim["status"]) for claim in claims)
        blocks = sum(claim["effect"] == str(Effect.BLOCK) for claim in claims)
        told = ", ".join(f"{counts[status]} {status}" for status in ("PASS", "INCONCLUSIVE", "FAIL") if counts[status])
        lines.append(f"{suite['suite']}: {told or 'nothing judged'}; {blocks or 'none'} blocking")
        lines += [f"{suite['suite']}: {run} could not be run: {why}" for run, why in suite["broken"].items()]
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
        )
    return SuiteReport(
        name=suite.name,
        task=task,
        cases=session.cases if runs else (),
        holdout_digest=session.holdout_digest if runs else "",
        schema_digest=digest(task.schema),
        scoring_version=SCORING_VERSION,
        runs=runs,
        claims=[_judged(claim, verdict, done) for claim, verdict, done in finished.settled],
        broken=session.broken,
        unjudged=finished.unjudged,
        incomplete=finished.incomplete,
        baseline=session.baseline,
        cost_of=lambda name, expected, given: _cost_of(task, name, expected, given),
        attribution=suite.fixture.attribution,
    )


def _judged(claim: DeclaredClaim, verdict: Verdict, done: Effect) -> JudgedClaim:
    return JudgedClaim(
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


def _cost_of(task: Task, name: str, expected: object, given: object) -> float:
    return field_cost(task.costs.fields.get(name, FieldCost()), expected, given)  # type: ignore[arg-type]


def _usd_per_1000(adapter: Adapter, table: OutcomeTable) -> float | None:
    """What 1,000 answers cost by the adapter's price; None where the price is not known."""
    answered = int((~np.isnan(table.input_tokens)).sum())
    if not answered:
        return None
    usage = Usage(input_tokens=int(np.nansum(table.input_tokens)), output_tokens=int(np.nansum(table.output_tokens)))
    total = cost_usd(adapter.price, adapter.model, usage, adapter.options.get("provider"))
    return None if total is None else 1000 * total / answered
