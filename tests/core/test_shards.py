"""Shards: every case in exactly one, of the same size, whatever the order of the cases."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import ClaimError
from harness.core.records import Case
from harness.core.shards import Shard, read_shard


def cases(count, *, cluster=lambda n: None, text=str):
    return [
        Case(id=f"c{n}", inputs={"text": text(n)}, expected={"kind": "a"}, cluster=cluster(n)) for n in range(count)
    ]


def ids(part):
    return [case.id for case in part]


@given(st.integers(0, 60), st.integers(1, 9))
def test_every_case_is_in_exactly_one_shard_and_shards_are_balanced(count, of):
    every = cases(count)
    parts = [Shard(number=n, of=of).cases(every) for n in range(1, of + 1)]
    assert sorted(name for part in parts for name in ids(part)) == sorted(ids(every))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_the_order_of_the_cases_decides_nothing():
    every = cases(50, cluster=lambda n: f"t{n % 7}" if n % 3 else None)
    mixed = random.Random(1).sample(every, len(every))
    for number in (1, 2, 3):
        shard = Shard(number=number, of=3)
        assert set(ids(shard.cases(every))) == set(ids(shard.cases(mixed)))


def test_a_cluster_and_cases_that_ask_the_same_stay_together():
    clustered = cases(40, cluster=lambda n: f"t{n // 4}")
    alike = cases(40, text=lambda n: f"text {n // 4}")
    for every in (clustered, alike):
        for number in (1, 2, 3):
            part = {int(name[1:]) for name in ids(Shard(number=number, of=3).cases(every))}
            assert all({n // 4 * 4 + k for k in range(4)} <= part for n in part)


def test_other_inputs_belong_to_exactly_one_shard():
    for n in range(50):
        assert sum(Shard(number=number, of=4).asks({"text": f"edited {n}"}) for number in (1, 2, 3, 4)) == 1


def test_a_shard_is_read():
    assert read_shard("2/5") == Shard(number=2, of=5)
    assert str(read_shard("2/5")) == "shard 2 of 5"
    with pytest.raises(ClaimError, match="'6/5' is no shard; expected I/N with I from 1 to N, such as 2/5"):
        read_shard("6/5")
