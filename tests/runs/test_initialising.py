"""A new project: it runs at once with the plugin, changes nothing that is there, and is the same every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(("task", "suite"), [("classification", "feedback"), ("extraction", "orders")])
def test_a_new_project_runs_at_once(tmp_path, task, suite):
    assert main(["init", "mine", "--task", task]) == 0
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "suites/", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path / "mine",
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{suite}: " in ran.stdout
    assert "none blocking" in ran.stdout
    verdicts = json.loads((tmp_path / "mine/reports/latest/verdicts.json").read_text(encoding="utf-8"))
    assert verdicts
    assert (tmp_path / "mine/.github/workflows/gate.yml").is_file()


def test_two_new_projects_are_equal(tmp_path, capsys):
    main(["init", "one"])
    told = capsys.readouterr().out
    main(["init", "two"])
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert told.splitlines()[-2] == "next: cd one && pytest suites/"


def test_nothing_that_is_there_is_changed(tmp_path, capsys):
    there = tmp_path / "mine" / "adapters" / "embedded.yaml"
    there.parent.mkdir(parents=True)
    there.write_text("mine", encoding="utf-8")
    assert main(["init", "mine"]) == 2
    assert "mine holds adapters/embedded.yaml already, and nothing was written" in capsys.readouterr().err
    assert files(tmp_path) == {"mine/adapters/embedded.yaml": b"mine"}


def test_lines_are_added_to_a_gitignore_that_is_there(tmp_path):
    (tmp_path / ".gitignore").write_text("build/\n.holdfast/", encoding="utf-8")
    assert main(["init", "."]) == 0
    assert (tmp_path / ".gitignore").read_text(encoding="utf-8").splitlines() == [
        "build/",
        ".holdfast/",
        "reports/compare/",
        "reports/latest/",
        "__pycache__/",
        "fixtures/*/raw.jsonl",
    ]


def test_where_a_folder_cannot_be_made_it_is_said_without_a_traceback(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    assert main(["init", "taken"]) == 2
    assert capsys.readouterr().err.startswith("harness: [Errno 20] Not a directory: 'taken/")
