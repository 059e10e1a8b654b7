"""Ctrl-C within a run, and the reasons to send nothing more."""

import signal
import threading

import pytest

from harness.execution.stopping import Patient, Stop, be_patient, interruptible


@pytest.fixture
def listening():
    """Ctrl-C as a person at a terminal has it; a shell's background jobs start with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press():
    signal.raise_signal(signal.SIGINT)


def test_the_first_reason_stands_and_is_told_once():
    stop, told = Stop(), []
    stop.told = lambda: told.append(stop.refusal.message)
    stop.because("the moon is full")
    stop.because("it is late")
    assert stop.refusal.message == "not asked, since the moon is full"
    assert told == ["not asked, since the moon is full"]
    assert not stop.interrupted


def test_ctrl_c_stops_gently_and_a_second_one_at_once(listening):
    stop = Stop()
    with interruptible(stop):
        press()
        assert stop.interrupted
        assert stop.refusal is not None
        with pytest.raises(KeyboardInterrupt):
            press()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_during_another_stop_still_interrupts(listening):
    stop = Stop()
    with interruptible(stop):
        stop.because("the endpoint is down")
        press()
    assert stop.interrupted


def test_whoever_ignores_ctrl_c_keeps_ignoring_it(listening):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = Stop()
    with interruptible(stop):
        press()
    assert not stop.interrupted
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_another_thread_runs_without_it(listening):
    stop, done = Stop(), []

    def work():
        with interruptible(stop):
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.default_int_handler]


# -------------------------------------------------------------------------------------------------------------- workers


def test_a_worker_hears_the_same_ctrl_c_from_several_sides_and_ends_gently(listening):
    be_patient()
    stop = Stop()
    with interruptible(stop):
        press()
        press()
        assert stop.interrupted
    press()  # while it ends


def test_a_worker_ends_at_once_when_it_is_told_to(listening):
    patient, stop = be_patient(), Stop()
    with interruptible(stop):
        press()
        patient.at_once = True
        with pytest.raises(KeyboardInterrupt):
            press()


def test_a_worker_with_nothing_in_flight_ends_at_the_first_ctrl_c(listening):
    be_patient()
    with pytest.raises(KeyboardInterrupt):
        press()
    press()


def test_a_worker_that_ignores_ctrl_c_keeps_ignoring_it(listening):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert isinstance(be_patient(), Patient)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
