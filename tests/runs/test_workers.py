"""What workers tell the process that owns the terminal, over real channels between real processes."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios
import threading
import time
from contextlib import suppress

import execnet
import pytest
from support.terminal import shown_lines

from harness.execution.parent import press_ctrl_c
from harness.reporting import progress
from harness.runs import workers as module
from harness.runs.workers import NOW, STOP, Workers

WORKER = """
told, messages = channel.receive()
for message in messages:
    told.send(message)
channel.send("sent")
for message in iter(channel.receive, None):
    told.send(message)
    channel.send("sent")
"""
HEARING = """
told = channel.receive()
told.send(("executing",))
channel.send("sent")
for word in iter(told.receive, {word!r}):
    channel.send(word)
channel.send({word!r})
told.send(("interrupted", "what is kept", 2))
told.send(("executed",))
"""


@pytest.fixture
def gateways():
    group = execnet.Group()
    yield group
    group.terminate(1)


@pytest.fixture
def listening():
    """Ctrl-C as a person at a terminal has it; a shell's background jobs start with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def terminal(monkeypatch):
    """(a stream that is a terminal, a function that reads all lines that stand on it)."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "LIVE_EVERY_S", 0.0)
    monkeypatch.setattr(module, "CALM_S", 0.0)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    os.set_blocking(ours, False)
    text = bytearray()
    with os.fdopen(theirs, "w", newline="") as stream:

        def shown():
            with suppress(BlockingIOError):
                text.extend(os.read(ours, 65536))
            lines = shown_lines(text.decode(errors="ignore"))
            return [line.split(",")[0].replace("━", "").split() for line in lines if line]

        yield stream, shown
    os.close(ours)


class Told:
    """One worker process; `tell` returns when its messages have been sent."""

    def __init__(self, group, workers, source=WORKER):
        self.gateway = group.makegateway("popen")
        channel = self.gateway.newchannel()
        workers.join(channel)
        self.run = self.gateway.remote_exec(source)
        self.channel = channel

    def tell(self, *messages):
        self.run.send((self.channel, messages))
        assert self.run.receive(20) == "sent"


def begins(what, done):
    return ("executing",), ("begin", what, 100), ("done", done, 0, 0, None)


def until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_workers_that_pay_at_once_have_a_line_each_until_one_has_executed_all(gateways, terminal):
    stream, shown = terminal
    workers = Workers(stream)
    first, second = Told(gateways, workers), Told(gateways, workers)
    first.tell(*begins("base", 10))
    assert shown() == [], "xdist still says on this line how many workers have come"
    second.tell(*begins("few_shot", 20))
    until(lambda: shown() == [["few_shot", "20/100"]])
    first.run.send(("done", 30, 0, 0, None))
    until(lambda: sorted(shown()) == [["base", "30/100"], ["few_shot", "20/100"]])
    second.run.send(("executed",))
    until(lambda: shown() == [])
    first.run.send(("done", 40, 0, 0, None))
    assert first.run.receive(20) == second.run.receive(20) == "sent"
    assert shown() == []


def test_a_worker_that_dies_leaves_no_line_and_is_not_waited_for(gateways, terminal):
    stream, shown = terminal
    workers = Workers(stream)
    worker = Told(gateways, workers)
    worker.tell(*begins("base", 10))
    until(lambda: shown() == [["base", "10/100"]])
    worker.gateway._io.kill()
    until(lambda: shown() == [])
    workers.interrupt()
    assert workers.interrupted == []


def test_where_nobody_watches_lines_are_plain(gateways, terminal, monkeypatch):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    stream, shown = terminal
    workers = Workers(stream)
    Told(gateways, workers).tell(*begins("base", 10), ("end",), ("executed",))
    until(lambda: shown() == [["base:", "10/100"]])


def test_an_interruption_waits_for_what_is_in_flight_and_tells_what_is_kept(gateways):
    workers = Workers()
    busy, idle = Told(gateways, workers, HEARING.format(word=STOP)), Told(gateways, workers)
    busy.run.send(busy.channel)
    assert busy.run.receive(20) == "sent"
    idle.tell(("executing",), ("interrupted", "nothing was asked", 0), ("executed",))
    workers.interrupt()
    assert busy.run.receive(20) == STOP
    assert workers.interrupted == ["what is kept"]


def test_a_second_ctrl_c_is_told_to_workers_that_still_finish(gateways, listening):
    workers = Workers()
    deaf = Told(gateways, workers, HEARING.format(word=NOW))
    deaf.run.send(deaf.channel)
    assert deaf.run.receive(20) == "sent"

    def press_again():
        assert deaf.run.receive(20) == STOP
        press_ctrl_c()

    again = threading.Thread(target=press_again)
    again.start()
    workers.interrupt()
    again.join()
    assert deaf.run.receive(20) == NOW
    assert workers.interrupted == ["what is kept"]
