"""What a ledger holds, what can be removed from it, and what stands under or near a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core.errors import LedgerError
from harness.execution.ledger import COLUMNS, PARTS, Key, Ledger

NEAREST = 3
_HEXADECIMAL = frozenset("0123456789abcdef")
_PARTS = ", ".join(PARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The answers of one provider model under one identity and prompt. Times are in seconds since 1970."""

    model: str
    identity: str
    prompt: str
    answers: int
    input_tokens: int
    output_tokens: int
    first: float
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which answers are to go: those for which all that is given holds, or all answers where nothing is."""

    before: float | None = None
    model: str | None = None
    prompt: str | None = None
    identity: str | None = None

    def where(self) -> tuple[str, list[object]]:
        """The condition of a query for them, with its values. Raises LedgerError for what is no digest."""
        parts: list[tuple[str, list[object]]] = []
        if self.before is not None:
            parts.append(("answered_at < ?", [self.before]))
        if self.model is not None:
            parts.append(("provider_model = ?", [self.model]))
        for part, start in (("prompt", self.prompt), ("identity", self.identity)):
            if start is not None:
                parts.append((f"substr({part}, 1, ?) = ?", [len(start), checked_start(start, f"--{part}")]))
        return " AND ".join(sql for sql, _ in parts) or "1", [value for _, values in parts for value in values]


def checked_start(text: str, what: str) -> str:
    """The start of a digest. Raises LedgerError for a text that can be none."""
    if not text or not set(text) <= _HEXADECIMAL:
        raise LedgerError(f"{what} is {text!r}; expected the start of a digest, in hexadecimal digits")
    return text


def groups(ledger: Ledger, choice: Choice | None = None) -> list[Group]:
    """What the ledger holds of the chosen answers, the largest groups first."""
    where, values = (choice or Choice()).where()
    rows = ledger.select(
        "SELECT provider_model, identity, prompt, count(*), sum(input_tokens), sum(output_tokens), min(answered_at), "
        f"max(answered_at) FROM predictions WHERE {where} GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3",
        values,
    )
    names = ("model", "identity", "prompt", "answers", "input_tokens", "output_tokens", "first", "last")
    return [Group(**dict(zip(names, row, strict=True))) for row in rows]


def failure_count(ledger: Ledger) -> int:
    """How many kept failures no answer has followed."""
    query = "SELECT count(*) FROM failures WHERE key NOT IN (SELECT key FROM predictions)"
    return int(next(iter(ledger.select(query)))[0])


def prune(ledger: Ledger, choice: Choice) -> int:
    """Remove the chosen answers, all kept failures, and give the room back; returns how many answers went.

    Failures cost nothing to keep out: a shard that is run again asks them again.
    """
    where, values = choice.where()
    removed = ledger.change(f"DELETE FROM predictions WHERE {where}", values)
    ledger.change("DELETE FROM failures")
    shared = ", ".join(f"json_extract(parts, '$.{part}')" for part in ("identity", "prompt", "settings"))
    ledger.change(
        f"DELETE FROM proofs WHERE ({shared}) NOT IN (SELECT DISTINCT identity, prompt, settings FROM predictions)"
    )
    ledger.change(
        "DELETE FROM versions WHERE (identity, prompt, settings) NOT IN "
        "(SELECT DISTINCT identity, prompt, settings FROM predictions)"
    )
    ledger.change("VACUUM")
    ledger.change("PRAGMA wal_checkpoint(TRUNCATE)")
    return removed


def starting_with(ledger: Ledger, start: str) -> list[str]:
    """The keys of answers and kept failures that begin with `start`."""
    span = (start, start + "g")
    rows = ledger.select(
        "SELECT key FROM predictions WHERE key >= ? AND key < ? UNION SELECT key FROM failures WHERE key >= ? AND "
        "key < ? ORDER BY key",
        (*span, *span),
    )
    return [key for (key,) in rows]


def stored_row(ledger: Ledger, key: str) -> dict[str, object] | None:
    """All columns of one answer; None if there is none."""
    row = next(iter(ledger.select(f"SELECT {COLUMNS} FROM predictions WHERE key = ?", (key,))), None)
    return None if row is None else dict(zip(COLUMNS.split(", "), row, strict=True))


def nearest(ledger: Ledger, parts: Sequence[str]) -> list[tuple[Key, tuple[str, ...]]]:
    """The stored keys that agree in most parts, each with the names of the parts that differ.

    Of several that are as near, those of the same inputs come first, then the newest.

    `parts` are the starts of the four digests, and the repeat.
    """
    same = " + ".join("(substr(identity, 1, ?) = ?)".replace("identity", part) for part in list(PARTS)[:4])
    values: list[object] = [value for part in parts[:4] for value in (len(part), part)]
    inputs = parts[list(PARTS).index("inputs")]
    rows = ledger.select(
        f"SELECT {_PARTS} FROM predictions ORDER BY {same} + (repeat = ?) DESC, (substr(inputs, 1, ?) = ?) DESC, "
        f"answered_at DESC, key LIMIT {NEAREST}",
        [*values, int(parts[4]), len(inputs), inputs],
    )
    found = []
    for row in rows:
        key = Key(**dict(zip(PARTS, row, strict=True)))
        differ = [name for name, start, there in zip(PARTS, parts, row, strict=True) if not _fits(start, there)]
        found.append((key, tuple(differ)))
    return found


def _fits(start: str, there: object) -> bool:
    return there.startswith(start) if isinstance(there, str) else int(start) == there
