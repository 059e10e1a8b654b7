"""When nothing more is sent: an endpoint that is down, a deadline, Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from harness.core.records import Failure


class Stop:
    """Whether a run still sends requests, and if not, why; the first reason stands.

    `refusal` is what the requests get that are not sent any more. It is not stored, so the same command asks for them.
    """

    def __init__(self) -> None:
        self.refusal: Failure | None = None
        self.interrupted = False
        self.told: Callable[[], None] | None = None
        """Called when the run stops, from whichever thread or signal handler stopped it."""

    def because(self, why: str) -> None:
        """Send nothing more, since `why`."""
        if self.refusal is None:
            self.refusal = Failure(kind="stopped", message=f"not asked, since {why}")
            if self.told is not None:
                self.told()

    def interrupt(self) -> None:
        """Send nothing more, for somebody wants the run to end."""
        self.interrupted = True
        self.because("the run was interrupted")


def deadline(run_timeout_s: float) -> str:
    """The reason of a run that took too long."""
    return (
        f"the run took longer than its {run_timeout_s:g} s (`limits: {{run_timeout_s: ...}}` of the adapter); the same "
        "command asks for the rest"
    )


@contextmanager
def interruptible(stop: Stop) -> Iterator[None]:
    """Within it, Ctrl-C stops the run gently, and a second one raises KeyboardInterrupt at once.

    Whoever ignores Ctrl-C, or handles it in another way, keeps doing so; and only the main thread hears of it.
    """
    default = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not default:
        yield
        return

    def pressed(number: int, frame: FrameType | None) -> None:
        if stop.interrupted:
            raise KeyboardInterrupt
        stop.interrupt()

    signal.signal(signal.SIGINT, pressed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, default)
