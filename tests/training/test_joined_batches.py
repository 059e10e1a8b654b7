"""Batches as one row: the losses and gradients of rows of their own, and rows where a model would get them wrong."""

import pytest
import torch
from support.tiny_gemma import WINDOW, tiny_gemma
from support.tiny_llama import tiny_llama

from harness.core.prompting import make_prompt
from harness.core.records import Case
from harness.core.schemas import AnswerSchema
from harness.drivers.causal_model import CausalModel
from harness.drivers.chat_tokens import ChatTokens
from harness.training.causal_data import answer_losses, collate, make_examples
from harness.training.joined_batches import collate_joined, joining_agrees
from harness.training.lora_weights import with_lora

SCHEMA = AnswerSchema({"type": "object", "properties": {"kind": {"enum": ["zeta", "omega and more of it"]}}})
KINDS = SCHEMA.enumerated("kind")
CASES = [
    Case(id=str(i), inputs={"text": f"the {'very ' * (i % 3)}number {i}"}, expected={"kind": KINDS[i % 2]})
    for i in range(6)
]
WEIGHTS = {case.id: 1.0 + int(case.id) for case in CASES}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return CausalModel(tiny_llama(tmp_path_factory.mktemp("llama")), lora=None, device="cpu", dtype="float32")


def made(model, instructions="Sort it."):
    prompt = make_prompt(instructions, SCHEMA)
    return make_examples(ChatTokens(model.tokenizer), prompt, CASES, WEIGHTS, context=None)


def test_losses_and_gradients_are_those_of_rows_of_their_own(tmp_path):
    model = CausalModel(tiny_llama(tmp_path), lora=None, device="cpu", dtype="float32")
    examples, found = made(model), []
    lora = with_lora(model.model, task_type="CAUSAL_LM", r=4, lora_dropout=0.0, target_modules="all-linear").train()
    torch.manual_seed(0)
    for name, values in lora.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(values, std=0.1)
    for made_by in (collate, collate_joined):
        batch = made_by(torch, examples, pad=0)
        lora.zero_grad()
        losses, exact = answer_losses(torch, lora, batch)
        (losses * batch["weights"]).mean().backward()
        gradients = [p.grad.flatten() for p in lora.parameters() if p.grad is not None]
        found.append((batch["input_ids"].numel(), losses.detach(), exact, torch.cat(gradients)))
    rows, joined = found
    assert joined[0] < rows[0] / 2
    torch.testing.assert_close(joined[1], rows[1], atol=1e-4, rtol=0)
    assert joined[2].tolist() == rows[2].tolist()
    torch.testing.assert_close(joined[3], rows[3], atol=1e-5, rtol=1e-4)


def test_the_likeliest_answer_is_exact_in_a_joined_batch_too(model):
    examples = made(model)
    batch = collate_joined(torch, examples, pad=0)
    with torch.inference_mode():
        logits = model.model(
            **{name: batch[name] for name in ("input_ids", "position_ids", "attention_mask")},
            logits_to_keep=batch["kept"].flatten(),
        ).logits
    first, last = logits.view(*batch["kept"].shape, -1).argmax(2)[:2].tolist()
    batch["labels"][0] = torch.tensor(first)
    batch["labels"][1] = torch.tensor([*last[:-1], last[-1] + 1])
    _, exact = answer_losses(torch, model.model, batch)
    assert exact.tolist()[:2] == [True, False]


def test_a_batch_with_little_in_common_stays_in_rows(model):
    examples = made(model)
    other = made(model, "Quite another prompt, that begins otherwise.")
    assert "kept" not in collate_joined(torch, [examples[0], other[1]], pad=0)
    assert "kept" not in collate_joined(torch, examples[:1], pad=0)
    assert "kept" in collate_joined(torch, examples[:2], pad=0)


def test_equal_cases_keep_what_tells_their_answer(model):
    """All that two equal cases read is shared, but for the token before the answer."""
    batch = collate_joined(torch, [made(model)[0]] * 3, pad=0)
    own, _ = answer_losses(torch, model.model, collate(torch, made(model)[:1], pad=0))
    found, _ = answer_losses(torch, model.model, batch)
    torch.testing.assert_close(found, own.repeat(3), atol=1e-4, rtol=0)


def test_models_are_joined_only_where_that_gives_their_own_losses(model, tmp_path, monkeypatch):
    assert joining_agrees(torch, model.model, made(model), pad=0)
    gemma = CausalModel(tiny_gemma(tmp_path), lora=None, device="cpu", dtype="float32")
    assert len(made(gemma)[0]["input_ids"]) > WINDOW
    assert not joining_agrees(torch, gemma.model, made(gemma), pad=0)
    forward = type(model.model).forward
    monkeypatch.setattr(
        type(model.model), "forward", lambda self, attention_mask=None, **others: forward(self, **others)
    )
    assert not joining_agrees(torch, model.model, made(model), pad=0)


def test_models_with_windows_that_hold_the_longest_example_are_joined(tmp_path):
    gemma = CausalModel(tiny_gemma(tmp_path, window=400), lora=None, device="cpu", dtype="float32")
    assert joining_agrees(torch, gemma.model, made(gemma), pad=0)
