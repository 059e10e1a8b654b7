"""What GitHub Actions shows of a run: annotations as workflow commands, and the page as the summary of a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.reporting.escaping import plain_line
from harness.reporting.page import Section

MOST_ANNOTATIONS = 10
"""GitHub shows ten errors and ten warnings of a step, and drops the others without a word."""
SUMMARY_BYTES = 1024 * 1024
"""GitHub refuses the summary of a step that is longer."""
TITLE, MESSAGE, MESSAGES = 120, 400, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    """A message at a line of a file, whose path counts from the root of the repository."""

    level: Literal["error", "warning"]
    file: str
    line: int
    title: str
    message: str


def workflow_commands(annotations: Sequence[Annotation]) -> list[str]:
    """A line for each place, in the given order: several at one place become one, and the last that fits says how many
    more there are."""
    lines: list[str] = []
    for level in ("error", "warning"):
        found = list(_joined([one for one in annotations if one.level == level]))
        shown = found[:MOST_ANNOTATIONS]
        if more := len(found) - len(shown):
            last = shown[-1]
            shown[-1] = replace(last, message=f"{last.message}\nand {more} more places, in the report")
        lines += [_command(one) for one in shown]
    return lines


def _joined(annotations: Sequence[Annotation]) -> Iterator[Annotation]:
    """One annotation per place, with the messages of all of them."""
    places: dict[tuple[str, int], list[Annotation]] = {}
    for one in annotations:
        places.setdefault((one.file, one.line), []).append(one)
    for found in places.values():
        first = found[0]
        if len(found) == 1:
            yield first
            continue
        told = [f"{one.title}: {one.message}" for one in found[:MESSAGES]]
        told += [f"and {len(found) - MESSAGES} more"] if len(found) > MESSAGES else []
        yield replace(first, title=f"{first.title}, and {len(found) - 1} more", message="\n".join(told))


def _command(one: Annotation) -> str:
    title = plain_line(one.title, limit=TITLE)
    message = "\n".join(plain_line(line, limit=MESSAGE) for line in one.message.split("\n"))
    place = f"file={_property(one.file)},line={one.line},title={_property(title)}"
    return f"::{one.level} {place}::{_data(message)}"


def _data(text: str) -> str:
    """Escaped as GitHub's own toolkit does, so that no text can end a command or begin another."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def step_summary(sections: Sequence[Section], *, room: int) -> str:
    """The page in at most `room` bytes of UTF-8, cut where a section ends, with a note of what is left out.

    "" where not even the note fits.
    """
    texts = ["\n".join(section.lines).rstrip("\n") + "\n\n" for section in sections]
    for kept in range(len(texts), -1, -1):
        note = _left_out(sections[kept:])
        text = "".join(texts[:kept]) + note
        if len(text.encode()) <= room:
            return text
    return ""


def _left_out(sections: Sequence[Section]) -> str:
    if not sections:
        return ""
    names = list(dict.fromkeys(section.key.replace("_", " ") for section in sections))
    return f"{len(sections)} sections do not fit here and are in report.md: {', '.join(names)}.\n"
