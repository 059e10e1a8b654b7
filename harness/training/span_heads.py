"""Heads on a frozen encoder that find values in a text, trained on a task's pool."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.core.comparisons import EXACT
from harness.core.errors import TrainingError
from harness.core.lazy import installed_version, need
from harness.core.prompting import inputs_text
from harness.core.records import Case, Comparison
from harness.core.schemas import AnswerSchema
from harness.drivers.encoder_model import Encoder
from harness.drivers.span_fields import ONE, SpanField, span_fields
from harness.drivers.span_model import Layers, Scores, new_weights, read_layers, save_weights, score
from harness.drivers.span_values import read_day_of
from harness.training.cards import Epoch, best_epoch, card_of, epoch_line, hardware_name, write_card
from harness.training.span_targets import Target, common_prefix, find, values_of
from harness.training.splitting import split_for_training

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanHyperparameters:
    """How span heads are trained. `width` is the number of features of a token that all heads share."""

    width: int = 64
    dropout: float = 0.2
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    epochs: int = 40
    batch_size: int = 16
    validation: float = 0.1
    patience: int = 8
    max_tokens: int = 256
    seed: int = 7

    def __post_init__(self) -> None:
        if not 0 < self.validation < 0.5:
            raise TrainingError(f"validation is {self.validation}; expected a share between 0 and 0.5 of the pool")
        for name in ("width", "epochs", "batch_size", "patience", "max_tokens"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} is {getattr(self, name)}; expected at least 1")


@dataclass(frozen=True, slots=True)
class _Example:
    """A case as it is trained on: what the encoder makes of it, and what is right by field."""

    id: str
    layers: Layers
    targets: Mapping[str, Target]
    labels: Mapping[str, tuple[float, ...]]


def train_spans(
    *,
    base: Path,
    base_digest: str,
    pool: Sequence[Case],
    schema: AnswerSchema,
    comparisons: Mapping[str, Comparison],
    received: str | None,
    out: Path,
    task: str,
    hyperparameters: SpanHyperparameters,
    progress: Progress = lambda text, done, total: None,
) -> dict[str, Any]:
    """Train on `pool`, write `heads.safetensors` and `card.json` into `out`.

    `received` names the input with the day from which days are counted. The best epoch by validation loss is kept;
    training stops after `patience` epochs without a better one. `progress` is told (what, steps done, steps in all).
    Returns the card; its `not_found` says by field how many expected values stand nowhere in their text, and taught
    nothing. Raises TrainingError for a pool that is too small and a field that no head is made for.
    """
    training, validation = split_for_training(pool, hyperparameters.validation, hyperparameters.seed)
    prefixes = {name: common_prefix(values_of(training, name)) for name in schema.fields}
    try:
        fields = span_fields(schema, comparisons, prefixes)
    except ValueError as error:
        raise TrainingError(f"{error}; the heads answer nothing else") from error
    started = time.perf_counter()
    torch = need("torch", extra="local")
    encoder = Encoder(base, max_tokens=hyperparameters.max_tokens)
    prepare = partial(_examples, encoder=encoder, fields=fields, comparisons=comparisons, received=received)
    examples = prepare(training, progress=partial(progress, "reading the training cases"))
    judged = prepare(validation, progress=partial(progress, "reading the validation cases"))
    torch.manual_seed(hyperparameters.seed)
    run = _Run(torch, encoder, fields, examples, judged, hyperparameters)
    curve: list[Epoch] = []
    kept: dict[str, Any] = {}
    for number in range(1, hyperparameters.epochs + 1):
        loss = run.train_epoch(partial(progress, f"epoch {number}"))
        curve.append(Epoch(number, loss, *run.validate()))
        progress(epoch_line(curve[-1]), 1, 1)
        if best_epoch(curve).number == number:
            kept = {name: tensor.detach().clone() for name, tensor in run.weights.items()}
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
        hardware=hardware_name(torch, encoder.device),
    ) | {
        "fields": {one.name: one.as_card() for one in fields},
        "not_found": {
            one.name: sum(not example.targets[one.name].known for example in [*examples, *judged])
            for one in fields
            if one.reader is not None
        },
        "versions": {name: installed_version(name) for name in ("torch", "transformers", "dateparser")},
    }
    out.mkdir(parents=True, exist_ok=True)
    save_weights(kept, out / "heads.safetensors")
    write_card(out, card)
    return card


def _examples(
    cases: Sequence[Case],
    *,
    encoder: Encoder,
    fields: Sequence[SpanField],
    comparisons: Mapping[str, Comparison],
    received: str | None,
    progress: Callable[[int, int], None],
) -> list[_Example]:
    examples = []
    texts = [inputs_text(case.inputs) for case in cases]
    for case, text, layers in zip(cases, texts, read_layers(encoder, texts), strict=True):
        today = read_day_of(case.inputs.get(received, "")) if received else None
        targets, labels = {}, {}
        for one in fields:
            expected = case.expected.get(one.name)
            if one.reader is not None:
                targets[one.name] = find(one, comparisons.get(one.name, EXACT), expected, text, layers, today)
            else:
                chosen = [expected] if one.choose == ONE else list(expected or [])
                labels[one.name] = tuple(float(value in chosen) for value in one.labels)
        examples.append(_Example(case.id, layers, targets, labels))
        progress(len(examples), len(cases))
    return examples


class _Run:
    """The state of one training: the heads' weights, their optimiser and the examples."""

    def __init__(
        self,
        torch: Any,
        encoder: Encoder,
        fields: Sequence[SpanField],
        training: Sequence[_Example],
        validation: Sequence[_Example],
        hyperparameters: SpanHyperparameters,
    ) -> None:
        self.torch, self.h, self.fields = torch, hyperparameters, fields
        self.training, self.validation = training, validation
        drawn = new_weights(fields, dimensions=encoder.model.config.hidden_size, width=hyperparameters.width)
        self.weights = {name: tensor.to(encoder.device).requires_grad_() for name, tensor in drawn.items()}
        self.optimiser = torch.optim.AdamW(
            self.weights.values(), lr=hyperparameters.learning_rate, weight_decay=hyperparameters.weight_decay
        )
        steps = math.ceil(len(training) / hyperparameters.batch_size) * hyperparameters.epochs
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, steps)
        self.shuffle = random.Random(hyperparameters.seed)

    def train_epoch(self, progress: Callable[[int, int], None]) -> float:
        """One pass over the training examples; the mean loss."""
        batches = list(self._batches(self.training, self.shuffle))
        summed = 0.0
        for done, batch in enumerate(batches, 1):
            loss = self._losses(batch, self._score(batch, dropout=self.h.dropout)).mean()
            loss.backward()
            self.torch.nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
            self.optimiser.step()
            self.schedule.step()
            self.optimiser.zero_grad()
            summed += loss.item() * len(batch)
            progress(done, len(batches))
        return summed / len(self.training)

    def validate(self) -> tuple[float, float]:
        """(mean loss, share of examples whose most probable pieces and labels are right in every field)."""
        summed, right = 0.0, 0
        with self.torch.inference_mode():
            for batch in self._batches(self.validation, None):
                scores = self._score(batch)
                summed += float(self._losses(batch, scores).sum())
                right += sum(
                    all(self._right(example, row, scores, one) for one in self.fields)
                    for row, example in enumerate(batch)
                )
        return summed / len(self.validation), right / len(self.validation)

    def _batches(self, examples: Sequence[_Example], shuffle: random.Random | None) -> Iterator[list[_Example]]:
        ordered = sorted(examples, key=lambda example: (len(example.layers.places), example.id))
        if shuffle:
            shuffle.shuffle(ordered)
        for start in range(0, len(ordered), self.h.batch_size):
            yield ordered[start : start + self.h.batch_size]

    def _score(self, batch: Sequence[_Example], *, dropout: float = 0.0) -> Scores:
        return score(self.weights, self.fields, [example.layers for example in batch], dropout=dropout)

    def _losses(self, batch: Sequence[_Example], scores: Scores) -> Any:
        """The loss of each example, summed over its fields: minus the log-probability of all that is right."""
        functional = self.torch.nn.functional
        total: Any = 0.0
        for one in self.fields:
            if one.reader is not None:
                total = total + self.torch.stack(
                    [self._piece_loss(example.targets[one.name], row, scores, one) for row, example in enumerate(batch)]
                )
                continue
            logits = scores.labels[one.name]
            wanted = self.torch.tensor([example.labels[one.name] for example in batch], device=logits.device)
            if one.choose == ONE:
                total = total + functional.cross_entropy(logits, wanted, reduction="none")
            else:
                each = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
                total = total + each.sum(dim=1)
        return total

    def _piece_loss(self, target: Target, row: int, scores: Scores, field: SpanField) -> Any:
        none = scores.none[field.name][row]
        if target.none:
            return -none
        if not target.pieces:
            return none * 0.0
        first, last, reading = self.torch.tensor(target.pieces, device=none.device).T
        joint = scores.pieces[field.name][row][first, last] + scores.readings[field.name][row][first, reading]
        return -self.torch.logsumexp(joint, dim=0)

    def _right(self, example: _Example, row: int, scores: Scores, field: SpanField) -> bool:
        if field.reader is None:
            logits, wanted = scores.labels[field.name][row], self.torch.tensor(example.labels[field.name])
            if field.choose == ONE:
                return int(logits.argmax()) == int(wanted.argmax())
            return bool(((logits > 0).cpu() == (wanted > 0.5)).all())
        target = example.targets[field.name]
        pieces = scores.pieces[field.name][row]
        if bool(scores.none[field.name][row] >= pieces.max()):
            return target.none
        first, last = divmod(int(pieces.argmax()), pieces.shape[1])
        reading = int(scores.readings[field.name][row][first].argmax())
        return (first, last, reading) in target.pieces
