"""The columnar form: what it takes, what it refuses, and that its order means nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as generators

from harness.core.outcomes import Outcomes


def test_one_dimension_is_one_repeat() -> None:
    outcomes = Outcomes(values=[1, 0, True], case_ids=["a", "b", "c"])
    assert outcomes.values.shape == (3, 1)
    assert outcomes.values.dtype == np.float64
    assert (outcomes.n, outcomes.repeats, outcomes.n_clusters, outcomes.clustered) == (3, 1, 3, False)


def test_values_are_a_read_only_copy() -> None:
    given_values = np.array([[1.0, 0.0], [1.0, 1.0]])
    outcomes = Outcomes(values=given_values, case_ids=["a", "b"])
    given_values[0, 0] = 5
    assert outcomes.values[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        outcomes.values[0, 0] = 5
    with pytest.raises(AttributeError):
        outcomes.case_ids = ("c", "d")  # type: ignore[misc]


def test_arguments_are_keyword_only() -> None:
    with pytest.raises(TypeError):
        Outcomes([1, 0], ["a", "b"])  # type: ignore[call-arg]


def test_ids_become_strings() -> None:
    assert Outcomes(values=[1, 0], case_ids=range(2)).case_ids == ("0", "1")


@pytest.mark.parametrize(
    ("values", "case_ids", "clusters", "message"),
    [
        ([1, 0], ["a"], None, "expected 2, got 1"),
        ([1, 0], ["a", "b"], ["x"], "one cluster per case: expected 2, got 1"),
        ([1, 0, 1], ["a", "b", "a"], None, "1 occur more than once: a"),
        ([1, 0], ["1", 1], None, "more than once: 1"),
        ([1, float("inf")], ["a", "b"], None, "finite"),
        ([[1, 0], [1]], ["a", "b"], None, "rows of one length"),
        (["right", "wrong"], ["a", "b"], None, "must be numbers"),
        ([[[1]]], ["a"], None, "3 dimensions"),
        ([[], []], ["a", "b"], None, "at least one repeat"),
        (1.0, ["a"], None, "0 dimensions"),
        ([1, 0], "ab", None, "got one string"),
        ([1, 0], ["a", "b"], "xy", "got one string"),
    ],
)
def test_what_can_not_be_outcomes_is_refused(values: object, case_ids: object, clusters: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Outcomes(values=values, case_ids=case_ids, clusters=clusters)  # type: ignore[arg-type]


def test_no_cases_are_possible_outcomes() -> None:
    outcomes = Outcomes(values=[], case_ids=[])
    assert (outcomes.n, outcomes.repeats, outcomes.n_clusters, outcomes.missing_ids) == (0, 1, 0, ())


def test_cases_with_any_missing_answer_are_named_in_order() -> None:
    values = np.array([[1, 0], [np.nan, 1], [1, 1], [0, np.nan]])
    assert Outcomes(values=values, case_ids=["d", "c", "b", "a"]).missing_ids == ("a", "c")


def test_a_case_without_a_cluster_stands_alone() -> None:
    outcomes = Outcomes(values=[1] * 5, case_ids=range(5), clusters=["x", None, "x", None, "y"])
    assert outcomes.n_clusters == 4
    assert outcomes.clustered
    codes = outcomes.cluster_codes.tolist()
    assert codes[0] == codes[2]
    assert len(set(codes)) == 4


def test_a_cluster_per_case_is_no_clustering() -> None:
    assert not Outcomes(values=[1, 0], case_ids=["a", "b"], clusters=["x", "y"]).clustered


def test_clusters_may_be_any_labels() -> None:
    assert Outcomes(values=[1, 0, 1], case_ids=range(3), clusters=np.array([7, 7, 8])).n_clusters == 2


@given(generators.lists(generators.sampled_from(["x", "y", "z", None]), max_size=30))
def test_codes_are_equal_exactly_where_labels_are(labels: list[str | None]) -> None:
    outcomes = Outcomes(values=[1] * len(labels), case_ids=range(len(labels)), clusters=labels)
    codes = outcomes.cluster_codes
    assert outcomes.n_clusters == len(set(codes.tolist()))
    for i, first in enumerate(labels):
        for j, second in enumerate(labels):
            assert (codes[i] == codes[j]) == (i == j or (first is not None and first == second))
