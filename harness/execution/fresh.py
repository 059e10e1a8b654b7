"""Asking again: each request goes to the driver although the ledger knows its answer, which stays as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.core.records import Proof, Response
from harness.execution.ledger import Key, Ledger, paying_ledger


class FreshAnswers:
    """What one process asked again: today's answers, and beside them what the ledger held before.

    Each request is asked once per process, so that all strategies that ask the same are judged on the same answer, and
    a recording of the run holds the answers that it was judged on.
    """

    def __init__(self) -> None:
        self._now: dict[str, Response] = {}
        self._before: dict[str, Response] = {}

    def before(self, key: Key) -> Response | None:
        """What the ledger held when the request was first asked again; None if it did not know it."""
        return self._before.get(key.digest)

    @contextmanager
    def store(self, ledger: Path, name: str) -> Iterator[FreshStore]:
        """The store of the run `name`, before the ledger at `ledger`."""
        with paying_ledger(ledger, name) as opened:
            yield FreshStore(opened, self._now, self._before)


class FreshStore:
    """A ledger whose old answers are remembered and not given out."""

    def __init__(self, ledger: Ledger, now: dict[str, Response], before: dict[str, Response]) -> None:
        self._ledger = ledger
        self._now = now
        self._before = before

    def get(self, keys: Sequence[Key]) -> dict[str, Response]:
        """The answers that this process already asked for."""
        self._before.update(self._ledger.get([key for key in keys if key.digest not in self._now]))
        return {key.digest: self._now[key.digest] for key in keys if key.digest in self._now}

    def put(self, answers: Iterable[tuple[Key, Response]]) -> None:
        """Keep the answers for this process; the ledger takes those that it did not know."""
        fresh = list(answers)
        self._now.update((key.digest, response) for key, response in fresh)
        self._ledger.put(fresh)

    def get_proofs(self, key: Key) -> tuple[Proof, ...] | None:
        return self._ledger.get_proofs(key)

    def put_proofs(self, key: Key, proofs: Sequence[Proof]) -> None:
        self._ledger.put_proofs(key, proofs)
