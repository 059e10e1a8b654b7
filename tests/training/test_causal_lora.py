"""LoRA training on a causal model, tiny: what is written loads and answers, and an interrupted training goes on."""

import json
import re

import pytest
from support.local_model import local
from support.tiny_gemma import tiny_gemma
from support.tiny_llama import tiny_llama

from harness.core.errors import TrainingError
from harness.core.folding import fingerprint
from harness.core.prompting import make_prompt
from harness.core.records import Case, Request, Settings
from harness.core.schemas import AnswerSchema
from harness.drivers.causal_model import CausalModel, files_digest
from harness.drivers.chat_tokens import ChatTokens
from harness.drivers.local_proofs import BATCHES, LORA, MERGED, TEMPLATE
from harness.training import causal_lora
from harness.training.causal_data import IGNORED, answer_losses, collate, make_examples
from harness.training.causal_lora import CausalHyperparameters, train_causal
from harness.training.splitting import split_pool

SCHEMA = AnswerSchema({"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["zeta", "omega"]}}})
PROMPT = make_prompt("Sort it.", SCHEMA)
POOL = [
    Case(id=f"{kind}{i}", inputs={"text": f"the {thing} number {i}"}, expected={"kind": kind}, cluster=str(i))
    for i in range(24)
    for kind, thing in (("zeta", "invoice"), ("omega", "password"))
]
TINY = {"rank": 8, "alpha": 16, "learning_rate": 0.01, "epochs": 10, "batch_size": 8, "validation": 0.15, "seed": 6}
NEW = [({"text": "the invoice number 91"}, {"kind": "zeta"}), ({"text": "the password number 77"}, {"kind": "omega"})]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_llama(tmp_path_factory.mktemp("models") / "tiny", hidden=48)


def train(base, out, *, pool=POOL, prompt=PROMPT, progress=lambda *_: None, dtype="float32", **changes):
    return train_causal(
        base=base,
        base_digest=files_digest(base),
        pool=pool,
        prompt=prompt,
        out=out,
        task="food",
        strategy="food/tuned",
        hyperparameters=CausalHyperparameters(**(TINY | changes)),
        device="cpu",
        dtype=dtype,
        progress=progress,
    )


@pytest.fixture(scope="module")
def trained(base, tmp_path_factory):
    """(the folder of the weights, their card, what `progress` was told)."""
    out = tmp_path_factory.mktemp("adapters") / "lora"
    told = []
    card = train(base, out, progress=lambda *row: told.append(row))
    return out, card, told


def answers(base, lora):
    """What the model writes for new cases, greedily."""
    model = CausalModel(base, lora=lora, device="cpu", dtype="float32")
    tokens = ChatTokens(model.tokenizer)
    texts = []
    for inputs, _ in NEW:
        ids = model.torch.tensor([tokens.ids(PROMPT, inputs)])
        written = model.model.generate(
            input_ids=ids, attention_mask=ids * 0 + 1, do_sample=False, max_new_tokens=24, pad_token_id=0
        )
        texts.append(model.tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True))
    return texts


# ------------------------------------------------------------------------------------------------- what it is good for


def test_the_trained_weights_load_and_change_the_answers(base, trained):
    assert answers(base, trained[0]) == [json.dumps(expected) for _, expected in NEW]
    assert answers(base, None) != answers(base, trained[0])


def test_a_model_with_windows_tied_embeddings_and_no_chat_template_is_trained_and_answers(tmp_path):
    gemma = tiny_gemma(tmp_path / "gemma")
    card = train(gemma, tmp_path / "lora")
    assert card["template"].startswith("plain")
    requests = [
        Request(prompt=PROMPT, case_id=str(i), repeat=0, inputs=inputs, settings=Settings(max_tokens=40))
        for i, (inputs, _) in enumerate(NEW)
    ]
    driver = local(gemma, file=tmp_path / "adapter.yaml", lora="lora")
    assert [reply.text for reply in driver.answer(requests)] == [json.dumps(expected) for _, expected in NEW]
    assert driver.engine.packs
    assert {proof.name: proof.status for proof in driver.proofs(requests)} == {
        LORA: "proved",
        MERGED: "proved",
        TEMPLATE: "proved",
        BATCHES: "proved",
    }


def test_training_learns_and_the_best_epoch_is_kept(trained):
    _, card, _ = trained
    curve = card["curve"]
    assert curve[-1]["training_loss"] < 0.5 * curve[0]["training_loss"]
    best = min(curve, key=lambda epoch: epoch["validation_loss"])
    assert (card["kept_epoch"], card["kept_step"]) == (best["number"], 5 * best["number"])
    assert best["exact"] == 1.0


def test_the_card_says_how_the_weights_came_to_be(base, trained):
    out, card, _ = trained
    assert json.loads((out / "card.json").read_text(encoding="utf-8")) == card
    tokens = ChatTokens(CausalModel(base, lora=None, device="cpu", dtype="float32").tokenizer)
    assert card["base_sha256"] == files_digest(base)
    assert (card["template_sha256"], card["prompt_sha256"]) == (tokens.digest, PROMPT.digest)
    assert (card["task"], card["strategy"], card["template"]) == ("food", "food/tuned", tokens.name)
    assert card["texts"] == {case.id: fingerprint(case.inputs["text"]) for case in POOL}
    assert card["cases"] == {"training": 40, "validation": 8}
    assert card["hyperparameters"]["learning_rate"] == 0.01
    assert card["precision"] == "float32"
    assert card["resumed_after_epoch"] is None
    assert all(card["versions"].values())


def test_only_the_weights_and_their_card_are_left_and_name_no_place(base, trained):
    out, _, _ = trained
    assert sorted(path.name for path in out.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "card.json",
    ]
    assert [path.name for path in out.parent.iterdir()] == ["lora"]
    for path in out.iterdir():
        assert str(base.parent).encode() not in path.read_bytes()
        if path.suffix == ".json":
            assert re.findall(rb'"(?:/|[A-Za-z]:\\|~)[^"]*"', path.read_bytes()) == []


def test_progress_is_told_step_by_step_and_epoch_by_epoch_and_nothing_else(trained, base, tmp_path, capfd):
    _, card, told = trained
    assert [row for row in told if row[2] > 1] == [
        (f"epoch {n}", step, 5) for n in range(1, len(card["curve"]) + 1) for step in range(1, 6)
    ]
    first = card["curve"][0]
    assert next(row[0] for row in told if row[2] == 1) == (
        f"epoch 1: loss {first['training_loss']:.3f}, validation {first['validation_loss']:.3f}, "
        f"exact {first['exact']:.3f}"
    )
    capfd.readouterr()
    train(base, tmp_path / "lora", epochs=1)
    assert capfd.readouterr() == ("", "")


# --------------------------------------------------------------------------------------------------------- the loss


@pytest.fixture(scope="module")
def batch(base):
    """(model, examples of two cases of different length, their tokens)."""
    model = CausalModel(base, lora=None, device="cpu", dtype="float32")
    cases = [POOL[0], Case(id="long", inputs={"text": "number " * 9}, expected={"kind": "omega"})]
    weights = {case.id: 1.0 for case in cases}
    return model, cases, make_examples(ChatTokens(model.tokenizer), PROMPT, cases, weights, context=None)


def test_only_the_answer_is_labelled(batch):
    model, cases, examples = batch
    tokens = collate(model.torch, examples, pad=0)
    for row, case in enumerate(cases):
        labels = [label for label in tokens["labels"][row].tolist() if label != IGNORED]
        assert model.tokenizer.decode(labels) == json.dumps(case.expected) + model.tokenizer.eos_token
        read = tokens["input_ids"][row][tokens["attention_mask"][row] == 1][: -len(labels)]
        assert read.tolist() == ChatTokens(model.tokenizer).ids(PROMPT, case.inputs)


def test_the_loss_of_a_case_is_that_of_its_answer_whatever_it_is_batched_with(batch):
    model, _, examples = batch
    torch = model.torch
    with torch.no_grad():
        together, exact = answer_losses(torch, model.model, collate(torch, examples, pad=0))
        for row, example in enumerate(examples):
            ids = torch.tensor([example["input_ids"]])
            log_p = model.model(input_ids=ids).logits[0].log_softmax(-1)
            wanted = ids[0, -example["answer"] :]
            own = log_p[-example["answer"] - 1 : -1].gather(1, wanted[:, None])
            assert float(together[row]) == pytest.approx(-float(own.mean()), abs=1e-4)
    assert exact.tolist() == [False, False]


def test_a_case_is_exact_when_greedy_decoding_writes_its_answer(base, trained):
    model = CausalModel(base, lora=trained[0], device="cpu", dtype="float32")
    cases = [Case(id=str(i), inputs=inputs, expected=expected) for i, (inputs, expected) in enumerate(NEW)]
    wrong = Case(id="wrong", inputs=NEW[0][0], expected=NEW[1][1])
    weights = dict.fromkeys(["0", "1", "wrong"], 1.0)
    examples = make_examples(ChatTokens(model.tokenizer), PROMPT, [*cases, wrong], weights, context=None)
    _, exact = answer_losses(model.torch, model.model, collate(model.torch, examples, pad=0))
    assert exact.tolist() == [True, True, False]


def test_the_few_shot_examples_of_the_strategy_are_read(base, tmp_path):
    shown = make_prompt("Sort it.", SCHEMA, [(POOL[0].inputs, POOL[0].expected)])
    card = train(base, tmp_path / "lora", prompt=shown, epochs=1)
    assert card["prompt_sha256"] == shown.digest != PROMPT.digest
    tokenizer = CausalModel(base, lora=None, device="cpu", dtype="float32").tokenizer
    examples = [
        make_examples(ChatTokens(tokenizer), prompt, POOL[:1], {POOL[0].id: 1.0}, context=None)[0]
        for prompt in (PROMPT, shown)
    ]
    assert len(examples[1]["input_ids"]) > len(examples[0]["input_ids"])
    assert examples[1]["answer"] == examples[0]["answer"]


def test_rare_labels_weigh_more_where_that_is_declared(base, tmp_path):
    pool = [case for case in POOL if case.expected["kind"] == "zeta" or int(case.cluster) < 6]
    plain = train(base, tmp_path / "plain", pool=pool, epochs=1)
    balanced = train(base, tmp_path / "balanced", pool=pool, epochs=1, balance_by="kind", balance=1.0)
    assert plain["curve"][0]["exact"] == balanced["curve"][0]["exact"]
    assert plain["curve"][0]["training_loss"] != balanced["curve"][0]["training_loss"]


def test_the_validation_loss_is_a_mean_over_cases_whatever_their_batches(base, tmp_path):
    """8 cases in batches of 5 and 3."""
    card = train(base, tmp_path / "lora", epochs=1, batch_size=5)
    _, held = split_pool(POOL, TINY["validation"], TINY["seed"])
    model = CausalModel(base, lora=tmp_path / "lora", device="cpu", dtype="float32")
    examples = make_examples(ChatTokens(model.tokenizer), PROMPT, held, {c.id: 1.0 for c in held}, context=None)
    losses, _ = answer_losses(model.torch, model.model, collate(model.torch, examples, pad=0))
    assert card["curve"][0]["validation_loss"] == pytest.approx(float(losses.mean()), abs=1e-4)


# ------------------------------------------------------------------------------------------------- again, and further


def weights(out):
    return (out / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize("after", [1, 4])
def test_an_interrupted_training_goes_on_to_the_same_weights(base, trained, tmp_path, after):
    out = tmp_path / "lora"

    def interrupt(what, done, total):
        if what == f"epoch {after + 1}" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(base, out, progress=interrupt)
    assert not out.exists()
    told = []
    card = train(base, out, progress=lambda *row: told.append(row))
    assert told[0] == (f"an earlier training was interrupted; going on after epoch {after}", 1, 1)
    assert told[1] == (f"epoch {after + 1}", 1, 5)
    assert card["resumed_after_epoch"] == after
    assert card["curve"] == trained[1]["curve"]
    assert weights(out) == weights(trained[0])
    assert [path.name for path in tmp_path.iterdir()] == ["lora"]


def test_a_checkpoint_that_was_not_written_whole_is_not_gone_on_from(base, trained, tmp_path):
    out = tmp_path / "lora"

    def interrupt(what, done, total):
        if what == "epoch 3":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(base, out, progress=interrupt)
    (last,) = tmp_path.glob("lora.checkpoints/*/checkpoint-10")
    (last / "trainer_state.json").write_text('{"log_hist')
    card = train(base, out)
    assert card["resumed_after_epoch"] == 1
    assert weights(out) == weights(trained[0])


def test_a_training_that_was_interrupted_at_its_very_end_is_only_saved(base, trained, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(causal_lora, "card_of", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(base, tmp_path / "lora")
    told = []
    train(base, tmp_path / "lora", progress=lambda *row: told.append(row))
    assert len(told) == 1
    assert weights(tmp_path / "lora") == weights(trained[0])


def test_other_hyperparameters_do_not_go_on_from_an_interrupted_training(base, tmp_path):
    def interrupt(what, done, total):
        if what == "epoch 2":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(base, tmp_path / "lora", progress=interrupt)
    assert train(base, tmp_path / "lora", epochs=1)["resumed_after_epoch"] is None


def test_the_order_of_the_rows_does_not_matter_and_the_seed_does(base, trained, tmp_path):
    again = train(base, tmp_path / "again", pool=POOL[::-1])
    assert (again["curve"], weights(tmp_path / "again")) == (trained[1]["curve"], weights(trained[0]))
    assert train(base, tmp_path / "other", seed=4, epochs=1)["curve"][0] != trained[1]["curve"][0]


def test_training_stops_when_the_validation_loss_has_not_fallen_for_a_while(base, tmp_path):
    turned = {"zeta": "omega", "omega": "zeta"}
    pool = [Case(id=c.id, inputs={"text": f"{c.id} {c.inputs['text']}"}, expected=c.expected) for c in POOL]
    _, held = split_pool(pool, TINY["validation"], TINY["seed"])
    ids = {case.id for case in held}
    # What is learnt on the one side is wrong on the other, so validation gets worse once the form is learnt.
    pool = [
        Case(id=c.id, inputs=c.inputs, expected={"kind": turned[str(c.expected["kind"])]}) if c.id in ids else c
        for c in pool
    ]
    card = train(base, tmp_path / "lora", pool=pool, epochs=40, patience=3, learning_rate=0.02)
    curve = card["curve"]
    assert len(curve) < 40
    assert card["kept_epoch"] == len(curve) - 3
    assert min(epoch["validation_loss"] for epoch in curve) == curve[card["kept_epoch"] - 1]["validation_loss"]


@pytest.mark.parametrize("changes", [{"gradient_checkpointing": True}, {"accumulate": 2, "batch_size": 4}], ids=str)
def test_less_memory_gives_the_same_curve(base, trained, tmp_path, changes):
    card = train(base, tmp_path / "lora", epochs=1, **changes)
    reference = train(base, tmp_path / "reference", epochs=1)
    for name, value in reference["curve"][0].items():
        assert card["curve"][0][name] == pytest.approx(value, rel=0.02)


def test_bfloat16_is_used_where_it_is_declared(base, tmp_path):
    card = train(base, tmp_path / "lora", epochs=1, dtype="bfloat16")
    assert card["precision"] == "bfloat16"
    assert card["curve"][0]["training_loss"] > 0


# ------------------------------------------------------------------------------------------------ what is refused


def test_a_small_pool_is_refused(base, tmp_path):
    with pytest.raises(TrainingError, match="the pool has 19 cases; training needs at least 20"):
        train(base, tmp_path / "lora", pool=POOL[:19])


def test_a_case_that_does_not_fit_the_model_is_refused(base, tmp_path):
    pool = [*POOL, Case(id="huge", inputs={"text": "number " * 5000}, expected=POOL[0].expected)]
    with pytest.raises(TrainingError, match="1 cases are longer than the 4096 tokens that the model reads: huge;"):
        train(base, tmp_path / "lora", pool=pool)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"validation": 0.5}, "validation is 0.5; expected a share between 0 and 0.5"),
        ({"warmup": 1.0}, "warmup is 1.0; expected a share of the steps"),
        ({"accumulate": 0}, "accumulate is 0; expected at least 1"),
        ({"balance_by": "sort"}, "balance_by is 'sort'; expected a field that is an enumeration or a boolean: kind"),
        ({"targets": ["nothing_proj"]}, "LoRA weights can't be put on the model: .*nothing_proj"),
        ({"dtype": "float16"}, "dtype is float16, in which gradients vanish; expected auto, bfloat16 or float32"),
    ],
    ids=str,
)
def test_what_can_not_be_trained_with_is_refused(base, tmp_path, wrong, message):
    with pytest.raises(TrainingError, match=message):
        train(base, tmp_path / "lora", **wrong)


def test_a_loss_that_is_no_number_ends_the_training(base, tmp_path):
    with pytest.raises(TrainingError, match="the validation loss is nan after epoch 1; .* a lower `learning_rate`"):
        train(base, tmp_path / "lora", learning_rate=1e30, epochs=3)
    assert not (tmp_path / "lora").exists()
