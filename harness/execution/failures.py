"""Requests that failed for good on one machine, kept beside the answers so that another can judge them as failed.

Only shards keep them. An ordinary run reads none of them, and asks again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from harness.core.records import Failure, Proof, Response, stored
from harness.execution.budget import UNAFFORDABLE
from harness.execution.ledger import CHUNK, Key, Ledger

NOT_ASKED = frozenset({"stopped", UNAFFORDABLE})
"""Kinds of failure of requests that were never sent: they are missing, not failed."""


class FailureLog:
    """Collects the failures of a run; takes a recorder's place."""

    def __init__(self) -> None:
        self._failures: list[tuple[Key, Failure]] = []

    def add_identity(self, adapter: str, identity: Mapping[str, str]) -> None:
        """The ledger needs none."""

    def add_proofs(self, key: Key, proofs: Sequence[Proof]) -> None:
        """They are in the ledger."""

    def add(self, key: Key, reply: Response | Failure) -> None:
        if isinstance(reply, Failure):
            self._failures.append((key, reply))

    def take(self) -> list[tuple[Key, Failure]]:
        """What was collected since the last time."""
        taken, self._failures = self._failures, []
        return taken


def put_failures(ledger: Ledger, failures: Iterable[tuple[Key, Failure]]) -> None:
    """Keep failures; a later one of the same request takes the place of an earlier one."""
    rows = [(key.digest, json.dumps(asdict(key)), json.dumps(stored(failure))) for key, failure in failures]
    ledger.change_many("INSERT OR REPLACE INTO failures (key, parts, failure) VALUES (?, ?, ?)", rows)


def get_failures(ledger: Ledger, digests: Sequence[str]) -> dict[str, Failure]:
    """The kept failures among the keys with these digests. An answer that came since goes before a failure."""
    found: dict[str, Failure] = {}
    for start in range(0, len(digests), CHUNK):
        part = digests[start : start + CHUNK]
        marks = ",".join("?" * len(part))
        rows = ledger.select(f"SELECT key, failure FROM failures WHERE key IN ({marks})", part)
        found.update((key, Failure(**json.loads(failure))) for key, failure in rows)
    return found
