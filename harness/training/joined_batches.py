"""A batch as one row: what all its examples begin with once, then what each of them has behind it.

The prompt of a strategy goes through the model once per step and not once per case, with a mask that shows each example
the prompt and itself. Losses and gradients are those of examples in rows of their own, but for rounding, and for
dropout, which is drawn once for what is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.drivers.chat_tokens import common
from harness.drivers.packed_rows import attention_windows
from harness.drivers.plain_row import NEAR
from harness.training.causal_data import IGNORED, Example, answer_losses, collate

SAVED = 1 / 3
"""Batches are joined where that takes away this part of their tokens. In one row each token is compared with all
others, which costs more than it saves where little is shared."""


def collate_joined(torch: Any, batch: Sequence[Example], *, pad: int) -> dict[str, Any]:
    """A batch of one row where enough is shared, else as `collate` makes it.

    `kept` are the places before the tokens of each answer, shape (examples, tokens of the longest answer), and `labels`
    those tokens, `IGNORED` beyond the end.
    """
    rows = [e["input_ids"] for e in batch]
    # The token before an answer tells its first one, so it is not shared.
    shared = min(common(rows[0], row[: len(row) - e["answer"] - 1]) for row, e in zip(rows, batch, strict=True))
    saved = shared * (len(rows) - 1)
    if saved < SAVED * sum(len(row) for row in rows):
        return collate(torch, batch, pad=pad)
    ids, positions, owners = list(rows[0][:shared]), list(range(shared)), [-1] * shared
    longest = max(e["answer"] for e in batch)
    kept = torch.zeros((len(batch), longest), dtype=torch.long)
    labels = torch.full((len(batch), longest), IGNORED)
    for number, (row, example) in enumerate(zip(rows, batch, strict=True)):
        ids += row[shared:]
        positions += range(shared, len(row))
        owners += [number] * (len(row) - shared)
        answer = example["answer"]
        kept[number, :answer] = torch.arange(len(ids) - answer - 1, len(ids) - 1)
        labels[number, :answer] = torch.tensor(row[-answer:])
    owner = torch.tensor(owners)
    seen = (owner == -1) | (owner == owner[:, None])
    return {
        # The first, for the Trainer takes its length as the number of examples.
        "weights": torch.tensor([e["weight"] for e in batch]),
        "input_ids": torch.tensor([ids]),
        "position_ids": torch.tensor([positions]),
        "attention_mask": seen.tril()[None, None],
        "kept": kept,
        "labels": labels,
    }


def joining_agrees(torch: Any, model: Any, examples: Sequence[Example], *, pad: int) -> bool:
    """Whether joined batches give this model's own losses, on the first of the examples, for examples of such lengths.

    A window of the attention would have to move with each example, so none may be shorter than the longest of them.
    """
    probe, longest = examples[:4], max(len(e["input_ids"]) for e in examples)
    joined = collate_joined(torch, probe, pad=pad)
    if "kept" not in joined:
        return False
    try:
        if any(window is not None and window < longest for window in attention_windows(model)):
            return False
        with torch.inference_mode():
            own, _ = answer_losses(torch, model, _on(model, collate(torch, probe, pad=pad)))
            found, _ = answer_losses(torch, model, _on(model, joined))
    except torch.OutOfMemoryError:
        raise
    except Exception:  # a model may refuse in any way
        return False
    near = NEAR[str(model.dtype).removeprefix("torch.")]
    return bool(((found - own).abs() <= near * own.abs().max()).all())


def _on(model: Any, batch: dict[str, Any]) -> dict[str, Any]:
    return {name: values.to(model.device) for name, values in batch.items()}
