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


class Patient:
    """What Ctrl-C does in a worker, which hears it from the terminal, the controller and execnet: the first ends the
    run, and the others change nothing, unless `at_once`."""

    def __init__(self) -> None:
        self.heard = False
        self.at_once = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """A handler of SIGINT where nothing is in flight."""
        heard, self.heard = self.heard, True
        if self.at_once or not heard:
            raise KeyboardInterrupt


def be_patient() -> Patient:
    """Make this process, a worker, a patient one from now on; whoever ignores Ctrl-C keeps doing so."""
    patient = Patient()
    if _heeded():
        signal.signal(signal.SIGINT, patient)
    return patient


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
    outside = signal.getsignal(signal.SIGINT)
    patient = outside if isinstance(outside, Patient) else None
    if not patient and not _heeded():
        yield
        return

    def pressed(number: int, frame: FrameType | None) -> None:
        again = stop.interrupted
        stop.interrupt()
        if patient is not None:
            patient.heard = True
            again = patient.at_once
        if again:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, pressed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, outside)


def _heeded() -> bool:
    """Whether this is the thread that hears of Ctrl-C, and nobody else handles it."""
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
