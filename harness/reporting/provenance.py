"""Sections of the page: what was run, and where the numbers come from."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.reporting.blocks import table
from harness.reporting.escaping import markdown_code, markdown_text
from harness.reporting.model import Report, SuiteReport

TOKENS = ("input_tokens", "output_tokens")


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
    """Revision, versions and machine, what the run took, and the command that makes the same report."""
    source = report.provenance
    yield "## Provenance"
    yield ""
    yield (
        f"Revision `{source.revision or 'unknown'}`; " + ", ".join(f"{k} {v}" for k, v in source.versions.items()) + "."
    )
    if source.hardware:
        yield f"Judged on {markdown_text(source.hardware)}."
    if effort := effort_line(report):
        yield effort
    if source.command:
        yield ""
        yield f"To reproduce: {markdown_code(source.command, limit=500)}"


def effort_line(report: Report) -> str:
    """What the run took, the one line that differs between equal runs; "" where that is not known."""
    taken = report.provenance.effort
    if taken is None:
        return ""
    calls = "1 call" if taken.calls == 1 else f"{taken.calls:,} calls"
    told = f"The run took {taken.seconds:,.1f} s: {calls}, {taken.stored:,} answers from the ledger"
    return f"{told}; {_tokens(report)}."


def _tokens(report: Report) -> str:
    """Of all answers, whenever they were made."""
    tables = [run.table for suite in report.suites for run in suite.runs.values()]
    read, written = (sum(np.nansum(getattr(table, name)) for table in tables) for name in TOKENS)
    return f"all answers together are {read:,.0f} tokens read and {written:,.0f} written"
