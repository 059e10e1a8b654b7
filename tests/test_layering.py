"""Imports point one way. The table is the architecture; the code is checked against it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import harness

ROOT = Path(harness.__file__).parent

MAY_IMPORT = {
    "core": set(),
    "fixtures_io": {"core"},
    "drivers": {"core"},
    "execution": {"core"},
    "preparing": {"core"},
    "reporting": {"core"},
    "training": {"core", "drivers"},
    "runs": {"core", "fixtures_io", "drivers", "execution", "preparing", "reporting", "training"},
    "options": {"core"},
    "pytest_plugin": {"core", "fixtures_io", "runs", "options"},
    "cli": {"core", "fixtures_io", "runs"},
}
HEAVY = {
    "jinja2",
    "markdown_it",
    "dateparser",
    "torch",
    "transformers",
    "peft",
    "llguidance",
    "sentence_transformers",
    "openai",
    "sklearn",
    "pandas",
    "matplotlib",
    "safetensors",
    "rich",
}
LAZY = {"drivers/openai_transport.py"}
"""Modules that are themselves imported at first use."""
LONGEST = 500


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0].removesuffix(".py")


def imported(path: Path, *, top_level: bool = False) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        assert not imported(path)
        return
    rooms = {name.split(".")[1] for name in imported(path) if name.startswith("harness.")}
    allowed = MAY_IMPORT[here] | {here}
    assert rooms <= allowed, f"{path.relative_to(ROOT)} imports {sorted(rooms - allowed)}"


@pytest.mark.parametrize("path", [p for p in modules() if room(p) == "core"], ids=lambda p: p.name)
def test_core_is_pure(path: Path) -> None:
    standard = {"os", "io", "pathlib", "socket", "subprocess", "random", "time", "datetime", "sqlite3", "tempfile"}
    outside = {name.split(".")[0] for name in imported(path)} & (standard | HEAVY | {"pytest", "yaml"})
    assert not outside, f"{path.name} imports {sorted(outside)}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_libraries_are_imported_at_first_use(path: Path) -> None:
    top = {name.split(".")[0] for name in imported(path, top_level=True)}
    assert str(path.relative_to(ROOT)) in LAZY or not top & HEAVY


def test_only_the_plugin_imports_pytest() -> None:
    importers = {
        str(p.relative_to(ROOT)) for p in modules() if {n.split(".")[0] for n in imported(p)} & {"pytest", "_pytest"}
    }
    assert importers == {"pytest_plugin.py"}


def test_no_import_cycles() -> None:
    graph = {}
    for path in modules():
        name = ".".join(("harness", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        graph[name] = {other for other in imported(path, top_level=True) if other.startswith("harness.")}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join([*trail[trail.index(name) :], name])
        if name in done:
            return
        for other in sorted(graph.get(name, ())):
            visit(other, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST
