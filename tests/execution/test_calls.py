"""Why calls were made: which part of the key differs from what the same run asked before."""

import dataclasses
import time

import pytest

from harness.core.records import Response
from harness.execution.calls import Calls
from harness.execution.ledger import Key, Ledger


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


def keys(count=3, *, start=0, repeats=1, **changes):
    made = Key(identity="i", prompt="p", settings="s", inputs="", repeat=0)
    made = dataclasses.replace(made, **changes)
    return [
        dataclasses.replace(made, inputs=str(n), repeat=r) for n in range(start, start + count) for r in range(repeats)
    ]


def ask(path, wanted, run="suite/run", calls=None):
    """Ask for what the ledger does not know; returns what is said about it."""
    calls = calls or Calls()
    with calls.store(path, run) as store:
        known = store.get(wanted)
        store.put([(key, Response(text="x")) for key in wanted if key.digest not in known])
    return calls.lines()


def test_a_run_that_was_never_asked_needs_no_reason(path):
    assert ask(path, keys()) == []
    assert ask(path, keys(prompt="q"), run="suite/another") == []


def test_what_is_known_is_no_call(path):
    ask(path, keys())
    assert ask(path, keys()) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"prompt": "q"}, "the prompt, its examples or the schema changed"),
        ({"identity": "j"}, "the model or adapter changed"),
        ({"settings": "t"}, "decoding or sampling settings changed"),
        (
            {"settings": "t", "prompt": "q"},
            "the prompt, its examples or the schema and decoding or sampling settings changed",
        ),
        ({"repeats": 3}, "the number of repeats changed"),
        ({"count": 5}, "the ledger did not know the inputs of 2 cases"),
        (
            {"count": 4, "repeats": 2},
            "the ledger did not know the inputs of 1 cases and the number of repeats changed",
        ),
    ],
)
def test_what_changed_is_said(path, changes, told):
    ask(path, keys())
    known = {key.digest for key in keys()}
    paid = sum(key.digest not in known for key in keys(**changes))
    assert ask(path, keys(**changes)) == [f"suite/run: {paid} calls, since {told}"]
    assert ask(path, keys(**changes)) == []


def test_the_nearest_of_all_versions_is_compared(path):
    ask(path, keys())
    ask(path, keys(identity="j", prompt="q"))
    assert ask(path, keys(identity="j", prompt="r")) == [
        "suite/run: 3 calls, since the prompt, its examples or the schema changed"
    ]
    assert ask(path, keys(settings="t")) == ["suite/run: 3 calls, since decoding or sampling settings changed"]


def test_a_run_in_steps_is_told_as_one(path):
    ask(path, keys(6))
    calls = Calls()
    for start in (0, 2, 4):
        ask(path, keys(2, start=start, prompt="q"), calls=calls)
    assert calls.lines() == ["suite/run: 6 calls, since the prompt, its examples or the schema changed"]


def test_an_interrupted_run_leaves_its_version(path):
    def interrupted():
        with Calls().store(path, "suite/run") as store:
            store.get(keys(3))
            store.put([(keys()[0], Response(text="x"))])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ask(path, keys()) == ["suite/run: 2 calls, since the ledger did not know the inputs of 2 cases"]


def test_the_reason_costs_next_to_nothing_in_a_large_ledger(path):
    with Ledger(path) as ledger:
        ledger.put((key, Response(text="x")) for key in keys(100_000))
    ask(path, keys(3))
    started = time.perf_counter()
    assert ask(path, keys(3, prompt="q"))
    assert time.perf_counter() - started < 0.5
