"""How often a holdout was used: noted with each run, and put beside the lock when a baseline is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.core.metrics import rates
from harness.core.records import ANCHOR, BASELINE
from harness.core.reuse import flattery, luck_of_best, outworn
from harness.fixtures_io.declarations import shown
from harness.fixtures_io.uses import FILE, Use, append_uses, read_uses, write_uses
from harness.reporting.model import HoldoutUse
from harness.runs.session import SuiteSession

JUDGED = Path(".holdfast") / "judged.jsonl"
"""What was judged on this machine, from the root of a project."""


def _uses(session: SuiteSession, root: Path) -> set[Use]:
    """All that is known to have been judged on this holdout, or on one that it came from."""
    holdouts = {session.holdout_digest, *session.earlier_holdouts}
    known = read_uses(session.suite.fixture.folder / FILE) | read_uses(root / JUDGED)
    return {use for use in known if use.holdout in holdouts}


def holdout_use(session: SuiteSession, root: Path, *, note: bool) -> HoldoutUse | None:
    """How often the holdout was used, this run included, and what that may be worth; None where nothing was run.

    With `note` it is kept on this machine what was judged now, each version of a strategy once.
    """
    runs = session.executed()
    if not runs:
        return None
    now = {Use(session.holdout_digest, session.suite.name, run, session.digest(run)) for run in runs}
    if note and (new := now - read_uses(root / JUDGED)):
        append_uses(root / JUDGED, new)
    judged = len({use.digest for use in _uses(session, root) | now})
    run = session.suite.shipped if session.suite.shipped in runs else list(runs)[-1]
    natural = session.members(None)
    cases, found = int(natural.sum()), rates(runs[run], session.task, natural)
    right = found.correct * cases // found.n if found.n else 0
    return HoldoutUse(
        judged=judged, luck=luck_of_best(judged), points=100 * flattery(judged, right, cases), outworn=outworn(judged)
    )


def keep_uses(session: SuiteSession, root: Path) -> str:
    """Put what was judged beside the lock, to be committed with the baseline, and say so."""
    path, uses = session.suite.fixture.folder / FILE, _uses(session, root)
    write_uses(path, read_uses(path) | uses)
    return f"{shown(path, root)}: strategies judged on this holdout so far: {len({use.digest for use in uses})}"


def holdout_notes(session: SuiteSession) -> list[str]:
    """What else is to be known of the holdout that was judged on; empty where nothing was run."""
    return [note for note in _notes(session) if note] if session.executed() else []


def _notes(session: SuiteSession) -> Iterator[str]:
    yield session.outdated_lock
    if reason := session.suite.fixture.accept_leaks:
        yield f"strategies may know holdout cases already, which is accepted: {reason}"
    for name in (BASELINE, ANCHOR):
        known = session.known(name)
        if new := int((~known).sum()):
            both = len(known) - new
            yield f"{new} of {len(known)} holdout cases are new since the {name}, which is compared on the other {both}"
