"""uses.jsonl: which strategies have been judged on a holdout, a line each.

Beside the lock it is committed, and grows when a baseline is accepted; what was judged since is kept on this machine.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.core.errors import FixtureError
from harness.fixtures_io.cases import write_jsonl
from harness.fixtures_io.declarations import shown

FILE = "uses.jsonl"


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """One strategy, by the digest of all that determines its answers, judged on one holdout, by its digest."""

    holdout: str
    suite: str
    strategy: str
    digest: str


def read_uses(path: Path) -> set[Use]:
    """Empty where there is no such file. Raises FixtureError for a line that is no use."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return set()
    found = set()
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            found.add(Use(*(str(row[name]) for name in ("holdout", "suite", "strategy", "digest"))))
        except (ValueError, KeyError, TypeError) as error:
            remedy = "restore it from git, or delete the line"
            raise FixtureError(f"{shown(path)}:{number} is no use of a holdout ({error!r}); {remedy}") from error
    return found


def write_uses(path: Path, uses: Collection[Use]) -> None:
    """Equal uses, equal bytes."""
    write_jsonl(path, (asdict(use) for use in sorted(uses)))


def append_uses(path: Path, uses: Collection[Use]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write("".join(json.dumps(asdict(use)) + "\n" for use in sorted(uses)))
