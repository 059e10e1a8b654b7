"""A small suite that is really scored, measured and settled, for tests of what reports show of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.costs import field_cost
from harness.core.metrics import members, outcomes_of
from harness.core.policy import effect
from harness.core.records import (
    BASELINE,
    Case,
    Costs,
    Failure,
    FieldCost,
    Measure,
    Response,
    Slice,
    Stage,
    Strategy,
    Task,
    Usage,
)
from harness.core.scoring import SCORING_VERSION, Scorer
from harness.core.tables import OutcomeTable, TableBuilder
from harness.reporting.model import Provenance, Report, RunReport, SuiteReport
from harness.runs.declared import DeclaredClaim
from harness.runs.reports import judged_claims
from harness.runs.settling import settle

TASK = Task(
    name="kitchen",
    schema={
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "loud"],
        "properties": {"kind": {"type": "string"}, "loud": {"type": "boolean"}},
    },
    decision_fields=("kind", "loud"),
    slices=(
        Slice(name="loud_ones", where={"loud": (True,)}, critical=True),
        Slice(name="marked", tag="mark"),
    ),
    costs=Costs(
        invalid=25, review=3, fields={"kind": FieldCost(default=4), "loud": FieldCost(missed=30)}, costly_at_least=20
    ),
)
CASES = tuple(
    Case(
        id=f"c{i:02d}",
        inputs={"text": f"text of case {i}"},
        expected={"kind": "hot_soup" if i % 2 else "green_tea", "loud": i % 4 == 0},
        tags=("mark",) if i < 3 else (),
        supplement=i >= 40,
    )
    for i in range(44)
)

Answerer = Callable[[Case], Response | Failure]


def right(case: Case) -> Response:
    loud = "true" if case.expected["loud"] else "false"
    return Response(
        text=f'{{"kind": "{case.expected["kind"]}", "loud": {loud}}}',
        latency_s=0.012,
        usage=Usage(input_tokens=10, output_tokens=5),
        confidence={"kind": 0.9, "loud": 0.4 if case.id == "c39" else 0.9},
    )


def wrong_below(number: int, kind: str = "red_wine") -> Answerer:
    """Answers `kind` in the cases before `number`, and right in the others."""

    def answer(case: Case) -> Response:
        reply = right(case)
        if int(case.id[1:]) >= number:
            return reply
        return Response(text=reply.text.replace(str(case.expected["kind"]), kind), latency_s=reply.latency_s)

    return answer


def table(answer: Answerer | None, cases: Sequence[Case] = CASES, **scoring: Any) -> OutcomeTable:
    """The outcomes of an answerer; of None, for whom every answer is missing."""
    return repeated([answer], cases, **scoring)


def repeated(answers: Sequence[Answerer | None], cases: Sequence[Case] = CASES, **scoring: Any) -> OutcomeTable:
    """The outcomes of as many repeats as there are answerers."""
    scorer = Scorer(TASK, **scoring)
    builder = TableBuilder(cases=cases, repeats=len(answers), decision_fields=TASK.decision_fields, largest_cost=60)
    for repeat, answer in enumerate(answers):
        for case in cases if answer is not None else ():
            reply = answer(case)
            builder.add(scorer.score(case, repeat, reply), reply)
    return builder.finish()


def at_least(run: str, bound: float, *, role: str = "gate", **measure: Any) -> DeclaredClaim:
    found = Measure(run=run, **({"metric": "accuracy"} | measure))
    return DeclaredClaim(
        test="suites/kitchen/test_k.py::test", index=0, kind="at_least", measure=found, bound=bound, role=role
    )


def no_worse(run: str, margin: float, *, role: str = "gate", metric: str = "accuracy") -> DeclaredClaim:
    """Against the baseline, for which the run `base` stands."""
    return DeclaredClaim(
        test="suites/kitchen/test_k.py::test_paired",
        index=0,
        kind="no_worse",
        measure=Measure(run=run, metric=metric),
        baseline=Measure(run=BASELINE, metric=metric),
        bound=margin,
        role=role,
    )


def never(run: str, metric: str, *, role: str = "gate", **measure: Any) -> DeclaredClaim:
    found = Measure(run=run, metric=metric, **measure)
    return DeclaredClaim(test="suites/kitchen/test_k.py::test_never", index=0, kind="never", measure=found, role=role)


def _kept(task: Task, cases: Sequence[Case], measure: Measure) -> NDArray[np.bool_]:
    return members(cases, task.slice(measure.slice) if measure.slice else None)


def suite_report(
    runs: Mapping[str, OutcomeTable],
    claims: Sequence[DeclaredClaim] = (),
    *,
    cases: Sequence[Case] = CASES,
    task: Task = TASK,
    profile: str = "pr",
    broken: Mapping[str, str] | None = None,
    strategies: Mapping[str, Mapping[str, Any]] | None = None,
    **changes: Any,
) -> SuiteReport:
    """One suite with these runs; the last of them is shipped, the others are candidates unless `strategies` says so."""
    accepted = runs.get("base")
    tables = runs if accepted is None else {**runs, BASELINE: accepted}
    verdicts = settle(claims, lambda m: outcomes_of(tables[m.run], task, _kept(task, cases, m), m), lambda m: 60.0)
    judged = judged_claims(
        [
            (claim, verdict, effect(claim.role, str(verdict.status), profile))
            for claim, verdict in zip(claims, verdicts, strict=True)
        ]
    )
    names = list(runs)
    reports = {
        name: RunReport(
            strategy=Strategy(
                **{
                    "name": name,
                    "stage": Stage.SHIPPED if name == names[-1] else Stage.CANDIDATE,
                    "adapter": "rules",
                    "prompt": "p.md",
                    **(strategies or {}).get(name, {}),
                }
            ),
            driver="python",
            model="rules.py:answer",
            identity={"python": "1", "source": "ab" * 32},
            digest="cd" * 32,
            table=runs[name],
            usd_per_1000=0.0,
        )
        for name in names
    }
    return SuiteReport(
        **{
            "name": "kitchen",
            "task": task,
            "cases": cases,
            "holdout_digest": "12" * 32,
            "schema_digest": "34" * 32,
            "scoring_version": SCORING_VERSION,
            "runs": reports,
            "claims": judged,
            "broken": broken or {},
            "unjudged": (),
            "incomplete": (),
            "baseline": None,
            "cost_of": lambda field, expected, given: field_cost(TASK.costs.fields[field], expected, given),
            **changes,
        }
    )


def report(*suites: SuiteReport, profile: str = "pr") -> Report:
    source = Provenance(
        revision="abc123", versions={"holdfast": "0", "numpy": "2"}, command="pytest suites/", profile=profile
    )
    return Report(suites=suites, provenance=source)
