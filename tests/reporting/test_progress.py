"""Progress: a live line on a terminal, plain lines elsewhere, and never too many of them."""

import io
import os
import pty
import time

import pytest

from harness.reporting import progress
from harness.reporting.progress import ProgressLine

ERASE = "\r\x1b[2K"
END = "<end>"


@pytest.fixture
def terminal():
    """(a stream that is a real terminal, a function that reads what was shown on it since it was last asked)."""
    ours, theirs = pty.openpty()
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


def test_a_terminal_shows_one_line_that_is_drawn_over_and_erased_at_the_end(terminal, monkeypatch):
    monkeypatch.setattr(progress, "LIVE_EVERY_S", 0.0)
    stream, shown = terminal
    line = ProgressLine("few_shot", 40, stream=stream)
    line.show(10)
    line.show(20, "2 failed")
    line.close()
    first, second, last = shown().split(ERASE)[1:]
    assert first.startswith("few_shot: 10/40, ")
    assert first.endswith(" s left")
    assert second.startswith("few_shot: 20/40, ")
    assert second.endswith(" s left, 2 failed")
    assert last == ""


def test_a_terminal_is_not_drawn_on_more_often_than_an_eye_can_see(terminal):
    stream, shown = terminal
    line = ProgressLine("base", 10**9, stream=stream)
    started, calls = time.monotonic(), 0
    while (passed := time.monotonic() - started) < 0.35:
        calls += 1
        line.show(calls)
    drawn = shown().count(ERASE)
    assert calls > 100
    assert 1 <= drawn <= passed / progress.LIVE_EVERY_S + 1


def test_a_short_run_shows_nothing_and_erases_nothing(terminal):
    stream, shown = terminal
    line = ProgressLine("base", 3, stream=stream)
    line.show(3)
    line.close()
    assert shown() == ""


def test_elsewhere_lines_are_plain_and_stay(monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    stream = io.StringIO()
    line = ProgressLine("base", 8, stream=stream)
    line.show(0)
    line.show(8, "1 failed")
    line.close()
    first, second = stream.getvalue().splitlines()
    assert first == "base: 0/8, 0/s, 0 s left"
    assert second.startswith("base: 8/8, ")
    assert second.endswith("/s, 0 s left, 1 failed")
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_elsewhere_a_line_is_written_only_every_ten_seconds():
    stream = io.StringIO()
    line = ProgressLine("base", 1000, stream=stream)
    for done in range(1000):
        line.show(done)
    line.close()
    assert stream.getvalue() == ""
    assert progress.PLAIN_EVERY_S == 10


def test_rate_and_time_left_follow_the_work(monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    stream = io.StringIO()
    line = ProgressLine("base", 300, stream=stream)
    time.sleep(0.1)
    line.show(100)
    rate, left = (int(part.split("/s")[0].split(" s")[0]) for part in stream.getvalue().split(", ")[1:])
    assert 1 <= rate <= 1000
    assert left == pytest.approx(200 / rate, abs=1)


def test_standard_error_is_where_it_goes(capsys, monkeypatch):
    monkeypatch.setattr(progress, "PLAIN_EVERY_S", 0.0)
    ProgressLine("base", 2).show(1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("base: 1/2, ")
