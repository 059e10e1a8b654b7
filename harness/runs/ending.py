"""The end of a pytest run: the report's files, what a terminal shows, and what GitHub shows where it runs there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.wording import sentence
from harness.fixtures_io.suites import SUITE_FILE, Project
from harness.reporting.blocking import cases_behind
from harness.reporting.blocks import subject
from harness.reporting.deciding import decision
from harness.reporting.github import SUMMARY_BYTES, Annotation, step_summary, workflow_commands
from harness.reporting.model import Provenance, Report, SuiteReport
from harness.reporting.page import page
from harness.reporting.summary import summary_lines
from harness.runs.declared import DeclaredClaim
from harness.runs.reports import Finished, build_report, write_report


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What is said once all claims are settled: plain data, which a worker sends to its controller.

    `commands` are workflow commands of GitHub Actions, empty elsewhere. `properties` are (name, value) of the run as a
    whole, for JUnit.
    """

    verdicts: str
    decision: str
    summary: Sequence[str]
    commands: Sequence[str]
    properties: Sequence[tuple[str, str]]
    files: Sequence[str]


def end_run(
    suites: Sequence[Finished],
    source: Provenance,
    *,
    project: Project,
    folder: Path,
    write: bool,
    png_charts: bool,
    environment: Mapping[str, str],
) -> tuple[Report, Ended]:
    """Write the report if this process is the one that writes, and gather what is to be said."""
    report, root = build_report(suites, project=project, provenance=source), project.root
    verdicts = write_report(report, folder if write else None, png_charts=png_charts)
    told = [f"report: {_shown(folder / name, root)}" for name in ("report.html", "report.md")]
    if write and (target := environment.get("GITHUB_STEP_SUMMARY")):
        told += _add_summary(Path(target), report)
    commands: list[str] = []
    if environment.get("GITHUB_ACTIONS") == "true":
        workspace = Path(environment.get("GITHUB_WORKSPACE") or root)
        commands = workflow_commands(run_annotations(suites, report, root=root, workspace=workspace))
    decided = decision(report)
    ended = Ended(
        verdicts=verdicts,
        decision=decided,
        summary=summary_lines(report),
        commands=commands,
        properties=[
            ("holdfast.decision", decided),
            ("holdfast.profile", report.provenance.profile),
            *((f"holdfast.{suite.name}.{name}", value) for suite in report.suites for name, value in _facts(suite)),
        ],
        files=told,
    )
    return report, ended


def sent(ended: Ended) -> dict[str, Any]:
    """For a channel that carries plain values."""
    return {name: getattr(ended, name) for name in Ended.__slots__}


def received(values: Mapping[str, Any]) -> Ended:
    """What `sent` made plain."""
    return Ended(**values)


def broken_commands(broken: Mapping[str, str], *, root: Path, environment: Mapping[str, str]) -> list[str]:
    """Workflow commands for tests, by id, that could not state their claims, so that nothing was judged."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return []
    workspace = Path(environment.get("GITHUB_WORKSPACE") or root)
    return workflow_commands(
        [
            Annotation(
                level="error",
                file=_place(root / test.partition("::")[0], workspace),
                line=1,
                title=f"{test.partition('::')[2]} could not state its claims",
                message=why,
            )
            for test, why in sorted(broken.items())
        ]
    )


def _add_summary(target: Path, report: Report) -> list[str]:
    """Add the page to the summary of this step, which other commands of the step may have begun."""
    try:
        room = SUMMARY_BYTES - (target.stat().st_size if target.exists() else 0)
        with target.open("a", encoding="utf-8", newline="\n") as file:
            file.write(step_summary(page(report), room=room))
    except OSError as error:
        return [f"the summary of this step could not be written: {error.strerror}"]
    return []


def _facts(suite: SuiteReport) -> list[tuple[str, str]]:
    counted = [(str(effect), suite.claims) for effect in ("pass", "warn", "block")]
    counts = [(effect, str(sum(claim.effect == effect for claim in claims))) for effect, claims in counted]
    return [*counts, ("broken", str(len(suite.broken))), ("holdout", suite.holdout_digest)]


def run_annotations(suites: Sequence[Finished], report: Report, *, root: Path, workspace: Path) -> list[Annotation]:
    """Errors for what blocks, at the claim and at the prompt of its strategy; warnings for what is not met besides.

    Those that block come first, in the order of the report. Paths count from `workspace`, where the repository is.
    """
    found: list[Annotation] = []
    for finished, shown in zip(suites, report.suites, strict=True):
        folder = finished.session.suite.folder
        for run, why in shown.broken.items():
            place = _place(folder / SUITE_FILE, workspace)
            found.append(Annotation(level="error", file=place, line=1, title=f"{run} could not be run", message=why))
        for (claim, verdict, _), judged in zip(finished.settled, shown.claims, strict=True):
            if claim.role == "report" or str(verdict.status) == "PASS":
                continue
            level = "error" if judged.effect == "block" else "warning"
            title = f"{verdict.status}: {claim.measure.run}, {subject(judged).replace('`', '')}"
            behind = cases_behind(shown, judged)
            message = sentence(verdict) + ("" if behind is None else f"\n{behind}")
            prompt = folder / finished.session.strategy(claim.measure.run).prompt
            places = [(_test_file(claim, root), claim.line), *([(prompt, 1)] if level == "error" else [])]
            found += [
                Annotation(level=level, file=_place(file, workspace), line=line, title=title, message=message)  # type: ignore[arg-type]
                for file, line in places
            ]
    return sorted(found, key=lambda one: one.level)


def _test_file(claim: DeclaredClaim, root: Path) -> Path:
    return root / claim.test.partition("::")[0]


def _place(file: Path, workspace: Path) -> str:
    return _shown(file.resolve(), workspace.resolve())


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
