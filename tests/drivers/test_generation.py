"""The loop that writes answers: what happens where memory ends, and to models that can't be packed."""

from dataclasses import replace

import pytest
import torch
from support.local_model import generated, local, ticket_requests
from support.tiny_llama import tiny_llama
from transformers import AutoModelForCausalLM

from harness.core.records import Failure
from harness.drivers.generation import Limits, Wanted, Writer
from harness.drivers.packed_rows import PackedRows, use_packed_attention
from harness.drivers.plain_row import PlainRow, packing_agrees


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_llama(tmp_path_factory.mktemp("llama"))


def tokens(count, start=0):
    return [(11 * i * i + 5 * i + start) % 900 + 3 for i in range(count)]


class Small(PackedRows):
    """Memory for so many tokens at once."""

    def __init__(self, model, prefix, *, room):
        super().__init__(model, prefix)
        self.room = room
        self.seen = []

    def feed(self, tokens):
        held = sum(self._lengths) + sum(len(new) for new in tokens)
        self.seen.append(len(tokens))
        if held > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().feed(tokens)


def written(folder, wanted, *, room, limits):
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    use_packed_attention(model)
    with torch.inference_mode():
        rows = Small(model, tokens(30), room=room)
        found = Writer(rows, ends={2}, limits=limits).write(wanted)
    return [None if one is None else one.ids for one in found], rows


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_batches_halve_where_memory_ends_and_the_answers_stay(folder, temperature):
    wanted = [Wanted(tail=tokens(5 + i, i), most=12, temperature=temperature, seed=i) for i in range(16)]
    plenty, _ = written(folder, wanted, room=10_000, limits=Limits(rows=16, tokens=1000))
    limits = Limits(rows=16, tokens=1000)
    scarce, rows = written(folder, wanted, room=150, limits=limits)
    assert scarce == plenty
    assert max(rows.seen) == 16  # it was tried
    assert limits.rows < 8  # and is not tried again


def test_an_answer_that_does_not_fit_even_alone_is_given_up_and_the_others_are_not(folder):
    wanted = [Wanted(tail=tokens(length), most=4) for length in (6, 300, 7)]
    plenty, _ = written(folder, wanted, room=10_000, limits=Limits(rows=4, tokens=1000))
    scarce, _ = written(folder, wanted, room=40, limits=Limits(rows=4, tokens=1000))
    assert scarce == [plenty[0], None, plenty[2]]


def test_an_engine_without_memory_fails_the_request_and_no_other_error_is_swallowed(folder, monkeypatch):
    driver = local(folder)
    requests = ticket_requests(2)

    def feed(self, tokens):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(PackedRows, "feed", feed)
    driver.engine.packs = True
    assert [reply.kind for reply in driver.answer(requests)] == ["out_of_memory"] * 2
    assert all(isinstance(reply, Failure) for reply in driver.answer(requests))

    def broken(self, tokens):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(PackedRows, "feed", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        driver.answer(requests)


def test_new_sequences_join_when_others_leave(folder):
    """Never more rows than allowed, and seldom fewer while some wait."""
    wanted = [Wanted(tail=tokens(6, i), most=2 + 7 * (i % 2)) for i in range(20)]
    _, rows = written(folder, wanted, room=10_000, limits=Limits(rows=4, tokens=1000))
    assert max(rows.seen) == 4
    assert len(rows.seen) < sum(one.most for one in wanted) / 4 + 9


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("llama", {}),
        ("mistral", {"sliding_window": 24}),
        ("gemma3_text", {"sliding_window": 24, "layer_types": ["sliding_attention", "full_attention"]}),
    ],
)
def test_packed_rows_compute_what_the_model_computes(folder, name, changes):
    model, _ = other_model(folder, name, **changes)
    use_packed_attention(model)
    prefix = tokens(70)
    rows = [tokens(length, length) for length in (1, 40, 3, 90, 2, 17)]
    more = [tokens(length, 7) for length in (9, 1, 1, 4, 30, 1)]
    with torch.inference_mode():
        for used in (70, 33, 0):
            packed = PackedRows(model, prefix)
            packed.shorten(used)
            for _ in rows:
                packed.add()
            first, second = packed.feed(rows), packed.feed(more)
            for i, (row, new) in enumerate(zip(rows, more, strict=True)):
                whole = model(torch.tensor([prefix[:used] + row + new])).logits[0]
                torch.testing.assert_close(first[i], whole[used + len(row) - 1], atol=1e-4, rtol=0)
                torch.testing.assert_close(second[i], whole[-1], atol=1e-4, rtol=0)


# ------------------------------------------------------------------------------------- models that can't be packed


def other_model(folder, name, **changes):
    """A small model of another architecture, with the tiny tokenizer's vocabulary."""
    from transformers import AutoConfig, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    options = {**sizes, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 4096, **changes}
    config = AutoConfig.for_model(name, vocab_size=len(tokenizer), **options)
    config.eos_token_id, config.bos_token_id, config.pad_token_id = 2, 1, 0
    torch.manual_seed(0)
    config.initializer_range = 0.2
    model = AutoModelForCausalLM.from_config(config).eval()
    return model, tokenizer


@pytest.mark.parametrize(
    ("name", "changes", "packs"),
    [
        ("qwen3", {}, True),
        ("mistral", {"sliding_window": None}, True),
        ("olmo2", {}, True),
        ("mistral", {"sliding_window": 16}, True),
        ("gemma3_text", {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}, True),
        ("gemma2", {"sliding_window": 4096}, False),  # its scores are capped, far above those of the probe
        ("gpt_oss", {"sliding_window": 16, "num_local_experts": 2, "num_experts_per_tok": 1}, False),  # sinks
        ("llama4_text", {"attention_chunk_size": 4096, "num_local_experts": 2, "intermediate_size_mlp": 64}, False),
        ("lfm2", {"layer_types": ["conv", "full_attention"]}, False),
    ],
)
def test_models_are_packed_only_where_that_gives_their_own_logits(folder, tmp_path, name, changes, packs):
    model, tokenizer = other_model(folder, name, **changes)
    assert packing_agrees(model) == packs
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    driver = local(tmp_path)
    requests = ticket_requests(4, max_tokens=10)
    found = [reply.text for reply in driver.answer(requests)]
    assert driver.engine.packs == packs
    assert found == generated(driver, requests)


def test_attention_that_packing_would_get_wrong_is_found_by_the_probe(folder, monkeypatch):
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    own = model.config._attn_implementation
    monkeypatch.setattr(
        PackedRows, "_over_prefix", lambda self, layer, query, scaling, **_: (0 * query.transpose(0, 1), 9)
    )
    assert not packing_agrees(model)
    assert model.config._attn_implementation == own


def test_one_row_goes_on_where_it_stopped(folder):
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    row = PlainRow(model, tokens(9))
    with torch.inference_mode():
        for used in (9, 9, 5, 0):  # what is remembered of the prefix serves every row, and is made again when shortened
            row.shorten(used)
            row.add()
            row.feed([tokens(4)])
            found = row.feed([tokens(2, 5)])
            whole = model(torch.tensor([tokens(9)[:used] + tokens(4) + tokens(2, 5)])).logits[0, -1]
            torch.testing.assert_close(found[0], whole, atol=1e-4, rtol=0)
            row.drop(0)


def test_wanted_answers_may_be_of_different_settings(folder):
    wanted = [Wanted(tail=tokens(5), most=3), Wanted(tail=tokens(5), most=6, temperature=2.0, seed=1)]
    (greedy, drawn), _ = written(folder, wanted, room=1000, limits=Limits(rows=2, tokens=100))
    (again, *_), _ = written(folder, [replace(wanted[0], most=3)], room=1000, limits=Limits(rows=2, tokens=100))
    assert greedy == again
    assert len(drawn) == 6
