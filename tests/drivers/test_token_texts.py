"""Tokens as text: together they spell the answer, characters of several tokens included."""

import pytest
from support.tiny_tokenizer import tiny_tokenizer

from harness.drivers.token_texts import text_of, token_texts


@pytest.mark.parametrize("text", ['{"category": "outage"}', "über 🚤🚤 naïve", " two  spaces , here", "", "\n\n"])
def test_tokens_spell_the_text(text):
    tokenizer = tiny_tokenizer()
    ids = tokenizer(text)["input_ids"]
    assert text_of(tokenizer, ids) == "".join(token_texts(tokenizer, ids)) == text
    assert len(token_texts(tokenizer, ids)) == len(ids)


def test_the_last_token_of_a_character_has_it():
    tokenizer = tiny_tokenizer()
    ids = tokenizer("a🚤b")["input_ids"]
    assert len(ids) > 3
    assert token_texts(tokenizer, ids) == ["a", *[""] * (len(ids) - 3), "🚤", "b"]


def test_a_character_that_is_cut_off_is_one_mark_at_the_end():
    tokenizer = tiny_tokenizer()
    ids = tokenizer("a🚤")["input_ids"][:-1]
    assert "".join(token_texts(tokenizer, ids)) == text_of(tokenizer, ids)


def test_special_tokens_are_no_text():
    tokenizer = tiny_tokenizer()
    ids = [tokenizer.bos_token_id, *tokenizer("ab")["input_ids"], tokenizer.eos_token_id]
    assert text_of(tokenizer, ids) == "ab"
