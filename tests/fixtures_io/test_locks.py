"""The lock of a holdout: a changed holdout can't pass unseen, and freezing is reproducible."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import FixtureError
from harness.core.records import Case
from harness.fixtures_io.locks import NAMED, Part, case_hash, common_digest, make_lock, verify_lock, write_lock

SCHEMA = {"properties": {"category": {"enum": ["a", "b"]}}}


def case(name, **changes):
    return dataclasses.replace(Case(id=name, inputs={"text": f"text of {name}"}, expected={"category": "a"}), **changes)


CASES = [case("c1"), case("c2", tags=("x", "y")), case("c3", cluster="k", supplement=True)]


def parts(root=Path(), **changes):
    """What a lock covers besides the cases, with some of it changed."""
    content = {"schema": SCHEMA, "guide": "Label.", "costs": {"invalid": 25}, "slices": {"a": {"tag": "x"}}} | changes
    files = {"schema": "schema.json", "guide": "guide.md"}
    return {n: Part(value, root / "fixtures/tickets" / files.get(n, "task.yaml")) for n, value in content.items()}


@pytest.fixture
def lock(tmp_path, monkeypatch):
    """The path of the lock of CASES."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "fixtures" / "tickets" / "lock.json"
    path.parent.mkdir(parents=True)
    write_lock(path, make_lock(CASES, parts()))
    return path


def verified(lock, cases=CASES, **changes):
    return verify_lock(lock, cases, lock.with_name("holdout.jsonl"), parts(lock.parents[2], **changes))


def refusal(lock, cases=CASES, **changes):
    with pytest.raises(FixtureError) as caught:
        verified(lock, cases, **changes)
    return str(caught.value)


def test_the_frozen_holdout_passes_and_its_digest_is_returned(lock):
    found = verified(lock)
    assert (found.digest, found.earlier, found.outdated) == (make_lock(CASES, parts())["holdout"], (), "")
    assert len(found.digest) == 64


def test_a_changed_case_is_named(lock):
    text = refusal(lock, [case("c1", expected={"category": "b"}), *CASES[1:]])
    assert text == (
        "fixtures/tickets is not the frozen one: fixtures/tickets/holdout.jsonl: 1 changed: c1; "
        "restore it, or if that is meant, freeze it again with: harness freeze fixtures/tickets"
    )


def test_an_added_case_is_named(lock):
    assert "holdout.jsonl: 1 added: c9; restore it, or if" in refusal(lock, [*CASES, case("c9")])


def test_a_missing_case_is_named(lock):
    assert "holdout.jsonl: 1 missing: c2; restore it, or if" in refusal(lock, [CASES[0], CASES[2]])


def test_a_renamed_case_is_added_and_missing(lock):
    text = refusal(lock, [dataclasses.replace(CASES[0], id="c7"), *CASES[1:]])
    assert "holdout.jsonl: 1 added: c7; 1 missing: c1" in text


def test_all_differences_are_named_together_and_long_lists_are_cut(lock):
    new = [case(f"n{i:02}") for i in range(NAMED + 2)]
    text = refusal(lock, [case("c1", tags=("new",)), CASES[1], *new])
    assert "1 changed: c1; 12 added: n00, n01, " in text
    assert "n09 and 2 more; 1 missing: c3; restore it" in text
    assert "n10" not in text


@pytest.mark.parametrize(
    "schema",
    [{}, {"properties": {"category": {"enum": ["a", "b", "c"]}}}, {"properties": {"category": {"enum": ["b", "a"]}}}],
)
def test_a_changed_schema_is_named(lock, schema):
    assert refusal(lock, schema=schema) == (
        "fixtures/tickets is not the frozen one: fixtures/tickets/schema.json: schema changed; "
        "restore it, or if that is meant, freeze it again with: harness freeze fixtures/tickets"
    )


def test_a_changed_guide_and_changed_costs_are_named_with_their_files(lock):
    assert "one: fixtures/tickets/guide.md: guide changed; restore" in refusal(lock, guide="Label it.")
    text = refusal(lock, guide="", costs={"invalid": 26}, slices={})
    assert "fixtures/tickets/guide.md: guide changed; fixtures/tickets/task.yaml: costs and slices changed;" in text


def old_lock(lock):
    """The lock as version 1 wrote it."""
    known = json.loads(lock.read_text())
    old = {"version": 1, "holdout": known["holdout"], "schema": known["parts"]["schema"], "cases": known["cases"]}
    lock.write_text(json.dumps(old))


def test_a_lock_of_version_1_is_read_and_says_what_it_does_not_cover_and_how_to_renew_it(lock):
    digest = verified(lock).digest
    old_lock(lock)
    found = verified(lock, guide="another", costs={})
    assert found.digest == digest
    assert found.outdated == (
        "fixtures/tickets/lock.json is of version 1, which does not cover guide, costs, slices; "
        "renew it with: harness freeze fixtures/tickets"
    )
    assert "schema.json: schema changed" in refusal(lock, schema={})
    assert "1 changed: c1" in refusal(lock, [case("c1", tags=("new",)), *CASES[1:]])


def test_a_lock_of_a_later_version_is_no_lock_here(lock):
    lock.write_text(json.dumps(json.loads(lock.read_text()) | {"version": 3}))
    assert "is not a lock (its version is 3, and this Holdfast reads up to 2)" in refusal(lock)


@pytest.mark.parametrize("name", ["earlier", "holdout", "all"])
def test_a_lock_that_was_edited_by_hand_does_not_pass(lock, name):
    known = json.loads(lock.read_text())
    lock.write_text(json.dumps(known | {name: ["x"] if name == "earlier" else "0" * 64}))
    assert "lock.json was changed by hand: its hashes do not fit each other; if that is meant" in refusal(lock)


def test_a_lock_remembers_the_holdouts_that_it_came_from_as_long_as_a_case_is_the_same():
    first = make_lock(CASES, parts())
    second = make_lock([*CASES, case("c4")], parts(), before=first)
    third = make_lock([case("c1", tags=("new",)), case("c4")], parts(guide=""), before=second)
    assert second["earlier"] == [first["holdout"]]
    assert third["earlier"] == [first["holdout"], second["holdout"]]
    assert make_lock([case("c9")], parts(), before=third)["earlier"] == []
    assert make_lock(CASES, parts(), before=first) == first
    assert make_lock(CASES, parts(), before=second)["earlier"] == [second["holdout"]]


def test_the_digest_of_some_locked_cases_is_that_of_a_holdout_of_just_these(lock):
    assert common_digest(lock, ["c3", "c1"]) == make_lock([CASES[0], CASES[2]], parts())["holdout"]
    assert common_digest(lock, ["c1", "c9"]) == ""


def test_a_missing_lock_names_the_command(lock):
    lock.unlink()
    assert refusal(lock) == (
        "fixtures/tickets is not frozen: fixtures/tickets/lock.json is missing; run: harness freeze fixtures/tickets"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"null",
        b'"x"',
        b"{}",
        b'{"cases": null}',
        b'{"cases": []}',
        b'{"cases": "c1"}',
        b"\xff\xfe",
    ],
)
def test_a_broken_lock_is_no_lock_and_names_the_command(lock, content):
    lock.write_bytes(content)
    text = refusal(lock)
    assert text.startswith("fixtures/tickets/lock.json is not a lock (")
    assert text.endswith("freeze it again with: harness freeze fixtures/tickets")


def test_a_lock_whose_schema_or_hashes_were_edited_does_not_pass(lock):
    known = json.loads(lock.read_text())
    lock.write_text(json.dumps(known | {"parts": {n: v for n, v in known["parts"].items() if n != "schema"}}))
    assert "schema.json: schema changed" in refusal(lock)
    lock.write_text(json.dumps(known | {"cases": known["cases"] | {"c1": "0" * 16}}))
    assert "1 changed: c1" in refusal(lock)


def test_freezing_twice_gives_the_same_bytes(lock, tmp_path):
    again = tmp_path / "again.json"
    write_lock(again, make_lock(reversed(CASES), parts(schema=json.loads(json.dumps(SCHEMA, sort_keys=True)))))
    assert again.read_bytes() == lock.read_bytes()
    assert lock.read_bytes().endswith(b"}\n")
    assert b"\r" not in lock.read_bytes()


def test_as_many_changed_cases_as_are_named_are_not_cut(lock):
    text = refusal(lock, [*CASES, *(case(f"n{i}") for i in range(NAMED))])
    assert "10 added: n0, n1, n2, n3, n4, n5, n6, n7, n8, n9; restore" in text


def test_a_lock_holds_its_version_a_hash_per_case_and_part_and_one_over_all(lock):
    known = json.loads(lock.read_text())
    assert known == make_lock(CASES, parts())
    assert list(known) == ["all", "cases", "earlier", "holdout", "parts", "version"]
    assert known["version"] == 2
    assert list(known["parts"]) == ["costs", "guide", "schema", "slices"]
    assert known["cases"] == {case.id: case_hash(case) for case in CASES}


def test_each_case_has_a_line_of_its_own_so_that_a_review_shows_which_one_changed(lock):
    lines = lock.read_text().splitlines()
    assert f'"c1": "{case_hash(CASES[0])}",' in lines


@pytest.mark.parametrize(
    "change",
    [
        {"id": "other"},
        {"inputs": {"text": "other"}},
        {"inputs": {"other": "text of c1"}},
        {"expected": {"category": "b"}},
        {"tags": ("x",)},
        {"cluster": ""},
        {"supplement": True},
    ],
)
def test_the_hash_of_a_case_covers_every_part_of_it(change):
    assert case_hash(dataclasses.replace(CASES[0], **change)) != case_hash(CASES[0])


def test_the_hash_of_a_case_ignores_the_order_of_keys_and_never_changes_between_versions():
    one = Case(id="a", inputs={"x": "1", "y": "2"}, expected={"p": True, "q": 1})
    other = Case(id="a", inputs={"y": "2", "x": "1"}, expected={"q": 1, "p": True})
    assert case_hash(one) == case_hash(other) == "4c31a85be9418c4b"


NAMES = st.text(st.characters(codec="utf-8"), min_size=1)
ANY_CASES = st.lists(
    st.builds(
        Case,
        id=NAMES,
        inputs=st.dictionaries(NAMES, NAMES, min_size=1, max_size=2),
        expected=st.dictionaries(NAMES, st.booleans() | st.integers() | NAMES, max_size=2),
        tags=st.lists(NAMES, max_size=2).map(tuple),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda case: case.id,
)


@given(cases=ANY_CASES, data=st.data())
@settings(deadline=None)
def test_the_order_of_rows_changes_neither_lock_nor_digest(cases, data):
    shuffled = data.draw(st.permutations(cases))
    assert json.dumps(make_lock(shuffled, parts())) == json.dumps(make_lock(cases, parts()))


@given(cases=ANY_CASES, data=st.data())
@settings(deadline=None)
def test_any_changed_added_or_missing_case_changes_the_digest(cases, data):
    digest = make_lock(cases, parts())["holdout"]
    position = data.draw(st.integers(0, len(cases) - 1))
    edited = dataclasses.replace(cases[position], supplement=True)
    assert make_lock([*cases[:position], *cases[position + 1 :]], parts())["holdout"] != digest
    assert make_lock([*cases[:position], edited, *cases[position + 1 :]], parts())["holdout"] != digest
