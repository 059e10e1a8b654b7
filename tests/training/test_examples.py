"""Choosing few-shot examples: the four ways, their sizes, seeds and independence of the order of rows."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import FixtureError
from harness.core.records import Case, ExampleChoice
from harness.training.examples import choose_examples

PLACES = {"soup": (1, 0, 0), "car": (0, 1, 0), "law": (0, 0, 1)}
KINDS = tuple(PLACES)


def embed(texts):
    """Texts of one subject near each other; the number behind the subject moves a text a little."""
    rows = []
    for text in texts:
        subject, _, number = text.partition(" ")
        near = np.array(PLACES[subject], dtype=np.float32)
        rows.append(near + 0.01 * np.sin(np.arange(3) + 1 + int(number or 0)).astype(np.float32))
    rows = np.array(rows)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def case(kind, number, *, said=None):
    """A case about `said`, which is labelled `kind`; a misfit where the two differ."""
    return Case(id=f"{kind}-{number:03d}", inputs={"text": f"{said or kind} {number}"}, expected={"kind": kind})


POOL = [case(kind, number) for kind, many in (("soup", 60), ("car", 25), ("law", 5)) for number in range(many)]
MISFITS = [case("soup", 901, said="car"), case("car", 902, said="law"), case("law", 903, said="soup")]


def choose(select, k, *, seed=0, pool=POOL, definitions=None):
    choice = ExampleChoice(select=select, k=k, seed=seed)
    defined = {kind: kind for kind in KINDS} if definitions is None else definitions
    return choose_examples(choice, pool, field="kind", definitions=defined, embed=embed)


def labels(ids):
    return Counter(name.partition("-")[0] for name in ids)


@pytest.mark.parametrize("select", ["random", "balanced", "diverse", "hard"])
@pytest.mark.parametrize("k", [1, 7, 90])
def test_k_different_cases_of_the_pool_are_chosen_in_whatever_order_it_is(select, k):
    chosen = choose(select, k)
    assert len(chosen) == len(set(chosen)) == k
    assert set(chosen) <= {c.id for c in POOL}
    assert choose(select, k, pool=random.Random(4).sample(POOL, len(POOL))) == chosen


@pytest.mark.parametrize("select", ["random", "balanced", "diverse", "hard"])
def test_more_than_the_pool_has_is_refused(select):
    with pytest.raises(FixtureError, match="91 examples are asked for, and the pool has 90 cases"):
        choose(select, 91)


@pytest.mark.parametrize("select", ["random", "balanced"])
def test_the_seed_changes_the_choice(select):
    assert len({choose(select, 9, seed=seed) for seed in range(5)}) == 5
    assert choose(select, 9, seed=2) == choose(select, 9, seed=2)


@given(k=st.integers(min_value=1, max_value=90), seed=st.integers(min_value=0, max_value=10**6))
def test_a_balanced_choice_has_as_many_of_each_label_as_there_are(k, seed):
    counts = labels(choose("balanced", k, seed=seed))
    available = labels(c.id for c in POOL)
    assert sum(counts.values()) == k
    most = max(counts.values())
    assert all(counts[kind] >= min(most - 1, available[kind]) for kind in KINDS)


def test_a_random_choice_follows_the_pool():
    counts = sum((labels(choose("random", 30, seed=seed)) for seed in range(20)), Counter())
    assert counts["soup"] > counts["car"] > counts["law"]
    assert counts["soup"] == pytest.approx(600 * 60 / 90, rel=0.15)


@pytest.mark.parametrize("seed", range(4))
def test_a_diverse_choice_covers_every_cluster(seed):
    assert set(labels(choose("diverse", 3, seed=seed))) == set(KINDS)


def test_a_diverse_choice_takes_no_case_twice_where_texts_are_equal():
    same = [Case(id=f"c{i}", inputs={"text": "soup 1"}, expected={"kind": "soup"}) for i in range(5)]
    with pytest.warns(UserWarning, match="distinct clusters"):
        chosen = choose("diverse", 4, pool=same)
    assert len(set(chosen)) == 4


@pytest.mark.parametrize("seed", range(4))
def test_a_hard_choice_prefers_misfits(seed):
    chosen = choose("hard", 10, seed=seed, pool=[*POOL, *MISFITS])
    assert set(chosen[:3]) == {c.id for c in MISFITS}


def test_a_hard_choice_goes_by_the_definitions_of_labels():
    swapped = {"soup": "car", "car": "soup", "law": "law"}
    few = [case(kind, number) for kind in KINDS for number in range(1)]
    assert choose("hard", 2, pool=few, definitions=swapped) != ()
    assert set(choose("hard", 2, pool=few, definitions=swapped)) == {"soup-000", "car-000"}


def test_a_pool_of_one_label_is_no_trouble():
    pool = [case("soup", number) for number in range(8)]
    for select in ("random", "balanced", "diverse", "hard"):
        assert len(choose(select, 5, pool=pool)) == 5


def test_labels_may_be_booleans():
    pool = [Case(id=f"c{i}", inputs={"text": f"soup {i}"}, expected={"kind": i % 4 == 0}) for i in range(20)]
    chosen = choose("balanced", 8, pool=pool)
    assert Counter(int(name[1:]) % 4 == 0 for name in chosen) == {True: 4, False: 4}
