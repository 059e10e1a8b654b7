"""Progress of long work: a live line for a person, a plain line every ten seconds where nobody watches."""

from __future__ import annotations

import sys
import time
from typing import TextIO

PLAIN_EVERY_S = 10.0
LIVE_EVERY_S = 0.1


class ProgressLine:
    """Shows how far one run is. `total` may be reached or not; `close` ends the line."""

    def __init__(self, what: str, total: int, *, stream: TextIO | None = None) -> None:
        self._what = what
        self._total = total
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._started = self._shown = time.monotonic()
        self._wrote = False

    def show(self, done: int, note: str = "") -> None:
        """Tell that `done` of the total are done; drawn at most every so often."""
        now = time.monotonic()
        if now - self._shown < (LIVE_EVERY_S if self._live else PLAIN_EVERY_S):
            return
        self._shown = now
        rate = done / max(now - self._started, 1e-9)
        left = (self._total - done) / rate if rate else 0.0
        text = f"{self._what}: {done}/{self._total}, {rate:.0f}/s, {left:.0f} s left" + (f", {note}" if note else "")
        self._stream.write(f"\r\x1b[2K{text}" if self._live else f"{text}\n")
        self._stream.flush()
        self._wrote = True

    def close(self) -> None:
        if self._live and self._wrote:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
