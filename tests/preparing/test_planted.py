"""Faults planted in the messages of the support-ticket fixture: copies across splits, and wrong labels."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from support.embedded import MODEL

from harness.core.copies import near_copies
from harness.drivers.encoder_model import Encoder, locate
from harness.preparing.duplicates import Alike, Keep, Policy, find_pairs, settle_copies
from harness.preparing.labels import disagreements
from harness.preparing.rows import Row
from harness.preparing.splitting import split

FIXTURE = Path(__file__).parents[2] / "fixtures" / "support_tickets" / "pool.jsonl"
POLICY = Policy(exact_copies=Keep.CLUSTER)


@pytest.fixture(scope="module")
def pool():
    cases = [json.loads(line) for line in FIXTURE.read_text(encoding="utf-8").splitlines()]
    return [Row(id=case["id"], inputs=case["inputs"], expected=case["expected"]) for case in cases]


def as_typed_again(text, order):
    """An exact copy for a reader: other case, punctuation, line breaks."""
    return (
        order.choice([str.upper, str.lower, str.title])(text).replace(". ", " …\n\n").replace(",", order.choice(";-"))
    )


def with_a_word_changed(text, order):
    words = text.split()
    words[order.randrange(len(words))] = order.choice(["yesterday", "it", "really"])
    return " ".join([order.choice(["Hello,", "Hi all!", ""]), *words]).strip()


@pytest.fixture(scope="module")
def planted(pool):
    """The rows, the planted copies among them, and which row each is a copy of and how."""
    order = random.Random(60)
    originals = order.sample([row for row in pool if len(row.inputs["text"].split()) >= 30], 60)
    truth, copies = {}, []
    for number, row in enumerate(originals):
        kind, change = (Alike.EXACT, as_typed_again) if number < 30 else (Alike.NEAR, with_a_word_changed)
        copy = replace(row, id=f"copy-{number}", inputs={"text": change(row.inputs["text"], order)})
        truth[frozenset((row.id, copy.id))] = kind
        copies.append(copy)
    return pool, copies, truth


def test_thirty_exact_and_thirty_near_copies_are_found_and_nothing_else(planted):
    rows, copies, truth = planted
    pairs = find_pairs([*rows, *copies])
    assert {frozenset((pair.one, pair.other)): pair.kind for pair in pairs} == truth


def test_copies_on_the_other_side_of_a_split_are_found_and_a_new_split_has_none(planted):
    rows, copies, truth = planted

    def texts(part):
        return [row.inputs["text"] for row in part]

    across = near_copies(texts(copies), texts(rows))
    assert {frozenset((copies[found.row].id, rows[found.of].id)) for found in across} == set(truth)
    everything = [*rows, *copies]
    stay, report = settle_copies(everything, find_pairs(everything), policy=POLICY)
    assert len(stay) == len(everything)
    assert report.counts["clusters"] == 60
    made = split(stay, field="category")
    held = texts(made.holdout)
    assert near_copies(held, texts([*made.pool, *made.validation])) == []
    assert near_copies(texts(made.validation), texts(made.pool)) == []
    assert any(row.id.startswith("copy-") for row in made.holdout)


@pytest.fixture(scope="module")
def embed():
    """96 tokens are most of a message, at a quarter of the time that all of them take."""
    return Encoder(locate(MODEL), max_tokens=96).embed


@pytest.mark.parametrize("seed", [1, 2])
def test_of_forty_wrong_labels_among_a_thousand_most_are_in_the_first_hundred_suspects(pool, embed, seed):
    order = random.Random(seed)
    rows = order.sample(pool, 1000)
    labels = sorted({row.expected["category"] for row in rows})
    wrong = set()
    for place in order.sample(range(1000), 40):
        given = rows[place].expected["category"]
        other = order.choice([label for label in labels if label != given])
        rows[place] = replace(rows[place], expected={**rows[place].expected, "category": other})
        wrong.add(rows[place].id)
    found = disagreements(rows, "category", embed)
    hits = wrong & {suspect.row for suspect in found[:100]}
    assert len(hits) >= 32
    sure = [suspect for suspect in found if "is sure of" in suspect.reasons[0]]
    assert len(wrong & {suspect.row for suspect in sure}) / len(sure) > len(wrong) / len(rows) * 3
