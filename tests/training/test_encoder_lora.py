"""LoRA training on the embedded encoder, tiny: what is written loads, answers, and is the same every time."""

import json
import random
import re

import pytest
from support.embedded import MODEL, SHA256, driver, request

from harness.core.errors import TrainingError
from harness.core.folding import fingerprint
from harness.core.records import Case, Response
from harness.core.schemas import AnswerSchema
from harness.drivers.encoder_model import locate
from harness.training.encoder_lora import Hyperparameters, train_encoder

SCHEMA = AnswerSchema(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "loud"],
        "properties": {"kind": {"enum": ["zeta", "omega"]}, "loud": {"type": "boolean"}},
    }
)
THINGS = {
    "zeta": ("soup", "bread", "cheese", "apple", "rice", "salad", "cake", "olives", "beans", "tea"),
    "omega": ("train", "tractor", "bicycle", "lorry", "ferry", "tram", "scooter", "plane", "coach", "sledge"),
}
POOL = [
    Case(
        id=f"{kind}-{thing}-{loud}",
        inputs={"text": f"the {thing} is here{'!!!' if loud else '.'}"},
        expected={"kind": kind, "loud": loud},
        cluster=thing,
    )
    for kind, things in THINGS.items()
    for thing in things
    for loud in (True, False)
]
TINY = Hyperparameters(rank=4, alpha=8, epochs=2, batch_size=8, max_tokens=16, validation=0.2, seed=3)
NEW = ("the pudding is here!!!", "the canoe is here.", "a spoon of honey", "a rocket is here!!!")


def train(out, pool=POOL, hyperparameters=TINY, **changes):
    return train_encoder(
        base=locate(MODEL),
        base_digest=SHA256,
        pool=pool,
        schema=SCHEMA,
        out=out,
        task="food",
        hyperparameters=hyperparameters,
        **changes,
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(the folder of an adapter, its card, what `progress` was told)."""
    folder = tmp_path_factory.mktemp("adapters")
    told = []
    card = train(folder / "lora", progress=lambda what, done, total: told.append((what, done, total)))
    return folder, card, told


def answers(made, texts):
    replies = made.answer([request(text, SCHEMA) for text in texts])
    assert all(isinstance(reply, Response) for reply in replies)
    return [json.loads(reply.text) for reply in replies]


def test_the_trained_weights_load_and_change_the_answers(trained):
    folder, _, _ = trained
    tuned = answers(driver(folder, lora="lora", max_tokens=16), NEW)
    assert [found["kind"] for found in tuned] == ["zeta", "omega", "zeta", "omega"]
    assert [tuned[0]["loud"], tuned[1]["loud"]] == [True, False]
    assert tuned != answers(driver(folder, max_tokens=16), NEW)


def test_the_card_says_how_the_weights_came_to_be(trained):
    folder, card, _ = trained
    assert json.loads((folder / "lora" / "card.json").read_text(encoding="utf-8")) == card
    assert set(card) == {
        "task",
        "labels",
        "scale",
        "base_sha256",
        "data_sha256",
        "texts",
        "cases",
        "hyperparameters",
        "curve",
        "kept_epoch",
        "duration_s",
        "hardware",
        "versions",
    }
    assert (card["task"], card["base_sha256"], card["scale"]) == ("food", SHA256, TINY.scale)
    assert card["labels"] == {"kind": ["zeta", "omega"], "loud": ["true", "false"]}
    assert card["cases"] == {"training": 32, "validation": 8}
    assert card["texts"] == {case.id: fingerprint(case.inputs["text"]) for case in POOL}
    assert card["hyperparameters"]["rank"] == 4
    assert [set(epoch) for epoch in card["curve"]] == [{"number", "training_loss", "validation_loss", "exact"}] * 2
    best = min(card["curve"], key=lambda epoch: epoch["validation_loss"])
    assert card["kept_epoch"] == best["number"]
    assert all(card["versions"].values())


def test_training_reduces_the_loss(trained):
    _, card, _ = trained
    first, second = card["curve"]
    assert second["training_loss"] < first["training_loss"]


def test_what_is_written_names_no_place_on_this_machine(trained):
    folder, _, _ = trained
    files = sorted(path.name for path in (folder / "lora").iterdir())
    assert files == ["adapter_config.json", "adapter_model.safetensors", "card.json", "heads.safetensors"]
    for name in files:
        content = (folder / "lora" / name).read_bytes()
        assert str(locate(MODEL)).encode() not in content
        assert str(folder).encode() not in content
        assert b"site-packages" not in content
        if name.endswith(".json"):
            assert re.findall(rb'"(?:/|[A-Za-z]:\\|~)[^"]*"', content) == []
    assert json.loads((folder / "lora" / "adapter_config.json").read_bytes())["base_model_name_or_path"] is None


def test_progress_is_told_step_by_step_and_epoch_by_epoch(trained):
    _, _, told = trained
    steps = [row for row in told if row[2] > 1]
    assert steps == [(f"epoch {n}", step, 4) for n in (1, 2) for step in (1, 2, 3, 4)]
    assert [what.split(":")[0] for what, _, total in told if total == 1] == ["epoch 1", "epoch 2"]


def test_the_same_seed_gives_the_same_curve_in_whatever_order_the_rows_are(trained, tmp_path):
    _, card, _ = trained
    again = train(tmp_path / "lora", random.Random(1).sample(POOL, len(POOL)))
    assert again["curve"] == card["curve"]
    assert again["data_sha256"] == card["data_sha256"]


def test_other_data_has_another_digest_and_another_seed_another_curve(trained, tmp_path):
    _, card, _ = trained
    one_epoch = {"rank": 4, "alpha": 8, "epochs": 1, "batch_size": 8, "max_tokens": 16, "validation": 0.2}
    other = train(tmp_path / "lora", POOL[:-1], Hyperparameters(**one_epoch, seed=4))
    assert other["data_sha256"] != card["data_sha256"]
    assert other["curve"][0] != card["curve"][0]


# ------------------------------------------------------------------------------------------------ what is refused


def test_a_small_pool_is_refused():
    with pytest.raises(TrainingError, match="the pool has 19 cases; training needs at least 20"):
        train(None, POOL[:19])


def test_a_pool_of_one_cluster_leaves_nothing_to_train_on(tmp_path):
    pool = [Case(id=str(i), inputs={"text": "x"}, expected=POOL[0].expected, cluster="one") for i in range(30)]
    with pytest.raises(TrainingError, match="clusters stay whole, and these leave no case to train on"):
        train(tmp_path / "lora", pool)
    assert list(tmp_path.iterdir()) == []


def test_a_field_of_free_text_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="'note' is neither an enumeration nor a boolean"):
        train_encoder(
            base=locate(MODEL),
            base_digest=SHA256,
            pool=POOL,
            schema=AnswerSchema({"properties": {"note": {"type": "string"}}}),
            out=tmp_path,
            task="food",
            hyperparameters=TINY,
        )


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"validation": 0.0}, "validation is 0.0; expected a share between 0 and 0.5"),
        ({"validation": 0.5}, "validation is 0.5; expected a share between 0 and 0.5"),
        ({"epochs": 0}, "epochs is 0; expected at least 1"),
        ({"rank": 0}, "rank is 0; expected at least 1"),
        ({"batch_size": -1}, "batch_size is -1; expected at least 1"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(wrong, message):
    with pytest.raises(TrainingError, match=message):
        Hyperparameters(**wrong)
