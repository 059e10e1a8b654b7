"""How sure a model was of each field of its answer, told by the log-probabilities of the tokens that spell it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator

from harness.core.records import Logprobs

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def field_confidence(text: str, tokens: Logprobs, *, start: int, fields: Collection[str]) -> dict[str, float] | None:
    """Field → the probability that the model wrote this value, given all that it wrote before it.

    That is exp(sum of the log-probabilities of the tokens that overlap the value in `text`). A string's quotes belong
    to its value, since the closing one says that the label ends there; so does the character after a number. A token
    that reaches over an edge of the value counts whole, so that the choice of white space lowers the confidence and
    never raises it.

    `start` is where the answer, an object that `parse` took, opens in `text`. Fields that it lacks, or whose values are
    arrays or objects, are left out. None where the tokens don't spell the text; what they say beyond its end, such as a
    token that ends the turn, does not matter.
    """
    if not "".join(token for token, _ in tokens).startswith(text):
        return None
    placed = list(_placed(tokens))
    found = {}
    for name, begin, end in scalars(text, start):
        if name in fields:
            total = sum(logprob for at, to, logprob in placed if at < end and to > begin)
            found[name] = math.exp(min(total, 0.0))
    return found


def _placed(tokens: Logprobs) -> Iterator[tuple[int, int, float]]:
    """Each token's begin and end in the text. One without characters is the first part of the character after it."""
    at = 0
    for token, logprob in tokens:
        yield at, at + max(len(token), 1), logprob
        at += len(token)


def scalars(text: str, start: int) -> Iterator[tuple[str, int, int]]:
    """The members of the object at `start` that are no arrays or objects: name, begin and end of the value.

    The character after a number, which says that it ends there, belongs to it.
    """
    at = _after_space(text, start + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        begin = _after_space(text, _after_space(text, at) + 1)  # past the colon
        value, end = _DECODER.raw_decode(text, begin)
        if not isinstance(value, dict | list):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            yield name, begin, end + 1 if is_number else end
        at = _after_space(text, end)
        if text[at] == ",":
            at = _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()
