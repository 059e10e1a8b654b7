"""The ledger of predictions: what is stored comes back, under a key of everything that determines an answer."""

import dataclasses
import multiprocessing
import sqlite3
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.ledger_work import key, pay_and_log, write_batches

from harness.core.errors import LedgerError
from harness.core.prompting import make_prompt
from harness.core.records import Adapter, Decoding, Limits, Price, Request, Response, Settings, Usage
from harness.core.schemas import AnswerSchema
from harness.drivers.openai_chat import OpenAIChatDriver
from harness.execution.ledger import CHUNK, FORMAT, KeyMaker, Ledger

WAIT_S = 120


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "ledger.sqlite"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.floats(allow_nan=False)
COUNTS = st.integers(min_value=0, max_value=10**9)
RESPONSES = st.builds(
    Response,
    text=TEXTS,
    finish_reason=TEXTS,
    usage=st.builds(Usage, input_tokens=COUNTS, output_tokens=COUNTS),
    latency_s=NUMBERS,
    confidence=st.none() | st.dictionaries(TEXTS, NUMBERS),
    logprobs=st.none() | st.lists(st.tuples(TEXTS, st.floats(-9999, 0))).map(tuple),
    provider_model=TEXTS,
    provider_fingerprint=TEXTS,
)


@pytest.fixture(scope="module")
def shared():
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger.sqlite") as ledger:
        yield ledger


@given(response=RESPONSES)
@example(response=Response(text=""))
@example(response=Response(text="\x00a\x00", confidence={}, latency_s=0.1))
def test_every_field_of_an_answer_comes_back(shared, response):
    new = key(str(len(shared)))
    shared.put([(new, response)])
    assert shared.get([new]) == {new.digest: response}


def test_answers_are_there_when_the_file_is_opened_again(path):
    answers = [(key(str(i)), Response(text=f"answer {i}")) for i in range(2 * CHUNK + 1)]
    with Ledger(path) as ledger:
        ledger.put(answers)
    with Ledger(path) as ledger:
        assert len(ledger) == len(answers)
        found = ledger.get([key(str(i)) for i in range(2 * CHUNK + 11)])
    assert found == {k.digest: response for k, response in answers}


def test_the_first_answer_under_a_key_stays(path):
    with Ledger(path) as ledger:
        ledger.put([(key("a"), Response(text="first")), (key("a"), Response(text="second"))])
        ledger.put([(key("a"), Response(text="third"))])
        assert [r.text for r in ledger.get([key("a"), key("a")]).values()] == ["first"]
        assert len(ledger) == 1


def test_an_empty_ledger_knows_nothing(path):
    with Ledger(path) as ledger:
        assert ledger.get([]) == {}
        assert ledger.get([key("a")]) == {}
        assert len(ledger) == 0


def test_a_ledger_from_before_log_probabilities_is_read_and_filled(path):
    old, new = Response(text="old", confidence={"a": 0.5}), Response(text="new", logprobs=(("new", -0.5),))
    with Ledger(path) as ledger:
        ledger.put([(key("old"), old)])
        ledger.change("ALTER TABLE predictions DROP COLUMN logprobs")
    for _ in range(2):
        with Ledger(path) as ledger:
            ledger.put([(key("new"), new)])
            assert ledger.get([key("old"), key("new")]) == {key("old").digest: old, key("new").digest: new}


# ----------------------------------------------------------------------------------------------------------- keys

SCHEMA = AnswerSchema({"type": "object", "properties": {"team": {"enum": ["a", "b"]}}})
ADAPTER = Adapter(
    name="gpt", driver="openai_chat", model="gpt-1", options={"base_url": "http://h/v1"}, file="adapters/gpt.yaml"
)


def request(**changes):
    start = Request(
        prompt=make_prompt("Route.", SCHEMA),
        case_id="c1",
        repeat=0,
        inputs={"subject": "Hello", "text": "Invoice?"},
        settings=Settings(),
    )
    return dataclasses.replace(start, **changes)


def digest(made=None, *, driver="openai_chat", **adapter_changes):
    adapter = dataclasses.replace(ADAPTER, **adapter_changes)
    maker = KeyMaker(driver, OpenAIChatDriver(adapter, environment={}).identity())
    return maker.key(made or request()).digest


@pytest.mark.parametrize(
    "changed",
    [
        {"prompt": make_prompt("Route!", SCHEMA)},
        {"prompt": make_prompt("Route.", SCHEMA, [({"text": "x"}, {"team": "a"})])},
        {"inputs": {"subject": "Hello", "text": "Invoice!"}},
        {"inputs": {"subject": "Hello", "body": "Invoice?"}},
        {"inputs": {"text": "Invoice?", "subject": "Hello"}},  # a model reads them in this order
        {"repeat": 1},
        {"settings": Settings(decoding=Decoding.JSON_SCHEMA)},
        {"settings": Settings(temperature=0.5)},
        {"settings": Settings(max_tokens=257)},
        {"settings": Settings(seed=1)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_the_key_changes_with_the_request(changed):
    assert digest(request(**changed)) != digest()


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "gpt-2"},
        {"options": {"base_url": "http://other/v1"}},
        {"options": {"base_url": "http://h/v1", "examples_as": "prompt"}},
        {"options": {"base_url": "http://h/v1", "logprobs": True}},
        {"driver": "encoder"},
    ],
    ids=str,
)
def test_the_key_changes_with_who_answers(changed):
    assert digest(**changed) != digest()


@pytest.mark.parametrize(
    "same",
    [
        {"limits": Limits(concurrency=64, requests_per_minute=5, timeout_s=1, retries=0)},
        {"price": Price(input_per_million=1, output_per_million=2)},
        {"external": True},
        {"options": {"base_url": "http://h/v1", "logprobs": False}},
        {"name": "other", "file": "elsewhere.yaml"},
    ],
    ids=str,
)
def test_the_key_stays_with_what_changes_no_answer(same):
    assert digest(**same) == digest()


def test_the_id_of_a_case_is_not_in_the_key():
    assert digest(request(case_id="c2")) == digest()


def test_a_key_names_the_part_that_changed():
    maker = KeyMaker("openai_chat", {"model": "gpt-1"})
    before = dataclasses.asdict(maker.key(request()))
    for name, changed in (
        ("prompt", request(prompt=make_prompt("Route!", SCHEMA))),
        ("settings", request(settings=Settings(seed=1))),
        ("inputs", request(inputs={"text": "x"})),
        ("repeat", request(repeat=1)),
    ):
        after = dataclasses.asdict(maker.key(changed))
        assert [part for part in before if before[part] != after[part]] == [name]


# ---------------------------------------------------------------------------------------------- all or nothing


def test_a_put_that_fails_stores_nothing_and_leaves_the_ledger_usable(path):
    with Ledger(path) as ledger:
        ledger.put([(key("before"), Response(text="kept"))])
        with pytest.raises(UnicodeEncodeError):
            ledger.put([(key("a"), Response(text="fine")), (key("b"), Response(text="\ud800"))])
        assert len(ledger) == 1
        ledger.put([(key("a"), Response(text="fine"))])
        assert len(ledger) == 2


def test_a_put_is_seen_by_others_as_a_whole(path):
    with Ledger(path) as writer, Ledger(path) as reader:
        assert len(reader) == 0
        writer.put((key(str(i)), Response(text="x")) for i in range(50))
        assert len(reader) == 50


# ------------------------------------------------------------------------------------------- several processes


def spawn(target, *jobs):
    """Run one process per job and wait for all of them to end well."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(len(jobs))
    processes = [context.Process(target=target, args=(path, start, *rest)) for path, *rest in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(WAIT_S)
    assert [process.exitcode for process in processes] == [0] * len(jobs)


def test_two_processes_that_write_at_once_lose_nothing(path):
    batches, size = 40, 20
    spawn(write_batches, *((path, name, batches, size) for name in ("one", "two")))
    names = [f"{name} {n} {i}" for name in ("one", "two") for n in range(batches) for i in range(size)]
    names += [f"shared {n}" for n in range(batches)]
    with Ledger(path) as ledger:
        assert len(ledger) == len(names)
        found = ledger.get([key(name) for name in names])
    assert found == {key(name).digest: Response(text=name) for name in names}


def test_only_one_process_pays_at_a_time(path, tmp_path):
    log, turns = tmp_path / "log", 50
    spawn(pay_and_log, *((path, name, turns, log) for name in ("one", "two")))
    lines = log.read_text().splitlines()
    assert sorted(lines) == sorted([f"{name} {what}" for name in ("one", "two") for what in ("in", "out")] * turns)
    for entered, left in zip(lines[::2], lines[1::2], strict=True):
        assert (entered.split()[0], entered.split()[1], left.split()[1]) == (left.split()[0], "in", "out")


def test_a_process_waits_while_another_pays(path, tmp_path):
    log = tmp_path / "log"
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    process = context.Process(target=pay_and_log, args=(path, start, "other", 1, log))
    with Ledger(path) as ledger:
        with ledger.paying("tickets/base"):
            process.start()
            start.wait(WAIT_S)
            time.sleep(0.3)
            assert not log.exists()
            with ledger.paying("tickets/few_shot"):
                log.write_text("this one pays for another run meanwhile\n")
        process.join(WAIT_S)
    assert process.exitcode == 0
    assert log.read_text().splitlines()[1:] == ["other in", "other out"]


def test_the_right_to_pay_is_given_back_after_an_error(path):
    with Ledger(path) as one, Ledger(path) as other:
        with pytest.raises(KeyboardInterrupt), one.paying("tickets/base"):
            raise KeyboardInterrupt
        with other.paying("tickets/base"):
            other.put([(key("a"), Response(text="x"))])
        assert len(other) == 1


# ------------------------------------------------------------------------------------------- files of no use


def test_another_format_is_refused_with_what_to_do(path):
    Ledger(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={FORMAT + 6}")
    db.close()
    with pytest.raises(LedgerError) as caught:
        Ledger(path)
    assert str(caught.value) == (f"{path} has format {FORMAT + 6}, this version reads {FORMAT}; move the file away")


@pytest.mark.parametrize("content", [b"this is no database, only a text that is long enough to be read as one" * 20])
def test_a_file_that_is_no_database_is_refused_with_what_to_do(path, content):
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"ledger\.sqlite can't be used: .*; move the file away or delete it"):
        Ledger(path)
    assert path.read_bytes() == content


def test_a_folder_in_the_place_of_the_file_is_refused_with_what_to_do(path):
    path.mkdir(parents=True)
    with pytest.raises(LedgerError, match="can't be used: .*; move the file away or delete it"):
        Ledger(path)


def test_a_file_in_the_place_of_the_folder_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(LedgerError, match="can't be used: .*; move the file away or delete it"):
        Ledger(tmp_path / "taken" / "ledger.sqlite")


def test_a_file_that_was_damaged_inside_is_refused_when_it_is_read_or_written(path):
    with Ledger(path) as ledger:
        ledger.put([(key(str(i)), Response(text=f"answer {i}" * 50)) for i in range(500)])
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = db.execute("PRAGMA page_size").fetchone()[0]
    db.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:page] + b"\xa5" * (len(whole) - page))
    with Ledger(path) as ledger:
        for use in (
            lambda: ledger.get([key("1")]),
            lambda: ledger.put([(key("new"), Response(text="x"))]),
            lambda: len(ledger),
        ):
            with pytest.raises(LedgerError, match="can't be used: .*malformed.*; move the file away or delete it"):
                use()
