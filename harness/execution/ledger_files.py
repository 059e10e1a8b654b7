"""A ledger as JSON lines, and what other machines' ledgers add to this one. What comes from elsewhere is not trusted.

A line is an answer, a failure, or the proofs of a treatment, under its key:
{"key": …, "parts": {…}, "response": {…}, "answered_at": …}, {"key": …, "parts": {…}, "failure": {…}} or
{"key": …, "parts": {…}, "proofs": [{…}, …]}.
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.core.errors import LedgerError
from harness.core.records import LEAST_LOGPROB, Failure, Logprobs, Proof, Response, Usage
from harness.execution.calls import copy_versions
from harness.execution.failures import put_failures
from harness.execution.ledger import CHUNK, COLUMNS, PARTS, Key, Ledger

SHOWN = 10
PROOF_STATUSES = ("proved", "failed", "reported")
_HEXADECIMAL = frozenset("0123456789abcdef")
_LARGEST = 2**63 - 1
_LATEST = 10**11
_GIVEN_OR_NOT = {"logprobs"}
_VALUES = {field.name for field in fields(Response) if field.compare} - _GIVEN_OR_NOT
SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one line holds. `answered_at` is in seconds since 1970, 0 where nothing was answered."""

    key: Key
    reply: Response | Failure | tuple[Proof, ...]
    answered_at: float = 0.0


@dataclass(slots=True, kw_only=True)
class Joined:
    """What a source held: answers that were new, known, or known with another answer; and failures."""

    new: int = 0
    known: int = 0
    other: int = 0
    failures: int = 0

    def __str__(self) -> str:
        parts = [f"{self.new} new answers", f"{self.known} known"]
        parts += [f"{self.other} known with another answer, which was not taken"] if self.other else []
        parts += [f"{self.failures} failed requests"] if self.failures else []
        return ", ".join(parts)


def is_ledger(path: Path) -> bool:
    """Whether a file is a ledger rather than a file of lines. Raises LedgerError for one that can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except OSError as error:
        raise LedgerError(f"{path} can't be read: {error.strerror}") from error


def export(ledger: Ledger, path: Path) -> int:
    """Write all answers and failures, sorted by key, then all proofs, whole or not at all; returns how many lines."""
    count = 0
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding="utf-8") as file:
            for row in _rows(ledger):
                file.write(json.dumps(_line(row), sort_keys=True, ensure_ascii=False) + "\n")
                count += 1
        partial.replace(path)
    except OSError as error:
        raise LedgerError(f"{path} can't be written: {error.strerror}") from error
    return count


def entries(path: Path) -> Iterator[Entry]:
    """The entries of a ledger or an export, checked as they are read.

    Raises LedgerError with the first problems, each with its line, once all is read.
    """
    problems: list[str] = []
    where = "entry" if is_ledger(path) else "line"
    for number, raw in enumerate(_raw(path), 1):
        try:
            yield _entry(json.loads(raw, parse_constant=_no_number) if isinstance(raw, bytes) else _line(raw))
        except (ValueError, RecursionError) as error:
            problems.append(f"{where} {number}: {error}")
    if problems:
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise LedgerError("\n  ".join([f"{path} can't be taken, and nothing was:", *problems[:SHOWN], *more]))


def join(ledger: Ledger, paths: Sequence[Path]) -> list[Joined]:
    """Add what ledgers and exports hold to a ledger, in their order; an answer that is there is never replaced.

    Raises LedgerError, before anything is added, if one of them can't be taken.
    """
    for path in paths:
        for _ in entries(path):
            pass
    return [_join(ledger, path) for path in paths]


def _join(ledger: Ledger, path: Path) -> Joined:
    joined = Joined()
    stream = entries(path)
    while batch := list(itertools.islice(stream, CHUNK)):
        known = ledger.get([entry.key for entry in batch])
        new: dict[str, tuple[Key, Response, float]] = {}
        failures = []
        for entry in batch:
            digest, reply = entry.key.digest, entry.reply
            if isinstance(reply, tuple):
                if ledger.get_proofs(entry.key) is None:
                    ledger.put_proofs(entry.key, reply)
            elif isinstance(reply, Failure):
                failures.append((entry.key, reply))
            elif digest in known or digest in new:
                there = known.get(digest) or new[digest][1]
                joined.known += 1
                joined.other += _said(there) != _said(reply)
            else:
                new[digest] = entry.key, reply, entry.answered_at
        ledger.put_dated(new.values())
        put_failures(ledger, failures)
        joined.new += len(new)
        joined.failures += len(failures)
    if is_ledger(path):
        with Ledger(path) as source:
            copy_versions(source, ledger)
    return joined


def _said(response: Response) -> tuple[object, ...]:
    """What of an answer is judged."""
    return response.text, response.finish_reason, response.confidence, response.logprobs


def _raw(path: Path) -> Iterator[bytes | tuple[Any, ...]]:
    if is_ledger(path):
        with Ledger(path) as ledger:
            yield from _rows(ledger)
    else:
        with path.open("rb") as file:
            yield from file


def _rows(ledger: Ledger) -> Iterator[tuple[Any, ...]]:
    """Answers, and failures that no answer has followed, in the order of their keys; then proofs likewise."""
    answers = ledger.select(f"SELECT {COLUMNS} FROM predictions ORDER BY key")
    failures = ledger.select(
        "SELECT key, parts, failure FROM failures WHERE key NOT IN (SELECT key FROM predictions) ORDER BY key"
    )
    proofs = ledger.select("SELECT key, parts, proofs, NULL FROM proofs ORDER BY key")
    return itertools.chain(heapq.merge(answers, failures, key=lambda row: str(row[0])), proofs)


def _line(row: tuple[Any, ...]) -> dict[str, Any]:
    if len(row) == 4:
        key, parts, proofs, _ = row
        return {"key": key, "parts": json.loads(parts), "proofs": json.loads(proofs)}
    if len(row) == 3:
        key, parts, failure = row
        return {"key": key, "parts": json.loads(parts), "failure": json.loads(failure)}
    values = dict(zip(COLUMNS.split(", "), row, strict=True))
    usage = {name: values.pop(name) for name in ("input_tokens", "output_tokens")}
    confidence, logprobs = values.pop("confidence"), values.pop("logprobs")
    if logprobs is not None:
        values["logprobs"] = json.loads(logprobs)
    return {
        "key": values.pop("key"),
        "answered_at": values.pop("answered_at"),
        "parts": {part: values.pop(part) for part in PARTS},
        "response": {
            **values,
            "usage": usage,
            "confidence": None if confidence is None else json.loads(confidence),
        },
    }


def _entry(line: object) -> Entry:
    """A line, checked. Raises ValueError with what is wrong with it."""
    line = _object(line, "the line", {"key", "parts"}, one_of={"response", "failure", "proofs"}, also={"answered_at"})
    key = _key(line["parts"])
    if line["key"] != key.digest:
        raise ValueError(f"the key does not fit its parts, which have the key {key.digest[:12]}…")
    if "failure" in line:
        return Entry(key=key, reply=_failure(line["failure"]))
    if "proofs" in line:
        return Entry(key=key, reply=_proofs(line["proofs"]))
    return Entry(
        key=key, reply=_response(line["response"]), answered_at=_number(line.get("answered_at"), "answered_at")
    )


def _key(value: object) -> Key:
    parts = _object(value, "`parts`", set(PARTS))
    for part in PARTS:
        if part == "repeat":
            _count(parts[part], "repeat")
        elif not isinstance(parts[part], str) or len(parts[part]) != 64 or not set(parts[part]) <= _HEXADECIMAL:
            raise ValueError(f"`{part}` is no digest; expected 64 hexadecimal digits")
    return Key(**parts)


def _response(value: object) -> Response:
    values = _object(value, "`response`", _VALUES, also=_GIVEN_OR_NOT)
    usage = _object(values["usage"], "`usage`", {"input_tokens", "output_tokens"})
    confidence = values["confidence"]
    if confidence is not None:
        confidence = _object(confidence, "`confidence`")
        confidence = {_text(name, "a name in `confidence`"): _number(p, "confidence") for name, p in confidence.items()}
    return Response(
        text=_text(values["text"], "`text`"),
        finish_reason=_text(values["finish_reason"], "`finish_reason`"),
        usage=Usage(**{name: _count(number, name) for name, number in usage.items()}),
        latency_s=_number(values["latency_s"], "latency_s"),
        confidence=confidence,
        logprobs=_logprobs(values.get("logprobs")),
        provider_model=_text(values["provider_model"], "`provider_model`"),
        provider_fingerprint=_text(values["provider_fingerprint"], "`provider_fingerprint`"),
    )


def _logprobs(value: object) -> Logprobs | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        raise ValueError("`logprobs` is no list of pairs")
    return tuple((_text(token, "a token in `logprobs`"), _logprob(logprob)) for token, logprob in value)


def _logprob(value: object) -> float:
    number = _number(value, "logprobs")
    if not LEAST_LOGPROB <= number <= 0:
        raise ValueError(f"`logprobs` has {number:g}; expected the logarithm of a probability")
    return number


def _failure(value: object) -> Failure:
    values = _object(value, "`failure`", {field.name for field in fields(Failure) if field.compare})
    if not isinstance(values["retryable"], bool):
        raise ValueError("`retryable` is neither true nor false")
    after = values["retry_after_s"]
    return Failure(
        kind=_text(values["kind"], "`kind`"),
        message=_text(values["message"], "`message`"),
        retryable=values["retryable"],
        retry_after_s=None if after is None else _number(after, "retry_after_s"),
    )


def _proofs(value: object) -> tuple[Proof, ...]:
    if not isinstance(value, list):
        raise ValueError("`proofs` is no list")
    found = []
    for one in value:
        values = _object(one, "an entry of `proofs`", {field.name for field in fields(Proof)})
        for name, text in values.items():
            _text(text, f"`{name}` of a proof")
        if values["status"] not in PROOF_STATUSES:
            raise ValueError(f"`status` of a proof is {values['status']!r}; expected {', '.join(PROOF_STATUSES)}")
        found.append(Proof(**values))
    return tuple(found)


def _object(
    value: object,
    what: str,
    names: set[str] | None = None,
    *,
    one_of: Set[str] = frozenset(),
    also: Set[str] = frozenset(),
) -> dict[str, Any]:
    """`value` as an object with all of `names`, one of `one_of`, perhaps some of `also`, and nothing else."""
    if not isinstance(value, dict):
        raise ValueError(f"{what} is no JSON object")
    if names is None:
        return value
    if missing := sorted(names - set(value)):
        raise ValueError(f"{what} lacks {missing[0]!r}")
    if unknown := sorted(set(value) - names - one_of - also):
        raise ValueError(f"{what} has the unknown entry {unknown[0]!r}")
    if one_of and len(one_of & set(value)) != 1:
        first, *others = sorted(one_of, reverse=True)
        raise ValueError(f"{what} has not just one of {', '.join(reversed(others))} and {first}")
    return value


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is no text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} has a half character, which no file can hold") from None
    return value


def _count(value: object, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise ValueError(f"`{what}` is no whole number of 0 or more")
    return value


def _number(value: object, what: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= _LARGEST:
        raise ValueError(f"`{what}` is no number")
    return float(value)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
