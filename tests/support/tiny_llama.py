"""A Llama with random weights and a tokenizer trained on the spot, saved as a folder like any model."""

from __future__ import annotations

from pathlib import Path

from support.tiny_tokenizer import tiny_tokenizer


def tiny_llama(folder: Path, *, hidden: int = 64, layers: int = 2, vocab: int = 1000, seed: int = 0) -> Path:
    """Save the model in `folder`; equal arguments give equal weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = tiny_tokenizer(vocab)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
        # Larger than the default: with small weights every logit is the same, and no argmax means anything.
        initializer_range=0.2,
    )
    torch.manual_seed(seed)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
