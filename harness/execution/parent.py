"""A worker that pays for answers stops when the process that started it is gone, or says so."""

from __future__ import annotations

import os
import signal
import threading
import time

POLL_S = 0.2


def stop_with_parent() -> None:
    """From now on, interrupt this process's main thread, as Ctrl-C would, once its parent has ended.

    What was answered is then committed as in any interrupted run.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_S)
        press_ctrl_c()

    threading.Thread(target=watch, name="holdfast-parent", daemon=True).start()


def press_ctrl_c() -> None:
    """Interrupt this process's main thread, from any thread."""
    main = threading.main_thread().ident
    assert main is not None
    # A real signal, for the main thread may wait for the network, and nothing less wakes it.
    signal.pthread_kill(main, signal.SIGINT)
