"""The progress of a run beside pytest's own output: on a terminal, and from workers."""

from __future__ import annotations

import os
import pty
import re
import signal
import sys

from support.terminal import shown_lines

SLOW = "    import time\n    time.sleep(0.01)\n    kind, number"
SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), 0.5)

def test_plain(run):
    assert run.strategy

def test_own(run):
    assert run.answer({"text": "apple 7 again"})
"""


def slow(project):
    model = project.root / "adapters" / "model.py"
    model.write_text(model.read_text().replace("    kind, number", SLOW))
    project.suite(SUITE)


def on_a_terminal(project, *options, interrupt_at=None):
    """(exit status, all that a terminal was sent) of a run on one; Ctrl-C is pressed once it shows `interrupt_at`."""
    command = [sys.executable, "-m", "pytest", "suites", "-p", "no:randomly", "-p", "no:cacheprovider", *options]
    process, ours = pty.fork()
    if process == 0:
        os.chdir(project.root)
        os.execve(command[0], command, {**os.environ, "TERM": "xterm", "CI": ""})
    text = b""
    while True:
        try:
            text += os.read(ours, 65536)
        except OSError:  # the terminal is gone with the process
            break
        if interrupt_at is not None and interrupt_at in text.decode(errors="replace"):
            os.kill(process, signal.SIGINT)
            interrupt_at = None
    os.close(ours)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), text.decode()


def screen(text):
    return [line.rstrip() for line in shown_lines(text)]


def test_the_live_line_is_gone_when_pytest_writes_its_dots(project):
    slow(project)
    status, text = on_a_terminal(project)
    assert status == 0
    assert re.search(r"\d+/200, \d+/s, ", text)
    shown = screen(text)
    assert not [line for line in shown if "/200" in line or "━" in line]
    assert any(re.fullmatch(r"suites/fruit/test_fruit\.py \.\.\. +\[100%\]", line) for line in shown)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") > 0


def test_nothing_is_drawn_between_the_dots(project):
    slow(project)
    project.suite(
        "def test_one(run):\n    pass\n\ndef test_own(run):\n    assert run.outcomes\n\ndef test_two(run):\n    pass\n"
    )
    _, text = on_a_terminal(project, "-s")
    assert any(re.fullmatch(r"suites/fruit/test_fruit\.py \.\.\. *(\[100%\])?", line) for line in screen(text))
    assert "\x1b[?25l" not in text


def test_an_interrupted_run_leaves_no_line_and_no_hidden_cursor(project):
    slow(project)
    _, text = on_a_terminal(project, interrupt_at="/200, ")
    assert not [line for line in screen(text) if "/200" in line or "━" in line]
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") > 0


def test_the_self_test_shows_its_progress(project):
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.5)\n")
    status, text = on_a_terminal(project, "--gate-selftest")
    assert status == 0
    assert re.search(r"self-test of fruit", text)
    assert not [line for line in screen(text) if "━" in line]


def test_with_workers_the_live_line_is_gone_when_pytest_writes_its_dots(project):
    slow(project)
    status, text = on_a_terminal(project, "-n", "2")
    assert status == 0
    assert re.search(r"good .*\d+/200, \d+/s, ", text)
    shown = screen(text)
    assert not [line for line in shown if "/200" in line or "━" in line]
    assert any(re.fullmatch(r"2 workers \[3 items\]", line) for line in shown)
    assert any(re.fullmatch(r"\.\.\. +\[100%\]", line) for line in shown)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") > 0


def test_an_interrupted_run_with_workers_leaves_no_line_and_no_hidden_cursor(project):
    slow(project)
    status, text = on_a_terminal(project, "-n", "2", interrupt_at="/200, ")
    assert status == 2
    shown = screen(text)
    assert not [line for line in shown if "/200" in line or "━" in line]
    assert any("the same command resumes" in line for line in shown)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") > 0


def test_a_worker_that_dies_leaves_no_line(project):
    slow(project)
    model = project.root / "adapters" / "model.py"
    dies = "    import os\n    if inputs['text'].endswith(' 150') and not CALLS.with_name('died').exists():\n"
    dies += "        CALLS.with_name('died').touch()\n        os.kill(os.getpid(), 9)\n    import time\n"
    model.write_text(model.read_text().replace("    import time\n", dies, 1))
    status, text = on_a_terminal(project, "-n", "2")
    assert status == 1
    assert re.search(r"good .*128/200, \d+/s, |good .*\d+/200, \d+/s, ", text)
    shown = screen(text)
    assert any("node down" in line for line in shown)
    assert not [line for line in shown if "/200" in line or "━" in line]
    assert project.calls < 200 + 64 + 5


def test_the_worker_that_pays_tells_how_far_it_is(project):
    slow(project)
    project.write("often.py", "from harness.reporting import progress\n\nprogress.PLAIN_EVERY_S = 0.1\n")
    result = project.run_apart("-n", "2", "-p", "often")
    result.assert_outcomes(passed=3)
    told = [line for line in result.stderr.lines if "/200, " in line]
    assert told
    assert all(re.match(r"good: \d+/200, \d+/s, (\d+ min )?\d+ s left", line) for line in told)
