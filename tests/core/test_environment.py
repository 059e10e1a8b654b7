"""Variables in declarations."""

from __future__ import annotations

import pytest

from harness.core.environment import expand, variables


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("x${A}y${B:-2}z", "x1y2z"),
        ("${EMPTY:-default}", "default"),
        ("${MISSING:-}", ""),
        ("${A:-unused}", "1"),
        ("$A ${not a name} ${", "$A ${not a name} ${"),
        ("${URL:-http://127.0.0.1:8000/v1}", "http://127.0.0.1:8000/v1"),
    ],
)
def test_variables_and_their_defaults_are_filled_in(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "EMPTY": ""}) == expected


@pytest.mark.parametrize("environment", [{}, {"KEY": ""}])
def test_an_unset_variable_is_named(environment: dict[str, str]) -> None:
    with pytest.raises(KeyError) as caught:
        expand("Bearer ${KEY}", environment)
    assert caught.value.args == ("KEY",)


def test_a_value_is_not_expanded_again() -> None:
    assert expand("${A}", {"A": "${B}", "B": "2"}) == "${B}"


def test_variables_are_listed_in_order() -> None:
    assert variables("${B}-${A:-1}") == ("B", "A")
    assert variables("none") == ()
