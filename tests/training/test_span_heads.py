"""Span heads on the embedded encoder, tiny: what they learn to point at, and what is written of it."""

import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.embedded import MODEL, SHA256
from support.orders import COMPARISONS, POOL, SCHEMA, TODAY, train_orders

from harness.core.errors import TrainingError
from harness.core.prompting import inputs_text
from harness.core.records import Case
from harness.core.schemas import AnswerSchema
from harness.drivers.encoder_model import Encoder, file_digest, locate
from harness.drivers.span_fields import span_fields
from harness.drivers.span_model import LONGEST, read_layers
from harness.training.span_heads import SpanHyperparameters
from harness.training.span_targets import Target, common_prefix, find, pieces

FIELDS = {one.name: one for one in span_fields(SCHEMA, COMPARISONS, {"order": "OR-"})}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(the folder of the heads, their card, what `progress` was told)."""
    folder = tmp_path_factory.mktemp("adapters") / "heads"
    told = []
    return folder, train_orders(folder, progress=lambda *what: told.append(what)), told


@pytest.fixture(scope="module")
def encoder():
    return Encoder(locate(MODEL))


def layers(encoder, text):
    (found,) = read_layers(encoder, [text])
    return found


def found_pieces(encoder, field, expected, text, today=TODAY):
    read = layers(encoder, text)
    target = find(FIELDS[field], COMPARISONS[field], expected, text, read, today)
    return {
        (text[read.places[first][0] : read.places[last][1]], FIELDS[field].readings[reading])
        for first, last, reading in target.pieces
    }


# ------------------------------------------------------------------------------------------------------- the targets


def test_every_piece_that_reads_as_the_expected_value_is_a_target(encoder):
    text = "On Friday I paid 1.250,00 for or 482, not 12,50; that is 1250 in all."
    assert {piece for piece, _ in found_pieces(encoder, "order", "OR-482", text)} >= {"or 482", "482"}
    assert {piece for piece, _ in found_pieces(encoder, "price", 1250, text)} == {"1.250,00", "1.250", "1250"}
    days = found_pieces(encoder, "day", "2025-03-07", text)
    assert ("Friday", "past") in days
    assert not {piece for piece, reading in days if reading != "past"}


def test_no_value_and_a_value_that_stands_nowhere_are_told_apart(encoder):
    text = "I paid half of 90."
    read = layers(encoder, text)
    price = FIELDS["price"], COMPARISONS["price"]
    assert find(*price, None, text, read, TODAY) == Target(none=True)
    missing = find(*price, 45, text, read, TODAY)
    assert missing == Target()
    assert not missing.known


@given(st.text(alphabet="ab 19.,-€é\n", max_size=40))
def test_pieces_are_stretches_of_the_text_that_cut_no_word_or_number(encoder, text):
    read = layers(encoder, text)
    for first, last, piece in pieces(text, read):
        assert 0 <= last - first < LONGEST
        begin, end = read.places[first][0], read.places[last][1]
        assert piece == text[begin:end] != ""
        for place in (begin, end):
            pair = text[max(0, place - 1) : place + 1]
            assert place in (0, len(text)) or not (pair.isalpha() or pair.isdigit())


def test_the_layers_of_a_text_do_not_depend_on_its_company(encoder):
    texts = [inputs_text(case.inputs) for case in POOL[:10]]
    together = list(read_layers(encoder, texts))
    for text, usual in zip(texts, together, strict=True):
        alone = layers(encoder, text)
        assert (alone.places, alone.begins, alone.ends) == (usual.places, usual.begins, usual.ends)
        assert float((alone.states.float() - usual.states.float()).abs().max()) < 0.02


def test_a_common_prefix_ends_with_a_sign():
    numbers = [f"NE-1{i}" for i in range(30)]
    assert common_prefix(numbers) == "NE-"
    assert common_prefix([*numbers, None]) == "NE-"
    assert common_prefix([*numbers, "X-12"]) == ""
    assert common_prefix([f"alpha{i}" for i in range(30)]) == ""
    assert common_prefix(numbers[:5]) == ""


# ------------------------------------------------------------------------------------------------------ the training


def test_the_heads_learn_to_point(trained):
    _, card, _ = trained
    curve = card["curve"]
    assert curve[-1]["training_loss"] < 0.2 * curve[0]["training_loss"]
    best = min(curve, key=lambda epoch: epoch["validation_loss"])
    assert card["kept_epoch"] == best["number"]
    assert best["exact"] >= 0.6 > curve[0]["exact"]


def test_the_card_says_how_the_heads_came_to_be(trained):
    folder, card, _ = trained
    assert json.loads((folder / "card.json").read_text(encoding="utf-8")) == card
    assert (card["task"], card["base_sha256"]) == ("orders", SHA256)
    assert card["cases"] == {"training": 85, "validation": 15}
    assert len(card["texts"]) == 100
    assert card["fields"] == {
        "order": {"span": "text", "prefix": "OR-"},
        "price": {"span": "number", "prefix": ""},
        "day": {"span": "date", "prefix": ""},
        "extras": {"several": ["ribbon", "card"]},
        "urgent": {"one": ["true", "false"]},
    }
    assert card["not_found"] == {"order": 0, "price": 0, "day": 0}
    assert all(card["versions"].values())


def test_what_is_written_is_small_and_names_no_place_on_this_machine(trained):
    folder, _, _ = trained
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "heads.safetensors"]
    for path in folder.iterdir():
        content = path.read_bytes()
        assert len(content) < 300_000
        assert str(folder).encode() not in content
        assert str(locate(MODEL)).encode() not in content
    assert re.findall(rb'"(?:/|[A-Za-z]:\\|~)[^"]*"', (folder / "card.json").read_bytes()) == []


def test_progress_is_told_step_by_step_and_epoch_by_epoch(trained):
    _, card, told = trained
    assert ("reading the training cases", 85, 85) in told
    assert ("epoch 1", 11, 11) in told
    assert [what.split(":")[0] for what, _, total in told if total == 1] == [
        f"epoch {epoch['number']}" for epoch in card["curve"]
    ]


def test_the_same_seed_gives_the_same_heads_in_whatever_order_the_rows_are(tmp_path):
    two = SpanHyperparameters(width=8, epochs=2, batch_size=8, validation=0.2, seed=3)
    pool = POOL[:40]
    for name, rows in (("one", pool), ("two", random.Random(1).sample(pool, len(pool)))):
        train_orders(tmp_path / name, rows, two)
    assert file_digest(tmp_path / "one" / "heads.safetensors") == file_digest(tmp_path / "two" / "heads.safetensors")
    other = SpanHyperparameters(width=8, epochs=2, batch_size=8, validation=0.2, seed=4)
    train_orders(tmp_path / "three", pool, other)
    assert file_digest(tmp_path / "three" / "heads.safetensors") != file_digest(tmp_path / "one" / "heads.safetensors")


def test_values_that_stand_nowhere_are_counted_and_teach_nothing(tmp_path):
    one = SpanHyperparameters(width=8, epochs=1, batch_size=8, validation=0.2)
    hidden = [
        Case(id=case.id, inputs=case.inputs, expected=dict(case.expected) | {"price": 98765.5}) for case in POOL[:30]
    ]
    card = train_orders(tmp_path, hidden, one)
    assert card["not_found"]["price"] == 30


# ---------------------------------------------------------------------------------------------------- what is refused


def test_a_small_pool_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="the pool has 19 cases; training needs at least 20"):
        train_orders(tmp_path, POOL[:19])


@pytest.mark.parametrize("declared", [{"type": "object"}, {"type": "array", "items": {"type": "string"}}, {}])
def test_a_field_that_no_head_is_made_for_is_refused_before_anything_is_read(tmp_path, declared):
    with pytest.raises(TrainingError, match="field 'note' is neither a text, a number, an enumeration nor a list of"):
        train_orders(tmp_path / "heads", schema=AnswerSchema({"properties": {"note": declared}}))
    assert not (tmp_path / "heads").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"validation": 0.5}, "validation is 0.5; expected a share between 0 and 0.5"),
        ({"epochs": 0}, "epochs is 0; expected at least 1"),
        ({"width": 0}, "width is 0; expected at least 1"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(wrong, message):
    with pytest.raises(TrainingError, match=message):
        SpanHyperparameters(**wrong)


def test_the_pool_of_these_tests_fits_its_schema():
    assert [SCHEMA.first_error(dict(case.expected)) for case in POOL] == [None] * len(POOL)
