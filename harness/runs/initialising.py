"""`harness init`: a project that runs at once, in the user's own repository."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from harness.core.errors import FixtureError
from harness.fixtures_io.declarations import shown
from harness.runs.freezing import freeze

_HIDDEN = {"gitignore": ".gitignore", "github": ".github"}


def initialise(folder: Path, *, task: str) -> Iterator[str]:
    """Write the files of a project into `folder`, freeze its holdout, and say what comes next.

    Nothing that is there is changed: raises FixtureError that names the files in the way.
    """
    templates = resources.files("harness").joinpath("templates")
    files = dict(_files(templates.joinpath("both"))) | dict(_files(templates.joinpath(task)))
    ignored = folder / ".gitignore"
    in_the_way = [path for path in sorted(files) if (folder / path).exists() and folder / path != ignored]
    if in_the_way:
        raise FixtureError(
            f"{shown(folder)} holds {', '.join(in_the_way[:3])} already, and nothing was written; "
            "give another folder, or move what is in the way"
        )
    for path, content in sorted(files.items()):
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(_added(ignored.read_bytes(), content) if place == ignored and place.exists() else content)
    yield f"{len(files)} files in {shown(folder)}"
    for fixture in sorted(
        path for path in (folder / "fixtures").iterdir() if f"fixtures/{path.name}/task.yaml" in files
    ):
        yield from freeze(fixture)
    yield f"next: cd {shown(folder)} && pytest suites/"
    yield "then: open reports/latest/report.html, and put your own cases into fixtures/ (harness import --help)"


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        # As `.py` files they would be modules of the package.
        path = prefix + _HIDDEN.get(entry.name, entry.name.removesuffix(".txt"))
        if entry.is_dir():
            if entry.name != "__pycache__":
                yield from _files(entry, f"{path}/")
        else:
            yield path, entry.read_bytes()


def _added(there: bytes, wanted: bytes) -> bytes:
    """The lines that are there, and the wanted ones that are not."""
    known = set(there.splitlines())
    added = b"".join(line + b"\n" for line in wanted.splitlines() if line not in known)
    return there + (b"" if there.endswith(b"\n") or not there else b"\n") + added
