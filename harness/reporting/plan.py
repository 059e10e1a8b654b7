"""The table of a dry run, for a terminal of 100 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tabulate import tabulate

from harness.core.records import Price, Usage
from harness.core.wording import dollars, wrapped
from harness.reporting.escaping import plain_line

WIDTH = 100
NAME = 30
MILLIONS_FROM = 10**9
RULE = (
    "≈ is an estimate: one input token for 4 bytes of the messages (4 characters of English), and the output tokens of "
    "what the ledger knows of that strategy, else of its adapter. ≤ is an upper limit: the declared max_tokens. "
    "No call was made, no test was run, and nothing was judged."
)

MOST = "max_tokens"


@dataclass(slots=True, kw_only=True)
class Tally:
    """Calls with their tokens; `price` None is one that is not known."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    price: Price | None = None

    def add(self, usage: Usage) -> None:
        """One more call."""
        self.calls += 1
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens

    @property
    def usd(self) -> float | None:
        """What they cost; None where the price is not known."""
        if self.price is None:
            return None
        by_million = (
            self.input_tokens * self.price.input_per_million + self.output_tokens * self.price.output_per_million
        )
        return by_million / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRun:
    """One strategy of a dry run.

    `problem` says what can't be known of it, `output_by` where its expected output is from, `shared_with` which
    earlier strategy asks the same.
    """

    name: str
    stored: Tally = field(default_factory=Tally)
    missing: Tally = field(default_factory=Tally)
    output_by: str = ""
    shared_with: str = ""
    problem: str = ""


def plan_table(runs: Sequence[PlannedRun], *, asking: int, max_cost: float | None) -> list[str]:
    """The lines that a dry run prints. `asking` tests were not counted; `max_cost` is the limit of a run, in US$."""
    if not runs:
        return ["dry run: no claim was declared, so nothing would be asked for one", *_not_counted(asking)]
    head = ["strategy", "calls", "tokens in", "tokens out", "US$", "output by"]
    rows = [row for run in runs for row in _rows(run)] + _total(runs)
    table = tabulate(rows, headers=head, colalign=("left", *["right"] * 4, "left"), disable_numparse=True)
    notes = [*_notes(runs), *_limit(runs, max_cost), *_not_counted(asking)]
    return [*map(str.rstrip, table.splitlines()), "", *notes]


def _rows(run: PlannedRun) -> Iterator[list[str]]:
    yield [run.name if len(run.name) <= NAME else run.name[: NAME - 1] + "…", "", "", "", "", ""]
    if run.stored.calls:
        yield ["· in the ledger", *_cells(run.stored), ""]
    if run.missing.calls:
        made = "· to be made, at most" if run.problem else "· to be made"
        yield [made, *_cells(run.missing, sign="≤" if run.output_by == MOST else "≈"), run.output_by]
    elif run.problem:
        yield ["· not known", "", "", "", "", ""]


def _total(runs: Sequence[PlannedRun]) -> list[list[str]]:
    stored, missing = _sum([run.stored for run in runs]), _sum([run.missing for run in runs])
    sign = "≤" if any(run.output_by == MOST and run.missing.calls for run in runs) else "≈"
    return [
        ["total", "", "", "", "", ""],
        ["· in the ledger", *_cells(stored), ""],
        ["· to be made", *_cells(missing, sign=sign), ""],
    ]


def _sum(tallies: Sequence[Tally]) -> _Sum:
    used = [tally for tally in tallies if tally.calls]
    costs = [tally.usd for tally in used]
    return _Sum(
        calls=sum(t.calls for t in used),
        input_tokens=sum(t.input_tokens for t in used),
        output_tokens=sum(t.output_tokens for t in used),
        usd=None if None in costs else sum(usd for usd in costs if usd is not None),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sum:
    calls: int
    input_tokens: int
    output_tokens: int
    usd: float | None


def _cells(tally: Tally | _Sum, *, sign: str = "") -> list[str]:
    """`sign` stands before output tokens and cost that are no more than expected; input tokens are then ≈."""
    if not tally.calls:
        return ["0", "", "", ""]
    usd = "not known" if tally.usd is None else f"{sign if tally.usd else ''}{dollars(tally.usd)}"
    about = "≈" if sign else ""
    return [f"{tally.calls:,}", about + _tokens(tally.input_tokens), sign + _tokens(tally.output_tokens), usd]


def _tokens(number: int) -> str:
    return f"{number:,}" if number < MILLIONS_FROM else f"{number / 1e6:,.0f} M"


def _notes(runs: Sequence[PlannedRun]) -> Iterator[str]:
    yield from wrapped(RULE, width=WIDTH)
    problems: dict[str, list[str]] = {}
    for run in runs:
        if run.shared_with:
            yield from wrapped(f"{run.name} asks what {run.shared_with} asks; counted there", width=WIDTH)
        if run.problem:
            problems.setdefault(run.problem, []).append(run.name)
    for problem, names in problems.items():
        yield from wrapped(plain_line(f"{', '.join(names)}: {problem}", limit=4 * WIDTH), width=WIDTH)


def _limit(runs: Sequence[PlannedRun], max_cost: float | None) -> Iterator[str]:
    usd = _sum([run.missing for run in runs]).usd
    if max_cost is not None and usd is not None and usd > max_cost:
        yield f"this is more than --gate-max-cost {max_cost:g}: the run may stop on the way"


def _not_counted(asking: int) -> Iterator[str]:
    if asking:
        tests = "1 test that asks" if asking == 1 else f"{asking} tests that may ask"
        yield f"not counted: {tests} by `run` without `gate`"
