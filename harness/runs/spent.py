"""What a run has spent, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.core.errors import DriverError
from harness.core.records import Adapter
from harness.core.wording import dollars
from harness.drivers.pricing import known_price
from harness.execution.spending import UNIT, Account, Spending
from harness.fixtures_io.declarations import shown

Accounts = Mapping[str, Sequence[int]]
"""The accounts of one process as a worker can send them: calls, answers from the ledger, amount, price known."""


def check_prices(adapters: Iterable[Adapter]) -> None:
    """Raises DriverError for models whose price is not known, so that no limit of cost could be kept."""
    unknown = {adapter.file: adapter for adapter in adapters if known_price(adapter) is None}
    if unknown:
        named = ", ".join(f"{shown(Path(file))} ({adapter.model})" for file, adapter in sorted(unknown.items()))
        raise DriverError(
            f"--gate-max-cost: no price is known for {named}; declare it there, in US dollars per million tokens: "
            "`price: {input_per_million: 0.4, output_per_million: 1.6}`"
        )


def stopped(run: str, spending: Spending, next_call: int, answered: int, total: int, *, resumes: bool) -> str:
    """Why `run` is not whole: its next call, which may cost the amount `next_call`, might have passed the limit."""
    limit = dollars((spending.limit or 0) / UNIT)
    further = (
        "answered and saved; the same command with a higher --gate-max-cost goes on"
        if resumes
        else "answered; --gate-fresh keeps no answers, so that a higher --gate-max-cost asks all of them again"
    )
    spent, coming = dollars(spending.spent / UNIT), dollars(next_call / UNIT)
    return (
        f"{run} stopped before US$ {limit} was passed ({spent} spent, {coming} the most that the next call may cost): "
        f"{answered} of {total} requests {further}"
    )


def spent_lines(accounts: Mapping[str, Account]) -> list[str]:
    """A line for each strategy that calls were made for, and one for what the ledger answered without any."""
    paid = {name: account for name, account in accounts.items() if account.calls}
    lines = [
        f"{name}: {_count(account.calls, 'call')}, {_count(account.stored, 'answer')} from the ledger, {_usd(account)}"
        for name, account in paid.items()
    ]
    known = sum(account.stored for name, account in accounts.items() if name not in paid)
    if known:
        lines.append(f"{'other strategies' if paid else 'no call was made'}: {_count(known, 'answer')} from the ledger")
    return lines


def joined(processes: Iterable[Accounts]) -> dict[str, Account]:
    """The accounts of several processes as one: what one paid for, the others found in the ledger."""
    found: dict[str, Account] = {}
    for accounts in processes:
        for name, (calls, stored, spent, priced) in accounts.items():
            known = found.get(name)
            if known is None:
                found[name] = Account(calls=calls, stored=stored, spent=spent, priced=bool(priced))
            else:
                known.calls += calls
                known.spent += spent
                known.stored = min(known.stored, stored)
    return found


def plain(accounts: Mapping[str, Account]) -> Accounts:
    """Accounts for `joined`, in this process or another."""
    return {name: [a.calls, a.stored, a.spent, int(a.priced)] for name, a in accounts.items()}


def _usd(account: Account) -> str:
    return "price not known" if account.usd is None else f"US$ {dollars(account.usd)} spent"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
