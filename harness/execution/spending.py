"""What may be spent: what replies have cost, and the most that calls in flight may still cost, beside one limit.

Amounts are whole trillionths of a US dollar, so that nothing is lost to rounding however many there are.
"""

from __future__ import annotations

from dataclasses import dataclass

UNIT = 10**12


def amount(usd: float) -> int:
    """US dollars as an amount."""
    return round(usd * UNIT)


@dataclass(slots=True)
class Account:
    """One strategy in this process: calls made, answers from the ledger, and what the calls cost.

    `spent` is an amount; it says nothing where the price is not known (`priced` False).
    """

    calls: int = 0
    stored: int = 0
    spent: int = 0
    priced: bool = True

    @property
    def usd(self) -> float | None:
        """US dollars spent; None where the price is not known."""
        return self.spent / UNIT if self.priced else None


class Spending:
    """The spending of one process. `spent`, `reserved` and `limit` are amounts; `limit` None is no limit."""

    def __init__(self, limit_usd: float | None = None) -> None:
        self.limit = None if limit_usd is None else amount(limit_usd)
        self.spent = 0
        self.reserved = 0
        self.accounts: dict[str, Account] = {}

    def account(self, name: str) -> Account:
        """The account of one strategy, opened at first use."""
        return self.accounts.setdefault(name, Account())

    def reserve(self, most: int) -> bool:
        """Set aside the most that a call may cost; False, and nothing set aside, where that would pass the limit."""
        if most and self.limit is not None and self.spent + self.reserved + most > self.limit:
            return False
        self.reserved += most
        return True

    def settle(self, most: int, cost: int, account: Account) -> None:
        """A call that `most` was set aside for has cost `cost`."""
        self.reserved -= most
        self.spent += cost
        account.spent += cost
        account.calls += 1
