"""`harness report --from …`: every report file from stored predictions, with no model and no ledger of the project."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.core.errors import LedgerError
from harness.execution.ledger import Ledger
from harness.execution.ledger_files import is_ledger, join
from harness.runs.settings import TYPED


def rebuild(sources: Sequence[Path], *, out: Path | None, profile: str | None) -> int:
    """Judge what is stored and write its report; returns pytest's exit status. In a process of its own.

    `sources` are ledgers of shards or exports of them, joined for this alone, or one recording. Raises LedgerError for
    files of no use.
    """
    with _one_store(sources) as store:
        # With a space pytest would look for its root above a file that lies elsewhere.
        arguments = ["suites/", f"--gate-replay={store.absolute()}", "-p", "no:cacheprovider"]
        arguments += [f"--gate-report={out.absolute()}"] if out else []
        arguments += [f"--gate-profile={profile}"] if profile else []
        typed = ["harness", "report", "--from", *map(str, sources)]
        typed += ["--out", str(out)] if out else []
        typed += ["--profile", profile] if profile else []
        environment = {**os.environ, TYPED: shlex.join(typed)}
        return subprocess.run([sys.executable, "-m", "pytest", *arguments], env=environment, check=False).returncode


@contextmanager
def _one_store(sources: Sequence[Path]) -> Iterator[Path]:
    """One file that pytest can replay; what several files hold together lasts as long as the context."""
    recordings = [path for path in sources if _is_recording(path)]
    if recordings and len(sources) > 1:
        raise LedgerError(
            f"{recordings[0]} is a recording, which is a whole run and is judged alone; expected ledgers of shards, or "
            "exports of them"
        )
    if len(sources) == 1 and (recordings or is_ledger(sources[0])):
        yield sources[0]
        return
    with TemporaryDirectory(prefix="holdfast-") as folder:
        joined = Path(folder) / "joined.sqlite"
        with Ledger(joined) as ledger:
            join(ledger, sources)
        yield joined


def _is_recording(path: Path) -> bool:
    """Raises LedgerError for a file that can't be read."""
    if is_ledger(path):
        return False
    with path.open("rb") as file:
        first = file.readline()
    try:
        return "recording" in json.loads(first)
    except (ValueError, TypeError):
        return False
