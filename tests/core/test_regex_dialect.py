"""Patterns that mean the same to the validator and to the engine."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.regex_dialect import for_engine, other_than


@pytest.mark.parametrize("pattern", [r"^\d{3}-\w+$", r"^[A-Z][^\s,]*$", r"a\[b\]", r"^(?:a|b)+?$", r"^[\w-]+@x$"])
def test_ordinary_patterns_pass(pattern: str) -> None:
    assert for_engine(pattern).replace(r"\x00", "") == pattern


@pytest.mark.parametrize(
    "pattern",
    [r"\W", r"^\D$", r"[^\d]", "[a[bc]]", "[a&&b]", "[a--b]", "(?i)a", "a*+b", "[]a]", "[^]a]", "(", r"\p{L}"],
)
def test_patterns_that_are_read_in_two_ways_do_not(pattern: str) -> None:
    with pytest.raises(ValueError, match="Python|ways|other|within"):
        for_engine(pattern)


def test_negated_sets_leave_out_nul_and_nothing_names_it() -> None:
    assert for_engine(r"^[^a]\[^b[^\]c]$") == r"^[^\x00a]\[^b[^\x00\]c]$"
    assert for_engine("[^-a]-") == r"[^\x00\-a]-"
    for pattern in ("a\x00", r"[\x00-a]", r"\0", r"\u0000"):
        with pytest.raises(ValueError, match="NUL"):
            for_engine(pattern)


@given(st.lists(st.text("ab.*]^-é", max_size=4), min_size=1, max_size=5), st.text('ab.*]^-é\n"', max_size=5))
def test_other_than_fits_every_string_but_the_words(words: list[str], text: str) -> None:
    pattern = re.compile(other_than(words)[1:-1])
    assert bool(pattern.fullmatch(text)) is (text not in words)
    assert not any(pattern.fullmatch(word) for word in words)
