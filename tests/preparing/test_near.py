"""Texts that are alike: groups as brute force finds them, and links that are what they say."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.core.copies import shingles
from harness.preparing.groups import Groups
from harness.preparing.near import near_links, semantic_links

TEXT = "the card was charged twice and nobody at the desk could tell me why it had been sent back"
WORDS = TEXT.split()


def near_groups(texts, at_least=0.8):
    groups = Groups(len(texts))
    links = near_links(texts, at_least=at_least, groups=groups)
    return groups.members(), links


def all_pairs(size, alike):
    groups = Groups(size)
    for one in range(size):
        for other in range(one + 1, size):
            if alike(one, other):
                groups.join(one, other)
    return groups.members()


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=15))
def test_groups_are_what_links_connect(size, links):
    known = [(one % size, other % size) for one, other in links]
    groups = Groups(size)
    fresh = [groups.join(one, other) for one, other in known]
    members = groups.members()
    assert sorted(thing for group in members for thing in group) == list(range(size))
    assert len(members) == size - sum(fresh)
    for one, other in known:
        assert any(one in group and other in group for group in members)
    assert [min(group) for group in members] == sorted({int(root) for root in groups.roots})


@given(st.lists(st.lists(st.sampled_from(WORDS[:5]), min_size=3, max_size=9).map(" ".join), max_size=9))
def test_groups_of_near_texts_are_those_of_all_pairs(texts):
    sets = shingles(texts)
    members, links = near_groups(texts)
    assert members == all_pairs(len(texts), lambda one, other: sets.similarity(one, other) >= 0.8)
    for link in links:
        assert link.one < link.other
        assert link.similarity == sets.similarity(link.one, link.other) >= 0.8


def test_a_thousand_copies_of_one_text_take_about_a_thousand_links():
    texts = [f"{TEXT} and again on the way home in the rain, number {i}" for i in range(1000)]
    members, links = near_groups(texts)
    assert members == [list(range(1000))]
    assert len(links) < 2500


def test_many_texts_that_share_a_footer_are_told_apart():
    order = random.Random(3)
    letters = "abcdefghijklmnop"
    texts = [
        "".join(order.choices(letters, k=110)) + " " + TEXT + " kind regards from all of us at the desk"
        for _ in range(300)
    ]
    members, links = near_groups(texts)
    assert not links
    assert len(members) == 300


def test_semantic_groups_are_those_of_all_pairs_across_blocks(monkeypatch):
    monkeypatch.setattr("harness.preparing.near._BLOCK", 7)
    rng = np.random.default_rng(5)
    vectors = rng.normal(size=(40, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = vectors @ vectors.T
    groups = Groups(40)
    links = semantic_links(vectors, at_least=0.9, groups=groups)
    assert groups.members() == all_pairs(40, lambda one, other: cosines[one, other] >= 0.9)
    assert len(groups.members()) == 40 - len(links) < 40
    for link in links:
        assert link.one < link.other
        assert abs(link.similarity - float(cosines[link.one, link.other])) < 1e-6


def test_what_hangs_together_already_makes_no_semantic_link():
    vectors = np.ones((3, 1), dtype=np.float32)
    groups = Groups(3)
    groups.join(0, 2)
    assert [(link.one, link.other) for link in semantic_links(vectors, at_least=0.9, groups=groups)] == [(0, 1)]
