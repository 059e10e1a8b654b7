"""An interrupted run stops paying at once, keeps what was answered, and resumes; with real processes and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support.chat_server import ChatServer, answer

from harness.execution.ledger import Ledger
from harness.runs.gating import LEDGER


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


def slow_model(project, seconds):
    """Each call takes so long."""
    model = (project.root / "adapters" / "model.py").read_text()
    slept = f"    import time\n    time.sleep({seconds})\n    kind, number"
    project.write("adapters/model.py", model.replace("    kind, number", slept, 1))
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.5)\n")


AT_A_TERMINAL = """
import signal, sys, pytest
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with Ctrl-C ignored
sys.exit(pytest.main(sys.argv[1:]))
"""


def interrupted(project, after, *options, times=1, everybody=False):
    """What pytest says whose Ctrl-C is pressed once the condition holds, and its exit code.

    `everybody` presses it as a terminal does, for the process and all that it started.
    """
    command = [sys.executable, "-c", AT_A_TERMINAL, "suites", "-p", "no:randomly", *options]
    with subprocess.Popen(
        command,
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        assert wait_for(after, 60)
        for _ in range(times):
            (os.killpg if everybody else os.kill)(running.pid, signal.SIGINT)
            time.sleep(0.3)
        output, _ = running.communicate(timeout=60)
    return output, running.returncode


def test_ctrl_c_finishes_the_batch_and_says_how_to_resume(project):
    slow_model(project, 0.02)
    output, code = interrupted(project, lambda: project.calls >= 70)
    assert code == pytest.ExitCode.INTERRUPTED
    assert project.calls == 128  # two batches, the second whole
    assert "interrupted: 128 of 200 requests of good are answered and kept; the same command resumes" in output
    assert project.run().ret == 0
    assert project.calls == 200


def test_a_second_ctrl_c_ends_at_once_and_keeps_the_batches_before(project):
    slow_model(project, 0.05)
    output, code = interrupted(project, lambda: project.calls >= 66, times=2)
    assert code == pytest.ExitCode.INTERRUPTED
    assert project.calls < 110, "the second batch was finished"
    assert "interrupted: 64 of 200 requests of good are answered and kept; the same command resumes" in output
    before = project.calls
    assert project.run().ret == 0
    assert project.calls == before + 200 - 64


def remote(project, server, concurrency):
    project.write(
        "adapters/good.yaml",
        f"driver: openai_chat\nmodel: m\nbase_url: {server.base_url}\nlimits: {{concurrency: {concurrency}}}\n",
    )
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.5)\n")


def test_ctrl_c_finishes_what_a_server_was_asked_and_the_next_run_asks_the_rest(project):
    def named(call):
        return answer(json.dumps({"kind": call.messages[-1]["content"].split()[0]}), delay_s=0.3)

    with ChatServer(named) as server:
        remote(project, server, 4)
        output, code = interrupted(project, lambda: server.count >= 10)
        assert code == pytest.ExitCode.INTERRUPTED
        asked = server.count
        assert asked < 40
        assert f"interrupted: {asked} of 200 requests of good are answered and kept; the same" in output
        server.behaviour = lambda call: answer(json.dumps({"kind": call.messages[-1]["content"].split()[0]}))
        assert project.run().ret == 0
        assert server.count == 200
    assert "interrupted" not in project.report("verdicts.json")


def test_a_killed_controller_leaves_what_its_workers_were_answered(project):
    with ChatServer(lambda call: answer('{"kind": "apple"}', delay_s=0.3)) as server:
        remote(project, server, 4)
        command = [sys.executable, "-c", AT_A_TERMINAL, "suites", "-n", "2", "-p", "no:randomly"]
        with subprocess.Popen(
            command,
            cwd=project.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as running:
            assert wait_for(lambda: server.count >= 10, 60)
            os.kill(running.pid, signal.SIGKILL)

        def quiet():
            seen = server.count
            time.sleep(1.5)
            return server.count == seen

        assert wait_for(quiet, 15)
        time.sleep(1.0)
        with Ledger(project.root / LEDGER) as ledger:
            assert len(ledger) == server.count < 200


# ------------------------------------------------------------------------------------------------- with several workers


def named(call, delay_s=0.0):
    return answer(json.dumps({"kind": call.messages[-1]["content"].split()[0]}), delay_s=delay_s)


@pytest.mark.parametrize(
    ("everybody", "seconds"), [(True, 6), (False, 12)], ids=["from a terminal", "to the controller"]
)
def test_ctrl_c_with_workers_saves_what_is_in_flight_and_says_how_to_resume(project, everybody, seconds):
    """It takes longer than xdist gives its workers to end: 5 s until they are interrupted, 10 until they are killed."""
    with ChatServer(lambda call: named(call, 0.05 if call.number < 8 else seconds)) as server:
        remote(project, server, 4)
        output, code = interrupted(project, lambda: server.count == 12, "-n", "2", everybody=everybody)
        assert code == pytest.ExitCode.INTERRUPTED
        assert server.count == 12
        assert "interrupted: 12 of 200 requests of good are answered and kept; the same command resumes" in output
        assert output.count("interrupted: ") == 1
        assert "node down" not in output
        server.behaviour = named
        assert project.run_apart("-n", "2").ret == 0
        assert server.count == 200


@pytest.mark.parametrize("everybody", [True, False], ids=["from a terminal", "to the controller"])
def test_ctrl_c_with_workers_finishes_the_batch_of_a_model_in_the_process(project, everybody):
    slow_model(project, 0.02)
    output, code = interrupted(project, lambda: project.calls >= 70, "-n", "2", everybody=everybody)
    assert code == pytest.ExitCode.INTERRUPTED
    assert project.calls == 128
    assert "interrupted: 128 of 200 requests of good are answered and kept; the same command resumes" in output
    assert project.run_apart("-n", "2").ret == 0
    assert project.calls == 200


@pytest.mark.parametrize("everybody", [True, False], ids=["from a terminal", "to the controller"])
def test_a_second_ctrl_c_with_workers_ends_at_once_and_keeps_the_batches_before(project, everybody):
    slow_model(project, 0.05)
    output, code = interrupted(project, lambda: project.calls >= 66, "-n", "2", times=2, everybody=everybody)
    assert code == pytest.ExitCode.INTERRUPTED
    assert project.calls < 110, "the second batch was finished"
    assert "interrupted: 64 of 200 requests of good are answered and kept; the same command resumes" in output
    before = project.calls
    assert project.run_apart("-n", "2").ret == 0
    assert project.calls == before + 200 - 64
