"""The ledger of predictions: every answer under a key of everything that determines it.

SQLite in WAL mode, so that several processes read while one writes. Failures are not stored: they are asked again.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.core.digests import digest
from harness.core.errors import LedgerError
from harness.core.records import Proof, Request, Response, Usage, read_logprobs

FORMAT = 1
CHUNK = 500

_TABLES = """
CREATE TABLE IF NOT EXISTS predictions (
    key TEXT PRIMARY KEY,
    identity TEXT NOT NULL,
    prompt TEXT NOT NULL,
    settings TEXT NOT NULL,
    inputs TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    text TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    latency_s REAL NOT NULL,
    confidence TEXT,
    logprobs TEXT,
    provider_model TEXT NOT NULL,
    provider_fingerprint TEXT NOT NULL,
    answered_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (key TEXT PRIMARY KEY, parts TEXT NOT NULL, failure TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proofs (key TEXT PRIMARY KEY, parts TEXT NOT NULL, proofs TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (
    run TEXT NOT NULL,
    identity TEXT NOT NULL,
    prompt TEXT NOT NULL,
    settings TEXT NOT NULL,
    repeats INTEGER NOT NULL,
    UNIQUE (run, identity, prompt, settings)
);
"""
COLUMNS = (
    "key, identity, prompt, settings, inputs, repeat, text, finish_reason, input_tokens, output_tokens, "
    "latency_s, confidence, logprobs, provider_model, provider_fingerprint, answered_at"
)
PARTS = {
    "identity": "the model or adapter",
    "prompt": "the prompt, its examples or the schema",
    "settings": "decoding or sampling settings",
    "inputs": "the case's inputs",
    "repeat": "the number of repeats",
}
"""The parts of a key, each in words."""
_VALUE_COLUMNS = (
    "key, text, finish_reason, input_tokens, output_tokens, latency_s, confidence, logprobs, provider_model, "
    "provider_fingerprint"
)


@dataclass(frozen=True, kw_only=True)
class Key:
    """What determines one answer, as digests, so that a miss can name the part that changed.

    Not in it: the case's id, concurrency, time-outs and price, none of which changes an answer.
    """

    identity: str
    prompt: str
    settings: str
    inputs: str
    repeat: int

    @cached_property
    def digest(self) -> str:
        return digest({name: getattr(self, name) for name in PARTS})


def proofs_key(key: Key, holdout: str) -> Key:
    """What the proofs of a treatment stand under: that of any of its requests, with the holdout's digest as inputs."""
    return replace(key, inputs=holdout, repeat=0)


def changed_parts(one: Key, other: Key) -> list[str]:
    """The parts in which two keys differ, in words."""
    return [words for part, words in PARTS.items() if getattr(one, part) != getattr(other, part)]


class KeyMaker:
    """Keys of the requests to one driver; what they share is digested once."""

    def __init__(self, driver: str, identity: Mapping[str, str]) -> None:
        self._identity = digest({"driver": driver, **identity})
        self._settings: dict[object, str] = {}

    def key(self, request: Request) -> Key:
        settings = self._settings.get(request.settings)
        if settings is None:
            settings = self._settings[request.settings] = digest(request.settings.as_dict())
        return Key(
            identity=self._identity,
            prompt=request.prompt.digest,
            settings=settings,
            inputs=digest(list(request.inputs.items())),  # a model reads them in their order
            repeat=request.repeat,
        )


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a lock file that other processes wait for; the system frees it if this process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Ledger:
    """An open ledger file. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises LedgerError if the file can't be opened or is of another format."""
        self.path = path
        with self._usable(), _held(path.parent / "locks" / "open.lock"):  # two can't switch a new file to WAL at once
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, FORMAT):
                raise LedgerError(f"{path} has format {version}, this version reads {FORMAT}; move the file away")
            self._db.executescript(_TABLES)
            self._add_missing_columns()
            self._db.execute(f"PRAGMA user_version={FORMAT}")

    def _add_missing_columns(self) -> None:
        """Ledgers from before log-probabilities lack their column; versions from then can read it none the less."""
        columns = {row[1] for row in self._db.execute("PRAGMA table_info(predictions)")}
        if "logprobs" not in columns:
            self._db.execute("ALTER TABLE predictions ADD COLUMN logprobs TEXT")

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """A file that can't be read or written, or was damaged, is a LedgerError that says what to do."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            what = f"the ledger {self.path} can't be used: {error}"
            raise LedgerError(f"{what}; move the file away or delete it") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def __len__(self) -> int:
        with self._usable():
            return int(self._db.execute("SELECT count(*) FROM predictions").fetchone()[0])

    def output_tokens(self) -> dict[tuple[str, str, str], tuple[int, int]]:
        """(identity, prompt, settings) of the keys → (answers, output tokens of all of them)."""
        query = "SELECT identity, prompt, settings, count(*), sum(output_tokens) FROM predictions GROUP BY 1, 2, 3"
        with self._usable():
            return {(i, p, s): (int(n), int(total)) for i, p, s, n, total in self._db.execute(query)}

    def get(self, keys: Sequence[Key]) -> dict[str, Response]:
        """The stored answers among `keys`, by key digest."""
        found: dict[str, Response] = {}
        digests = [key.digest for key in keys]
        for start in range(0, len(digests), CHUNK):
            part = digests[start : start + CHUNK]
            marks = ",".join("?" * len(part))
            query = f"SELECT {_VALUE_COLUMNS} FROM predictions WHERE key IN ({marks})"
            with self._usable():
                found.update((key, _response(value)) for key, *value in self._db.execute(query, part))
        return found

    def put(self, answers: Iterable[tuple[Key, Response]]) -> None:
        """Store answers in one transaction: all of them are there afterwards, or none."""
        self.put_dated((key, response, time.time()) for key, response in answers)

    def put_dated(self, answers: Iterable[tuple[Key, Response, float]]) -> None:
        """`put`, with the time of each answer in seconds since 1970."""
        rows = [(key.digest, *_key_row(key), *_response_row(response), at) for key, response, at in answers]
        marks = ",".join("?" * len(COLUMNS.split(",")))
        self.change_many(f"INSERT OR IGNORE INTO predictions ({COLUMNS}) VALUES ({marks})", rows)

    def get_proofs(self, key: Key) -> tuple[Proof, ...] | None:
        """The proofs of the treatment with this `proofs_key`; None if none were stored."""
        for (text,) in self.select("SELECT proofs FROM proofs WHERE key = ?", (key.digest,)):
            return tuple(Proof(**proof) for proof in json.loads(text))
        return None

    def put_proofs(self, key: Key, proofs: Sequence[Proof]) -> None:
        """Store the proofs of a treatment in place of earlier ones."""
        self.change(
            "INSERT OR REPLACE INTO proofs (key, parts, proofs) VALUES (?, ?, ?)",
            (key.digest, json.dumps(asdict(key)), json.dumps([asdict(proof) for proof in proofs])),
        )

    def select(self, sql: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, as a stream."""
        with self._usable():
            yield from self._db.execute(sql, values)

    def change(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run one statement; returns how many rows it changed."""
        with self._usable():
            return self._db.execute(sql, values).rowcount

    def change_many(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one statement for every row, in one transaction."""
        with self._usable():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(sql, rows)
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite ends it by itself where the disk is full
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def paying(self, name: str) -> Iterator[None]:
        """Hold the right to pay for one run: other processes wait here, and then find its answers."""
        with _held(self.path.parent / "locks" / f"{digest(name)[:24]}.lock"):
            yield


@contextmanager
def paying_ledger(path: Path, name: str) -> Iterator[Ledger]:
    """The ledger at `path`, with the right to pay for the run `name`."""
    with Ledger(path) as ledger, ledger.paying(name):
        yield ledger


def _key_row(key: Key) -> tuple[object, ...]:
    return (key.identity, key.prompt, key.settings, key.inputs, key.repeat)


def _response_row(response: Response) -> tuple[object, ...]:
    return (
        response.text,
        response.finish_reason,
        response.usage.input_tokens,
        response.usage.output_tokens,
        response.latency_s,
        None if response.confidence is None else json.dumps(dict(response.confidence)),
        None if response.logprobs is None else json.dumps(response.logprobs),
        response.provider_model,
        response.provider_fingerprint,
    )


def _response(row: Sequence[object]) -> Response:
    text, finish_reason, input_tokens, output_tokens, latency_s, confidence, logprobs, model, fingerprint = row
    assert isinstance(input_tokens, int)
    assert isinstance(output_tokens, int)
    assert isinstance(latency_s, float)
    return Response(
        text=str(text),
        finish_reason=str(finish_reason),
        usage=Usage(input_tokens=input_tokens, output_tokens=output_tokens),
        latency_s=latency_s,
        confidence=None if confidence is None else json.loads(str(confidence)),
        logprobs=None if logprobs is None else read_logprobs(json.loads(str(logprobs))),
        provider_model=str(model),
        provider_fingerprint=str(fingerprint),
    )
