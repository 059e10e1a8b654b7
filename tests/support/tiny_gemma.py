"""A Gemma 3 with random weights, as unlike the tiny Llama as such models are: layers with a window, embeddings that are
the output too, and a tokenizer without a chat template that writes rare characters byte by byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from support.tiny_tokenizer import BOS, EOS, PAD, ticket_texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

WINDOW = 24


def byte_fallback_tokenizer(vocab: int = 800) -> PreTrainedTokenizerFast:
    """A fast tokenizer like Gemma's; characters that are not in its vocabulary are tokens <0x00> to <0xFF>."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=[PAD, EOS, BOS, "<unk>"], limit_alphabet=90, show_progress=False
    )
    bpe.train_from_iterator(ticket_texts(), trainer)
    learnt = json.loads(bpe.to_str())["model"]
    pieces = learnt["vocab"]
    for byte in range(256):
        pieces[f"<0x{byte:02X}>"] = len(pieces)
    merges = [tuple(pair) for pair in learnt["merges"]]
    bpe.model = models.BPE(vocab=pieces, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    bpe.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    bpe.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, pieces[BOS])])
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token=PAD, eos_token=EOS, bos_token=BOS, clean_up_tokenization_spaces=False
    )


def tiny_gemma(folder: Path, *, window: int = WINDOW, seed: int = 0) -> Path:
    """Save the model in `folder`; equal arguments give equal weights."""
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    tokenizer = byte_fallback_tokenizer()
    config = Gemma3TextConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=window,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        max_position_embeddings=4096,
        query_pre_attn_scalar=16,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        initializer_range=0.2,
    )
    torch.manual_seed(seed)
    Gemma3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
