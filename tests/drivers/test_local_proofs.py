"""What a local driver proves before a strategy is scored, and that it notices what is wrong."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.local_model import constrained, local, ticket_requests
from support.tiny_llama import tiny_llama
from support.tiny_lora import tiny_lora

from harness.core.errors import DriverError
from harness.drivers import local_proofs
from harness.drivers.causal_model import files_digest
from harness.drivers.grammar import Masks
from harness.drivers.local_proofs import BATCHES, LORA, MERGED, TEMPLATE
from harness.drivers.local_proofs import SCHEMA as HELD
from harness.drivers.packed_rows import PackedRows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture
def lora(folder, tmp_path):
    return tiny_lora(folder, tmp_path / "lora")


def tuned(folder, lora, **options):
    return local(folder, file=lora.parent / "local.yaml", lora=lora.name, **options)


def proofs(driver, requests):
    return {proof.name: proof for proof in driver.proofs(requests)}


def card(lora, **entries):
    (lora / "card.json").write_text(json.dumps(entries), encoding="utf-8")


# ------------------------------------------------------------------------------------------------------------ LoRA


def test_lora_changes_answers_logits_and_the_identity(folder, lora):
    plain, driver = local(folder), tuned(folder, lora)
    requests = ticket_requests(4)
    assert [reply.text for reply in driver.answer(requests)] != [reply.text for reply in plain.answer(requests)]
    found = proofs(driver, requests)
    assert found[LORA].status == "proved"
    assert found[MERGED].status == "proved"
    assert {LORA, MERGED}.isdisjoint(proofs(plain, requests))
    assert driver.identity()["lora"] != tuned(folder, tiny_lora(folder, lora.parent / "o", seed=1)).identity()["lora"]


def test_merged_weights_answer_as_unmerged_ones(folder, lora):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    driver = tuned(folder, lora)
    requests = ticket_requests(4, max_tokens=12)
    device = driver.engine.loaded.device
    unmerged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), lora).eval().to(device)
    for request, reply in zip(requests, driver.answer(requests), strict=True):
        ids = torch.tensor([driver.engine.tokens.ids(request.prompt, request.inputs)], device=device)
        found = unmerged.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False
        )
        assert reply.text == driver.engine.loaded.tokenizer.decode(found[0, ids.shape[1] :], skip_special_tokens=True)


def test_lora_that_changes_nothing_fails(folder, lora):
    nothing = tiny_lora(folder, lora.parent / "nothing", size=0)
    proof = proofs(tuned(folder, nothing), ticket_requests(1))[LORA]
    assert proof.status == "failed"
    assert "no logit changes" in proof.detail
    assert "harness train adapters/local.yaml" in proof.remedy


def test_lora_whose_weights_did_not_load_fails(folder, lora):
    file = lora / "adapter_model.safetensors"
    renamed = {name.replace("self_attn", "attention").replace("mlp", "ffn"): w for name, w in load_file(file).items()}
    save_file(renamed, file)
    assert proofs(tuned(folder, lora), ticket_requests(1))[LORA].status == "failed"


def test_a_merge_that_changes_the_model_fails(folder, lora, monkeypatch):
    merge = local_proofs.CausalModel.merge

    def wrong(self):
        merge(self)
        self.model.lm_head.weight.data *= 1.1

    monkeypatch.setattr(local_proofs.CausalModel, "merge", wrong)
    found = proofs(tuned(folder, lora), ticket_requests(1))
    assert (found[LORA].status, found[MERGED].status) == ("proved", "failed")


def test_lora_of_another_base_is_refused(folder, lora):
    card(lora, base_sha256="0" * 64)
    with pytest.raises(DriverError, match=r"trained for a base with SHA-256 000000000000…, this base has "):
        tuned(folder, lora)
    card(lora, base_sha256=files_digest(folder))
    tuned(folder, lora)


# -------------------------------------------------------------------------------------------------------- template


def test_the_template_must_be_that_of_the_training(folder, lora):
    requests = ticket_requests(1)
    assert proofs(tuned(folder, lora), requests)[TEMPLATE].status == "reported"  # no card
    card(lora, template_sha256=tuned(folder, lora, template="plain").engine.tokens.digest)
    assert proofs(tuned(folder, lora, template="plain"), requests)[TEMPLATE].status == "proved"
    failed = proofs(tuned(folder, lora, template="chat"), requests)[TEMPLATE]
    assert failed.status == "failed"
    assert "chat template of the tokenizer" in failed.detail


def test_the_plain_fallback_is_named(folder):
    assert "plain" in proofs(local(folder, template="plain"), ticket_requests(1))[TEMPLATE].detail


# ------------------------------------------------------------------------------------------------ schema and batch


def test_a_schema_is_proved_to_hold(folder):
    driver = local(folder)
    requests = constrained(5)
    found = proofs(driver, requests)
    assert found[HELD].status == "proved"
    assert "5 of 5 finished probe answers fit the schema" in found[HELD].detail
    assert HELD not in proofs(driver, ticket_requests(2))


def test_a_mask_that_is_not_applied_fails(folder, monkeypatch):
    driver = local(folder)
    monkeypatch.setattr(Masks, "apply", lambda self, logits: None)
    engine = driver.engine
    assert local_proofs.schema_proof(engine, constrained(1)[0], []).status == "failed"


def test_an_answer_outside_the_schema_fails_the_proof(folder):
    driver = local(folder)
    (request,) = constrained(1)
    (good,) = driver.answer([request])
    cut = replace(good, text=good.text[:9], finish_reason="length")
    assert local_proofs.schema_proof(driver.engine, request, [good, cut]).status == "proved"
    wrong = replace(good, text='{"category": "outage", "priority": "P4", "escalate": false, "team": "platform"}')
    assert local_proofs.schema_proof(driver.engine, request, [good, wrong]).status == "failed"


def test_greedy_answers_are_proved_not_to_depend_on_the_batch(folder, monkeypatch):
    requests = ticket_requests(6, max_tokens=8, temperature=1.0)
    assert proofs(local(folder), requests)[BATCHES].status == "proved"
    half = proofs(local(folder, dtype="bfloat16"), requests)[BATCHES]
    assert half.status == "reported"
    assert "of 4 greedy probe answers" in half.detail

    driver = local(folder)
    driver.answer(requests[:1])
    attend = PackedRows._over_rows

    def leaking(self, layer, query, scaling, window):
        found, weight = attend(self, layer, query, scaling, window)
        return found + (len(self._lengths) > 1), weight

    monkeypatch.setattr(PackedRows, "_over_rows", leaking)
    assert proofs(driver, requests)[BATCHES].status == "failed"


def test_proofs_change_no_later_answer(folder, lora):
    requests = ticket_requests(4, temperature=1.0)
    before = [reply.text for reply in tuned(folder, lora).answer(requests)]
    driver = tuned(folder, lora)
    driver.proofs(requests)
    assert [reply.text for reply in driver.answer(requests)] == before
