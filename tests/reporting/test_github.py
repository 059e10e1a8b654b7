"""What GitHub reads: commands that no text can break out of, and a summary cut where a section ends."""

from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from harness.reporting.github import MOST_ANNOTATIONS, Annotation, step_summary, workflow_commands
from harness.reporting.page import Section


def annotation(level="error", file="suites/a/test_a.py", line=3, title="FAIL: one, accuracy", message="lost 3"):
    return Annotation(level=level, file=file, line=line, title=title, message=message)


def read(command):
    """(level, properties, message) as GitHub reads a command."""
    assert command.startswith("::")
    head, message = command[2:].split("::", 1)
    level, _, rest = head.partition(" ")
    properties = dict(part.split("=", 1) for part in rest.split(","))
    return level, {name: unquote(value) for name, value in properties.items()}, unquote(message)


def test_a_command_has_file_line_title_and_message():
    (command,) = workflow_commands([annotation(message="50 of 100 right\nlost: a, b")])
    assert command == (
        "::error file=suites/a/test_a.py,line=3,title=FAIL%3A one%2C accuracy::50 of 100 right%0Alost: a, b"
    )


@given(file=st.text(), title=st.text(), message=st.text())
def test_no_text_ends_a_command_or_begins_another(file, title, message):
    (command,) = workflow_commands([annotation(file=file, title=title, message=message)])
    assert len(command.splitlines() or [""]) == 1 or "\n" not in command
    assert "\n" not in command
    assert "\r" not in command
    level, properties, _ = read(command)
    assert level == "error"
    assert list(properties) == ["file", "line", "title"]
    assert properties["line"] == "3"
    assert properties["file"] == file


def test_claims_at_one_line_are_one_annotation():
    found = [annotation(title=f"FAIL: {name}", message=f"{name} lost") for name in ("one", "two", "three")]
    (command,) = workflow_commands(found)
    _, properties, message = read(command)
    assert properties["title"] == "FAIL: one, and 2 more"
    assert message.splitlines() == ["FAIL: one: one lost", "FAIL: two: two lost", "FAIL: three: three lost"]


def test_no_more_than_github_shows_and_the_last_says_how_many_there_are():
    errors = [annotation(line=line) for line in range(1, 15)]
    warnings = [annotation(level="warning", line=line) for line in range(1, 4)]
    commands = [read(command) for command in workflow_commands([*warnings, *errors])]
    assert [level for level, _, _ in commands] == ["error"] * MOST_ANNOTATIONS + ["warning"] * 3
    assert [properties["line"] for _, properties, _ in commands[:10]] == [str(line) for line in range(1, 11)]
    assert commands[9][2] == "lost 3\nand 4 more places, in the report"


SECTIONS = [
    Section(key="decision", suite=None, lines=("# Holdfast report", "", "**PASS**")),
    Section(key="critical_slices", suite="a", lines=("### Critical slices", "é" * 50)),
    Section(key="provenance", suite=None, lines=("## Provenance",)),
]


def test_a_summary_is_whole_where_there_is_room():
    assert step_summary(SECTIONS, room=1000) == (
        "# Holdfast report\n\n**PASS**\n\n### Critical slices\n" + "é" * 50 + "\n\n## Provenance\n\n"
    )


def test_a_summary_is_cut_where_a_section_ends_and_says_what_is_left_out():
    text = step_summary(SECTIONS, room=150)
    assert text == (
        "# Holdfast report\n\n**PASS**\n\n"
        "2 sections do not fit here and are in report.md: critical slices, provenance.\n"
    )
    assert step_summary(SECTIONS, room=0) == ""


@given(room=st.integers(0, 300))
def test_a_summary_never_takes_more_than_its_room(room):
    assert len(step_summary(SECTIONS, room=room).encode()) <= room
