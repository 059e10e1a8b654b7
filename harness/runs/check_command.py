"""`harness check` on a terminal: progress, what was found, and how it ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from harness.fixtures_io.suites import Project
from harness.reporting.checks import check_lines
from harness.runs.checking import check_fixtures
from harness.runs.embedding import Embedder
from harness.runs.settings import settings

WIDEST = 120


def check(folders: Sequence[Path], *, semantic: bool, as_json: bool) -> int:
    """Print what is wrong with the fixtures; 1 if a leak or an error blocks, else 0."""
    root = Path.cwd()
    named = {name: value for name, value in settings(root).items() if name in ("fixtures", "adapters", "reports")}
    width = min(shutil.get_terminal_size().columns, WIDEST)
    blocks, found = False, []
    for checked in check_fixtures(folders, Project(root=root, **named), embed=Embedder() if semantic else None):
        blocks = blocks or checked.blocks
        found.append({**asdict(checked), "blocks": checked.blocks})
        for line in check_lines(checked, width=width) if not as_json else ():
            print(line, flush=True)
    if as_json:
        print(json.dumps({"fixtures": found}, indent=1, ensure_ascii=False))
    return int(blocks)
