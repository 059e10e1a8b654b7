"""`harness merge`: the ledgers of shards become one, which is judged as it is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.runs.ledger_commands import import_lines


def merge_lines(into: Path, ledgers: Sequence[Path]) -> Iterator[str]:
    """Join the ledgers, and say what each brought and how they are judged. Raises LedgerError for one of no use."""
    yield from import_lines(into, ledgers)
    yield " ".join(["judging:", "pytest", *_arguments(into)])


def judge(ledger: Path) -> int:
    """Run pytest on what a ledger holds; returns its exit status. In a process of its own, which imports pytest."""
    return subprocess.run([sys.executable, "-m", "pytest", *_arguments(ledger)], check=False).returncode


def _arguments(ledger: Path) -> list[str]:
    return ["suites/", f"--gate-replay={ledger}"]
