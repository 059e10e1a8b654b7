"""The kinds of change between two treatments."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.records import Decoding, Sampling, Stage, Strategy
from harness.core.treatment import Kind, Treatment, changes_between, read_treatment, treatment

STRATEGY = Strategy(name="mine", stage=Stage.CANDIDATE, adapter="gpt", prompt="p.md")
IDENTITY = {"model": "m", "lora": "ab" * 32, "torch": "2.13.0", "received": ""}


def made(strategy=STRATEGY, **changes):
    details = {
        "prompt": "one\ntwo\nthree",
        "examples": ["a", "b"],
        "driver": "openai_chat",
        "model": "m-1",
        "identity": IDENTITY,
        "schema": "12" * 32,
        "fixture": {"holdout": "34" * 32, "guide": "56" * 32},
    }
    return treatment(strategy, **(details | changes))


def test_what_a_driver_says_of_itself_is_told_apart_by_what_it_stands_for():
    found = made()
    assert found.model == {"driver": "openai_chat", "name": "m-1", "model": "m"}
    assert found.lora == {"lora": "ab" * 32}
    assert found.libraries == {"torch": "2.13.0"}


@pytest.mark.parametrize(
    ("now", "kind", "detail"),
    [
        (made(examples=["b", "a"]), Kind.EXAMPLES, "the same 2 in another order"),
        (made(examples=["b", "c", "d"]), Kind.EXAMPLES, "2 → 3; added c, d; removed a"),
        (made(model="m-2"), Kind.MODEL, "name m-1 → m-2"),
        (made(identity=IDENTITY | {"lora": "cd" * 32}), Kind.LORA, "lora abababababab → cdcdcdcdcdcd"),
        (made(identity={k: v for k, v in IDENTITY.items() if k != "lora"}), Kind.LORA, "lora abababababab → none"),
        (made(identity=IDENTITY | {"torch": "2.14.0"}), Kind.LIBRARIES, "torch 2.13.0 → 2.14.0"),
        (made(replace(STRATEGY, decoding=Decoding.JSON_SCHEMA)), Kind.SETTINGS, "decoding free → json_schema"),
        (made(replace(STRATEGY, sampling=Sampling(temperature=0.5))), Kind.SETTINGS, "temperature 0 → 0.5"),
        (made(schema="78" * 32), Kind.SCHEMA, "121212121212 → 787878787878"),
        (made(fixture={"holdout": "34" * 32, "guide": "9a" * 32}), Kind.FIXTURE, "guide 565656565656 → 9a9a9a9a9a9a"),
    ],
)
def test_each_kind_of_change_is_found_and_told(now, kind, detail):
    (change,) = changes_between(made(), now)
    assert (change.kind, change.detail, change.diff) == (kind, detail, ())


def test_a_changed_prompt_comes_with_its_difference():
    (change,) = changes_between(made(), made(prompt="one\n2\nthree\nfour"))
    assert (change.kind, change.detail) == (Kind.PROMPT, "2 lines added, 1 removed")
    assert change.diff == ("@@ -1,3 +1,4 @@", " one", "-two", "+2", " three", "+four")


def test_kinds_are_told_in_their_order_and_nothing_for_equal_treatments():
    now = made(prompt="x", examples=[], model="m-2", schema="78" * 32, identity={})
    kinds = [change.kind for change in changes_between(made(), now)]
    assert kinds == sorted(kinds, key=list(Kind).index)
    assert kinds == [Kind.PROMPT, Kind.EXAMPLES, Kind.MODEL, Kind.LORA, Kind.SCHEMA, Kind.LIBRARIES]
    assert changes_between(made(), made()) == []


TEXTS = st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3)
TREATMENTS = st.builds(
    Treatment,
    prompt=st.text(max_size=30),
    examples=st.lists(st.text(max_size=4), max_size=4).map(tuple),
    schema=st.text(max_size=4),
    model=TEXTS,
    lora=TEXTS,
    libraries=TEXTS,
    settings=TEXTS,
    fixture=TEXTS,
)


@given(TREATMENTS, TREATMENTS)
def test_there_is_a_change_exactly_where_two_treatments_differ(one, other):
    assert bool(changes_between(one, other)) == (one != other)


@given(TREATMENTS)
def test_a_stored_treatment_reads_back(found):
    assert read_treatment(json.loads(json.dumps(asdict(found)))) == found


def test_nothing_stored_is_nothing_read_and_another_form_is_refused():
    assert read_treatment(None) is None
    with pytest.raises(KeyError):
        read_treatment({"prompt": "x"})
