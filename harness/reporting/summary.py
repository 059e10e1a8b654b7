"""The end of a pytest run, for a terminal: the decision, what blocks with its cases, and the counts of each suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.core.policy import Effect
from harness.core.records import ANCHOR
from harness.core.wording import measured, sentence, wrapped
from harness.reporting.blocking import cases_behind
from harness.reporting.deciding import decision
from harness.reporting.escaping import plain_line
from harness.reporting.model import JudgedClaim, Report, SuiteReport

UNMET = 10
WIDTH = 100
LONGEST = 3 * WIDTH


def summary_lines(report: Report) -> list[str]:
    """Lines of at most 100 columns; gates and guards that are not met are bounded in number, those that block first."""
    several = len(report.suites) > 1
    unmet = [
        (suite, claim)
        for suite in report.suites
        for claim in suite.claims
        if claim.role != "report" and str(claim.verdict.status) != "PASS"
    ]
    blocking = [pair for pair in unmet if pair[1].effect is Effect.BLOCK]
    others = [pair for pair in unmet if pair[1].effect is not Effect.BLOCK]
    lines = [decision(report)]
    for suite, claim in blocking[:UNMET]:
        lines += [*_claim_lines(suite, claim, several=several), *_case_lines(suite, claim)]
    lines += _more(len(blocking) - UNMET, "that block")
    lines += [line for suite in report.suites for line in _suite_lines(suite)]
    shown = others[: max(0, UNMET - len(blocking))]
    for suite, claim in shown:
        lines += _claim_lines(suite, claim, several=several)
    return lines + _more(len(others) - len(shown), "that are not PASS")


def _suite_lines(suite: SuiteReport) -> Iterator[str]:
    counts = Counter(str(claim.verdict.status) for claim in suite.claims)
    blocks = sum(claim.effect is Effect.BLOCK for claim in suite.claims)
    told = ", ".join(f"{counts[status]} {status}" for status in ("PASS", "INCONCLUSIVE", "FAIL") if counts[status])
    yield f"{suite.name}: {told or 'nothing judged'}; {blocks or 'none'} blocking"
    for run, why in suite.broken.items():
        yield from wrapped(f"{suite.name}: {run} could not be run: {plain_line(why, limit=LONGEST)}", width=WIDTH)


def _claim_lines(suite: SuiteReport, claim: JudgedClaim, *, several: bool) -> list[str]:
    measure = claim.measure
    run = f"{suite.name}/{measure.run}" if several else measure.run
    subject = measured(
        measure.metric, field=measure.field, slice=measure.slice, quantile=measure.quantile, k=measure.k
    ) + (" against the anchor" if claim.against == ANCHOR else "")
    told = f"{claim.verdict.status}: {run}, {subject}: {sentence(claim.verdict)}"
    return wrapped(plain_line(told, limit=LONGEST), width=WIDTH, indent="  ")


def _case_lines(suite: SuiteReport, claim: JudgedClaim) -> list[str]:
    behind = cases_behind(suite, claim)
    return [] if behind is None else wrapped(plain_line(str(behind), limit=LONGEST), width=WIDTH, indent="    ")


def _more(count: int, what: str) -> list[str]:
    return [f"  and {count} more {what}"] if count > 0 else []
