"""LoRA on a sentence encoder with a cosine head per field, trained on a task's pool."""

from __future__ import annotations

import math
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.core.errors import TrainingError
from harness.core.lazy import need
from harness.core.prompting import inputs_text
from harness.core.records import Case, Scalar
from harness.core.schemas import AnswerSchema, label_text
from harness.drivers.encoder_model import Encoder, pooled
from harness.training.cards import (
    Epoch,
    best_epoch,
    card_of,
    epoch_line,
    hardware_name,
    has_bfloat16,
    write_card,
)
from harness.training.lora_weights import settle_config, with_lora
from harness.training.splitting import label_weights, split_for_training


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameters:
    """How LoRA weights are trained. Rates are per step of AdamW; `scale` sharpens cosine similarities into logits."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    learning_rate: float = 1e-3
    head_learning_rate: float = 1e-2
    weight_decay: float = 0.01
    epochs: int = 10
    batch_size: int = 32
    warmup: float = 0.1
    scale: float = 20.0
    balance: float = 0.5
    validation: float = 0.1
    patience: int = 3
    max_tokens: int = 256
    seed: int = 7
    field_weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.validation < 0.5:
            raise TrainingError(f"validation is {self.validation}; expected a share between 0 and 0.5 of the pool")
        for name in ("rank", "epochs", "batch_size", "patience", "max_tokens"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}; expected at least 1")


def train_encoder(
    *,
    base: Path,
    base_digest: str,
    pool: Sequence[Case],
    schema: AnswerSchema,
    out: Path,
    task: str,
    hyperparameters: Hyperparameters,
    progress: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> dict[str, Any]:
    """Train on `pool`, write `adapter_model.safetensors`, `heads.safetensors` and `card.json` into `out`.

    The best epoch by validation loss is kept; training stops after `patience` epochs without a better one. `progress`
    is told (what, steps done, steps in all). Returns the card. Raises TrainingError for an empty or too small pool.
    """
    labels = _labels(schema)
    training, validation = split_for_training(pool, hyperparameters.validation, hyperparameters.seed)
    started = time.perf_counter()
    run = _Run(base, labels, training, validation, hyperparameters)
    curve: list[Epoch] = []
    best = math.inf
    with tempfile.TemporaryDirectory() as scratch:
        kept = Path(scratch) / "best"
        for number in range(1, hyperparameters.epochs + 1):
            loss = run.train_epoch(partial(progress, f"epoch {number}"))
            validation_loss, exact = run.validate()
            curve.append(Epoch(number, loss, validation_loss, exact))
            progress(epoch_line(curve[-1]), 1, 1)
            if validation_loss < best:
                best = validation_loss
                run.save(kept)
            elif number - best_epoch(curve).number >= hyperparameters.patience:
                break
        card = card_of(
            task=task,
            base_digest=base_digest,
            training=training,
            validation=validation,
            hyperparameters=asdict(hyperparameters),
            curve=curve,
            duration_s=time.perf_counter() - started,
            hardware=hardware_name(run.torch, run.encoder.device),
        ) | {
            "labels": {name: [label_text(v) for v in values] for name, values in labels.items()},
            "scale": hyperparameters.scale,
        }
        out.mkdir(parents=True, exist_ok=True)
        for name in ("adapter_model.safetensors", "adapter_config.json", "heads.safetensors"):
            shutil.copyfile(kept / name, out / name)
    write_card(out, card)
    return card


def _rate(step: int, warm: int, steps: int) -> float:
    """Linear warm-up over `warm` steps, then a half cosine down to 0 at `steps`."""
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _labels(schema: AnswerSchema) -> dict[str, tuple[Scalar, ...]]:
    labels: dict[str, tuple[Scalar, ...]] = {}
    for name in schema.fields:
        values = schema.enumerated(name)
        if values is None:
            raise TrainingError(f"field {name!r} is neither an enumeration nor a boolean; a head needs one of these")
        labels[name] = values
    return labels


class _Run:
    """The state of one training: model, heads, optimiser and the tokenised data."""

    def __init__(
        self,
        base: Path,
        labels: Mapping[str, tuple[Scalar, ...]],
        training: Sequence[Case],
        validation: Sequence[Case],
        hyperparameters: Hyperparameters,
    ) -> None:
        self.torch = torch = need("torch", extra="local")
        self.h = hyperparameters
        torch.manual_seed(hyperparameters.seed)
        self.encoder = Encoder(base, max_tokens=hyperparameters.max_tokens)
        self.half = has_bfloat16(torch, self.encoder.device)
        self.labels = labels
        self.training, self.validation = training, validation
        self.targets = {name: self._targets(name) for name in labels}
        heads = self._class_means()
        self.model = with_lora(
            self.encoder.model,
            r=hyperparameters.rank,
            lora_alpha=hyperparameters.alpha,
            lora_dropout=hyperparameters.dropout,
            target_modules=["query", "key", "value", "dense"],
            exclude_modules=r".*pooler.*",
        )
        self.heads = torch.nn.ParameterDict(
            {name: torch.nn.Parameter(rows.to(self.encoder.device)) for name, rows in heads.items()}
        )
        lora = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": lora, "lr": hyperparameters.learning_rate},
                {"params": list(self.heads.parameters()), "lr": hyperparameters.head_learning_rate},
            ],
            weight_decay=hyperparameters.weight_decay,
        )
        steps = math.ceil(len(training) / hyperparameters.batch_size) * hyperparameters.epochs
        warm = max(1, round(steps * hyperparameters.warmup))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, lambda step: _rate(step, warm, steps))
        self.shuffle = random.Random(hyperparameters.seed)
        self.loss = {
            name: torch.nn.CrossEntropyLoss(weight=self._class_weights(name).to(self.encoder.device)) for name in labels
        }

    def _targets(self, name: str) -> dict[str, int]:
        values = [label_text(v) for v in self.labels[name]]
        return {c.id: values.index(label_text(c.expected[name])) for c in [*self.training, *self.validation]}

    def _class_means(self) -> dict[str, Any]:
        """Heads start at the mean embedding of each label's training cases, or of its name where it has none."""
        vectors = self.torch.from_numpy(self.encoder.embed([inputs_text(c.inputs) for c in self.training]))
        heads = {}
        for name, values in self.labels.items():
            named = [label_text(v).replace("_", " ") for v in values]
            rows = self.torch.from_numpy(self.encoder.embed(named)).clone()
            target = self.torch.tensor([self.targets[name][c.id] for c in self.training])
            for position in range(len(values)):
                if bool((target == position).any()):
                    rows[position] = vectors[target == position].mean(0)
            heads[name] = self.torch.nn.functional.normalize(rows, dim=1)
        return heads

    def _class_weights(self, name: str) -> Any:
        """Inverse frequency to the power `balance`, with mean 1 over the training cases."""
        values = [label_text(v) for v in self.labels[name]]
        weights = label_weights([label_text(c.expected[name]) for c in self.training], self.h.balance, known=values)
        return self.torch.tensor([weights[value] for value in values])

    def _batches(self, cases: Sequence[Case], shuffled: bool) -> Iterator[list[Case]]:
        """Batches of texts of like length, so that little is padding; in random order while training."""
        size = self.h.batch_size
        noise = {c.id: self.shuffle.uniform(0.7, 1.3) if shuffled else 1.0 for c in cases}
        ordered = sorted(cases, key=lambda c: (len(inputs_text(c.inputs)) * noise[c.id], c.id))
        batches = [ordered[i : i + size] for i in range(0, len(ordered), size)]
        if shuffled:
            self.shuffle.shuffle(batches)
        yield from batches

    def _losses(self, batch: Sequence[Case]) -> tuple[Any, Any]:
        functional = self.torch.nn.functional
        encoded = self.encoder.tokenize([inputs_text(c.inputs) for c in batch])
        with self.torch.autocast(self.encoder.device, dtype=self.torch.bfloat16, enabled=self.half):
            vectors = pooled(self.model, encoded).float()
        total: Any = 0.0
        right = self.torch.ones(len(batch), dtype=self.torch.bool, device=vectors.device)
        for name, rows in self.heads.items():
            logits = self.h.scale * vectors @ functional.normalize(rows, dim=1).T
            target = self.torch.tensor([self.targets[name][c.id] for c in batch], device=vectors.device)
            total = total + self.h.field_weights.get(name, 1.0) * self.loss[name](logits, target)
            right &= logits.argmax(1) == target
        return total, right

    def train_epoch(self, progress: Callable[[int, int], None]) -> float:
        """One pass over the training cases; the mean loss."""
        self.model.train()
        batches = list(self._batches(self.training, shuffled=True))
        summed = 0.0
        for done, batch in enumerate(batches, 1):
            loss, _ = self._losses(batch)
            loss.backward()
            self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimiser.step()
            self.schedule.step()
            self.optimiser.zero_grad()
            summed += loss.item() * len(batch)
            progress(done, len(batches))
        return summed / len(self.training)

    def validate(self) -> tuple[float, float]:
        """(mean loss, share of cases with every field right) on the validation cases."""
        self.model.eval()
        summed, right = 0.0, 0
        with self.torch.inference_mode():
            for batch in self._batches(self.validation, shuffled=False):
                loss, flags = self._losses(batch)
                summed += loss.item() * len(batch)
                right += int(flags.sum())
        return summed / len(self.validation), right / len(self.validation)

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_file

        self.model.save_pretrained(folder)
        settle_config(folder)
        heads = {name: rows.detach().cpu().contiguous() for name, rows in self.heads.items()}
        save_file(heads, folder / "heads.safetensors")
