"""The split of a pool, and the weights of its labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.records import Case
from harness.training.splitting import label_weights, split_pool


@st.composite
def pools(draw):
    clusters = draw(st.lists(st.none() | st.sampled_from("abcdef"), min_size=1, max_size=40))
    return [
        Case(id=f"c{i}", inputs={"text": str(i)}, expected={}, cluster=cluster) for i, cluster in enumerate(clusters)
    ]


@given(pools(), st.floats(min_value=0.01, max_value=0.49), st.integers(min_value=0, max_value=10**6), st.randoms())
def test_a_split_keeps_every_case_and_every_cluster_whole_in_whatever_order(pool, share, seed, order):
    training, validation = split_pool(pool, share, seed)
    assert sorted(case.id for case in [*training, *validation]) == sorted(case.id for case in pool)
    sides = [{case.cluster for case in side if case.cluster} for side in (training, validation)]
    assert not sides[0] & sides[1]
    shuffled = list(pool)
    order.shuffle(shuffled)
    assert split_pool(shuffled, share, seed) == (training, validation)


@given(pools(), st.floats(min_value=0.01, max_value=0.49), st.integers(min_value=0, max_value=10**6))
def test_validation_holds_its_share_and_at_most_one_cluster_more(pool, share, seed):
    training, validation = split_pool(pool, share, seed)
    assert len(validation) >= share * len(pool)
    last = [case for case in validation if case.cluster and case.cluster == validation[-1].cluster] or [None]
    assert len(validation) - len(last) < share * len(pool)
    assert training or len(last) > (1 - share) * len(pool) - 1


def test_the_seed_decides_which_cases_are_held_out():
    pool = [Case(id=f"{i}", inputs={"text": "x"}, expected={}) for i in range(40)]
    splits = {tuple(sorted(c.id for c in split_pool(pool, 0.2, seed)[1])) for seed in range(10)}
    assert len(splits) > 5


def test_rare_labels_weigh_more_and_the_mean_over_the_cases_stays_one():
    labels = ["often"] * 90 + ["seldom"] * 10
    weights = label_weights(labels, 1, known=["often", "seldom", "never"])
    assert sum(weights[label] for label in labels) == pytest.approx(100)
    assert weights["seldom"] * 10 == pytest.approx(weights["often"] * 90)
    assert weights["never"] > weights["seldom"]
    half = label_weights(labels, 0.5, known=["often", "seldom"])
    assert half["seldom"] / half["often"] == pytest.approx(3)
    assert set(label_weights(labels, 0, known=["often", "seldom"]).values()) == {1.0}
