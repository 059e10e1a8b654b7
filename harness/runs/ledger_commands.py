"""`harness ledger …`: what each command prints."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tabulate import tabulate

from harness.core.errors import LedgerError
from harness.execution.failures import get_failures
from harness.execution.ledger import PARTS, Key, Ledger
from harness.execution.ledger_files import export, is_ledger, join
from harness.execution.ledger_queries import (
    Choice,
    Group,
    checked_start,
    failure_count,
    groups,
    nearest,
    prune,
    starting_with,
    stored_row,
)
from harness.reporting.escaping import plain_line

SHORT = 12
TEXT = 2000
DAY_S = 86_400.0
AS_PARTS = "IDENTITY/PROMPT/SETTINGS/INPUTS/REPEAT"


def stats(path: Path) -> Iterator[str]:
    """What the ledger holds, by provider model, identity and prompt."""
    with _existing(path) as ledger:
        found, failures = groups(ledger), failure_count(ledger)
    failed = f", {failures} failed requests" if failures else ""
    yield f"{path}: {sum(group.answers for group in found)} answers{failed}, {_size(path)}"
    yield from _table(found)


def export_lines(path: Path, target: Path) -> Iterator[str]:
    """Write the ledger as JSON lines."""
    with _existing(path) as ledger:
        yield f"{target}: {export(ledger, target)} lines"


def import_lines(path: Path, sources: Sequence[Path]) -> Iterator[str]:
    """Add exports, or other ledgers, to the ledger, which is made if there is none."""
    for source in sources:
        if is_ledger(source) and path.exists() and source.samefile(path):
            raise LedgerError(f"{source} is the ledger that is added to; name the others")
    with Ledger(path) as ledger:
        for source, joined in zip(sources, join(ledger, sources), strict=True):
            yield f"{source}: {joined}"
        yield f"{path}: {len(ledger)} answers"


def prune_lines(path: Path, choice: Choice, *, really: bool) -> Iterator[str]:
    """Say what would go, or remove it."""
    with _existing(path) as ledger:
        if not really:
            found = groups(ledger, choice)
            count = sum(group.answers for group in found)
            yield f"{count} of {len(ledger)} answers would go; to remove them, add --yes"
            yield from _table(found)
            return
        before = _size(path)
        removed = prune(ledger, choice)
        yield f"{path}: {removed} answers removed, {len(ledger)} left; {before} before, {_size(path)} now"


def prune_choice(
    *, days: float | None, model: str | None, prompt: str | None, identity: str | None, everything: bool
) -> Choice:
    """Which answers `prune` is about. Raises LedgerError where nothing is chosen, or all and something else."""
    given = [value for value in (days, model, prompt, identity) if value is not None]
    if bool(given) == everything:
        raise LedgerError("say which answers are to go: --older-than, --model, --prompt, --identity, or --all alone")
    before = None if days is None else time.time() - days * DAY_S
    return Choice(before=before, model=model, prompt=prompt, identity=identity)


def explain(path: Path, key: str) -> Iterator[str]:
    """One stored answer with its parts, or what is nearest to parts that are not there."""
    with _existing(path) as ledger:
        found = _found(ledger, key)
        if found is None:
            yield from _nearest_lines(ledger, key.split("/"))
        else:
            yield from _answer_lines(ledger, found)


def _found(ledger: Ledger, key: str) -> str | None:
    """The one key that is meant; None for parts that are not there. Raises LedgerError for none or several."""
    parts = key.split("/")
    if len(parts) == 1:
        found = starting_with(ledger, checked_start(key, "KEY"))
        if not found:
            raise LedgerError(
                f"no key in {ledger.path} begins with {key}. To see what is nearest to a key that is not there, "
                f"give its parts, as {AS_PARTS} (the start of each is enough)"
            )
        if len(found) > 1:
            raise LedgerError(f"{len(found)} keys begin with {key}, such as {found[0]} and {found[1]}; give more of it")
        return found[0]
    if len(parts) != len(PARTS) or not parts[-1].isdecimal():
        raise LedgerError(f"KEY is {key!r}; expected the start of a digest, or {AS_PARTS}")
    for name, part in zip(PARTS, parts[:-1], strict=False):
        checked_start(part, f"{name.upper()} in KEY")
    near = nearest(ledger, parts)
    return near[0][0].digest if near and not near[0][1] else None


def _answer_lines(ledger: Ledger, digest: str) -> Iterator[str]:
    row = stored_row(ledger, digest)
    if row is None:
        yield from _failure_lines(ledger, digest)
        return
    yield f"key {digest}"
    for part, words in PARTS.items():
        yield f"  {part} {row[part]} ({words})"
    by = " ".join(plain_line(str(row[name])) for name in ("provider_model", "provider_fingerprint") if row[name])
    yield f"answered {_when(row['answered_at'])} UTC" + (f" by {by}" if by else "")
    yield (
        f"{row['input_tokens']} + {row['output_tokens']} tokens, {row['latency_s']:.3f} s, ended by "
        f"{plain_line(str(row['finish_reason']))}"
    )
    if row["confidence"] is not None:
        yield f"confidence {plain_line(str(row['confidence']))}"
    if row["logprobs"] is not None:
        yield f"log-probabilities {plain_line(str(row['logprobs']), limit=TEXT)}"
    yield f"answer: {plain_line(str(row['text']), limit=TEXT)}"


def _failure_lines(ledger: Ledger, digest: str) -> Iterator[str]:
    ((_, failure),) = get_failures(ledger, [digest]).items()
    yield f"key {digest}"
    yield f"failed, {plain_line(failure.kind)}: {plain_line(failure.message, limit=TEXT)}"


def _nearest_lines(ledger: Ledger, parts: Sequence[str]) -> Iterator[str]:
    near = nearest(ledger, parts)
    yield "not in the ledger; the nearest entries:" if near else f"{ledger.path} is empty"
    for key, differ in near:
        yield f"  key {key.digest[:SHORT]}: {_parts(key)}"
        yield f"    differs in {', '.join(f'{name} ({PARTS[name]})' for name in differ)}"


def _parts(key: Key) -> str:
    digests = [str(getattr(key, part))[:SHORT] for part in PARTS]
    return "/".join(digests)


def _table(found: Sequence[Group]) -> Iterator[str]:
    rows = [
        [
            plain_line(group.model, limit=60) or "(none)",
            group.identity[:SHORT],
            group.prompt[:SHORT],
            group.answers,
            group.input_tokens,
            group.output_tokens,
            _when(group.first),
            _when(group.last),
        ]
        for group in found
    ]
    head = ["provider model", "identity", "prompt", "answers", "tokens in", "tokens out", "first (UTC)", "last (UTC)"]
    if rows:
        yield from tabulate(rows, headers=head, disable_numparse=True, colalign=_ALIGNED).splitlines()


_ALIGNED = ("left", "left", "left", "right", "right", "right", "left", "left")


def _when(seconds: object) -> str:
    return datetime.fromtimestamp(float(str(seconds)), UTC).strftime("%Y-%m-%d %H:%M")


def _size(path: Path) -> str:
    """What the ledger takes on disk, together with what SQLite has not moved into it yet."""
    files = [path, path.with_name(path.name + "-wal")]
    return f"{sum(file.stat().st_size for file in files if file.exists()) / 1e6:.1f} MB"


def _existing(path: Path) -> Ledger:
    if not path.is_file():
        raise LedgerError(f"there is no ledger {path}; `pytest suites/` makes one, or name another with --ledger")
    return Ledger(path)
