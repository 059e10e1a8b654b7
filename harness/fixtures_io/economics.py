"""`economics:` of task.yaml → Economics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.core.economics import Correction, Economics, ErrorCost, Fixed, Readiness, Volume
from harness.core.errors import Problem
from harness.fixtures_io.declarations import Declaration

KEY = "economics"
US_DOLLARS = "USD"


def economics_problems(declaration: Declaration) -> Iterator[Problem]:
    """What the published schema can't say: keys that need others."""
    row: dict[str, Any] | None = declaration.data.get(KEY)
    if row is None:
        return
    if "errors" not in row and "correction" not in row:
        yield declaration.problem((KEY,), "a wrong answer would cost nothing", "`errors`, `correction` or both")
    if row.get("errors") == "costs" and not declaration.data.get("costs"):
        yield declaration.problem((KEY, "errors"), "this task declares no `costs`", "`costs`, or {each: …, share: …}")
    seconds = row.get("correction", {}).get("seconds")
    if isinstance(seconds, list) and seconds[0] > seconds[1]:
        yield declaration.problem((KEY, "correction", "seconds"), f"{seconds} falls", "[shortest, longest]")
    if row["currency"] == US_DOLLARS and row.get("currency_per_usd", 1) != 1:
        yield declaration.problem((KEY, "currency_per_usd"), "the currency is US dollars", "1, or leave it out")
    if "maintenance_hourly_wage" not in row:
        for kind in ("strategies", "adapters"):
            for name, fixed in row.get(kind, {}).items():
                if fixed.get("maintenance_hours_per_month"):
                    yield declaration.problem(
                        (KEY, kind, name, "maintenance_hours_per_month"),
                        "these hours have no wage",
                        "`maintenance_hourly_wage` beside `currency`",
                    )


def read_economics(data: dict[str, Any]) -> Economics | None:
    """The economics of a checked task.yaml; None where it declares none."""
    row: dict[str, Any] | None = data.get(KEY)
    if row is None:
        return None
    per, number = next(iter(row["decisions"].items()))
    default_rate = 1.0 if row["currency"] == US_DOLLARS else None
    return Economics(
        currency=row["currency"],
        volume=Volume(number=float(number), per=per.removeprefix("per_")),
        horizon_months=float(row.get("horizon_months", 12)),
        errors=_errors(row.get("errors")),
        correction=_correction(row.get("correction")),
        currency_per_usd=row.get("currency_per_usd", default_rate),
        machine_per_hour=float(row.get("machine_per_hour", 0)),
        maintenance_hourly_wage=float(row.get("maintenance_hourly_wage", 0)),
        strategies=_fixed(row.get("strategies", {})),
        adapters=_fixed(row.get("adapters", {})),
        today=row.get("today"),
        readiness=Readiness(**row.get("readiness", {})),
    )


def _errors(row: str | dict[str, Any] | None) -> ErrorCost | str | None:
    if not isinstance(row, dict):
        return row
    return ErrorCost(each=float(row["each"]), share=float(row.get("share", 1)))


def _correction(row: dict[str, Any] | None) -> Correction | None:
    if row is None:
        return None
    seconds = row["seconds"]
    shortest, longest = seconds if isinstance(seconds, list) else (seconds, seconds)
    return Correction(
        seconds=(float(shortest), float(longest)),
        hourly_wage=float(row["hourly_wage"]),
        share=float(row.get("share", 1)),
    )


def _fixed(rows: dict[str, dict[str, Any]]) -> dict[str, Fixed]:
    return {name: Fixed(**{key: float(value) for key, value in row.items()}) for name, row in rows.items()}
