"""The probability of each label, beside a computation that asks the model about each one alone."""

import json
import math

import pytest
import torch
from support.local_model import SCHEMA, TICKETS, constrained, local, ticket_prompt, ticket_requests
from support.tiny_llama import tiny_llama

from harness.core.schemas import AnswerSchema
from harness.core.scoring import Scorer
from harness.drivers.label_probabilities import label_probabilities


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def model(folder):
    return local(folder)


def one_by_one(driver, request, texts):
    """The shares of texts that begin the answer, by whole forward passes."""
    loaded, asked = driver.engine.loaded, driver.engine.tokens.text(request.prompt, request.inputs)
    before = len(loaded.tokenizer(asked, add_special_tokens=False)["input_ids"])
    scores = []
    for text in texts:
        ids = loaded.tokenizer(asked + text, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            chances = loaded.model(torch.tensor([ids], device=loaded.device)).logits[0].log_softmax(-1)
        scores.append(sum(float(chances[at - 1, ids[at]]) for at in range(before, len(ids))))
    total = sum(math.exp(score - max(scores)) for score in scores)
    return [math.exp(score - max(scores)) / total for score in scores]


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize(("field", "before"), [("category", ""), ("escalate", '{"category": "outage", "escalate": ')])
def test_probabilities_are_those_of_asking_about_each_label_alone(folder, packs, field, before):
    driver = local(folder, template="chat", batch={"rows": 5})
    driver.engine.packs = packs
    request = constrained(1)[0]
    labels = SCHEMA.enumerated(field)
    found = label_probabilities(driver.engine, request.prompt, request.inputs, field, labels, before=before)
    expected = one_by_one(driver, request, [(before or f'{{"{field}": ') + json.dumps(label) for label in labels])
    assert list(found) == list(labels)
    assert list(found.values()) == pytest.approx(expected, rel=1e-3)
    assert sum(found.values()) == pytest.approx(1)
    assert driver.answer([request])[0].text == local(folder).answer([request])[0].text  # its rows are left empty


def test_a_number_is_told_from_one_that_begins_with_it(model):
    schema = AnswerSchema({"type": "object", "properties": {"n": {"enum": [1, 10]}}})
    (request,) = ticket_requests(1, prompt=ticket_prompt(0, schema))
    found = label_probabilities(model.engine, request.prompt, request.inputs, "n", (1, 10))
    expected = one_by_one(model, request, ['{"n": 1,', '{"n": 10,'])
    assert list(found.values()) == pytest.approx(expected, rel=1e-3)


def test_asked_for_they_are_the_confidence_of_an_answer(folder, model):
    driver = local(folder, label_probabilities=True)
    request = constrained(1)[0]
    (reply,) = driver.answer([request])
    (plain,) = model.answer([request])
    assert reply.text == plain.text
    assert plain.confidence is None
    answer = json.loads(reply.text)
    found = Scorer(TICKETS.task).confidence(reply)
    assert set(found) == set(answer)
    for name, value in answer.items():
        before = reply.text[: reply.text.index(f'"{name}"')] + f'"{name}": '
        labels = SCHEMA.enumerated(name)
        told = label_probabilities(model.engine, request.prompt, request.inputs, name, labels, before=before)
        assert found[name] == pytest.approx(told[value], rel=1e-3)
    assert driver.identity() != model.identity()


def test_an_answer_that_is_no_object_has_none(folder):
    driver = local(folder, label_probabilities=True)
    (reply,) = driver.answer(ticket_requests(1))
    assert reply.confidence is None
