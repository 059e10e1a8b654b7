"""report.md: the verdict first, then the strategies, the slices, what cost most, and where it all comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.core.metrics import Rates, confusions, costly, dearest_errors, members, rates
from harness.core.policy import Effect
from harness.core.prompting import inputs_text
from harness.core.records import Answer, Case, ParseMode, Stage, Status
from harness.core.schemas import label_text
from harness.core.statistics import wilson_interval
from harness.core.tables import MISSING, STATUSES
from harness.core.wording import sentence
from harness.reporting.again import asked_again_section
from harness.reporting.blocks import subject, table
from harness.reporting.budgets import what_cases_can_tell
from harness.reporting.changes import changes
from harness.reporting.consistency import consistency_section
from harness.reporting.early import early_markdown
from harness.reporting.escaping import markdown_code, markdown_text
from harness.reporting.model import JudgedClaim, Report, RunReport, SuiteReport
from harness.reporting.proofs import proofs_section
from harness.reporting.selftest import selftest_markdown

CONFIDENCE = 0.95
WORST = 8
PAIRS = 10


def report_markdown(report: Report) -> str:
    """The whole page."""
    lines = [*_head(report)]
    for suite in report.suites:
        lines += _suite(suite)
    lines += _provenance(report)
    return "\n".join(lines).rstrip() + "\n"


def decision(report: Report) -> str:
    """The decision in one sentence."""
    blocks, warns = report.count(Effect.BLOCK), report.count(Effect.WARN)
    met = report.count(Effect.PASS)
    if report.broken:
        return f"BLOCKED: {_many(len(report.broken), 'strategy', 'strategies')} could not be run."
    if blocks:
        return f"BLOCKED: {_many(blocks, 'claim')} not met."
    if not met and not warns:
        return "NOTHING JUDGED: no claim was settled."
    if any(suite.incomplete for suite in report.suites):
        return f"INCOMPLETE, not a passed gate: no claim blocks, {_many(met, 'claim')} met."
    rest = f"; {_many(warns, 'claim')} not met or not settled that may not block" if warns else ""
    return f"PASS: no claim blocks, {_many(met, 'claim')} met{rest}."


def _head(report: Report) -> Iterator[str]:
    yield "# Holdfast report"
    yield ""
    yield f"**{decision(report)}** Profile `{report.provenance.profile}`."
    yield ""
    for name, why in report.broken.items():
        yield f"- `{name}` could not be run: {markdown_text(why, limit=500)}"
    blocking = [c for suite in report.suites for c in suite.claims if c.effect is Effect.BLOCK]
    for claim in blocking:
        yield f"- **{claim.verdict.status}** {_claim_line(claim)}"
    open_claims = [c for suite in report.suites for c in suite.claims if c.effect is Effect.WARN and c.role != "report"]
    for claim in open_claims:
        yield f"- {claim.verdict.status} {_claim_line(claim)}"
    notes = [line for suite in report.suites for line in (*suite.incomplete, *suite.unjudged)]
    for note in notes:
        yield f"- {markdown_text(note, limit=300)}"
    if report.broken or blocking or open_claims or notes:
        yield ""


def _claim_line(claim: JudgedClaim) -> str:
    return f"`{claim.measure.run}`, {sentence(claim.verdict, subject=subject(claim))}"


def _suite(suite: SuiteReport) -> Iterator[str]:
    natural = members(suite.cases, None)
    supplement = len(suite.cases) - int(natural.sum())
    yield f"## {suite.name}"
    yield ""
    extra = f" and {supplement} more that count for their slices only" if supplement else ""
    yield f"{int(natural.sum())} holdout cases{extra}."
    if suite.attribution:
        yield f"Data: {markdown_text(suite.attribution)}."
    yield ""
    if not suite.runs:
        return
    yield "### Strategies"
    yield ""
    yield from _strategies(suite, natural)
    yield from early_markdown(suite.runs)
    yield from _fields(suite, natural)
    yield from _unusable(suite)
    yield from consistency_section(suite.runs, natural)
    yield from _slices(suite)
    claims = [c for c in suite.claims if suite.runs[c.measure.run].strategy.stage is not Stage.REFERENCE]
    yield from _claims(suite, claims)
    yield from what_cases_can_tell(claims)
    if suite.selftest is not None:
        yield from selftest_markdown(suite.selftest)
    yield from changes(suite, natural)
    yield from asked_again_section(suite)
    shown = _most_important(suite)
    yield from _confusions(suite, shown, natural)
    yield from _worst(suite, shown)
    yield from proofs_section(suite.runs)
    yield from _digests(suite)


def _strategies(suite: SuiteReport, natural: NDArray[np.bool_]) -> Iterator[str]:
    rows = []
    for name, run in suite.runs.items():
        found = rates(run.table, suite.task, natural)
        rows.append(
            [
                f"`{name}`",
                str(run.strategy.stage),
                _share(found.correct, found),
                _share(found.valid, found),
                _share(found.costly, found),
                f"{found.cost_per_1000:,.0f}",
                "?" if run.usd_per_1000 is None else f"{run.usd_per_1000:,.2f}",
                *_latency(run),
            ]
        )
    head = ["strategy", "stage", "accuracy", "format validity", "costly errors"]
    yield from table([*head, "cost of errors per 1,000", "US$ per 1,000 answers", "latency p50", "p95"], rows)
    yield "Rates with 95% Wilson intervals; accuracy is all decision fields right."
    loose = [f"`{n}` ({r.strategy.parse})" for n, r in suite.runs.items() if r.strategy.parse is not ParseMode.STRICT]
    if loose:
        yield f"Not parsed strictly: {', '.join(loose)}."
    reviewed = {n: r.table.count(Status.REVIEW) for n, r in suite.runs.items() if r.table.count(Status.REVIEW)}
    if reviewed:
        yield "Sent to a person: " + ", ".join(f"`{n}` {count}" for n, count in reviewed.items()) + "."
    yield ""


def _latency(run: RunReport) -> list[str]:
    known = run.table.latency_s[~np.isnan(run.table.latency_s)]
    if not known.size:
        return ["–", "–"]
    return [_seconds(float(np.quantile(known, q))) for q in (0.5, 0.95)]


def _seconds(value: float) -> str:
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def _share(k: int, found: Rates) -> str:
    answered = found.answered
    if not answered:
        return "–"
    low, high = wilson_interval(k, answered, CONFIDENCE)
    return f"{100 * k / answered:.1f}% ({100 * low:.1f}–{100 * high:.1f})"


def _fields(suite: SuiteReport, natural: NDArray[np.bool_]) -> Iterator[str]:
    rows = []
    for name, run in suite.runs.items():
        found = rates(run.table, suite.task, natural)
        rows.append(
            [f"`{name}`", *(_percent(found.field_correct[f], found.answered) for f in suite.task.decision_fields)]
        )
    if len(suite.task.decision_fields) > 1:
        yield "### Field by field"
        yield ""
        yield from table(["strategy", *(f"`{f}`" for f in suite.task.decision_fields)], rows)


def _percent(k: int, n: int) -> str:
    return f"{100 * k / n:.1f}%" if n else "–"


def _unusable(suite: SuiteReport) -> Iterator[str]:
    rows = []
    for name, run in suite.runs.items():
        kinds: dict[str, Counter[str]] = {"invalid": Counter(), "error": Counter()}
        asked = run.table.status != MISSING if run.early is not None else True
        for row, col in np.argwhere(~run.table.valid & asked).tolist():
            code = int(run.table.status[row, col])
            status = "missing" if code == MISSING else str(STATUSES[code])
            kinds.setdefault(status, Counter())[run.table.problems[row][col] or status] += 1
        for status, counter in kinds.items():
            rows += [[f"`{name}`", status, kind.replace("_", " "), str(n)] for kind, n in counter.most_common()]
    if rows:
        yield "### Answers that can't be used"
        yield ""
        yield "They count as wrong, at their case's maximum cost."
        yield ""
        yield from table(["strategy", "status", "kind", "answers"], rows)


def _slices(suite: SuiteReport) -> Iterator[str]:
    for critical, title in ((True, "Critical slices"), (False, "Other slices")):
        parts = [part for part in suite.task.slices if part.critical is critical]
        if not parts:
            continue
        yield f"### {title}"
        yield ""
        rows = []
        for part in parts:
            keep = members(suite.cases, part)
            cells = [f"`{part.name}`", str(int(keep.sum()))]
            for run in suite.runs.values():
                found = rates(run.table, suite.task, keep)
                cells.append(f"{_percent(found.correct, found.answered)} / {_percent(found.costly, found.answered)}")
            rows.append(cells)
        yield from table(["slice", "cases", *(f"`{name}`" for name in suite.runs)], rows)
        yield "Accuracy / costly errors."
        yield ""


def _claims(suite: SuiteReport, claims: Sequence[JudgedClaim]) -> Iterator[str]:
    if not claims:
        return
    yield "### Claims"
    yield ""
    if len(claims) < len(suite.claims):
        yield "Those about references, which never block, are in `verdicts.json`."
        yield ""
    rows = [
        [
            f"`{claim.measure.run}`",
            subject(claim),
            _asked(claim),
            str(claim.verdict.status),
            claim.role,
            sentence(claim.verdict).replace("|", "\\|"),
        ]
        for claim in claims
    ]
    yield from table(["strategy", "claim", "asked", "verdict", "role", "why"], rows)


def _asked(claim: JudgedClaim) -> str:
    if claim.kind == "never" or claim.bound is None:
        return "none"
    if claim.against is not None:
        worse = "rise" if claim.measure.metric == "cost" else "loss"
        return f"{worse} < {claim.bound:g}"
    sign = "≥" if claim.kind == "at_least" else "≤"
    return f"{sign} {claim.bound:g}" + (" s" if claim.measure.metric == "latency" else "")


def _most_important(suite: SuiteReport) -> str:
    """The run whose errors are shown: the shipped one if it was run, else the last."""
    shipped = [name for name, run in suite.runs.items() if run.strategy.stage is Stage.SHIPPED]
    return shipped[0] if shipped else list(suite.runs)[-1]


def _confusions(suite: SuiteReport, name: str, natural: NDArray[np.bool_]) -> Iterator[str]:
    found = confusions(suite.runs[name].table, suite.cases, natural, suite.cost_of)[:PAIRS]
    if not found:
        return
    yield f"### What `{name}` confuses at the highest cost"
    yield ""
    rows = [
        [f"`{c.field}`", markdown_code(c.expected), markdown_code(c.answered), str(c.count), f"{c.cost:,.0f}"]
        for c in found
    ]
    yield from table(["field", "right", "answered", "times", "cost"], rows)


def _worst(suite: SuiteReport, name: str) -> Iterator[str]:
    outcomes = suite.runs[name].table
    dear = int(costly(outcomes, suite.task).any(axis=1).sum())
    worst = dearest_errors(outcomes, np.ones(len(suite.cases), dtype=np.bool_), WORST)
    if not worst:
        return
    yield f"### Worst cases of `{name}`"
    yield ""
    yield f"{dear} of {len(suite.cases)} cases, supplement included, hold a costly error. The dearest:"
    yield ""
    for row, cost in worst:
        case, repeat = suite.cases[row], outcomes.first_wrong(row)
        answer = outcomes.answers[row][repeat]
        yield f"- `{case.id}`, cost {cost:g}: {_difference(suite, case, answer or {})}"
        if answer is None:
            yield f"  (no usable answer: {markdown_text(outcomes.problems[row][repeat])})"
        yield f"  > {markdown_text(inputs_text(case.inputs))}"
    yield ""


def _difference(suite: SuiteReport, case: Case, answer: Answer) -> str:
    expected = case.expected
    parts = [
        f"`{f}` is {markdown_code(label_text(expected[f]))}, answered {markdown_code(label_text(answer.get(f)))}"
        for f in suite.task.decision_fields
        if answer.get(f) != expected[f]
    ]
    return "; ".join(parts)


def _digests(suite: SuiteReport) -> Iterator[str]:
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


def _provenance(report: Report) -> Iterator[str]:
    source = report.provenance
    yield "## Provenance"
    yield ""
    yield (
        f"Revision `{source.revision or 'unknown'}`; " + ", ".join(f"{k} {v}" for k, v in source.versions.items()) + "."
    )
    if source.command:
        yield ""
        yield f"To reproduce: `{source.command}`"


def _many(n: int, one: str, more: str | None = None) -> str:
    return f"{n} {one if n == 1 else more or one + 's'}"
