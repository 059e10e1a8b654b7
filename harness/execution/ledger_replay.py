"""A ledger that is judged as it is: no model is asked, and what it does not hold is an error that counts it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.core.errors import LedgerError
from harness.core.records import Adapter, Failure, Proof, Request, Response
from harness.execution.calls import Version, versions
from harness.execution.failures import get_failures
from harness.execution.ledger import Key, Ledger, changed_parts
from harness.execution.recording import StoredDriver


class LedgerReplay:
    """The ledger at `path` in place of a store and of models."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failures: dict[str, Failure] = {}
        self._missing: list[Key] = []

    def driver(self, adapter: Adapter, identity: Mapping[str, str]) -> LedgerDriver:
        """What stands for the model of an adapter, which says that it is `identity`."""
        return LedgerDriver(adapter, identity, self._failures, self._missing)

    @contextmanager
    def store(self, run: str) -> Iterator[ReplayedLedger]:
        """The store of one run. Raises LedgerError at its end if answers that were asked for are not there."""
        self._failures.clear()
        self._missing.clear()
        with Ledger(self.path) as ledger:
            store = ReplayedLedger(ledger, self._failures)
            yield store
            if self._missing:
                raise LedgerError(self._told(ledger, run, store.asked))

    def _told(self, ledger: Ledger, run: str, asked: int) -> str:
        what = f"{len(self._missing)} of {asked} answers of {run} are not in {self.path.name}, and no model is asked"
        found = [
            (len(ledger.get([_under(version, key) for key in self._missing])), version)
            for version in versions(ledger, run)
        ]
        count, version = max(found, key=lambda pair: pair[0], default=(0, None))
        if version is None or not count:
            return (
                f"{what}: a shard is missing or was not finished; run it with --gate-shard, then `harness merge` again"
            )
        changed = " and ".join(changed_parts(version.key, replace(self._missing[0], inputs="", repeat=0)))
        return f"{what}: {count} of them were answered before {changed} changed; run all shards on the same commit"


class ReplayedLedger:
    """A ledger that is only read."""

    def __init__(self, ledger: Ledger, failures: dict[str, Failure]) -> None:
        self._ledger = ledger
        self._failures = failures
        self.asked = 0

    def get(self, keys: Sequence[Key]) -> dict[str, Response]:
        self.asked += len(keys)
        found = self._ledger.get(keys)
        rest = [digest for key in keys if (digest := key.digest) not in found]
        self._failures.update(get_failures(self._ledger, rest))
        return found

    def put(self, answers: Iterable[tuple[Key, Response]]) -> None:
        """Never called: a `LedgerDriver` answers nothing."""
        raise LedgerError("a ledger that is judged as it is can't be added to")

    def get_proofs(self, key: Key) -> tuple[Proof, ...] | None:
        return self._ledger.get_proofs(key)

    def put_proofs(self, key: Key, proofs: Sequence[Proof]) -> None:
        """Never called: nothing is proved where no model is asked."""
        raise LedgerError("a ledger that is judged as it is can't be added to")


class LedgerDriver(StoredDriver):
    """Repeats the failures that a shard met, and notes what is missing."""

    def __init__(
        self, adapter: Adapter, identity: Mapping[str, str], failures: Mapping[str, Failure], missing: list[Key]
    ) -> None:
        super().__init__(adapter, identity)
        self._failures = failures
        self._missing = missing

    def _failure(self, request: Request, key: Key) -> Failure:
        if key.digest in self._failures:
            return self._failures[key.digest]
        self._missing.append(key)
        return Failure(kind="missing", message="not in the ledger")


def _under(version: Version, key: Key) -> Key:
    return replace(version.key, inputs=key.inputs, repeat=key.repeat)
