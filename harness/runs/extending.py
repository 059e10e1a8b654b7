"""`harness freeze --extend`: more holdout cases, with the old ones as they were, so that baselines still compare."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.core.copies import near_copies
from harness.core.errors import FixtureError
from harness.core.folding import fingerprint
from harness.core.prompting import inputs_text
from harness.core.records import Case
from harness.fixtures_io.cases import case_row
from harness.fixtures_io.declarations import shown
from harness.fixtures_io.locks import VERSION, case_changes, part_changes, read_lock
from harness.fixtures_io.suites import Project, suites_on
from harness.fixtures_io.tasks import TASK_FILE, Fixture, load_fixture
from harness.reporting.escaping import plain_line
from harness.runs.freezing import lock_line
from harness.runs.leaks import cards_of

SHOWN = 10
TEXT = 60


def extend(folder: Path, files: Sequence[Path]) -> Iterator[str]:
    """Add the cases of `files`, and those that were added to the holdout by hand, to a frozen holdout; lock it again.

    Raises FixtureError, with nothing written, if anything frozen is not as it was, or a new case has an old id, is a
    copy of an old one outside its cluster, stands in the pool, or was trained on.
    """
    if not (folder / TASK_FILE).is_file():
        raise FixtureError(f"{shown(folder)} holds no {TASK_FILE}; only a holdout can be extended")
    fixture = load_fixture(folder)
    lock = read_lock(fixture.lock_path)
    here = fixture.unverified_holdout()
    changes = [*case_changes(lock, here, fixture.holdout_path, added=False), *part_changes(lock, fixture.parts)]
    if changes:
        raise FixtureError(
            f"{shown(folder)} can't be extended, since it is not the frozen one: {'; '.join(changes)}; restore it, or "
            f"freeze it anew with: harness freeze {shown(folder)}"
        )
    if lock.get("version") != VERSION:
        raise FixtureError(
            f"{shown(fixture.lock_path)} is of an older version, which does not cover all that cases depend on; "
            f"renew it first with: harness freeze {shown(folder)}"
        )
    old = [case for case in here if case.id in lock["cases"]]
    given = [case for file in files for case in fixture.cases_of(file)]
    new = [*(case for case in here if case.id not in lock["cases"]), *given]
    if not new:
        raise FixtureError(f"no new cases: name a file of them, or add lines to {shown(fixture.holdout_path)}")
    if problems := list(_problems(fixture, old, new)):
        more = [f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        head = f"{shown(folder)} can't be extended with these cases; nothing was written:"
        raise FixtureError("\n  ".join([head, *problems[:SHOWN], *more]))
    _append(fixture.holdout_path, given)
    yield f"{len(new)} new cases beside {len(old)} old ones"
    yield lock_line(fixture, lock)


def _problems(fixture: Fixture, old: Sequence[Case], new: Sequence[Case]) -> Iterator[str]:
    ids = {case.id for case in old}
    first: dict[str, str] = {}
    for case in new:
        if case.id in ids:
            yield f"{case.id}: the id stands in the holdout already"
        ids.add(case.id)
        twin = first.setdefault(fingerprint(inputs_text(case.inputs)), case.id)
        if twin != case.id:
            yield f"{case.id} is a copy of {twin}, which is new too"
    yield from _copies(new, old, "holdout case", clusters=True)
    if fixture.pool_path.exists():
        yield from _copies(new, fixture.pool(), "pool case")
    project = Project(root=fixture.folder.parent.parent)
    for suite in suites_on(fixture.folder, project):
        for card in cards_of(suite):
            trained = {value: case_id for case_id, value in (card.texts or {}).items()}
            for case in new:
                if (known := trained.get(fingerprint(inputs_text(case.inputs)))) is not None:
                    yield f"{case.id} is {known} of the training data of {card.adapter}"


def _copies(new: Sequence[Case], others: Sequence[Case], what: str, *, clusters: bool = False) -> Iterator[str]:
    """Which of the new cases are copies; with `clusters` those of one cluster may be."""
    found = near_copies([inputs_text(c.inputs) for c in new], [inputs_text(c.inputs) for c in others])
    for copy in found:
        case, other = new[copy.row], others[copy.of]
        if not (clusters and case.cluster is not None and case.cluster == other.cluster):
            texts = [plain_line(inputs_text(c.inputs), limit=TEXT) for c in (case, other)]
            yield f"{case.id} is a copy ({copy.similarity:.0%}) of {what} {other.id}: {texts[0]} | {texts[1]}"


def _append(path: Path, cases: Sequence[Case]) -> None:
    """Behind the old lines, which stay byte by byte; whole or not at all."""
    text = path.read_bytes()
    rows = "".join(json.dumps(case_row(case), ensure_ascii=False) + "\n" for case in cases)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(text + (b"" if text.endswith(b"\n") else b"\n") + rows.encode("utf-8"))
    partial.replace(path)
