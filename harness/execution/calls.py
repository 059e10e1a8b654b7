"""What was paid for, and why: which part of the key differs from what the same run asked before.

The ledger keeps the versions (model, prompt, settings) in which each run was asked, so that the reason takes one query
per run, however many answers there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.core.records import Proof, Response
from harness.execution.ledger import Key, Ledger, changed_parts, paying_ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What all keys of a run have in common, in `key`, and how many repeats it had."""

    key: Key
    repeats: int


def versions(ledger: Ledger, run: str) -> list[Version]:
    """The versions in which `run` was asked, the newest first."""
    query = "SELECT identity, prompt, settings, repeats FROM versions WHERE run = ? ORDER BY rowid DESC"
    return [
        Version(key=Key(identity=identity, prompt=prompt, settings=settings, inputs="", repeat=0), repeats=repeats)
        for identity, prompt, settings, repeats in ledger.select(query, (run,))
    ]


def note_version(ledger: Ledger, run: str, version: Version) -> None:
    """Remember that `run` was asked in this version."""
    key = version.key
    ledger.change(
        "INSERT INTO versions (run, identity, prompt, settings, repeats) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT DO UPDATE SET repeats = excluded.repeats WHERE repeats < excluded.repeats",
        (run, key.identity, key.prompt, key.settings, version.repeats),
    )


def copy_versions(source: Ledger, target: Ledger) -> None:
    """Remember in `target` the versions that `source` knows."""
    rows = source.select("SELECT run, identity, prompt, settings, repeats FROM versions ORDER BY rowid")
    for run, identity, prompt, settings, repeats in list(rows):
        key = Key(identity=identity, prompt=prompt, settings=settings, inputs="", repeat=0)
        note_version(target, run, Version(key=key, repeats=repeats))


@dataclass(slots=True)
class _Paid:
    """The calls of one run. `before` is the nearest version in which it was asked earlier, None if it never was."""

    before: Version | None
    calls: int = 0
    cases: int = 0
    repeats: int = 0

    def add(self, key: Key) -> None:
        self.calls += 1
        if self.before is not None and key.repeat >= self.before.repeats:
            self.repeats += 1
        elif key.repeat == 0:
            self.cases += 1

    def why(self, version: Version) -> str:
        """Why the calls were made; "" for a run that was never asked before, for there is nothing to compare."""
        if self.before is None:
            return ""
        if changed := changed_parts(self.before.key, version.key):
            return f"{' and '.join(changed)} changed"
        known = [f"the ledger did not know the inputs of {self.cases} cases"] if self.cases else []
        known += ["the number of repeats changed"] if self.repeats else []
        return " and ".join(known) or "an earlier run did not get all answers"


class Calls:
    """The calls of one process, by run."""

    def __init__(self) -> None:
        self._paid: dict[str, tuple[_Paid, Version]] = {}

    @contextmanager
    def store(self, ledger: Path, run: str) -> Iterator[WatchedLedger]:
        """The ledger at `ledger`, with the right to pay for `run`, and an eye on what is paid."""
        with paying_ledger(ledger, run) as opened:
            watched = WatchedLedger(opened, run, self._paid)
            try:
                yield watched
            finally:
                watched.note()

    def lines(self) -> list[str]:
        """A line for each run that was asked, although the ledger knows it in some version."""
        told = [(run, paid.calls, paid.why(version)) for run, (paid, version) in self._paid.items()]
        return [f"{run}: {calls} calls, since {why}" for run, calls, why in told if why]


class WatchedLedger:
    """A ledger that counts what is put into it, and why it had to be asked."""

    def __init__(self, ledger: Ledger, run: str, paid: dict[str, tuple[_Paid, Version]]) -> None:
        self._ledger = ledger
        self._run = run
        self._paid = paid
        self._wanted: Version | None = None
        self._answered = False

    def get(self, keys: Sequence[Key]) -> dict[str, Response]:
        if keys:
            repeats = 1 + max(key.repeat for key in keys)
            earlier = self._wanted.repeats if self._wanted else 0
            shared = replace(keys[0], inputs="", repeat=0)
            self._wanted = Version(key=shared, repeats=max(repeats, earlier))
        found = self._ledger.get(keys)
        self._answered = self._answered or bool(found)
        return found

    def put(self, answers: Iterable[tuple[Key, Response]]) -> None:
        new = list(answers)
        self._ledger.put(new)
        if self._wanted is None or not new:
            return
        self._answered = True
        if self._run not in self._paid:
            self._paid[self._run] = _Paid(self._nearest(self._wanted.key)), self._wanted
        paid, _ = self._paid[self._run]
        for key, _ in new:
            paid.add(key)

    def get_proofs(self, key: Key) -> tuple[Proof, ...] | None:
        return self._ledger.get_proofs(key)

    def put_proofs(self, key: Key, proofs: Sequence[Proof]) -> None:
        self._ledger.put_proofs(key, proofs)

    def note(self) -> None:
        """Remember the version of the run, if there is an answer in it."""
        if self._wanted is not None and self._answered:
            note_version(self._ledger, self._run, self._wanted)

    def _nearest(self, key: Key) -> Version | None:
        known = versions(self._ledger, self._run)
        return min(known, key=lambda version: len(changed_parts(version.key, key)), default=None)
