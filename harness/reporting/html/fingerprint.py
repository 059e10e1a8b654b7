"""Whether a page shows what there is now: a digest of all that it is made of, kept in its head."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness import __version__
from harness.core.tables import OutcomeTable
from harness.reporting.model import Report

_NAME = "holdfast-made-of"
_META = re.compile(rf'<meta name="{_NAME}" content="([0-9a-f]{{64}})">')
_HEAD = 2_000
_DRAWN_WITH = ("matplotlib", "markdown-it-py", "jinja2")


def meta(digest: str) -> str:
    return f'<meta name="{_NAME}" content="{digest}">'


def digest_in(page: Path) -> str:
    """The digest in the head of a page, "" where there is no page or none in it."""
    try:
        with page.open(encoding="utf-8", errors="replace") as file:
            found = _META.search(file.read(_HEAD))
    except OSError:
        return ""
    return found[1] if found else ""


def digest_of(report: Report, markdown: str, verdicts: str) -> str:
    """Of all that the page shows: the text of the report, the verdicts, every outcome, and how the page is made."""
    found = hashlib.sha256()
    for part in (*_tools(), markdown, verdicts):
        found.update(f"{len(part)} ".encode() + part.encode("utf-8", "surrogatepass"))
    for suite in report.suites:
        found.update(f"{suite.name} {suite.holdout_digest} {len(suite.cases)}".encode())
        # A digest stands for the cases of a holdout, but not for whether their texts are known here.
        for case in suite.cases[:1] if suite.holdout_digest else suite.cases:
            found.update(repr(case).encode("utf-8", "surrogatepass"))
        for name, run in suite.runs.items():
            found.update(name.encode())
            _add(found, run.table)
        if suite.baseline is not None:
            _add(found, suite.baseline)
    return found.hexdigest()


def _add(found: hashlib._Hash, table: OutcomeTable) -> None:
    for numbers in (table.status, table.cost, table.confidence):
        found.update(numbers.tobytes())
    for objects in (table.answers, table.problems, table.texts):
        found.update(repr(objects.tolist()).encode("utf-8", "surrogatepass"))


@cache
def _tools() -> tuple[str, ...]:
    """The versions of what makes a page, and the digest of its own code."""
    return (__version__, *_versions(), _own_code())


def _versions() -> Iterator[str]:
    for name in _DRAWN_WITH:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} is not there"


def _own_code() -> str:
    room = Path(__file__).parents[1]
    found = hashlib.sha256()
    for path in sorted(room.rglob("*")):
        if path.is_file() and path.suffix != ".pyc":
            found.update(path.relative_to(room).as_posix().encode() + path.read_bytes())
    return found.hexdigest()
