"""What tests of a run need: a ledger, retries without the wait, Ctrl-C as at a terminal."""

import signal

import pytest

from harness.execution import remote
from harness.execution.ledger import Ledger


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


@pytest.fixture
def impatient(monkeypatch):
    """Retries without the wait, for tests that are about something else."""
    monkeypatch.setattr(remote, "FIRST_BACKOFF_S", 0.01)


@pytest.fixture
def listening():
    """Ctrl-C as a person at a terminal has it; a shell's background jobs start with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
