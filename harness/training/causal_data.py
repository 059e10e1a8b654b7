"""Labelled cases as what a causal model is trained on: the strategy's own request, and a loss on the answer alone."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from harness.core.errors import TrainingError
from harness.core.prompting import answer_text
from harness.core.records import Case, Prompt
from harness.drivers.chat_tokens import ChatTokens

IGNORED = -100
"""The label of a token that has no part in the loss."""


class Example(TypedDict):
    """One case as tokens: what the model reads, then the last `answer` tokens, which it is to write."""

    input_ids: list[int]
    answer: int
    weight: float


def make_examples(
    tokens: ChatTokens, prompt: Prompt, cases: Sequence[Case], weights: Mapping[str, float], *, context: int | None
) -> list[Example]:
    """The examples of `cases`, in their order; `weights` are by case id.

    Raises TrainingError if one is longer than the model's `context`, for a cut request is another one.
    """
    examples: list[Example] = []
    for case in cases:
        read, written = tokens.with_answer(prompt, case.inputs, answer_text(case.expected, prompt.schema))
        examples.append(Example(input_ids=read + written, answer=len(written), weight=weights[case.id]))
    if context is not None:
        long = [case.id for case, e in zip(cases, examples, strict=True) if len(e["input_ids"]) > context]
        if long:
            raise TrainingError(
                f"{len(long)} cases are longer than the {context} tokens that the model reads: {', '.join(long[:5])}; "
                "expected a shorter prompt, fewer examples, or a pool without them"
            )
    return examples


def collate(torch: Any, batch: Sequence[Example], *, pad: int) -> dict[str, Any]:
    """A batch of tensors, filled up on the right; `labels` are `IGNORED` wherever no answer stands."""
    width = max(len(e["input_ids"]) for e in batch)
    ids = torch.full((len(batch), width), pad)
    mask = torch.zeros((len(batch), width), dtype=torch.long)
    labels = torch.full((len(batch), width), IGNORED)
    for row, example in enumerate(batch):
        length = len(example["input_ids"])
        ids[row, :length] = torch.tensor(example["input_ids"])
        mask[row, :length] = 1
        labels[row, length - example["answer"] : length] = ids[row, length - example["answer"] : length]
    weights = torch.tensor([e["weight"] for e in batch])
    return {"input_ids": ids, "attention_mask": mask, "labels": labels, "weights": weights}


def answer_losses(torch: Any, model: Any, batch: Mapping[str, Any]) -> tuple[Any, Any]:
    """Per case: the mean negative log-probability of its answer's tokens, and whether each of them is the likeliest.

    Where all are, greedy decoding writes exactly this answer.
    """
    logits, labels = _logits_of_joined(model, batch) if "kept" in batch else _logits_of_rows(model, batch)
    counted = labels != IGNORED
    each = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
    losses = each.sum(dim=1) / counted.sum(dim=1)
    exact = ((logits.argmax(dim=2) == labels) | ~counted).all(dim=1)
    return losses, exact


# Only what stands before an answer's token is made into logits: of a long prompt they would fill the memory.


def _logits_of_rows(model: Any, batch: Mapping[str, Any]) -> tuple[Any, Any]:
    """The logits before the tokens of each answer, and these tokens, of a batch with a row per case."""
    labels = batch["labels"]
    first = int((labels != IGNORED).int().argmax(dim=1).min())
    labels = labels[:, first:]
    kept = labels.shape[1] + 1
    only = {"logits_to_keep": kept} if _takes(model, "logits_to_keep") else {}
    found = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False, **only)
    return found.logits[:, -kept:-1].float(), labels


def _logits_of_joined(model: Any, batch: Mapping[str, Any]) -> tuple[Any, Any]:
    """The same of a batch with all cases in one row."""
    read = {name: batch[name] for name in ("input_ids", "position_ids", "attention_mask")}
    kept = batch["kept"]
    logits = model(**read, use_cache=False, logits_to_keep=kept.flatten()).logits
    return logits.view(*kept.shape, -1).float(), batch["labels"]


def _takes(model: Any, name: str) -> bool:
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return name in inspect.signature(inner.forward).parameters
