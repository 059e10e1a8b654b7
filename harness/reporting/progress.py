"""Progress of long work: a live line for a person, a plain line every ten seconds where nobody watches."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, TextIO

from harness.core.wording import dollars

if TYPE_CHECKING:
    from rich.live import Live

PLAIN_EVERY_S = 10.0
LIVE_EVERY_S = 0.1
BAR = 20
BAR_FROM = 80
"""Columns of a terminal that has room for the bar beside the numbers."""


class ProgressLine:
    """Shows how far one run is. `total` may be reached or not; `close` ends the line.

    `live` False never draws: for where other lines are being written on the same terminal.
    """

    def __init__(self, what: str, total: int, *, stream: TextIO | None = None, live: bool = True) -> None:
        self._what = what
        self._total = total
        self._stream = stream or sys.stderr
        self._live = live and _watched(self._stream)
        self._started = self._shown = time.monotonic()
        self._drawn: Live | None = None

    def show(self, done: int, *, free: int = 0, failed: int = 0, usd: float | None = None) -> None:
        """Tell that `done` of the total are done; drawn at most every so often.

        `free` of them took no time, and say nothing about the rate.
        """
        now = time.monotonic()
        if now - self._shown < (LIVE_EVERY_S if self._live else PLAIN_EVERY_S):
            return
        self._shown = now
        rate = ((done - free) or done) / max(now - self._started, 1e-9)
        left = (self._total - done) / rate if rate else 0.0
        text = f"{done}/{self._total}, {rate:.0f}/s, {_seconds(left)} left"
        text += (f", {failed} failed" if failed else "") + (f", US$ {dollars(usd)}" if usd else "")
        if self._live:
            self._draw(done, text)
        else:
            self._stream.write(f"{self._what}: {text}\n")
            self._stream.flush()

    def close(self) -> None:
        """Erase what was drawn; plain lines stay."""
        if self._drawn is not None:
            self._drawn.stop()
            self._drawn = None

    def _draw(self, done: int, text: str) -> None:
        from rich.text import Text

        if self._drawn is None:
            self._drawn = self._begin()
        width = os.get_terminal_size(self._stream.fileno()).columns or BAR_FROM
        self._drawn.console.width = width
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{self._what} ", style="bold")
        if width >= BAR_FROM:
            full = round(BAR * min(done / self._total, 1.0)) if self._total else BAR
            line.append("━" * full, style="green")
            line.append("━" * (BAR - full) + " ", style="dim")
        line.append(text)
        self._drawn.update(line, refresh=True)

    def _begin(self) -> Live:
        """Without a thread, and without a hand on the streams that pytest has its own on."""
        from rich.console import Console
        from rich.live import Live

        live = Live(
            console=Console(file=self._stream, force_terminal=True, highlight=False),
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        live.start()
        return live


def _watched(stream: TextIO) -> bool:
    """Whether a person looks at a terminal that can draw over a line."""
    return stream.isatty() and not os.environ.get("CI") and os.environ.get("TERM") not in ("dumb", "unknown")


def _seconds(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
