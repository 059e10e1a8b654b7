"""The progress of executing runs, shown while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.execution.scheduler import Progress
from harness.execution.spending import Account
from harness.reporting.progress import ProgressLine, Screen


@contextmanager
def showing(what: str, total: int, account: Account, *, live: bool) -> Iterator[Progress]:
    """The progress of `what`, whose calls are paid from `account`; nothing of a live line is left behind."""
    line = ProgressLine(what, total, Screen(live=live))

    def changed(progress: Progress) -> None:
        line.show(progress.done, free=progress.stored, failed=progress.failed, usd=account.usd)

    try:
        yield Progress(total=total, changed=changed)
    finally:
        line.close()


@contextmanager
def stepping(what: str, *, live: bool) -> Iterator[Callable[[int], None]]:
    """A function to be called after each of `total` steps, with that total."""
    line, done = None, 0

    def step(total: int) -> None:
        nonlocal line, done
        line, done = line or ProgressLine(what, total, Screen(live=live)), done + 1
        line.show(done)

    try:
        yield step
    finally:
        if line is not None:
            line.close()
