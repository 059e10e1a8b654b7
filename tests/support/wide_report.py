"""A report as wide as they come: 12 strategies and 40 slices, with claims on all of them."""

from __future__ import annotations

from dataclasses import replace

from support.small_report import TASK, Answerer, at_least, no_worse, report, right, suite_report, table

from harness.core.economics import Economics, ErrorCost, Volume
from harness.core.records import Case, Slice, Stage
from harness.reporting.model import Report

STRATEGIES, SLICES, CASES = 12, 40, 400
MONEY = Economics(currency="EUR", volume=Volume(number=10_000), errors=ErrorCost(each=100))


def _name(number: int) -> str:
    return f"few_shot_with_reasoning_{number}"


def wide_task():
    parts = tuple(Slice(name=f"slice_of_a_kind_{i}", tag=f"tag{i}", critical=i < 20) for i in range(SLICES))
    return replace(TASK, slices=parts)


def wide_cases() -> list[Case]:
    return [
        Case(
            id=f"case-{i:04d}",
            inputs={"text": f"text of case {i}, " + "which goes on for a while, " * 8},
            expected={"kind": f"kind_{i % 12}", "loud": i % 4 == 0},
            tags=tuple(f"tag{n}" for n in range(SLICES) if i % (n + 2) == 0 or i % SLICES == n),
        )
        for i in range(CASES)
    ]


def _sometimes_wrong(every: int) -> Answerer:
    def answer(case: Case):
        number = int(case.id.split("-")[1])
        reply = right(case)
        return replace(reply, text=reply.text.replace("kind_", "kind_1")) if number % every == 0 else reply

    return answer


def wide_report(*, worst: int = 3) -> Report:
    """Strategy number i answers every (`worst` + i)th case wrong; claims on accuracy, of all and of every slice."""
    cases, names = wide_cases(), [_name(i) for i in range(STRATEGIES)]
    runs = {name: table(_sometimes_wrong(worst + i), cases) for i, name in enumerate(names)}
    runs = {"base": table(_sometimes_wrong(40), cases), **runs}
    claims = []
    for name in names:
        claims += [at_least(name, 0.8), at_least(name, 0.9, metric="format_validity"), no_worse(name, 0.05)]
        claims += [
            replace(at_least(name, 0.5, slice=f"slice_of_a_kind_{i}", role="guard"), index=i) for i in range(SLICES)
        ]
    stages = {name: {"stage": Stage.CANDIDATE} for name in names} | {"base": {"stage": Stage.REFERENCE}}
    told = {"strategies": stages, "task": wide_task(), "baseline": runs["base"], "economics": MONEY}
    return report(suite_report(runs, claims, cases=cases, **told))
