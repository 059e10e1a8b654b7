"""A store that answers nothing which it did not ask itself, and a ledger that keeps what it holds."""

from __future__ import annotations

import pytest
from support.ledger_work import key

from harness.core.records import Response
from harness.execution.fresh import FreshAnswers
from harness.execution.ledger import Ledger

OLD, NEW = Response(text="old", provider_fingerprint="fp_1"), Response(text="new", provider_fingerprint="fp_2")


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.put([(key("0"), OLD)])
    return path


def held(path, *keys):
    with Ledger(path) as ledger:
        return {digest: response.text for digest, response in ledger.get(keys).items()}


def test_what_the_ledger_knows_is_asked_again_and_kept(path):
    fresh = FreshAnswers()
    with fresh.store(path, "suite/run") as store:
        assert store.get([key("0"), key("1")]) == {}
        store.put(iter([(key("0"), NEW), (key("1"), NEW)]))
    assert held(path, key("0"), key("1")) == {key("0").digest: "old", key("1").digest: "new"}
    assert (fresh.before(key("0")), fresh.before(key("1"))) == (OLD, None)


def test_a_request_is_asked_once_in_a_process_whichever_run_asks_it(path):
    fresh = FreshAnswers()
    with fresh.store(path, "suite/first") as store:
        store.get([key("0"), key("1")])
        store.put([(key("0"), NEW), (key("1"), NEW)])
    with fresh.store(path, "suite/second") as store:
        assert store.get([key("0"), key("1"), key("2")]) == {key("0").digest: NEW, key("1").digest: NEW}
    assert fresh.before(key("0")) == OLD
    assert fresh.before(key("1")) is None, "what this process stored itself is no answer of before"
