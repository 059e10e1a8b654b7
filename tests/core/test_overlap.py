"""Which cases several strategies get wrong together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as g
from support.small_report import CASES, repeated, right, table, wrong_below

from harness.core.overlap import overlap, wrong_cases


def flags(*rows, n=20):
    return np.isin(np.arange(n), rows)


IDS = [f"c{i}" for i in range(20)]


def test_shared_errors_beside_what_chance_would_share():
    found = overlap({"a": flags(0, 1, 2, 3), "b": flags(2, 3, 4, 5, 6), "c": flags(3, 9)}, IDS)
    ab, ac, bc = found.pairs
    assert (ab.runs, ab.both, ab.either, ab.expected, ab.jaccard) == (("a", "b"), 2, 7, 1.0, pytest.approx(2 / 7))
    assert (ac.both, bc.both) == (1, 1)
    assert (found.all_wrong, found.expected) == (("c3",), pytest.approx(20 * 0.2 * 0.25 * 0.1))
    assert (found.fewest, found.wrong) == ("c", {"a": 4, "b": 5, "c": 2})


def test_a_strategy_without_errors_shares_none():
    found = overlap({"a": flags(), "b": flags()}, IDS)
    assert (found.pairs[0].jaccard, found.all_wrong, found.expected) == (0.0, (), 0.0)
    with pytest.raises(ValueError, match="a strategy and a case"):
        overlap({}, IDS)


@given(
    g.integers(1, 30).flatmap(lambda n: g.lists(g.lists(g.booleans(), min_size=n, max_size=n), min_size=2, max_size=5))
)
def test_overlap_does_not_depend_on_the_order_of_strategies(rows):
    ids = [f"c{i}" for i in range(len(rows[0]))]
    wrong = {f"s{i}": np.array(row) for i, row in enumerate(rows)}
    found, turned = overlap(wrong, ids), overlap(dict(reversed(wrong.items())), ids)
    pairs = {frozenset(p.runs): (p.both, p.either, p.expected) for p in found.pairs}
    assert pairs == {frozenset(p.runs): (p.both, p.either, p.expected) for p in turned.pairs}
    assert found.all_wrong == turned.all_wrong
    assert all(len(found.all_wrong) <= p.both <= min(found.wrong[run] for run in p.runs) for p in found.pairs)
    same = overlap({"a": wrong["s0"], "b": wrong["s0"]}, ids).pairs[0]
    assert same.both == same.either == found.wrong["s0"]


def test_a_case_is_wrong_where_no_more_than_half_of_its_answers_are_right():
    keep = np.arange(len(CASES)) < 6
    assert wrong_cases(table(wrong_below(2)), keep).tolist() == [True, True, False, False, False, False]
    two = repeated([wrong_below(1), right])
    assert wrong_cases(two, keep).tolist() == [True] + [False] * 5
    three = repeated([wrong_below(1), right, right])
    assert not wrong_cases(three, keep).any()
