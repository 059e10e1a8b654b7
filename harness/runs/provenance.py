"""Where a report comes from: the revision, the versions, the machine, and what the run took."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness import __version__
from harness.reporting.model import Effort, Provenance
from harness.runs.spent import Accounts

_PACKAGES = ("numpy", "scipy", "jsonschema", "torch", "transformers", "peft", "openai")
_PROCESSOR = "model name"


def provenance(root: Path, *, profile: str, command: str, effort: Effort | None = None) -> Provenance:
    """Of a report on the project at `root` that `command` makes."""
    return Provenance(
        revision=git_revision(root),
        versions=versions(),
        hardware=hardware(),
        command=command,
        profile=profile,
        effort=effort,
    )


def effort(accounts: Accounts, seconds: float) -> Effort:
    """What a process spent in so many seconds, over all its strategies."""
    return Effort(
        seconds=seconds,
        calls=sum(calls for calls, *_ in accounts.values()),
        stored=sum(stored for _, stored, *_ in accounts.values()),
    )


def git_revision(root: Path) -> str:
    """The commit of the project, with `+changes` if files differ from it; "" outside git."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+changes", "--abbrev=12", "--exclude=*"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """The versions of Holdfast, Python and the packages that answers may depend on."""
    found = {"holdfast": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> str:
    """The processor and how many cores there are of it, and the GPU if a model in this process could use one."""
    cores = os.cpu_count() or 1
    parts = [f"{_processor()}, {cores} {'core' if cores == 1 else 'cores'}"]
    torch = sys.modules.get("torch")  # never imported for this: a run from the ledger needs none
    if torch is not None and torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    return "; ".join(parts)


def _processor() -> str:
    """Its name as Linux tells it, else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith(_PROCESSOR))
    return next(named, "") or platform.machine()
