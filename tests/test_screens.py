"""The screens of the documentation: what was committed shows what it is said to show, and is made by the script."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "docs/screens"
DECISIONS = {
    "approved": "PASS: ",
    "blocked": "BLOCKED: 1 claim not met.",
    "inconclusive": "INCONCLUSIVE: no claim blocks, but 1 gate not settled; ",
    "broken_format": "BLOCKED: 4 claims not met.",
}


def script():
    spec = importlib.util.spec_from_file_location("make_screens", FOLDER / "make.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def decided(page):
    return re.search(r"^\*\*(.*?)\*\*", page.read_text(encoding="utf-8"), re.MULTILINE)[1]


@pytest.mark.parametrize(("name", "decision"), DECISIONS.items())
def test_each_screen_shows_the_decision_that_it_is_there_for(name, decision):
    assert decided(FOLDER / f"{name}.md").startswith(decision)
    for picture in (f"{name}.png", f"{name}_dark.png"):
        assert (FOLDER / picture).read_bytes().startswith(b"\x89PNG")
        assert picture in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_the_script_judges_the_blocked_change_as_it_was_committed(tmp_path):
    made = script()
    (scene,) = [scene for scene in made.SCENES if scene.name == "blocked"]
    report = made.judged(tmp_path, scene)
    assert decided(report / "report.md") == decided(FOLDER / "blocked.md")
    assert "`security_incident` since the baseline: lost " in (report / "report.md").read_text(encoding="utf-8")
    assert (report / "report.html").is_file()
