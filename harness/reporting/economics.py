"""The section of report.md about money: what each strategy costs, when one pays, and what could change that."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from harness.core.costing import Accounts, Arm, BreakEven, Costing, Estimate
from harness.core.economics import Correction, Economics, ErrorCost
from harness.core.kinds import Role
from harness.core.metrics import members
from harness.core.readiness import volumes
from harness.core.recommending import Standing, standing
from harness.core.records import Stage
from harness.core.verdicts import Verdict
from harness.core.wording import money
from harness.reporting.blocks import subject, table
from harness.reporting.escaping import markdown_code
from harness.reporting.model import JudgedClaim, SuiteReport

FEW = 12
"""How many pairs of strategies are shown."""


def accounts_of(suite: SuiteReport) -> Accounts | None:
    """The costs of the strategies that were run; None where the task declares no economics, or nothing was run."""
    if suite.economics is None or not suite.runs:
        return None
    arms = [
        Arm(
            name=name,
            adapter=run.strategy.adapter,
            table=run.table,
            usd_per_1000=run.usd_per_1000,
            machine_s=run.machine_s,
        )
        for name, run in suite.runs.items()
    ]
    shipped = [name for name, run in suite.runs.items() if run.strategy.stage is Stage.SHIPPED]
    today = suite.economics.today or (shipped[0] if shipped else None)
    accounts = Accounts(suite.economics, arms, members(suite.cases, None), today)
    return accounts if accounts.costings else None


def standings_of(suite: SuiteReport) -> dict[str, Standing]:
    """How each strategy that was run stands with its gates.

    What is a gate or a guard for a strategy that could be shipped counts as one for a reference too, although it does
    not block there.
    """
    known = [c for c in suite.claims if c.measure.run in suite.runs]
    roles = {_alike(c): Role(c.role) for c in known if suite.runs[c.measure.run].strategy.stage is not Stage.REFERENCE}
    found: dict[str, list[tuple[str, Role, Verdict]]] = {name: [] for name in suite.runs}
    for claim in known:
        found[claim.measure.run].append((subject(claim), roles.get(_alike(claim), Role(claim.role)), claim.verdict))
    return {name: standing(claims) for name, claims in found.items()}


def _alike(claim: JudgedClaim) -> tuple[object, ...]:
    """What is the same in a claim that a test makes about several strategies."""
    return claim.test.partition("[")[0], claim.index, claim.kind, replace(claim.measure, run="", variants=())


def compared(accounts: Accounts, standings: dict[str, Standing]) -> list[str]:
    """The strategies among which the cheapest is looked for: those that meet every gate, or all where none does."""
    return [name for name in accounts.priced if standings[name].met] or accounts.priced


def economics_section(suite: SuiteReport) -> Iterator[str]:
    """Nothing for one strategy without declared economics; for several, a line that says what to declare."""
    accounts = accounts_of(suite)
    if accounts is None:
        if suite.economics is None and len(suite.runs) > 1:
            yield "### Economics"
            yield ""
            yield (
                "What the strategies cost in money is not known: declare `economics` in `task.yaml`, at least its "
                "`currency`, `decisions` and `errors` (see `harness schema task`)."
            )
            yield ""
        return
    declared = accounts.economics
    yield "### Economics"
    yield ""
    volume = declared.volume
    yield (
        f"In {declared.currency}, at {_plain(volume.number)} decisions a {volume.per}"
        + ("" if volume.per == "month" else f" ({_plain(volume.per_month)} a month)")
        + f", over {declared.horizon_months:g} months. Intervals (95%) tell how well errors are known; prices, wages, "
        "fixed costs and the volume are taken as declared."
    )
    yield ""
    yield from _per_1000(accounts)
    if early := stopped_early(suite):
        yield (
            f"Stopped early: {', '.join(early)}. Intervals of money hold for a number of cases that does not depend on "
            "the answers: here they are too narrow."
        )
        yield ""
    yield from _benefits(accounts)
    yield from _break_evens(accounts)
    yield from _sensitivity(accounts, standings_of(suite))


def stopped_early(suite: SuiteReport) -> list[str]:
    """The strategies, between backticks, that were not asked all cases since their verdicts were known before."""
    return [f"`{name}`" for name, run in suite.runs.items() if run.early and run.early.asked < run.early.cases]


def _per_1000(accounts: Accounts) -> Iterator[str]:
    declared, volume = accounts.economics, accounts.volume
    by_hand = any(costing.by_hand for costing in accounts.costings.values())
    rows = []
    for name, costing in accounts.costings.items():
        total = costing.monthly(volume)
        row = [
            f"`{name}`",
            "?" if costing.inference is None else _amount(1000 * costing.inference),
            _amount(1000 * costing.errors),
            _amount(1000 * costing.correction),
            _amount(1000 * costing.fixed / volume),
            "?" if total is None else _amount(1000 * total.estimate / volume),
            "?" if total is None else _interval(total),
        ]
        rows.append([*row, _hands(costing, declared)] if by_hand else row)
    head = ["strategy", "inference", "errors", "correction", "fixed", "per 1,000 decisions", "per month"]
    yield from table([*head, f"by hand, a {declared.volume.per}"] if by_hand else head, rows)
    yield " ".join(_explained(accounts))
    yield ""


def _hands(costing: Costing, declared: Economics) -> str:
    """How many decisions a person makes per declared period, and the hours that takes."""
    number = declared.volume.number * costing.by_hand
    if declared.correction is None:
        return _plain(number)
    shortest, longest = (number * seconds / 3600 for seconds in declared.correction.seconds)
    hours = f"{shortest:,.1f}" if shortest == longest else f"{shortest:,.1f} to {longest:,.1f}"
    return f"{_plain(number)}: {hours} hours"


def _explained(accounts: Accounts) -> Iterator[str]:
    """What the figures were taken from."""
    declared = accounts.economics
    yield _errors_words(declared)
    if declared.correction is not None:
        yield _correction_words(declared.correction, declared.currency)
    seconds = {name: s for name in accounts.costings if (s := accounts.machine_s(name)) is not None}
    if declared.machine_per_hour and seconds:
        taken = ", ".join(f"`{name}` {1000 * value:.3g} ms" for name, value in seconds.items())
        yield (
            f"The machine costs {money(declared.machine_per_hour, declared.currency)} an hour. "
            f"An answer took, when it was made: {taken}."
        )
    if declared.currency_per_usd not in (None, 1):
        yield f"A US dollar is {declared.currency} {declared.currency_per_usd:g}."
    spent = {name: costing.spent for name, costing in accounts.costings.items() if costing.spent}
    for name, amount in spent.items():
        yield (
            f"One-off costs of {money(amount, declared.currency)} behind `{name}` are spent, whatever is decided now, "
            "and do not count."
        )
    unknown = [name for name, costing in accounts.costings.items() if costing.inference is None]
    if unknown:
        yield (
            f"?: no price of tokens is known for {', '.join(f'`{n}`' for n in unknown)}, or no `currency_per_usd` is "
            "declared."
        )
    if declared.today is not None and accounts.today is None:
        runs = accounts.runs_of(declared.today)
        why = f"was run as {', '.join(map(markdown_code, runs))}; name one of these" if runs else "was not run"
        yield f"{markdown_code(declared.today)} is declared as in use today, and {why}: no benefit is counted."
    absent = accounts.not_run()
    if absent:
        were = "was" if len(absent) == 1 else "were"
        yield f"Fixed costs are declared for {', '.join(map(markdown_code, absent))} too, which {were} not run here."


def _errors_words(declared: Economics) -> str:
    errors = declared.errors
    if isinstance(errors, ErrorCost):
        part = "Every wrong answer costs" if errors.share == 1 else f"{100 * errors.share:g}% of the wrong answers cost"
        return f"{part} {money(errors.each, declared.currency)}."
    return "Errors cost what the task's `costs` say." if errors else "Errors cost their correction alone."


def _correction_words(correction: Correction, currency: str) -> str:
    shortest, longest = correction.seconds
    seconds = f"{shortest:g} s" if shortest == longest else f"{shortest:g} to {longest:g} s"
    part = "Every wrong answer is" if correction.share == 1 else f"{100 * correction.share:g}% of the wrong answers are"
    return f"{part} put right by hand in {seconds}, at {money(correction.hourly_wage, currency)} an hour."


def _benefits(accounts: Accounts) -> Iterator[str]:
    found = [b for name in accounts.priced if name != accounts.today and (b := accounts.benefit(name)) is not None]
    if not found:
        return
    yield f"Against `{accounts.today}`, in use today, over {accounts.economics.horizon_months:g} months:"
    yield ""
    rows = [[f"`{b.name}`", _interval(b.saved), _amount(b.extra), _interval(b.net)] for b in found]
    yield from table(["strategy", "saved by its decisions", "more fixed costs", "net benefit"], rows)


def _break_evens(accounts: Accounts) -> Iterator[str]:
    found = [b for b in shown_pairs(accounts) if not math.isinf(b.lower)]
    if not found:
        return
    yield "Where more volume pays for larger fixed costs:"
    yield ""
    rows = [[f"`{b.large}`", f"`{b.small}`", volumes(b.volume), _range(b)] for b in found[:FEW]]
    yield from table(["costs less", "than", "from decisions a month", "95% interval"], rows)
    more = f" {len(found) - FEW} more pairs are in `verdicts.json`." if len(found) > FEW else ""
    yield (
        "Pairs with the strategy in use and with the cheapest; not those with equal fixed costs, or where the larger "
        f"fixed costs never pay.{more}"
    )
    yield ""


def _range(found: BreakEven) -> str:
    if math.isinf(found.upper):
        return f"from {volumes(found.lower)}, or never"
    return f"{volumes(found.lower)} to {volumes(found.upper)}"


def shown_pairs(accounts: Accounts) -> list[BreakEven]:
    """The break-even volumes of the pairs with today's strategy and with the cheapest."""
    if not accounts.priced:
        return []
    pivots = [name for name in (accounts.today, accounts.cheapest(accounts.priced)) if name in accounts.priced]
    pairs = dict.fromkeys(
        tuple(sorted((name, pivot))) for pivot in pivots if pivot for name in accounts.priced if name != pivot
    )
    return [found for one, other in pairs if (found := accounts.break_even(one, other)) is not None]


def _sensitivity(accounts: Accounts, standings: dict[str, Standing]) -> Iterator[str]:
    if len(accounts.priced) < 2:
        return
    found = accounts.sensitivity(compared(accounts, standings))
    whats = list(dict.fromkeys(row.what for row in found))
    factors = list(dict.fromkeys(row.factor for row in found))
    cells = {(row.what, row.factor): f"`{row.cheapest}` {_amount(row.monthly)}" for row in found}
    yield from table(
        ["if it is other than declared", *(f"× {factor:g}" for factor in factors)],
        [[what, *(cells[what, factor] for factor in factors)] for what in whats],
    )
    met = any(standings[name].met for name in accounts.priced)
    among = "those that meet every gate" if met else "all, since none meets every gate"
    changes = len({row.cheapest for row in found}) > 1
    told = "which it is **depends** on these" if changes else "it is the same in all of these"
    yield f"The strategy with the lowest estimate of total costs per month, of {among}; {told}."
    yield ""


def _interval(found: Estimate) -> str:
    if found.lower == found.upper:
        return _amount(found.estimate)
    return f"{_amount(found.estimate)} ({_amount(found.lower)} to {_amount(found.upper)})"


def _amount(value: float) -> str:
    """An amount without its currency."""
    return "under 0.01" if 0 < value < 0.005 else money(value, "").strip()


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"
