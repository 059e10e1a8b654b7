"""Recorded predictions: all replies of a run in one file, to be judged again without key, GPU, network or model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from harness.core.errors import LedgerError
from harness.core.records import Adapter, Failure, Proof, Request, Response, Usage, read_logprobs, stored
from harness.execution.ledger import Key, KeyMaker, changed_parts

FORMAT = 1


class ReplyLog(Protocol):
    """Is told of every reply of a run."""

    def add_identity(self, adapter: str, identity: Mapping[str, str]) -> None: ...

    def add_proofs(self, key: Key, proofs: Sequence[Proof]) -> None: ...

    def add(self, key: Key, reply: Response | Failure) -> None: ...


class Recorder:
    """Collects what a run asked and what was answered; writes it sorted, so that equal runs give equal bytes."""

    def __init__(self) -> None:
        self._identities: dict[str, Mapping[str, str]] = {}
        self._proofs: dict[str, list[dict[str, str]]] = {}
        self._replies: dict[str, tuple[Key, Response | Failure]] = {}

    def add_identity(self, adapter: str, identity: Mapping[str, str]) -> None:
        self._identities[adapter] = dict(identity)

    def add_proofs(self, key: Key, proofs: Sequence[Proof]) -> None:
        self._proofs[key.digest] = [asdict(proof) for proof in proofs]

    def add(self, key: Key, reply: Response | Failure) -> None:
        self._replies[key.digest] = key, reply

    def write(self, path: Path) -> None:
        """Write whole or not at all."""
        rows: list[dict[str, Any]] = [{"recording": FORMAT, "identities": self._identities, "proofs": self._proofs}]
        for digest in sorted(self._replies):
            key, reply = self._replies[digest]
            rows.append({"key": asdict(key), type(reply).__name__.lower(): stored(reply)})
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        text = "".join(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n" for row in rows)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


class Recording:
    """A recorded run: its replies by key, and what each adapter said it was."""

    def __init__(self, path: Path) -> None:
        """Raises LedgerError if the file can't be read as a recording."""
        self.path = path
        try:
            header, *rows = [
                json.loads(line) for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
            ]
            if header["recording"] != FORMAT:
                raise ValueError("another format")
            self.identities: dict[str, dict[str, str]] = header["identities"]
            self.proofs = {
                key: tuple(Proof(**proof) for proof in found) for key, found in header.get("proofs", {}).items()
            }
            self._keys = [Key(**row["key"]) for row in rows]
            self.replies: dict[str, Response | Failure] = {
                key.digest: _reply(row) for key, row in zip(self._keys, rows, strict=True)
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LedgerError(f"{path} is not a recording ({error!r}); make one with --gate-record {path}") from error

    def identity(self, adapter: Adapter) -> dict[str, str]:
        """What the adapter was when it was recorded. Raises LedgerError for one that was not."""
        if adapter.name not in self.identities:
            known = ", ".join(sorted(self.identities))
            raise LedgerError(f"{self.path} holds nothing of the adapter {adapter.name}; it holds: {known}")
        return self.identities[adapter.name]

    def what_changed(self, key: Key) -> str:
        """The parts in which `key` differs from the nearest recorded one, in words."""
        nearest = min((changed_parts(known, key) for known in self._keys), key=len, default=None)
        if nearest is None:
            return "the recording is empty"
        return "changed since the recording: " + ", ".join(nearest)


class ReplayStore:
    """A recording where a ledger is expected: what it does not hold is not to be had, and nothing is added to it."""

    def __init__(self, recording: Recording) -> None:
        self._replies = recording.replies
        self._proofs = recording.proofs

    def get(self, keys: Sequence[Key]) -> dict[str, Response]:
        found = {key.digest: self._replies.get(key.digest) for key in keys}
        return {digest: reply for digest, reply in found.items() if isinstance(reply, Response)}

    def put(self, answers: object) -> None:
        """Never called: a `ReplayDriver` answers nothing."""
        raise LedgerError("a recording can't be added to")

    def get_proofs(self, key: Key) -> tuple[Proof, ...] | None:
        return self._proofs.get(key.digest)

    def put_proofs(self, key: Key, proofs: Sequence[Proof]) -> None:
        """Never called: nothing is proved where no model is asked."""
        raise LedgerError("a recording can't be added to")


class StoredDriver:
    """A `BatchDriver` that asks no model: what is asked of it is what no stored answer serves."""

    def __init__(self, adapter: Adapter, identity: Mapping[str, str]) -> None:
        self._identity = identity
        self._keys = KeyMaker(adapter.driver, identity)

    def identity(self) -> Mapping[str, str]:
        return self._identity

    def answer(self, requests: Sequence[Request]) -> Sequence[Response | Failure]:
        return [self._failure(request, self._keys.key(request)) for request in requests]

    def close(self) -> None:
        """Nothing is open."""

    def _failure(self, request: Request, key: Key) -> Failure:
        """What becomes of a request without a stored answer."""
        raise NotImplementedError


class ReplayDriver(StoredDriver):
    """Repeats recorded failures, and refuses what was not recorded."""

    def __init__(self, recording: Recording, adapter: Adapter) -> None:
        super().__init__(adapter, recording.identity(adapter))
        self._recording = recording

    def _failure(self, request: Request, key: Key) -> Failure:
        reply = self._recording.replies.get(key.digest)
        if isinstance(reply, Failure):
            return reply
        what = self._recording.what_changed(key)
        raise LedgerError(
            f"{self._recording.path} has no prediction for case {request.case_id}, repeat {request.repeat}: {what}; "
            "record again with --gate-record"
        )


@contextmanager
def replaying(recording: Recording, name: str) -> Iterator[ReplayStore]:
    """The store of one run; nobody has to wait for it."""
    yield ReplayStore(recording)


def _reply(row: Mapping[str, Any]) -> Response | Failure:
    if "failure" in row:
        return Failure(**row["failure"])
    values = dict(row["response"])
    usage, logprobs = Usage(**values.pop("usage")), read_logprobs(values.pop("logprobs", None))
    return Response(usage=usage, logprobs=logprobs, **values)
