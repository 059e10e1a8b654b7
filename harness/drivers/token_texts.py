"""Tokens as text: of a whole answer, and of each of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_UNFINISHED = "\ufffd"


def text_of(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of an answer, without special tokens."""
    text: str = tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text


def token_texts(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """What each token adds to the text. Of tokens that share a character, the last one has it and the others nothing.

    A tokenizer may write a token differently at the beginning of a text, so each is read behind the one before it.
    """
    texts = []
    begin = read = 0
    for end in range(1, len(ids) + 1):
        whole = text_of(tokenizer, ids[begin:end])
        if whole.endswith(_UNFINISHED) and end < len(ids):
            texts.append("")
            continue
        texts.append(whole[len(text_of(tokenizer, ids[begin:read])) :])
        begin, read = read, end
    return texts
