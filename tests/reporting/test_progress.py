"""Progress: a live line on a terminal, plain lines elsewhere, and never too many of them."""

import fcntl
import io
import os
import pty
import re
import struct
import termios
import time
from types import SimpleNamespace

import pytest
from support.terminal import shown_lines

from harness.reporting import progress
from harness.reporting.progress import ProgressLine, Screen

ERASE = "\r\x1b[1A\x1b[2K"
END = "<end>"


@pytest.fixture(autouse=True)
def watched(monkeypatch):
    """The tests may run in CI, whose terminals nobody watches."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def terminal():
    """(a stream that is a real terminal, a function that reads what was shown on it since it was last asked)."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with os.fdopen(theirs, "w", newline="") as stream:

        def shown():
            stream.write(END)  # a terminal delivers when it likes: what was written is here once its end is
            stream.flush()
            text = b""
            while not text.endswith(END.encode()):
                text += os.read(ours, 65536)
            return text.decode().removesuffix(END)

        yield stream, shown
    os.close(ours)


def drawn(text):
    """What a live line said each time that it was drawn, without colours."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    return [part.strip() for part in re.split(r"[\r\n]|\x1b\[\??\d*[A-Za-z]", plain) if part.strip()]


@pytest.fixture
def eager(monkeypatch):
    monkeypatch.setattr(progress, "LIVE_EVERY_S", 0.0)


@pytest.mark.usefixtures("eager")
def test_a_terminal_shows_one_line_that_is_drawn_over_and_erased_at_the_end(terminal):
    stream, shown = terminal
    line = ProgressLine("few_shot", 40, Screen(stream))
    line.show(10)
    line.show(20, failed=2, usd=0.0123)
    line.close()
    text = shown()
    first, second, *_ = drawn(text)
    assert re.fullmatch(r"few_shot ━+ 10/40, \d+/s, \d+ s left", first)
    assert re.fullmatch(r"few_shot ━+ 20/40, \d+/s, \d+ s left, 2 failed, US\$ 0\.0123", second)
    assert screen(text) == []
    assert text.endswith(ERASE)
    assert (text.count("\x1b[?25l"), text.count("\x1b[?25h")) == (1, 1)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("columns", [10, 30, 79, 200])
def test_a_terminal_of_any_width_gets_one_line(terminal, columns):
    stream, shown = terminal
    fcntl.ioctl(stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    line = ProgressLine("few_shot@some_adapter", 40_000, Screen(stream))
    line.show(10_000, failed=12, usd=1.5)
    (told,) = drawn(shown())
    assert len(told) <= columns
    assert ("━" in told) == (columns >= 80)
    line.close()
    assert screen(shown()) == []


@pytest.mark.usefixtures("eager")
def test_several_lines_stand_below_each_other_until_each_is_done(terminal):
    stream, shown = terminal
    drawing = Screen(stream)
    base, few_shot = ProgressLine("base", 40, drawing), ProgressLine("few_shot", 80, drawing)
    base.show(10)
    few_shot.show(20)
    text = shown()
    assert [line.split()[0] for line in screen(text)] == ["base", "few_shot"]
    base.close()
    text += shown()
    assert [line.split()[0] for line in screen(text)] == ["few_shot"]
    drawing.end()
    few_shot.show(30)
    text += shown()
    assert screen(text) == []
    assert (text.count("\x1b[?25l"), text.count("\x1b[?25h")) == (1, 1)


def screen(text):
    return [line for line in shown_lines(text) if line]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("TERM", "dumb")])
def test_a_terminal_that_nobody_watches_gets_plain_lines(terminal, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    stream, shown = terminal
    line = ProgressLine("base", 8, Screen(stream))
    line.show(4)
    line.close()
    text = shown()
    assert text.startswith("base: 4/8, ")
    assert "\x1b" not in text


def test_a_line_that_is_not_to_be_live_is_plain_on_a_terminal_too(terminal, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    stream, shown = terminal
    ProgressLine("base", 8, Screen(stream, live=False)).show(4)
    assert shown().startswith("base: 4/8, ")


def test_a_terminal_is_not_drawn_on_more_often_than_an_eye_can_see(terminal):
    stream, shown = terminal
    line = ProgressLine("base", 10**9, Screen(stream))
    started, calls = time.monotonic(), 0
    while (passed := time.monotonic() - started) < 0.35:
        calls += 1
        line.show(calls)
    found = len(drawn(shown()))
    assert calls > 100
    assert 1 <= found <= passed / progress.LIVE_EVERY_S + 1
    line.close()


def test_a_short_run_shows_nothing_and_erases_nothing(terminal):
    stream, shown = terminal
    line = ProgressLine("base", 3, Screen(stream))
    line.show(3)
    line.close()
    assert shown() == ""


def test_elsewhere_lines_are_plain_and_stay(monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    stream = io.StringIO()
    line = ProgressLine("base", 8, Screen(stream))
    line.show(0)
    line.show(8, failed=1, usd=2.5)
    line.close()
    first, second = stream.getvalue().splitlines()
    assert first == "base: 0/8, 0/s, 0 s left"
    assert second.startswith("base: 8/8, ")
    assert second.endswith("/s, 0 s left, 1 failed, US$ 2.50")
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_elsewhere_a_line_is_written_only_every_ten_seconds():
    stream = io.StringIO()
    line = ProgressLine("base", 1000, Screen(stream))
    for done in range(1000):
        line.show(done)
    line.close()
    assert stream.getvalue() == ""
    assert progress.PLAIN_EVERY_S == 10


def test_rate_and_time_left_follow_the_work(monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    stream = io.StringIO()
    line = ProgressLine("base", 300, Screen(stream))
    time.sleep(0.1)
    line.show(100)
    rate, left = (int(part.split("/s")[0].split(" s")[0]) for part in stream.getvalue().split(", ")[1:])
    assert 1 <= rate <= 1000
    assert left == pytest.approx(200 / rate, abs=1)


def test_slow_work_has_a_rate_per_minute(monkeypatch):
    clock, stream = [0.0], io.StringIO()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    line = ProgressLine("epoch 1", 113, Screen(stream))
    clock[0] = 60.0
    line.show(13)
    assert stream.getvalue() == "epoch 1: 13/113, 13/min, 7 min 42 s left\n"


def test_what_came_for_free_says_nothing_about_the_rate(monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    stream = io.StringIO()
    line = ProgressLine("base", 100_000, Screen(stream))
    time.sleep(0.1)
    line.show(90_010, free=90_000)
    rate = int(stream.getvalue().split(", ")[1].removesuffix("/s"))
    assert 1 <= rate <= 100
    assert " min " in stream.getvalue()


def test_standard_error_is_where_it_goes(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    ProgressLine("base", 2, Screen()).show(1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("base: 1/2, ")
