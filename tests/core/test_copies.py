"""Copies of texts: exact ones however they are written, near ones, and none that are not."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.copies import NEAR, SHINGLE, Copy, near_copies
from harness.core.folding import fingerprint, folded

TEXT = "the card was charged twice and nobody at the desk could tell me why it had been sent back"
WORDS = TEXT.split()


def jaccard(one, other):
    """The definition, letter by letter."""
    sets = []
    for text in (one, other):
        padded = f" {folded(text)} "
        sets.append({padded[i : i + SHINGLE] for i in range(max(1, len(padded) - SHINGLE + 1))})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is my card?", "where is  my CARD"),
        ("top-up?", "Top up"),
        ("Straße", "STRASSE"),
        ("where\nis my card", "where is my card!"),
        ("😡😡", "😡😡 "),
    ],
)
def test_case_signs_and_white_space_do_not_tell_texts_apart(one, other):
    assert fingerprint(one) == fingerprint(other)
    assert near_copies([one], [other]) == [Copy(row=0, of=0, similarity=1.0)]


@pytest.mark.parametrize(("one", "other"), [("a card", "a cart"), ("😡😡", "🙂"), ("", "a"), ("top up", "topup")])
def test_other_words_are_other_texts(one, other):
    assert fingerprint(one) != fingerprint(other)
    assert near_copies([one], [other]) == []


def test_a_text_with_a_word_changed_is_a_near_copy_and_one_on_the_same_subject_is_not():
    changed = TEXT.replace("desk", "shop")
    alike = "i was charged twice on my card and the desk could not tell me anything about it"
    (copy,) = near_copies(["something else", changed, alike], ["unrelated words", TEXT])
    assert (copy.row, copy.of) == (1, 1)
    assert NEAR <= copy.similarity < 1


def test_the_most_similar_one_is_named():
    found = near_copies([TEXT], [TEXT.replace("desk", "shop"), TEXT, "x"])
    assert found == [Copy(row=0, of=1, similarity=1.0)]


@given(
    st.lists(st.lists(st.sampled_from(WORDS[:4]), max_size=6).map(" ".join), max_size=6),
    st.lists(st.lists(st.sampled_from(WORDS[:4]), max_size=6).map(" ".join), max_size=6),
    st.floats(min_value=0.05, max_value=1),
)
def test_every_pair_is_compared_as_the_definition_says(texts, others, at_least):
    best = [max((jaccard(text, other) for other in others), default=-1.0) for text in texts]
    found = near_copies(texts, others, at_least=at_least)
    sure = {row for row, value in enumerate(best) if value > at_least + 1e-6}
    assert sure <= {copy.row for copy in found} <= {row for row, value in enumerate(best) if value > at_least - 1e-6}
    for copy in found:
        assert copy.similarity == pytest.approx(best[copy.row])
        assert jaccard(texts[copy.row], others[copy.of]) == pytest.approx(best[copy.row])


def test_two_thousand_texts_against_five_hundred_take_seconds():
    order = random.Random(1)
    words = ["".join(order.choices("abcdefghijklmnop", k=order.randint(2, 9))) for _ in range(3000)]
    texts = [" ".join(order.choices(words, k=80)) for _ in range(2500)]
    held = [*texts[2000:2499], texts[7].replace(" ", "  ")]
    started = time.perf_counter()
    assert [(copy.row, copy.of) for copy in near_copies(texts[:2000], held)] == [(7, 499)]
    assert time.perf_counter() - started < 20
