"""Rows that say the same: every pair with its kind, what stays, and the clusters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import FixtureError
from harness.preparing.duplicates import Alike, Keep, Pair, Policy, find_pairs, settle_copies
from harness.preparing.rows import Row

LONG = "the card was charged twice and nobody at the desk could tell me why it had been sent back to the shop"
NEAR = LONG.replace("desk", "till")


def row(id_, text, label="a", **more):
    return Row(id=id_, inputs={"text": text}, expected={"label": label}, **more)


def settled(rows, *, embed=None, **policy):
    chosen = Policy(**policy)
    return settle_copies(rows, find_pairs(rows, policy=chosen, embed=embed), policy=chosen)


def test_each_pair_has_its_kind_and_similarity():
    rows = [row("1", "Where is it?"), row("2", "where is IT"), row("3", LONG), row("4", NEAR), row("5", "lost")]
    exact, near = find_pairs(rows)
    assert exact == Pair(one="1", other="2", kind=Alike.EXACT, similarity=1.0)
    assert {near.one, near.other} == {"3", "4"}
    assert near.kind is Alike.NEAR
    assert 0.8 <= near.similarity < 1


def test_semantic_pairs_are_those_that_only_the_embedding_sees():
    seen = []

    def embed(texts):
        seen.extend(texts)
        return np.array([[1.0, 0.0] if "card" in text else [0.0, 1.0] for text in texts], dtype=np.float32)

    rows = [row("1", LONG), row("2", NEAR), row("3", "my card, gone"), row("4", "hello"), row("5", "HELLO!")]
    kinds = {frozenset((pair.one, pair.other)): pair.kind for pair in find_pairs(rows, embed=embed)}
    assert len(seen) == 4  # an exact copy is not embedded again
    assert kinds[frozenset("12")] is Alike.NEAR
    assert kinds[frozenset("45")] is Alike.EXACT
    assert [kind for pair, kind in kinds.items() if "3" in pair] == [Alike.SEMANTIC]


def test_of_exact_copies_with_the_same_answer_the_oldest_stays_with_all_tags():
    rows = [
        row("1", "Where?", tags=("x",)),
        row("2", "where", date="2026-02-01", tags=("y",)),
        row("3", "where!", date="2026-01-01T10:00:00+01:00", tags=("z", "x")),
        row("4", "other"),
    ]
    stay, report = settled(rows)
    assert [r.id for r in stay] == ["3", "4"]
    assert stay[0].tags == ("z", "x", "y")
    assert stay[0].cluster is None
    assert report.counts["rows left out"] == 2
    assert report.counts["exact pairs"] == 2
    assert report.counts["clusters"] == 0
    assert [sample.rows for sample in report.samples] == [("3", "1"), ("3", "2")]


def test_copies_with_different_answers_stay_in_one_cluster():
    stay, report = settled([row("1", "where"), row("2", "Where?", "b"), row("3", "where", "b")])
    assert [r.id for r in stay] == ["1", "2"]
    assert stay[0].cluster is not None
    assert stay[0].cluster == stay[1].cluster
    assert report.counts["copies with different answers"] == 1


def test_near_copies_stay_as_a_cluster_or_one_of_them_does():
    rows = [row("1", LONG), row("2", NEAR), row("3", "lost")]
    stay, report = settled(rows)
    assert [r.cluster is not None for r in stay] == [True, True, False]
    assert (report.counts["clusters"], report.counts["rows in clusters"], report.counts["largest cluster"]) == (1, 2, 2)
    assert [r.id for r in settled(rows, near_copies=Keep.ONE)[0]] == ["1", "3"]
    assert len(settled(rows, near=0.99)[0]) == 3
    assert settled(rows, near=0.99)[1].counts["near pairs"] == 0


def test_all_exact_copies_may_stay():
    stay, report = settled([row("1", "where"), row("2", "where")], exact_copies=Keep.CLUSTER)
    assert stay[0].cluster == stay[1].cluster != None  # noqa: E711
    assert report.counts["rows left out"] == 0


def test_declared_clusters_grow_together_and_keep_a_name():
    rows = [
        row("1", LONG, cluster="thread-b"),
        row("2", NEAR, cluster="thread-a"),
        row("3", "lost", cluster="thread-b"),
    ]
    assert [r.cluster for r in settled(rows)[0]] == ["thread-a"] * 3


def test_a_copy_that_is_left_out_does_not_tie_threads_together():
    rows = [row("1", "thanks", cluster="a"), row("2", "Thanks!", cluster="b"), row("3", "lost", cluster="b")]
    assert [(r.id, r.cluster) for r in settled(rows)[0]] == [("1", "a"), ("3", "b")]


def test_a_wrong_date_is_named():
    with pytest.raises(FixtureError, match="row 1, line 4: '1st of May' is no date; expected ISO 8601"):
        settled([row("1", "a", date="1st of May", line=4)])


@pytest.mark.parametrize("bad", [{"near": 0}, {"semantic": 1.1}])
def test_thresholds_lie_between_0_and_1(bad):
    with pytest.raises(ValueError, match="must be above 0 and at most 1"):
        Policy(**bad)


TEXTS = st.sampled_from([LONG, NEAR, LONG.upper(), NEAR.replace("card", "cart"), "where is it", "Where is it?", "lost"])


@given(st.lists(st.tuples(TEXTS, st.sampled_from("ab"), st.sampled_from([None, "x", "y"])), max_size=12), st.randoms())
def test_row_order_does_not_matter(drawn, order):
    rows = [
        row(str(i), text, label, cluster=cluster, tags=(f"t{i}",)) for i, (text, label, cluster) in enumerate(drawn)
    ]
    shuffled = list(rows)
    order.shuffle(shuffled)
    stay, report = settled(rows)
    other, other_report = settled(shuffled)
    assert sorted(stay, key=lambda r: r.id) == sorted(other, key=lambda r: r.id)
    assert report.counts == other_report.counts
    assert set(find_pairs(rows)) == set(find_pairs(shuffled))
    assert settled(stay)[1].counts["rows left out"] == 0
