"""What the processes of `pytest -n` tell each other: how far a run is, that it is to end, and how to resume.

A channel of execnet, on which xdist stands, joins each worker with the controller; it ends with either of them. The
plugin makes one for every project that uses xdist, so that what computes is imported where a suite first needs it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from harness.execution.scheduler import Progress
    from harness.execution.spending import Account
    from harness.reporting.progress import ProgressLine, Screen

TELL_EVERY_S = 0.1
CALM_S = 0.5
"""How long after the last worker has come the terminal is left to xdist, which writes on the same line."""
AT_ONCE_S = 2.0
"""How long a worker that is to end at once may take to commit what it was answered."""
STOP = "stop"
NOW = "now"


class Channel(Protocol):
    """The part of an execnet channel that is used here. Both raise OSError if the other side is gone."""

    def send(self, item: object) -> None: ...

    def setcallback(self, callback: Callable[[Any], None], endmarker: object = ...) -> None: ...


class Controller:
    """In a worker: the process that started it, which owns the terminal and hears Ctrl-C for all."""

    def __init__(self, channel: Channel, *, worker: str) -> None:
        self.worker = worker
        self._channel = channel
        self._obeyed = False

    @contextmanager
    def executing(self) -> Iterator[None]:
        """All that is asked before the first test."""
        self._obey()
        self._send("executing")
        try:
            yield
        finally:
            self._send("executed")

    @contextmanager
    def showing(self, what: str, total: int, account: Account) -> Iterator[Progress]:
        """The progress of `what`, whose calls are paid from `account`; the controller shows it once that is so."""
        from harness.execution.scheduler import Progress

        told = time.monotonic()

        def changed(progress: Progress) -> None:
            nonlocal told
            now = time.monotonic()
            if progress.done > progress.stored and now - told >= TELL_EVERY_S:
                told = now
                self._send("done", progress.done, progress.stored, progress.failed, account.usd)

        self._obey()
        self._send("begin", what, total)
        try:
            yield Progress(total=total, changed=changed)
        finally:
            self._send("end")

    def interrupted(self, line: str, *, weight: int) -> None:
        """What is told of the interruption; lines of less weight than another worker's are left out."""
        self._send("interrupted", line, weight)

    def _obey(self) -> None:
        """From now on, end the run when the controller says so, or is gone."""
        from harness.execution.parent import press_ctrl_c, stop_with_parent
        from harness.execution.stopping import be_patient

        if self._obeyed:
            return
        self._obeyed = True
        patient = be_patient()

        def told(word: str) -> None:
            patient.at_once = patient.at_once or word == NOW
            press_ctrl_c()

        stop_with_parent()
        self._channel.setcallback(told)

    def _send(self, *message: object) -> None:
        with suppress(OSError):  # without a controller there is nobody to tell, and `stop_with_parent` ends the run
            self._channel.send(message)


@dataclass(slots=True, eq=False)
class _Worker:
    """What is known of one worker. `line` is there while it asks or reads."""

    channel: Channel
    began: bool = False
    executing: bool = False
    line: ProgressLine | None = None

    @property
    def busy(self) -> bool:
        return self.executing or self.line is not None


class Workers:
    """In the controller: its workers, which tell from threads of their own how far they are."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """`stream` is where they are shown, None for standard error."""
        self._stream = stream
        self._changed = threading.Condition()
        self._workers: list[_Worker] = []
        self._last_began = 0.0
        self._shown: Screen | None = None
        self._ended = False
        self._interrupted: dict[str, int] = {}

    def join(self, channel: Channel) -> None:
        """A worker will be started that tells through the other end of `channel`."""
        worker = _Worker(channel)
        with self._changed:
            self._workers.append(worker)
        channel.setcallback(partial(self._heard, worker), endmarker=None)

    def interrupt(self) -> None:
        """Have all workers send nothing more, and wait for what is in flight; after another Ctrl-C, do not wait."""
        for word, timeout_s in ((STOP, None), (NOW, AT_ONCE_S)):
            try:
                self._tell(word)
                with self._changed:
                    self._changed.wait_for(lambda: not any(worker.busy for worker in self._workers), timeout_s)
                break
            except KeyboardInterrupt:
                continue
        with self._changed:
            self._end_live()

    @property
    def interrupted(self) -> list[str]:
        """What the interrupted runs have, and how to resume."""
        most = max(self._interrupted.values(), default=0)
        return sorted(line for line, weight in self._interrupted.items() if weight == most)

    def _tell(self, word: str) -> None:
        """Those that are done are left to xdist; those that have not begun hear it when they do."""
        for worker in self._workers:
            if worker.busy or not worker.began:
                with suppress(OSError):
                    worker.channel.send(word)

    def _heard(self, worker: _Worker, message: tuple[Any, ...] | None) -> None:
        with self._changed, suppress(OSError):  # a terminal that is gone ends no run
            match message:
                case None:
                    worker.executing = False
                    self._close(worker)
                    self._end_live()
                case ("executing",):
                    worker.began = worker.executing = True
                    self._last_began = time.monotonic()
                case ("executed",):
                    worker.executing = False
                    self._end_live()
                case ("begin", what, total):
                    self._close(worker)
                    worker.line = self._line(what, total)
                case ("done", done, stored, failed, usd) if worker.line is not None:
                    self._begin_live()
                    worker.line.show(done, free=stored, failed=failed, usd=usd)
                case ("end",):
                    self._close(worker)
                case ("interrupted", line, weight):
                    self._interrupted[line] = weight
        with self._changed:
            self._changed.notify_all()

    def _line(self, what: str, total: int) -> ProgressLine:
        from harness.reporting.progress import ProgressLine

        return ProgressLine(what, total, self._screen())

    def _screen(self) -> Screen:
        from harness.reporting.progress import Screen

        self._shown = self._shown or Screen(self._stream, live=False)
        return self._shown

    def _close(self, worker: _Worker) -> None:
        line, worker.line = worker.line, None
        if line is not None:
            line.close()

    def _begin_live(self) -> None:
        """Draw once all workers have come: until then xdist says on the terminal how many have."""
        calm = time.monotonic() - self._last_began >= CALM_S
        if calm and not self._ended and all(worker.began for worker in self._workers):
            self._screen().begin()

    def _end_live(self) -> None:
        """From here on pytest and xdist write their own lines."""
        self._ended = True
        if self._shown is not None:
            self._shown.end()
