"""Progress of long work: a live line for a person, a plain line every ten seconds where nobody watches."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, TextIO

from harness.core.wording import dollars

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

PLAIN_EVERY_S = 10.0
LIVE_EVERY_S = 0.1
BAR = 20
BAR_FROM = 80
"""Columns of a terminal that has room for the bar beside the numbers."""


class Screen:
    """Where progress is shown. On a terminal its live lines stand one below the other, and are drawn over.

    `live` False never draws: for where other lines are being written on the same terminal.
    """

    def __init__(self, stream: TextIO | None = None, *, live: bool = True) -> None:
        self.stream = stream or sys.stderr
        self.live = False
        self._rows: dict[ProgressLine, Text] = {}
        self._drawn: Live | None = None
        if live:
            self.begin()

    def begin(self) -> None:
        """Draw from now on, if a person watches."""
        self.live = _watched(self.stream)

    def end(self) -> None:
        """Erase all that was drawn, and draw no more."""
        self.live = False
        self._rows.clear()
        self._redraw()

    @property
    def width(self) -> int:
        """The columns of the terminal."""
        return os.get_terminal_size(self.stream.fileno()).columns or BAR_FROM

    def draw(self, line: ProgressLine, text: Text) -> None:
        """Show `text` as the present state of a line."""
        self._rows[line] = text
        self._redraw()

    def erase(self, line: ProgressLine) -> None:
        """The line has nothing more to show."""
        if self._rows.pop(line, None) is not None:
            self._redraw()

    def _redraw(self) -> None:
        if self._rows:
            from rich.console import Group

            self._drawn = self._drawn or self._begin()
            self._drawn.console.width = self.width
            self._drawn.update(Group(*self._rows.values()), refresh=True)
        elif self._drawn is not None:
            self._drawn.stop()
            self._drawn = None

    def _begin(self) -> Live:
        """Without a thread, and without a hand on the streams that pytest has its own on."""
        from rich.console import Console
        from rich.live import Live

        live = Live(
            console=Console(file=self.stream, force_terminal=True, highlight=False),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        live.start()
        return live


class ProgressLine:
    """Shows how far one run is, on `screen`. `total` may be reached or not; `close` ends the line."""

    def __init__(self, what: str, total: int, screen: Screen) -> None:
        self._what = what
        self._total = total
        self._screen = screen
        self._started = self._shown = time.monotonic()

    def show(self, done: int, *, free: int = 0, failed: int = 0, usd: float | None = None) -> None:
        """Tell that `done` of the total are done; drawn at most every so often.

        `free` of them took no time, and say nothing about the rate.
        """
        now = time.monotonic()
        if now - self._shown < (LIVE_EVERY_S if self._screen.live else PLAIN_EVERY_S):
            return
        self._shown = now
        rate = ((done - free) or done) / max(now - self._started, 1e-9)
        left = (self._total - done) / rate if rate else 0.0
        text = f"{done}/{self._total}, {_rate(rate)}, {_seconds(left)} left"
        text += (f", {failed} failed" if failed else "") + (f", US$ {dollars(usd)}" if usd else "")
        if self._screen.live:
            self._draw(done, text)
        else:
            self._screen.stream.write(f"{self._what}: {text}\n")
            self._screen.stream.flush()

    def close(self) -> None:
        """Erase what was drawn; plain lines stay."""
        self._screen.erase(self)

    def _draw(self, done: int, text: str) -> None:
        from rich.text import Text

        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{self._what} ", style="bold")
        if self._screen.width >= BAR_FROM:
            full = round(BAR * min(done / self._total, 1.0)) if self._total else BAR
            line.append("━" * full, style="green")
            line.append("━" * (BAR - full) + " ", style="dim")
        line.append(text)
        self._screen.draw(self, line)


def _watched(stream: TextIO) -> bool:
    """Whether a person looks at a terminal that can draw over a line."""
    return stream.isatty() and not os.environ.get("CI") and os.environ.get("TERM") not in ("dumb", "unknown")


def _rate(per_second: float) -> str:
    return f"{60 * per_second:.0f}/min" if 0 < per_second < 1 else f"{per_second:.0f}/s"


def _seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
