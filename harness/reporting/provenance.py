"""Sections of the page: what was run, and where the numbers come from."""

from __future__ import annotations

from collections.abc import Iterator

from harness.reporting.blocks import table
from harness.reporting.model import Report, SuiteReport


def digests_section(suite: SuiteReport) -> Iterator[str]:
    """Model, settings, digest and identity of every run."""
    yield "### What was run"
    yield ""
    rows = [
        [
            f"`{name}`",
            f"{run.driver}: {run.model}",
            str(run.example_count),
            str(run.strategy.decoding),
            str(run.table.shape[1]),
            f"`{run.digest[:12]}`",
            ", ".join(f"{k} {v[:12]}" for k, v in sorted(run.identity.items()) if v),
        ]
        for name, run in suite.runs.items()
    ]
    yield from table(["strategy", "model", "examples", "decoding", "repeats", "digest", "identity"], rows)
    digests = f"Holdout `{suite.holdout_digest[:12]}`, schema `{suite.schema_digest[:12]}`"
    yield f"{digests}, scoring {suite.scoring_version}."
    yield ""


def provenance_section(report: Report) -> Iterator[str]:
    """Revision and versions, and the command that makes the same report."""
    source = report.provenance
    yield "## Provenance"
    yield ""
    yield (
        f"Revision `{source.revision or 'unknown'}`; " + ", ".join(f"{k} {v}" for k, v in source.versions.items()) + "."
    )
    if source.command:
        yield ""
        yield f"To reproduce: `{source.command}`"
