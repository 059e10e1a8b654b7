"""The local driver with a tiny Llama: the answers of `model.generate`, whatever is answered beside them."""

import json
import random
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from support.local_model import (
    SCHEMA,
    TICKETS,
    constrained,
    generated,
    generated_ids,
    local,
    ticket_prompt,
    ticket_requests,
    under_schema,
    valid,
)
from support.tiny_llama import tiny_llama

from harness.core.errors import DriverError
from harness.core.prompting import make_prompt
from harness.core.records import Decoding, Failure, Response
from harness.core.schemas import AnswerSchema
from harness.core.scoring import Scorer
from harness.drivers.packed_rows import PackedRows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def model(folder):
    made = local(folder)
    yield made
    made.close()


def texts(driver, requests):
    replies = driver.answer(requests)
    assert all(isinstance(reply, Response) for reply in replies)
    return [reply.text for reply in replies]


# --------------------------------------------------------------------------------------------- what is answered


def test_greedy_answers_are_those_of_generate(model):
    requests = ticket_requests(12)
    found = texts(model, requests)
    assert found == generated(model, requests)
    assert len(set(found)) > 6  # the tickets matter
    assert model.engine.packs


@pytest.mark.parametrize("template", ["plain", "chat"])
def test_either_template_is_read_as_generate_reads_it(folder, template):
    driver = local(folder, template=template)
    requests = ticket_requests(3)
    assert texts(driver, requests) == generated(driver, requests)
    text = driver.rendered(requests[0])
    assert ("<|user|>" in text) == (template == "chat")
    assert requests[0].inputs["text"] in text


def test_an_answer_does_not_depend_on_its_company(model, folder):
    requests = ticket_requests(10, repeats=2) + ticket_requests(4, prompt=ticket_prompt(shots=0))
    together = texts(model, requests)
    alone = [texts(model, [request])[0] for request in requests]
    shuffled = list(enumerate(requests))
    random.Random(3).shuffle(shuffled)
    few = local(folder, batch={"rows": 3, "tokens": 64})
    answers = dict(zip([i for i, _ in shuffled], texts(few, [request for _, request in shuffled]), strict=True))
    assert together == alone == [answers[i] for i in range(len(requests))]


def test_requests_without_a_common_beginning_are_answered_too(model):
    prompts = [make_prompt(text, AnswerSchema({})) for text in ("Sort.", "Another task altogether.", "S")]
    requests = [replace(request, prompt=prompt) for prompt in prompts for request in ticket_requests(2)]
    assert texts(model, requests) == generated(model, requests)


# -------------------------------------------------------------------------------------------------- constrained


def test_constrained_answers_are_those_of_generate_under_the_same_schema(model):
    requests = constrained(6)
    replies = model.answer(requests)
    assert [reply.text for reply in replies] == [
        generated(model, [request], logits_processor=[under_schema(model, request)])[0] for request in requests
    ]
    assert all(valid(reply.text) and reply.finish_reason == "stop" for reply in replies)


def test_drawn_answers_fit_the_schema_too_rules_across_fields_included(model):
    requests = [replace(request, repeat=repeat) for request in constrained(4, temperature=2.0) for repeat in range(8)]
    found = texts(model, requests)
    assert all(valid(text) for text in found)
    assert len(set(found)) > 8


def test_forced_tokens_are_not_sampled_one_by_one(model, monkeypatch):
    steps = []
    feed = PackedRows.feed
    monkeypatch.setattr(PackedRows, "feed", lambda self, tokens: steps.append(len(tokens)) or feed(self, tokens))
    (reply,) = model.answer(constrained(1))
    assert len(steps) < reply.usage.output_tokens / 2
    assert reply.logprobs[0][1] == 0.0


def test_a_constrained_answer_that_reaches_the_limit_is_cut(model):
    for limit in range(1, 6):
        (reply,) = model.answer(constrained(1, max_tokens=limit))
        assert (reply.finish_reason, reply.usage.output_tokens) == ("length", limit)
    whole = model.answer(constrained(3))
    for reply, request in zip(whole, constrained(3), strict=True):
        limit = reply.usage.output_tokens
        (same,) = model.answer([replace(request, settings=replace(request.settings, max_tokens=limit))])
        (cut,) = model.answer([replace(request, settings=replace(request.settings, max_tokens=limit - 1))])
        assert (same.text, same.finish_reason, cut.finish_reason) == (reply.text, "stop", "length")


def test_a_schema_without_any_choice_needs_no_model(model):
    schema = AnswerSchema({"type": "object", "required": ["a"], "properties": {"a": {"const": "only this"}}})
    schema = AnswerSchema({**schema.schema, "additionalProperties": False})
    (reply,) = model.answer(ticket_requests(1, prompt=ticket_prompt(0, schema), decoding=Decoding.JSON_SCHEMA))
    assert reply.text == '{"a": "only this"}'


def test_confidence_is_the_chance_of_a_label_among_those_allowed(model):
    request = constrained(1)[0]
    (reply,) = model.answer([request])
    found = Scorer(TICKETS.task).confidence(reply)
    answer = json.loads(reply.text)
    assert set(found) == set(answer)
    assert all(0 < value <= 1 for value in found.values())
    forced_by_rules = constrained_to(request, category="charge_dispute")
    (reply,) = model.answer([forced_by_rules])
    assert Scorer(TICKETS.task).confidence(reply)["priority"] == 1.0  # charge_dispute leaves no other


def constrained_to(request, **fixed):
    properties = {name: {"const": value} for name, value in fixed.items()}
    schema = {**SCHEMA.schema, "properties": {**SCHEMA.schema["properties"], **properties}}
    return replace(request, prompt=ticket_prompt(0, AnswerSchema(schema)))


# ----------------------------------------------------------------------------------------------------- sampling


def test_samples_depend_on_seed_inputs_and_repeat_and_on_nothing_else(model):
    requests = ticket_requests(5, repeats=3, temperature=1.0, seed=5)
    found = texts(model, requests)
    assert len(set(found)) == len(found)
    renamed = [replace(request, case_id="other") for request in reversed(requests)]
    assert texts(model, renamed[4:])[::-1] == found[:-4]
    other_seed = [replace(r, settings=replace(r.settings, seed=6)) for r in requests]
    assert not set(texts(model, other_seed)) & set(found)


def test_samples_follow_the_model(model):
    """First tokens at temperature 0.7, against the probabilities that the model itself gives."""
    request = ticket_requests(1, prompt=ticket_prompt(shots=0))[0]
    settings = replace(request.settings, temperature=0.7, max_tokens=1)
    found = model.answer([replace(request, repeat=repeat, settings=settings) for repeat in range(250)])
    loaded = model.engine.loaded
    ids = torch.tensor([model.engine.tokens.ids(request.prompt, request.inputs)], device=loaded.device)
    with torch.inference_mode():
        chances = (loaded.model(ids).logits[0, -1].double() / 0.7).softmax(-1)
    top = int(chances.argmax())
    share = sum(reply.text == loaded.tokenizer.decode([top]) for reply in found) / len(found)
    expected = float(chances[top])
    assert abs(share - expected) < 4 * (expected * (1 - expected) / len(found)) ** 0.5


def test_greedy_repeats_are_equal(model):
    one, two, three = texts(model, ticket_requests(1, repeats=3))
    assert one == two == three


# ------------------------------------------------------------------------------------------------- ends and cuts


def test_an_answer_that_reaches_the_limit_is_cut(model):
    (reply,) = model.answer(ticket_requests(1, max_tokens=5))
    assert reply.finish_reason == "length"
    assert reply.usage.output_tokens == 5


def test_the_end_token_ends_an_answer_and_is_no_part_of_it(folder):
    driver = local(folder)
    requests = ticket_requests(6)
    ids = generated_ids(driver, requests)[0]
    driver.engine.loaded.model.generation_config.eos_token_id = [ids[7]]
    replies = driver.answer(requests)
    assert replies[0].finish_reason == "stop"
    assert replies[0].usage.output_tokens == ids.index(ids[7])
    assert replies[0].text == driver.engine.loaded.tokenizer.decode(ids[: ids.index(ids[7])])
    cut = generated_ids(driver, requests)
    assert [reply.usage.output_tokens for reply in replies] == [len(one) - (one[-1] == ids[7]) for one in cut]


def test_a_request_that_the_model_cannot_read_fails_and_the_others_do_not(model):
    requests = ticket_requests(3)
    long = replace(requests[1], inputs={"text": "too long " * 4096})
    first, failed, last = model.answer([requests[0], long, requests[2]])
    assert isinstance(failed, Failure)
    assert failed.kind == "too_long"
    assert not failed.retryable
    assert [first.text, last.text] == texts(model, [requests[0], requests[2]])


def test_an_answer_ends_where_the_model_can_read_no_more(folder):
    driver = local(folder)
    request = ticket_requests(1)[0]
    asked = len(driver.engine.tokens.ids(request.prompt, request.inputs))
    driver.engine.loaded.model.config.max_position_embeddings = asked + 3
    (reply,) = driver.answer([request])
    assert (reply.finish_reason, reply.usage.output_tokens) == ("length", 3)


# ------------------------------------------------------------------------------------------- what a reply tells


def test_the_log_probabilities_are_the_models_own_and_spell_the_text(model):
    request = ticket_requests(1)[0]
    (reply,) = model.answer([request])
    assert "".join(token for token, _ in reply.logprobs) == reply.text
    loaded = model.engine.loaded
    asked = model.engine.tokens.ids(request.prompt, request.inputs)
    assert reply.usage.input_tokens == len(asked)
    written = asked + generated_ids(model, [request])[0]
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([written], device=loaded.device)).logits[0].log_softmax(-1)
    expected = [float(logits[at - 1, written[at]]) for at in range(len(asked), len(written))]
    assert [value for _, value in reply.logprobs] == pytest.approx(expected, abs=1e-4)


def test_the_time_of_a_batch_is_shared_out(model):
    replies = model.answer(ticket_requests(4))
    assert len({reply.latency_s for reply in replies}) == 1
    assert replies[0].latency_s > 0


# --------------------------------------------------------------------------------------------------- what it is


def test_the_identity_names_all_that_changes_an_answer_without_loading_the_model(folder, tmp_path):
    code = (
        "import sys; from harness.core.records import Adapter; from harness.drivers.registry import make_driver; "
        f"a = Adapter(name='l', driver='transformers_local', model={str(folder)!r}, options={{'device': 'cpu'}}); "
        "assert make_driver(a).identity()['dtype'] == 'float32'; "
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    base = local(folder).identity()
    assert base == local(folder, batch={"rows": 2}).identity()
    assert base != local(folder, template="plain").identity()
    assert base != local(folder, dtype="bfloat16").identity()
    other = tiny_llama(tmp_path, seed=1)
    assert base["model"] != local(other).identity()["model"]


def test_set_up_errors_say_what_is_missing(tmp_path, folder):
    with pytest.raises(DriverError, match="local: no weights"):
        local(tmp_path)
    with pytest.raises(DriverError, match="there is no adapter_model.safetensors .* harness train adapters/local.yaml"):
        local(folder, file=tmp_path / "a.yaml", lora="nothing")
    if not torch.cuda.is_available():
        with pytest.raises(DriverError, match="device is cuda, and torch finds no GPU"):
            local(folder, device="cuda")
