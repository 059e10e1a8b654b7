"""What stopping early saved: for the page and for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.core.wording import wrapped
from harness.reporting.model import EarlyStopped, RunReport

NAMED = 3
WIDTH = 100


def early_lines(suite: str, stopped: Mapping[str, EarlyStopped]) -> list[str]:
    """A line per run that could be stopped."""
    lines = (f"{suite}: {run} asked {_words(how)}" for run, how in stopped.items())
    return [part for line in lines for part in wrapped(line, width=WIDTH)]


def early_markdown(runs: Mapping[str, RunReport]) -> Iterator[str]:
    """The paragraph under the strategies; nothing where every case was asked for on purpose."""
    stopped = {name: run.early for name, run in runs.items() if run.early is not None}
    if not stopped:
        return
    for name, how in stopped.items():
        yield f"- `{name}`: stopped early, asked {_words(how)}."
    yield ""
    yield (
        "The cases came in the order of their hashes until every claim that may block was settled. Verdicts by the "
        "rule `anytime`, and their bounds, are anytime-valid: they may be looked at after every case. The rates of "
        "these strategies in the tables are of the cases asked."
    )
    yield ""


def _words(how: EarlyStopped) -> str:
    calls = "1 model call" if how.saved == 1 else f"{how.saved} model calls"
    more = f" and {len(how.last) - NAMED} more" if len(how.last) > NAMED else ""
    last = f"; the last cases were for {', '.join(how.last[:NAMED])}{more}" if how.last else ""
    return f"{how.asked} of {how.cases} cases, {calls} saved{last}"
