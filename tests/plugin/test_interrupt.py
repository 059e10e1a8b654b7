"""An interrupted run on several workers stops paying at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_workers_stop_with_the_process_that_started_them(project):
    model = (project.root / "adapters" / "model.py").read_text()
    project.write(
        "adapters/model.py", model.replace("    kind, number", "    import time\n    time.sleep(0.1)\n    kind, number")
    )
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.5)\n")
    command = [sys.executable, "-m", "pytest", "suites", "-n", "2", "-p", "no:randomly"]
    with subprocess.Popen(command, cwd=project.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        assert wait_for(lambda: project.calls >= 3, 60)
        os.kill(running.pid, signal.SIGKILL)

    def quiet():
        seen = project.calls
        time.sleep(1.5)
        return project.calls == seen

    assert wait_for(quiet, 15)
    assert project.calls < 200
