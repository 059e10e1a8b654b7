"""examples.lock.json: the chosen examples, and what makes them stale or forbidden."""

import dataclasses
import json
import random

import pytest

from harness.core.errors import FixtureError
from harness.core.records import Case, ExampleChoice, Stage, Strategy
from harness.fixtures_io.example_locks import FILE, lock_entry, locked_examples, pool_digest, write_example_lock

POOL = tuple(Case(id=f"p{i}", inputs={"text": f"text {i}"}, expected={"kind": "a"}) for i in range(5))
CHOICE = ExampleChoice(select="diverse", k=3, seed=7)
STRATEGY = Strategy(name="few_shot", stage=Stage.CANDIDATE, adapter="embedded", prompt="prompts/p.md", examples=CHOICE)
IDS = ("p4", "p0", "p2")
REMEDY = "choose the examples with: harness freeze suites/tickets"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of a suite with a lock of its examples."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "suites" / "tickets"
    path.mkdir(parents=True)
    write_example_lock(path, {"few_shot": lock_entry(CHOICE, POOL, IDS)})
    return path


def examples(folder, strategy=STRATEGY, pool=POOL, holdout=("h1",)):
    return tuple(case.id for case in locked_examples(folder, strategy, pool, frozenset(holdout)))


def refusal(*args, **kwargs):
    with pytest.raises(FixtureError) as caught:
        examples(*args, **kwargs)
    return str(caught.value)


def of(**changes):
    return dataclasses.replace(STRATEGY, examples=dataclasses.replace(CHOICE, **changes))


def test_the_locked_examples_come_in_their_order(folder):
    assert examples(folder) == IDS
    assert locked_examples(folder, STRATEGY, POOL, frozenset())[0] is POOL[4]


def test_a_strategy_without_examples_needs_no_lock(tmp_path):
    assert examples(tmp_path, dataclasses.replace(STRATEGY, examples=None)) == ()


def test_a_strategy_on_several_adapters_has_one_lock_entry(folder):
    assert examples(folder, dataclasses.replace(STRATEGY, name="few_shot@gpt")) == IDS


def test_ids_in_the_declaration_need_no_lock(tmp_path):
    named = dataclasses.replace(STRATEGY, examples=ExampleChoice(select="ids", k=2, ids=("p3", "p1")))
    assert examples(tmp_path, named) == ("p3", "p1")


@pytest.mark.parametrize("changed", [{"k": 4}, {"seed": 8}, {"select": "hard"}], ids=str)
def test_another_choice_makes_the_lock_stale(folder, changed):
    message = refusal(folder, of(**changed))
    assert message == (f"suites/tickets/{FILE}: the choice or the pool of 'few_shot' has changed since; {REMEDY}")


@pytest.mark.parametrize(
    "pool",
    [
        POOL[:4],
        (*POOL, Case(id="p9", inputs={"text": "new"}, expected={"kind": "a"})),
        (dataclasses.replace(POOL[0], inputs={"text": "text 0!"}), *POOL[1:]),
        (dataclasses.replace(POOL[0], expected={"kind": "b"}), *POOL[1:]),
        (dataclasses.replace(POOL[0], id="p10"), *POOL[1:]),
    ],
    ids=["one less", "one more", "a text", "a label", "an id"],
)
def test_another_pool_makes_the_lock_stale(folder, pool):
    assert "the choice or the pool of 'few_shot' has changed since" in refusal(folder, pool=pool)


def test_the_order_of_the_pool_does_not_matter(folder):
    shuffled = random.Random(2).sample(POOL, len(POOL))
    assert pool_digest(shuffled) == pool_digest(POOL)
    assert examples(folder, pool=shuffled) == IDS


@pytest.mark.parametrize(
    "content",
    [None, "", "{", "[]", "{}", '{"few_shot": {}}', '{"few_shot": null}', '{"few_shot": {"ids": 3}}', b"\xff"],
    ids=str,
)
def test_a_lock_that_is_missing_or_broken_says_how_to_make_it(folder, content):
    if content is None:
        (folder / FILE).unlink()
    else:
        (folder / FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refusal(folder) == f"suites/tickets/{FILE} has no examples for 'few_shot'; {REMEDY}"


def test_a_lock_whose_ids_were_edited_by_hand_to_unknown_ones_is_refused(folder):
    path = folder / FILE
    path.write_text(path.read_text(encoding="utf-8").replace('"p4"', '"p44"'), encoding="utf-8")
    assert refusal(folder) == "suites/tickets: strategy 'few_shot': no pool case has the id 'p44'"


def test_holdout_cases_are_never_examples(folder):
    message = refusal(folder, holdout=("p2", "p0", "h1"))
    assert message.startswith("suites/tickets: strategy 'few_shot' shows holdout cases as examples: p0, p2; ")
    named = dataclasses.replace(STRATEGY, examples=ExampleChoice(select="ids", k=1, ids=("h1",)))
    assert "shows holdout cases as examples: h1" in refusal(folder, named)


def test_equal_choices_give_equal_bytes(folder):
    before = (folder / FILE).read_bytes()
    write_example_lock(folder, {"few_shot": lock_entry(CHOICE, POOL[::-1], IDS)})
    assert (folder / FILE).read_bytes() == before
    entry = json.loads(before)["few_shot"]
    assert entry["ids"] == list(IDS)
    assert entry["choice"] == {"select": "diverse", "k": 3, "seed": 7, "ids": []}
