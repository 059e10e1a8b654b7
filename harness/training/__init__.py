"""LoRA fine-tuning of the embedded encoder."""
