"""A section of report.md: what shows that each strategy's treatment reached its model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.reporting.blocks import table
from harness.reporting.escaping import markdown_text
from harness.reporting.model import RunReport

_DETAIL = 400


def proofs_section(runs: Mapping[str, RunReport]) -> Iterator[str]:
    """Every proof of every run; nothing where there is nothing to prove."""
    rows = [
        [f"`{name}`", markdown_text(proof.name), proof.status, markdown_text(proof.detail, limit=_DETAIL)]
        for name, run in runs.items()
        for proof in run.proofs or ()
    ]
    unknown = [f"`{name}`" for name, run in runs.items() if run.proofs is None]
    if not rows and not unknown:
        return
    yield "### Proof of treatment"
    yield ""
    if rows:
        yield from table(["strategy", "proof", "status", "seen"], rows)
    if unknown:
        yield f"Not known of {', '.join(unknown)}: all answers were stored, and no proofs with them."
        yield ""
