"""Strategies with chosen errors, for tests of what they cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.core.costing import Accounts, Arm
from harness.core.economics import Economics, ErrorCost, Volume
from harness.core.records import Case, Outcome, Response, Status
from harness.core.tables import TableBuilder

LARGEST = 60.0


def arm(
    name: str,
    costs: Sequence[float],
    *,
    adapter: str = "model",
    usd_per_1000: float | None = 0.0,
    machine_s: float | None = None,
    statuses: Sequence[Status] | None = None,
    clusters: Sequence[str | None] | None = None,
    missing: Sequence[int] = (),
) -> Arm:
    """A strategy with an answer per case: right where its cost is 0, wrong where it is not, unless `statuses` tell."""
    cases = [
        Case(id=f"c{i:05d}", inputs={"text": "x"}, expected={"kind": "a"}, cluster=clusters[i] if clusters else None)
        for i in range(len(costs))
    ]
    builder = TableBuilder(cases=cases, repeats=1, decision_fields=("kind",), largest_cost=LARGEST)
    for i, cost in enumerate(costs):
        if i in missing:
            continue
        status = statuses[i] if statuses else Status.WRONG if cost else Status.CORRECT
        valid = status in (Status.CORRECT, Status.WRONG, Status.REVIEW)
        builder.add(
            Outcome(
                case_id=cases[i].id,
                repeat=0,
                status=status,
                fields={"kind": status is Status.CORRECT},
                cost=cost,
                valid=valid,
                answer={"kind": "a" if status is Status.CORRECT else "b"} if valid else None,
            ),
            Response(text="", latency_s=0.1),
        )
    return Arm(name=name, adapter=adapter, table=builder.finish(), usd_per_1000=usd_per_1000, machine_s=machine_s)


def wrong(name: str, which: Sequence[int], n: int, **changes: object) -> Arm:
    """A strategy that is wrong in these of `n` cases."""
    return arm(name, [float(i in set(which)) for i in range(n)], **changes)  # type: ignore[arg-type]


def accounts(*arms: Arm, today: str | None = None, **economics: object) -> Accounts:
    """Of errors at 100 each and 1,000 decisions a month, unless `economics` say otherwise."""
    declared = {"currency": "EUR", "volume": Volume(number=1000), "errors": ErrorCost(each=100), **economics}
    keep = np.ones(len(arms[0].table.case_ids), dtype=np.bool_)
    return Accounts(Economics(**declared), arms, keep, today)  # type: ignore[arg-type]
