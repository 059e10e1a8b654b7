"""LoRA on a causal language model, trained on a task's pool in the format of the strategy that will use it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.core.digests import digest
from harness.core.errors import TrainingError
from harness.core.lazy import need
from harness.core.records import Case, Prompt
from harness.core.schemas import AnswerSchema, label_text
from harness.drivers.causal_model import CausalModel, choose_device, choose_dtype
from harness.drivers.chat_tokens import ChatTokens
from harness.training.cards import (
    best_epoch,
    card_of,
    data_digest,
    hardware_name,
    has_bfloat16,
    write_card,
)
from harness.training.causal_data import collate, make_examples
from harness.training.causal_trainer import checkpoint_step, curve_of, ended, last_checkpoint, make_trainer
from harness.training.joined_batches import collate_joined, joining_agrees
from harness.training.lora_weights import settle_config, with_lora
from harness.training.splitting import label_weights, split_for_training

WEIGHTS = ("adapter_model.safetensors", "adapter_config.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class CausalHyperparameters:
    """How LoRA weights are trained. `targets` are the names of the modules that get some, () for all linear ones.

    `batch_size` cases are in memory at once, `batch_size * accumulate` make a step. `balance` weighs cases by the
    inverse frequency of their label of the field `balance_by`, to this power.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: Sequence[str] = ()
    learning_rate: float = 2e-4
    weight_decay: float = 0.0
    epochs: int = 5
    batch_size: int = 8
    accumulate: int = 1
    warmup: float = 0.1
    balance_by: str | None = None
    balance: float = 0.5
    validation: float = 0.1
    patience: int = 2
    gradient_checkpointing: bool = False
    seed: int = 7

    def __post_init__(self) -> None:
        if not 0 < self.validation < 0.5:
            raise TrainingError(f"validation is {self.validation}; expected a share between 0 and 0.5 of the pool")
        if not 0 <= self.warmup < 1:
            raise TrainingError(f"warmup is {self.warmup}; expected a share of the steps, 0 or more and below 1")
        for name in ("rank", "epochs", "batch_size", "accumulate", "patience"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}; expected at least 1")


def train_causal(
    *,
    base: Path,
    base_digest: str,
    pool: Sequence[Case],
    prompt: Prompt,
    out: Path,
    task: str,
    strategy: str,
    hyperparameters: CausalHyperparameters,
    device: str = "auto",
    dtype: str = "auto",
    template: str = "auto",
    progress: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> dict[str, Any]:
    """Train on `pool`, write `adapter_model.safetensors`, `adapter_config.json` and `card.json` into `out`.

    The model reads each case as requests of `prompt` show it. The best epoch by validation loss is kept; training stops
    after `patience` epochs without a better one. A checkpoint is written after each epoch beside `out`, and removed at
    the end; a call with the same arguments goes on from the last one, to the same weights. `progress` is told (what,
    steps done, steps in all). Returns the card.

    Raises TrainingError for a pool that can't be trained on, and DriverError for a model that can't be loaded.
    """
    h = hyperparameters
    training, validation = split_for_training(pool, h.validation, h.seed)
    weights = _weights(h, training, validation, AnswerSchema(prompt.schema))
    started = time.perf_counter()
    torch = need("torch", extra="local")
    device, dtype, half = _where(torch, device, dtype)
    model = CausalModel(base, lora=None, device=device, dtype=dtype)
    tokens = ChatTokens(model.tokenizer, template=template)
    examples = {
        "training": make_examples(tokens, prompt, training, weights, context=model.context),
        "validation": make_examples(tokens, prompt, validation, weights, context=model.context),
    }
    identity = {
        "base_sha256": base_digest,
        "template_sha256": tokens.digest,
        "prompt_sha256": prompt.digest,
        "precision": "bfloat16" if half else dtype,
    }
    same = digest([identity, data_digest(pool), asdict(h)])
    checkpoints = out.with_name(f"{out.name}.checkpoints") / same[:12]
    before = last_checkpoint(checkpoints)
    done = curve_of(before) if before else []
    if done:
        progress(f"an earlier training was interrupted; going on after epoch {len(done)}", 1, 1)
    if not ended(done, epochs=h.epochs, patience=h.patience):
        pad = next(iter(sorted(model.eos_ids)), 0)
        joins = joining_agrees(torch, model.model, [*examples["training"], *examples["validation"]], pad=pad)
        torch.manual_seed(h.seed)
        trainer = make_trainer(
            model=with_lora(model.model, **_lora(h)),
            collator=partial(collate_joined if joins else collate, torch, pad=pad),
            arguments=_arguments(h, checkpoints, device=device, half=half),
            epochs=h.epochs,
            patience=h.patience,
            progress=progress,
            **examples,
        )
        trainer.train(resume_from_checkpoint=str(before) if before else None)
    last = last_checkpoint(checkpoints)
    assert last is not None
    curve = curve_of(last)
    kept = best_epoch(curve)
    kept_step = checkpoint_step(last) * kept.number // len(curve)
    card = card_of(
        task=task,
        base_digest=base_digest,
        training=training,
        validation=validation,
        hyperparameters=asdict(h) | {"targets": list(h.targets)},
        curve=curve,
        duration_s=time.perf_counter() - started,
        hardware=hardware_name(torch, device),
    )
    card |= identity | {
        "strategy": strategy,
        "template": tokens.name,
        "kept_step": kept_step,
        "resumed_after_epoch": len(done) or None,
    }
    out.mkdir(parents=True, exist_ok=True)
    for name in WEIGHTS:
        shutil.copyfile(checkpoints / f"checkpoint-{kept_step}" / name, out / name)
    settle_config(out)
    write_card(out, card)
    shutil.rmtree(checkpoints.parent)
    return card


def _where(torch: Any, device: str, dtype: str) -> tuple[str, str, bool]:
    """(device, dtype of the base, whether to multiply in bfloat16)."""
    device = choose_device(device)
    if device not in ("cpu", "cuda", "cuda:0"):
        raise TrainingError(
            f"device is {device}; training takes the first GPU that it sees: expected `device: cuda`, and "
            f"CUDA_VISIBLE_DEVICES={device.partition(':')[2]} in the environment"
        )
    if dtype == "float16":
        raise TrainingError("dtype is float16, in which gradients vanish; expected auto, bfloat16 or float32")
    half = has_bfloat16(torch, device) if dtype == "auto" else dtype == "bfloat16"
    return device, choose_dtype(dtype, device), half


def _weights(
    h: CausalHyperparameters, training: Sequence[Case], validation: Sequence[Case], schema: AnswerSchema
) -> dict[str, float]:
    """The weight of each case, by its id."""
    cases = [*training, *validation]
    if h.balance_by is None:
        return dict.fromkeys((case.id for case in cases), 1.0)
    values = schema.enumerated(h.balance_by) if h.balance_by in schema.fields else None
    if values is None:
        known = [name for name in schema.fields if schema.enumerated(name)]
        raise TrainingError(
            f"balance_by is {h.balance_by!r}; expected a field that is an enumeration or a boolean: {', '.join(known)}"
        )
    label = {case.id: label_text(case.expected[h.balance_by]) for case in cases}
    weights = label_weights([label[c.id] for c in training], h.balance, known=[label_text(v) for v in values])
    return {case.id: weights[label[case.id]] for case in cases}


def _lora(h: CausalHyperparameters) -> Mapping[str, Any]:
    return {
        "task_type": "CAUSAL_LM",
        "r": h.rank,
        "lora_alpha": h.alpha,
        "lora_dropout": h.dropout,
        "target_modules": list(h.targets) or "all-linear",
    }


def _arguments(h: CausalHyperparameters, folder: Path, *, device: str, half: bool) -> Mapping[str, Any]:
    return {
        "output_dir": str(folder),
        "num_train_epochs": h.epochs,
        "per_device_train_batch_size": h.batch_size,
        "per_device_eval_batch_size": h.batch_size,
        "gradient_accumulation_steps": h.accumulate,
        "learning_rate": h.learning_rate,
        "weight_decay": h.weight_decay,
        "warmup_steps": h.warmup,
        "activation_checkpointing": h.gradient_checkpointing,
        "bf16": half,
        "use_cpu": device == "cpu",
        "dataloader_pin_memory": device != "cpu",
        "seed": h.seed,
    }
