"""`harness compare RUN_A RUN_B`: two stored runs case by case, in the form of a report. A is the baseline of B."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.core import gate
from harness.core.comparisons import right
from harness.core.costs import field_cost
from harness.core.errors import ClaimError, LedgerError
from harness.core.gate import Claim, Verdict, VerdictStatus
from harness.core.metrics import members, outcomes_of
from harness.core.policy import Effect, effect
from harness.core.records import BASELINE, Case, FieldCost, Measure, Slice, Stage, Task
from harness.core.scoring import SCORING_VERSION
from harness.core.wording import points, wrapped
from harness.fixtures_io.suites import Project
from harness.reporting.blocks import many
from harness.reporting.escaping import plain_line
from harness.reporting.model import AcceptedRun, JudgedClaim, Report, RunReport, SuiteReport
from harness.reporting.paired import change_in_points
from harness.runs.provenance import provenance
from harness.runs.reports import write_report
from harness.runs.settings import settings
from harness.runs.stored_runs import StoredSuite, read_run

PROFILE = "pr"
WIDTH = 100
_SHOWN = 3
_FOLDERS = ("fixtures", "adapters", "reports")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A strategy of run A and the one of run B that is held against it."""

    a: str
    b: str

    @property
    def name(self) -> str:
        return self.a if self.a == self.b else f"{self.a} → {self.b}"


def compare(
    folder_a: Path, folder_b: Path, *, pairs: Sequence[tuple[str, str]], margin: float | None, out: Path, root: Path
) -> tuple[list[str], int]:
    """Write the comparison into `out`; returns what to print, and 1 where a claim with `margin` FAILs, else 0.

    Strategies are paired by name unless `pairs` says otherwise. Raises LedgerError for folders that are no stored runs,
    that have nothing in common, or that expect different answers to the same case; ClaimError for a margin that so few
    cases can't show.
    """
    project = Project(root=root, **{k: v for k, v in settings(root).items() if k in _FOLDERS})
    run_a, run_b = read_run(folder_a, project), read_run(folder_b, project)
    common = [name for name in run_b if name in run_a]
    if not common:
        raise LedgerError(
            f"{folder_a} and {folder_b} have no suite in common: {', '.join(run_a) or 'none'} in the one, "
            f"{', '.join(run_b) or 'none'} in the other"
        )
    found = {name: _pairs(run_a[name], run_b[name], pairs) for name in common}
    used = {(pair.a, pair.b) for chosen in found.values() for pair in chosen}
    unknown = next((f"{a}={b}" for a, b in pairs if (a, b) not in used), "")
    if unknown or not used:
        raise LedgerError(_nothing_paired(run_a, run_b, common, unknown))
    suites = [
        report for name in common if found[name] for report in _suites(run_a[name], run_b[name], found[name], margin)
    ]
    command = ["harness", "compare", str(folder_a), str(folder_b)]
    command += [part for a, b in pairs for part in ("--pair", f"{a}={b}")]
    command += [] if margin is None else ["--margin", f"{margin:g}"]
    report = Report(
        suites=suites,
        provenance=provenance(root, profile=PROFILE, command=shlex.join(command)),
        compared=_decision(suites, margin),
    )
    write_report(report, out)
    lines = [report.compared, *(line for suite in suites for line in _lines(suite))]
    failed = any(claim.effect is Effect.BLOCK for suite in suites for claim in suite.claims)
    return [*lines, *(f"report: {out / name}" for name in ("report.html", "report.md"))], int(failed)


def _pairs(a: StoredSuite, b: StoredSuite, given: Sequence[tuple[str, str]]) -> list[Pair]:
    """The given pairs that a suite has, then those with one name on both sides."""
    chosen = [Pair(a=one, b=other) for one, other in given if one in a.rows and other in b.rows]
    named = {pair.b for pair in chosen} | {pair.a for pair in chosen}
    return [*chosen, *(Pair(a=name, b=name) for name in b.rows if name in a.rows and name not in named)]


def _nothing_paired(
    run_a: Mapping[str, StoredSuite], run_b: Mapping[str, StoredSuite], common: Sequence[str], unknown: str
) -> str:
    why = f"there is no pair {unknown}" if unknown else "no strategy is in both runs"
    known = [f"{name} has {', '.join(run_a[name].rows)} in A and {', '.join(run_b[name].rows)} in B" for name in common]
    return f"{why}: {'; '.join(known)}; name the two with --pair A_NAME=B_NAME"


def _suites(a: StoredSuite, b: StoredSuite, pairs: Sequence[Pair], margin: float | None) -> list[SuiteReport]:
    """A report for each pair; all their claims are settled as one family."""
    cases = [case for name, case in b.cases.items() if name in a.cases]
    if not cases:
        raise LedgerError(f"{b.name}: the two runs have no case in common")
    _same_expected(a, b, cases)
    sides = [_sides(a, b, pair, cases) for pair in pairs]
    made = [_claims(b.task, cases, *two, margin) for two in sides]
    verdicts = iter(gate.settle([claim for claims in made for _, claim in claims]))
    return [
        _suite(a, b, pair, cases, two, [_judged(two[1], measure, next(verdicts)) for measure, _ in claims])
        for pair, two, claims in zip(pairs, sides, made, strict=True)
    ]


def _same_expected(a: StoredSuite, b: StoredSuite, cases: Sequence[Case]) -> None:
    differ = [case.id for case in cases if a.cases[case.id].expected != case.expected]
    if differ:
        shown = ", ".join(differ[:_SHOWN]) + (f" and {len(differ) - _SHOWN} more" if len(differ) > _SHOWN else "")
        raise LedgerError(
            f"{b.name}: the two runs expect other answers to {many(len(differ), 'case')} ({shown}), so that what is "
            "right in one is wrong in the other; judge both on one holdout"
        )


def _sides(a: StoredSuite, b: StoredSuite, pair: Pair, cases: Sequence[Case]) -> tuple[RunReport, RunReport]:
    if a.repeats(pair.a) != b.repeats(pair.b):
        raise LedgerError(
            f"{b.name}: {pair.name} answered each case {a.repeats(pair.a)} times in A and {b.repeats(pair.b)} times in "
            "B; expected as many answers, see --gate-repeats"
        )
    return (
        a.run(pair.a, name=f"{pair.a} (A)", stage=Stage.REFERENCE, cases=cases),
        b.run(pair.b, name=f"{pair.b} (B)", stage=Stage.CANDIDATE, cases=cases),
    )


def _claims(
    task: Task, cases: Sequence[Case], before: RunReport, now: RunReport, margin: float | None
) -> list[tuple[Measure, Claim]]:
    """Accuracy of all cases and of each slice, and what errors cost; without a margin nothing blocks."""
    identical = now.digest == before.digest and now.table.same_answers(
        before.table, np.ones(len(cases), dtype=np.bool_)
    )
    name = now.strategy.name
    made: list[tuple[Measure, Claim]] = []
    for part in (None, *task.slices):
        keep = members(cases, part)
        if not keep.any():
            continue
        measure = Measure(run=name, metric="accuracy", slice=None if part is None else part.name)
        sides = [outcomes_of(side.table, task, keep, measure) for side in (now, before)]
        role, bound = _asked(part, margin)
        made.append((measure, gate.no_worse(sides[0], sides[1], bound, role=role, identical=identical)))
    measure, keep = Measure(run=name, metric="cost"), members(cases, None)
    largest = max(now.table.largest_cost, before.table.largest_cost)
    if keep.any() and largest > 0:
        sides = [outcomes_of(side.table, task, keep, measure) for side in (now, before)]
        claim = gate.cost_no_worse(sides[0], sides[1], 0.0, cost_max=largest, role="report", identical=identical)
        made.append((measure, claim))
    return made


def _asked(part: Slice | None, margin: float | None) -> tuple[str, float]:
    """Role and margin of a claim: with a margin all cases are a gate and critical slices guards."""
    if margin is None or (part is not None and not part.critical):
        return "report", 0.0
    return ("gate" if part is None else "guard"), margin


def _judged(now: RunReport, measure: Measure, verdict: Verdict) -> JudgedClaim:
    role = str(verdict.claim.role)
    return JudgedClaim(
        test=f"compare {now.strategy.name}",
        index=0,
        kind="no_worse",
        measure=measure,
        bound=verdict.claim.bound,
        role=role,
        title=str(measure),
        verdict=verdict,
        effect=effect(role, str(verdict.status), PROFILE),
        against=BASELINE,
    )


def _suite(
    a: StoredSuite,
    b: StoredSuite,
    pair: Pair,
    cases: Sequence[Case],
    sides: tuple[RunReport, RunReport],
    claims: Sequence[JudgedClaim],
) -> SuiteReport:
    before, task = sides[0], b.task
    return SuiteReport(
        name=f"{b.name}: {pair.name}",
        task=task,
        cases=cases,
        holdout_digest=b.holdout,
        schema_digest=str(b.facts["schema"]),
        scoring_version=str(b.facts["scoring"]),
        runs={side.strategy.name: side for side in sides},
        claims=claims,
        broken={},
        unjudged=(),
        incomplete=(),
        baseline=before.table,
        accepted=AcceptedRun(
            strategy=before.strategy.name, reason="run A", date="", revision="", treatment=before.treatment
        ),
        cost_of=lambda name, expected, given: _cost_of(task, name, expected, given),
        notes=_notes(a, b, len(cases)),
    )


def _cost_of(task: Task, name: str, expected: object, given: object) -> float:
    if right(task, name, expected, given):
        return 0.0
    return field_cost(task.costs.fields.get(name, FieldCost()), expected, given)  # type: ignore[arg-type]


def _notes(a: StoredSuite, b: StoredSuite, common: int) -> list[str]:
    notes = []
    if not common == len(a.cases) == len(b.cases):
        sizes = f"{len(a.cases)} in A and {len(b.cases)} in B"
        notes.append(f"compared on the {common} cases that both runs were asked, of {sizes}")
    elif a.holdout != b.holdout:
        notes.append("the holdouts have different digests, but the same cases with the same expected answers")
    others = [run for run in (*a.rows, *b.rows) if (run in a.rows) is not (run in b.rows)]
    notes += [f"in one of the runs only: {', '.join(dict.fromkeys(others))}"] if others else []
    if not {str(a.facts["scoring"]), str(b.facts["scoring"])} <= {SCORING_VERSION}:
        notes.append(f"scored by version {a.facts['scoring']} in A and {b.facts['scoring']} in B")
    return notes


def _overall(suite: SuiteReport) -> Verdict:
    overall = (c.verdict for c in suite.claims if c.measure.metric == "accuracy" and c.measure.slice is None)
    return next(overall)


def _decision(suites: Sequence[SuiteReport], margin: float | None) -> str:
    """What came of it in one sentence."""
    total = many(len(suites), "strategy", "strategies")
    if margin is not None:
        failed = [claim for suite in suites for claim in suite.claims if claim.effect is Effect.BLOCK]
        open_ones = [suite for suite in suites if _overall(suite).status is VerdictStatus.INCONCLUSIVE]
        loss = f"a loss of {points(margin)} or more"
        if failed:
            about = f"{many(len(failed), 'claim')} about {total}"
            return f"FAIL: {about}: the loss from A to B is real, and {loss} was to be excluded."
        if open_ones:
            return f"INCONCLUSIVE: {loss} from A to B can't be excluded for {len(open_ones)} of {total}."
        return f"PASS: {loss} from A to B is excluded for {total}."
    better = sum(_better(_overall(suite)) for suite in suites)
    worse = sum(_overall(suite).status is VerdictStatus.FAIL for suite in suites)
    same = len(suites) - better - worse
    return f"B beside A, {total}: {better} better, {worse} worse, {same} without a difference that these cases show."


def _better(verdict: Verdict) -> bool:
    return verdict.lower is not None and verdict.lower > 0


def _lines(suite: SuiteReport) -> list[str]:
    verdict = _overall(suite)
    told = f"{suite.name}: accuracy {change_in_points(verdict)} points, lost {verdict.losses or 0:g}, "
    told += f"gained {verdict.gains or 0:g} of {verdict.n}: {verdict.status}"
    worse = [c for c in suite.claims if c.measure.slice and c.verdict.status is VerdictStatus.FAIL]
    told += f"; worse on {', '.join(str(c.measure.slice) for c in worse)}" if worse else ""
    return wrapped(plain_line(told, limit=3 * WIDTH), width=WIDTH)


def checked_margin(text: str) -> float:
    """A margin as a command line gives it. Raises ClaimError unless it is a rate above 0."""
    try:
        margin = float(text)
    except ValueError:
        margin = -1.0
    if not 0 < margin <= 1:
        raise ClaimError(
            f"--margin is {text!r}; expected a difference of accuracies above 0, such as 0.03 for 3 points"
        )
    return margin


def checked_pair(text: str) -> tuple[str, str]:
    """A pair of strategies as a command line gives it. Raises ClaimError for another form."""
    one, sign, other = text.partition("=")
    if not (one and sign and other):
        raise ClaimError(f"--pair is {text!r}; expected A_NAME=B_NAME")
    return one, other
