"""Everything Holdfast raises on purpose.

HoldfastError
├── DeclarationError      task.yaml, strategies.yaml, adapters/*.yaml, prompts: every problem at once
├── FixtureError          holdout and pool files, locks
├── ClaimError            a claim that can't be judged as it is written
├── DriverError           a model that can't be reached or is not the declared one
├── LedgerError           the stored predictions
└── TrainingError         fine-tuning
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class HoldfastError(Exception):
    """The base of all errors that Holdfast raises on purpose; the message tells what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a file a person wrote.

    `line` counts from 1; `key` is the dotted path of the entry; `expected` says what would be right, with the nearest
    valid name where there is one.
    """

    file: str
    line: int
    key: str
    message: str
    expected: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: {self.key}: " if self.key else f"{self.file}:{self.line}: "
        return place + self.message + (f"; expected {self.expected}" if self.expected else "")


class DeclarationError(HoldfastError):
    """One or more declarations are wrong; `problems` holds all of them, in file and line order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.key, p.message)))
        count = len(self.problems)
        head = "1 problem in the declarations:" if count == 1 else f"{count} problems in the declarations:"
        super().__init__("\n  ".join([head, *map(str, self.problems)]))


class FixtureError(HoldfastError):
    """A holdout, pool or lock that can't be read, or is not what was frozen."""


class ClaimError(HoldfastError):
    """A claim that no sample of this size could satisfy, or that asks for something unknown."""


class DriverError(HoldfastError):
    """A model that can't be reached as declared: missing key, server, package, file or a wrong digest."""


class LedgerError(HoldfastError):
    """The store of predictions can't be used."""


class TrainingError(HoldfastError):
    """A fine-tuning that can't start or can't be saved."""
