"""Proof of treatment: before a model is first asked for a strategy, that its treatment reaches it.

What was proved is kept with the answers, so that a run which finds them all in the ledger shows the same proofs.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import DriverError
from harness.core.prompting import render
from harness.core.proving import examples_shown
from harness.core.records import (
    BatchDriver,
    Case,
    Proof,
    ProvesTreatment,
    RemoteDriver,
    RendersRequests,
    Response,
)
from harness.execution.ledger import Key, KeyMaker, proofs_key
from harness.execution.recording import StoredDriver
from harness.execution.scheduler import Store
from harness.fixtures_io.declarations import shown
from harness.fixtures_io.locks import case_hash

if TYPE_CHECKING:
    from harness.runs.session import SuiteSession

PROBES = 8
"""How many requests a treatment is proved on: the holdout cases with the smallest hashes."""


class Proving:
    """The proofs of the runs of one session; none where they are not `wanted`."""

    def __init__(self, session: SuiteSession, *, wanted: bool = True) -> None:
        self._session = session
        self._wanted = wanted
        self._found: dict[str, tuple[Proof, ...] | None] = {}
        self._asked: set[str] = set()

    def of(self, run: str) -> tuple[Proof, ...] | None:
        """The proofs of a run; None where all its answers were stored, and no proofs with them."""
        return self._found.get(run)

    def key(self, run: str, keys: KeyMaker) -> Key:
        """What the proofs of a run are stored under."""
        session = self._session
        nothing = Case(id="", inputs={}, expected={})
        request = next(render(session.strategy(run), session.prompt(run), [nothing]))
        return proofs_key(keys.key(request), session.holdout_digest)

    def watched(self, run: str, store: Store, keys: KeyMaker, driver: RemoteDriver | BatchDriver) -> Store:
        """`store`, which has the run proved when it first lacks an answer that `driver` will be asked for.

        Raises DriverError then, if a proof failed.
        """
        if not self._wanted:
            return store
        key = self.key(run, keys)
        if run not in self._asked:
            self._found[run] = store.get_proofs(key)
        if run in self._asked or isinstance(driver, StoredDriver):
            return store

        def prove() -> None:
            proofs = self._proved(run, driver)
            store.put_proofs(key, proofs)
            self._found[run] = proofs
            self._asked.add(run)

        return _Watched(store, prove)

    def _proved(self, run: str, driver: RemoteDriver | BatchDriver) -> tuple[Proof, ...]:
        session = self._session
        strategy = session.strategy(run)
        cases = heapq.nsmallest(PROBES, session.cases, key=lambda case: (case_hash(case), case.id))
        probes = list(render(replace(strategy, repeats=1), session.prompt(run), cases))
        proofs: list[Proof] = []
        if strategy.examples is not None:
            rendered = driver.rendered if isinstance(driver, RendersRequests) else None
            proofs.append(examples_shown(session.examples(run), probes, rendered))
        if isinstance(driver, ProvesTreatment):
            proofs += driver.proofs(probes)
        failed = [proof for proof in proofs if proof.status == "failed"]
        if failed:
            told = "; ".join(f"{proof.name}: {proof.detail}" for proof in failed)
            remedies = dict.fromkeys(proof.remedy for proof in failed if proof.remedy)
            remedy = "; ".join(remedies) or f"correct {shown(Path(session.adapter(run).file))}"
            raise DriverError(f"its treatment is not what is declared ({told}), so that nothing is scored; {remedy}")
        return tuple(proofs)


class _Watched:
    """A store that calls `missing` before it first says that it lacks an answer."""

    def __init__(self, store: Store, missing: Callable[[], None]) -> None:
        self._store = store
        self._missing: Callable[[], None] | None = missing

    def get(self, keys: Sequence[Key]) -> dict[str, Response]:
        found = self._store.get(keys)
        if self._missing is not None and any(key.digest not in found for key in keys):
            self._missing()
            self._missing = None
        return found

    def put(self, answers: Iterable[tuple[Key, Response]]) -> None:
        self._store.put(answers)

    def get_proofs(self, key: Key) -> tuple[Proof, ...] | None:
        return self._store.get_proofs(key)

    def put_proofs(self, key: Key, proofs: Sequence[Proof]) -> None:
        self._store.put_proofs(key, proofs)
