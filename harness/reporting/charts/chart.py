"""What a chart is before it is drawn: the section it belongs to, its words, and how it draws itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Draw = Callable[[Figure, Mapping[str, str]], None]
else:
    Draw = Callable

WIDTH = 7.5
"""Inches; a point of text is then a pixel on a page 540 pixels wide."""
NAME = 26


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One figure. `key` is the section that it stands in, `name` its file name, unique in its suite.

    `words` say what it shows to whoever can't see it. `draw` gets an empty figure of `height` inches and the colours by
    what they stand for.
    """

    key: str
    name: str
    title: str
    words: str
    height: float
    draw: Draw


def clipped(text: str, limit: int = NAME) -> str:
    return f"{text[: limit - 1]}…" if len(text) > limit else text
