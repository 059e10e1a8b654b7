"""What was done to each run since the baseline was accepted: prompt, examples, model, LoRA weights, schema, fixture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core.treatment import Change, changes_between
from harness.reporting.escaping import markdown_text, visible_line
from harness.reporting.model import RunReport, SuiteReport

DIFF_LINES, LEAST_LINES = 60, 10
"""How many lines of a difference are shown: of one, and of each of many."""
LINE = 300
DETAIL = 500


def treatment_changes(suite: SuiteReport, run: RunReport) -> list[Change] | None:
    """The kinds of change from the accepted run to this one; None where either treatment is not known."""
    if suite.accepted is None or suite.accepted.treatment is None or run.treatment is None:
        return None
    return changes_between(suite.accepted.treatment, run.treatment)


def kinds_told(suite: SuiteReport, run: RunReport) -> str:
    """The kinds of change in a few words."""
    changes = treatment_changes(suite, run)
    if changes is None:
        return "not known"
    return ", ".join(str(change.kind) for change in changes) or "nothing"


def treatment_lines(suite: SuiteReport, runs: Sequence[RunReport]) -> Iterator[str]:
    """What was done, kind by kind; runs that were changed alike are told together."""
    grouped: dict[tuple[Change, ...], list[str]] = {}
    for run in runs:
        if changes := treatment_changes(suite, run):
            grouped.setdefault(tuple(changes), []).append(f"`{run.strategy.name}`")
    for done, names in grouped.items():
        yield f"What was changed in {', '.join(names)}:"
        yield ""
        for change in done:
            yield f"- **{change.kind}**: {markdown_text(change.detail, limit=DETAIL)}"
        yield ""
        for change in done:
            if change.diff:
                yield from _diff(change.diff, most=max(DIFF_LINES // len(grouped), LEAST_LINES))


def _diff(lines: Sequence[str], *, most: int) -> Iterator[str]:
    """A fenced block that no line of it can end."""
    shown = [visible_line(line, limit=LINE) for line in lines[:most]]
    longest = max((len(run) for line in shown for run in _runs_of_ticks(line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}diff"
    yield from shown
    yield fence
    yield ""
    if len(lines) > most:
        yield f"{len(lines) - most} more lines of the difference are left out."
        yield ""


def _runs_of_ticks(line: str) -> list[str]:
    return "".join(c if c == "`" else " " for c in line).split()
