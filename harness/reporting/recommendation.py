"""The section of report.md that says what to use and why, and all figures about money as plain data."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from harness.core.costing import Accounts
from harness.core.kinds import Kind
from harness.core.metrics import members
from harness.core.readiness import Basis, Check, Subject, checks
from harness.core.recommending import Recommendation, dominated_sentence, recommend
from harness.core.treatment import LORA
from harness.core.verdicts import Verdict
from harness.reporting.ceiling import prompt_ceilings
from harness.reporting.economics import accounts_of, compared, standings_of, stopped_early
from harness.reporting.escaping import markdown_text
from harness.reporting.model import SuiteReport

DIGITS = 9


def recommendation_of(suite: SuiteReport, accounts: Accounts, *, ceiling: str | None = None) -> Recommendation | None:
    """What to use; None where no strategy has known costs. `ceiling` as in `harness.core.readiness.checks`."""
    keep = members(suite.cases, None)
    subjects = {
        name: Subject(
            strategy=run.strategy,
            table=run.table,
            trained=any(run.identity.get(part) for part in LORA),
            prompted=run.driver != "python",
            target=_target(suite, name),
        )
        for name, run in suite.runs.items()
    }
    return recommend(
        accounts,
        standings_of(suite),
        checks(subjects, suite.cases, keep, accounts, suite.pool, ceiling=ceiling),
        withheld=_withheld(suite),
    )


def _withheld(suite: SuiteReport) -> str:
    """Why nothing can be recommended; "" where nothing stands against it."""
    if suite.incomplete or suite.unjudged:
        return "not all claims were judged, so no strategy is known to meet every gate"
    early = stopped_early(suite)
    if early:
        return f"{', '.join(early)} stopped early, and costs are not known well enough then: run all cases"
    return ""


def recommendation_section(suite: SuiteReport) -> Iterator[str]:
    """Nothing where the task declares no economics."""
    accounts = accounts_of(suite)
    found = None if accounts is None else recommendation_of(suite, accounts, ceiling=_ceiling(suite))
    if accounts is None or found is None:
        return
    yield "### Recommendation"
    yield ""
    yield f"**{found.sentence}**"
    yield ""
    reasons = [*found.reasons, *(dominated_sentence(d, accounts.economics.currency) for d in found.dominated)]
    yield from (f"- {reason}" for reason in reasons)
    if reasons:
        yield ""
    yield "What is checked before a change of strategy:"
    yield ""
    yield from (f"- {check.question} {_answer(check)} *({check.basis})*" for check in found.checks)
    yield ""


def _answer(check: Check) -> str:
    """What people wrote is escaped; other answers hold names and labels between backticks, made harmless."""
    written = check.key == "retraining" and check.basis is Basis.DECLARED
    return markdown_text(check.answer, limit=300) if written else check.answer


def _ceiling(suite: SuiteReport) -> str | None:
    """Whether prompting is at its ceiling, for the strategies whose examples were varied; None where none was."""
    known = prompt_ceilings(suite, members(suite.cases, None))
    return " ".join(f"`{name}`: {found.sentence}." for name, found in known.items()) or None


def _target(suite: SuiteReport, name: str) -> Verdict | None:
    """The verdict on the floor of overall accuracy."""
    for claim in suite.claims:
        measure = claim.measure
        if (
            measure.run == name
            and measure.metric == "accuracy"
            and measure.slice is None
            and claim.kind == Kind.AT_LEAST
        ):
            return claim.verdict
    return None


def economics_numbers(suite: SuiteReport) -> dict[str, Any] | None:
    """Everything that the two sections say, in full, for verdicts.json; None where the task declares no economics.

    Money in the declared currency; infinite volumes are None. What `harness ceiling` measured is left out: it need not
    be there wherever the same answers are judged.
    """
    accounts = accounts_of(suite)
    if accounts is None:
        return None
    declared = accounts.economics
    strategies = {}
    for name, costing in accounts.costings.items():
        monthly, benefit = costing.monthly(accounts.volume), accounts.benefit(name)
        strategies[name] = {
            "cases": costing.cases,
            "per_1000": {
                "inference": None if costing.inference is None else 1000 * costing.inference,
                "errors": 1000 * costing.errors,
                "correction": 1000 * costing.correction,
                "fixed": 1000 * costing.fixed / accounts.volume,
                "errors_and_correction": asdict(costing.lost.scaled(1000)),
            },
            "monthly": None if monthly is None else asdict(monthly),
            "fixed_per_month": costing.fixed,
            "spent": costing.spent,
            "by_hand_share": costing.by_hand,
            "benefit": None if benefit is None or name == accounts.today else asdict(benefit),
        }
    pairs = [accounts.break_even(one, other) for one, other in itertools.combinations(accounts.priced, 2)]
    recommendation = recommendation_of(suite, accounts)
    names = compared(accounts, standings_of(suite))
    numbers: dict[str, Any] = _rounded(
        {
            "currency": declared.currency,
            "decisions_per_month": accounts.volume,
            "horizon_months": declared.horizon_months,
            "today": accounts.today,
            "strategies": strategies,
            "break_even": [asdict(pair) for pair in pairs if pair is not None],
            "sensitivity": [asdict(row) for row in accounts.sensitivity(names)] if names else [],
            "recommendation": None if recommendation is None else asdict(recommendation),
        }
    )
    return numbers


def _rounded(value: Any) -> Any:
    """Plain data with DIGITS digits, so that no last bit of a sum shows; None for what is infinite."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(entry) for entry in value]
    return str(value) if isinstance(value, Basis) else value
