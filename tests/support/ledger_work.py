"""What other processes do with a ledger. A module of its own, since a spawned process imports what it runs by name."""

from __future__ import annotations

from multiprocessing.synchronize import Barrier
from pathlib import Path

from harness.core.records import Response
from harness.execution.ledger import Key, Ledger


def key(inputs: str, *, repeat: int = 0) -> Key:
    return Key(identity="i", prompt="p", settings="s", inputs=inputs, repeat=repeat)


def write_batches(path: Path, start: Barrier, name: str, batches: int, size: int) -> None:
    """Open the ledger at the same moment as the others, and put batches of which every first answer is shared."""
    start.wait(60)
    with Ledger(path) as ledger:
        for number in range(batches):
            own = [(key(f"{name} {number} {i}"), Response(text=f"{name} {number} {i}")) for i in range(size)]
            ledger.put([(key(f"shared {number}"), Response(text=f"shared {number}")), *own])


def pay_and_log(path: Path, start: Barrier, name: str, turns: int, log: Path) -> None:
    """Write down when the right to pay is got and given back."""
    start.wait(60)
    with Ledger(path) as ledger:
        for _ in range(turns):
            with ledger.paying("tickets/base"):
                for line in (f"{name} in\n", f"{name} out\n"):
                    with log.open("a") as file:
                        file.write(line)
