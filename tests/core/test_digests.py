"""Equal content has an equal digest, on every machine and whatever the order of keys."""

import hashlib
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.digests import canonical_json, digest

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=10
)


def reordered(value):
    """The same content with the keys of every object in reverse order."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


def test_canonical_json_sorts_keys_keeps_letters_and_has_no_white_space():
    assert canonical_json({"b": [1, 2.5, None], "a": {"é": True}}) == '{"a":{"é":true},"b":[1,2.5,null]}'


def test_a_digest_is_the_sha256_of_the_canonical_json_in_utf8():
    assert digest({"a": "é"}) == hashlib.sha256('{"a":"é"}'.encode()).hexdigest()


def test_a_digest_never_changes_between_versions_of_this_program():
    assert digest({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


def test_a_digest_is_the_same_in_another_process_with_another_hash_seed():
    program = "from harness.core.digests import digest; print(digest({'b': {'y': 1, 'x': 2}, 'a': ['z', 'é']}))"
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-c", program]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest({"a": ["z", "é"], "b": {"x": 2, "y": 1}})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_have_no_digest(number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"a": [number]})


@pytest.mark.parametrize(
    ("one", "other"), [({"a": 1}, {"a": True}), ({"a": 1}, {"a": "1"}), (["a", "b"], ["b", "a"]), ({}, []), ("", None)]
)
def test_content_that_differs_has_different_digests(one, other):
    assert digest(one) != digest(other)


@given(value=VALUES)
def test_the_order_of_keys_does_not_matter(value):
    assert digest(reordered(value)) == digest(value)


@given(value=VALUES)
def test_canonical_json_reads_back_as_the_same_value(value):
    assert json.loads(canonical_json(value)) == value


@given(one=VALUES, other=VALUES)
def test_digests_are_equal_exactly_when_the_canonical_texts_are(one, other):
    assert (digest(one) == digest(other)) == (canonical_json(one) == canonical_json(other))
