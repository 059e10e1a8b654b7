"""LoRA weights for a tiny Llama, made on the spot."""

from __future__ import annotations

from pathlib import Path


def tiny_lora(base: Path, folder: Path, *, size: float = 0.2, seed: int = 0) -> Path:
    """Save LoRA weights for the model in `base` in `folder`; with size 0 they change nothing."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(model, config)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.normal_(std=size) if size else weights.zero_()
    model.save_pretrained(folder)
    return folder
