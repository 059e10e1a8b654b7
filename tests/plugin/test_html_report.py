"""report.html of a pytest run: written with the other files, made again only when what it shows changed."""

import re

import pytest

SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))
"""


def page(project):
    return project.root / "reports" / "latest" / "report.html"


def shown(project):
    """What the page shows besides what differs between equal runs: the time that a run took, and its command."""
    text = page(project).read_text(encoding="utf-8")
    return re.sub(r"<p>(?:Revision|To reproduce:).*?</p>", "", text.split("</head>")[1], flags=re.DOTALL)


def test_a_run_writes_the_page_and_names_it(project):
    project.strategies(good="shipped", bad="candidate")
    project.suite(SUITE)
    result = project.run()
    result.stdout.fnmatch_lines(["*report: reports/latest/report.html", "*report: reports/latest/report.md"])
    text = page(project).read_text(encoding="utf-8")
    assert "<title>BLOCKED: 1 claim not met. Holdfast report</title>" in text
    assert "quince 199" in text
    assert str(project.root) not in text


def test_an_unchanged_run_leaves_the_page_and_a_changed_one_makes_it_again(project):
    project.suite(SUITE)
    project.run()
    written = page(project).stat().st_mtime_ns
    first = shown(project)
    project.run()
    assert page(project).stat().st_mtime_ns == written
    page(project).unlink()
    project.run()
    assert shown(project) == first
    project.adapter("good", wrong=20)
    project.run()
    assert shown(project) != first
    assert "180 of 200 right" in page(project).read_text(encoding="utf-8")


def test_a_page_of_another_tool_or_half_a_page_is_replaced(project):
    project.suite(SUITE)
    project.run()
    first = shown(project)
    page(project).write_text("<!doctype html><title>mine</title>", encoding="utf-8")
    project.run()
    assert shown(project) == first


def test_with_workers_one_of_them_writes_the_page(project):
    project.suite(SUITE)
    project.run_apart("-n", "2")
    first = shown(project)
    page(project).unlink()
    project.run()
    assert shown(project) == first


def test_pictures_are_written_where_they_are_wanted_and_come_back_when_they_are_gone(project):
    project.suite(SUITE)
    project.run()
    assert not (project.root / "reports" / "latest" / "charts").exists()
    project.write("pyproject.toml", "[tool.holdfast]\npng_charts = true\n")
    project.run()
    linked = re.findall(r"!\[.*\]\((charts/.*\.png)\)", project.report())
    assert linked
    files = [project.root / "reports" / "latest" / name for name in linked]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    files[0].unlink()
    project.run()
    assert files[0].is_file()


@pytest.mark.parametrize("value", ['"yes"', "1"])
def test_anything_but_true_and_false_is_refused(project, value):
    project.suite(SUITE)
    project.write("pyproject.toml", f"[tool.holdfast]\npng_charts = {value}\n")
    result = project.run()
    result.stdout.fnmatch_lines(["*[[]tool.holdfast] png_charts is *; expected true or false*"])
    assert project.calls == 0
