"""The edits of the support-ticket suite keep a ticket's words, so that its label stays."""

import edits
import pytest
from edits import GREETINGS, KINDS, NAMES, QUOTES, SIGNATURES, apply, edit, typo
from hypothesis import example, given
from hypothesis import strategies as st
from support.embedded import ROOT

from harness.fixtures_io.tasks import load_fixture

POOL = [case.inputs["text"] for case in load_fixture(ROOT / "fixtures" / "support_tickets").pool()]
WORDS = st.lists(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=12), min_size=1, max_size=12)
TEXTS = st.sampled_from(POOL) | WORDS.map(" ".join) | WORDS.map(". ".join)
CHOICES = st.integers(min_value=0, max_value=11)
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), CHOICES), max_size=3)
ADDED = {"greeting": GREETINGS, "signature": SIGNATURES, "quote": QUOTES, "name": NAMES}


def words(text):
    return text.casefold().split()


def holds(text, part):
    """Whether the words of `part` stand in `text` one after the other."""
    return any(text[i : i + len(part)] == part for i in range(len(text) - len(part) + 1))


def letters(word):
    return word[:1], sorted(word), word[-1:]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "typo"])
@given(text=TEXTS, choice=CHOICES)
def test_an_edit_keeps_every_word_in_its_place(kind, text, choice):
    assert holds(words(edit(text, kind, choice)), words(text))


@given(text=TEXTS, choice=CHOICES)
@example(text="abcdef", choice=11)
@example(text="short words only", choice=3)
@example(text="", choice=0)
def test_a_typo_swaps_two_inner_letters_of_one_long_word(text, choice):
    before, after = text.split(" "), typo(text, choice).split(" ")
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) <= 1
    for old, new in changed:
        assert len(old) >= 6
        assert letters(old) == letters(new)
        assert sum(a != b for a, b in zip(old, new, strict=True)) == 2
    if not any(len(word) >= 6 and word.isalpha() for word in before):
        assert after == before


@given(text=TEXTS, steps=STEPS)
def test_several_edits_keep_every_word_up_to_its_inner_letters(text, steps):
    kept = [letters(word) for word in words(text)]
    assert holds([letters(word) for word in words(apply(text, steps))], kept)


@given(text=TEXTS, kind=st.sampled_from(["case", "white_space"]), choice=CHOICES)
@example(text="ısı yok", kind="case", choice=0)
def test_case_and_white_space_add_no_word(text, kind, choice):
    assert words(edit(text, kind, choice)) == words(text)


@given(text=TEXTS, kind=st.sampled_from(sorted(ADDED)), choice=CHOICES)
def test_what_is_added_is_one_of_the_listed_forms_and_the_text_stays_letter_by_letter(text, kind, choice):
    edited = edit(text, kind, choice)
    assert text in edited
    assert any(form in edited.replace(text, "", 1) for form in ADDED[kind])


def test_what_is_added_says_nothing_that_a_label_depends_on():
    """The words that rules of the guide ask for: sums, deadlines, threats, third messages."""
    telling = {"lawyer", "court", "police", "urgent", "tonight", "tomorrow", "today", "third", "refund", "charged"}
    added = {word.strip(".,") for forms in ADDED.values() for form in forms for word in words(form)}
    assert not added & telling
    assert not any(word.isdigit() for word in added)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_changes_a_real_ticket_and_does_so_the_same_way_each_time(kind):
    changed = 0
    for text in POOL[:50]:
        for choice in range(12):
            edited = edit(text, kind, choice)
            assert edit(text, kind, choice) == edited
            changed += edited != text
    assert changed >= 300


@given(edits.edits())
def test_generated_edits_are_one_to_three_known_ones(steps):
    assert 1 <= len(steps) <= 3
    assert all(kind in KINDS and 0 <= choice <= 11 for kind, choice in steps)


@given(edits.edits(("white_space",)))
def test_generated_edits_keep_to_the_kinds_asked_for(steps):
    assert {kind for kind, _ in steps} == {"white_space"}
