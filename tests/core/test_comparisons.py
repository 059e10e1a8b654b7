"""When a value counts as right: each comparison's edges, nulls, alternatives, and what no comparison may accept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness.core.comparisons import agrees, f1, first_choice, normalized, same
from harness.core.records import Compare, Comparison, Task

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)
COMPARISONS = st.builds(
    Comparison,
    compare=st.sampled_from(Compare),
    within=st.floats(0, 3),
    relative=st.floats(0, 1),
    least_f1=st.floats(0.1, 1),
)


@pytest.mark.parametrize(
    ("comparison", "expected", "answered", "is_right"),
    [
        (Comparison(), "NE-1", "NE 1", False),
        (Comparison(), 1, 1.0, True),
        (Comparison(), True, 1, False),
        (Comparison(compare=Compare.NORMALIZED), "NE-482915", " ne 482.915", True),
        (Comparison(compare=Compare.NORMALIZED), "NE-482915", "NE-482916", False),
        (Comparison(compare=Compare.NORMALIZED), "Straße", "STRASSE", True),
        (Comparison(compare=Compare.NORMALIZED), "१२", "12", False),  # other digits are other letters
        (Comparison(compare=Compare.NORMALIZED), "12", "１２", True),  # wide digits are digits
        (Comparison(compare=Compare.NORMALIZED), "-", "/", False),  # nothing is left of either
        (Comparison(compare=Compare.NORMALIZED), None, "", False),
        (Comparison(compare=Compare.NUMBER, within=0.1), 0.2, 0.3, True),
        (Comparison(compare=Compare.NUMBER, within=0.1), 0.2, 0.31, False),
        (Comparison(compare=Compare.NUMBER), 1234.5, "1234.50", True),
        (Comparison(compare=Compare.NUMBER), 1, True, False),
        (Comparison(compare=Compare.NUMBER, relative=0.01), -200, -202, True),
        (Comparison(compare=Compare.NUMBER, relative=0.01), -200, -202.1, False),
        (Comparison(compare=Compare.NUMBER, within=1e9), 5, "nan", False),
        (Comparison(compare=Compare.NUMBER, within=1e9), 5, None, False),
        (Comparison(compare=Compare.DATE), "2025-04-03", "2025-04-03T18:00:00+02:00", True),
        (Comparison(compare=Compare.DATE), "2025-04-03", "2025-04-04", False),
        (Comparison(compare=Compare.DATE), "2025-04-03", "03.04.2025", False),
        (Comparison(compare=Compare.SET_F1), ["a", "b"], ["b", "a", "a"], True),
        (Comparison(compare=Compare.SET_F1), ["a", "b"], ["a"], False),
        (Comparison(compare=Compare.SET_F1, least_f1=2 / 3), ["a", "b"], ["a"], True),
        (Comparison(compare=Compare.SET_F1), [], [], True),
        (Comparison(compare=Compare.SET_F1), [], ["a"], False),
        (Comparison(compare=Compare.SET_F1), ["a"], "a", False),
        (Comparison(compare=Compare.NORMALIZED, one_of=True), ["M. Lind", "Marta Lind"], "marta lind", True),
        (Comparison(compare=Compare.NORMALIZED, one_of=True), ["M. Lind", None], None, True),
        (Comparison(one_of=True), ["a", "b"], ["a", "b"], False),
        (Comparison(one_of=True), "a", "a", True),
    ],
)
def test_what_is_right(comparison: Comparison, expected: Any, answered: Any, is_right: bool) -> None:
    assert agrees(comparison, expected, answered) is is_right


@given(COMPARISONS, JSON)
def test_the_expected_value_itself_is_always_right(comparison: Comparison, value: Any) -> None:
    assert agrees(comparison, value, value)


@given(COMPARISONS, JSON, JSON)
def test_null_is_right_only_where_null_is_expected(comparison: Comparison, expected: Any, other: Any) -> None:
    assert agrees(comparison, expected, None) is (expected is None)
    assert agrees(comparison, None, other) is (other is None)


@given(COMPARISONS, JSON, JSON)
def test_whatever_is_equal_is_right(comparison: Comparison, expected: Any, answered: Any) -> None:
    assert agrees(comparison, expected, answered) or not same(expected, answered)


@given(st.text())
@example("\u00d9:\u06e3")
def test_normalizing_twice_changes_nothing_more(text: str) -> None:
    assert normalized(normalized(text)) == normalized(text)


@given(st.lists(JSON, max_size=4), st.lists(JSON, max_size=4))
def test_f1_is_symmetric_and_one_only_for_equal_sets(one: list[Any], two: list[Any]) -> None:
    assert f1(one, two) == f1(two, one)
    assert 0 <= f1(one, two) <= 1
    assert f1(one, one) == 1


def test_examples_show_the_first_of_the_alternatives() -> None:
    task = Task(name="t", schema={}, decision_fields=("a", "b"), comparisons={"a": Comparison(one_of=True)})

    assert first_choice(task, {"a": ["x", "y"], "b": ["x", "y"]}) == {"a": "x", "b": ["x", "y"]}
