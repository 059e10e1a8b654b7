"""The card beside trained weights: what all kinds of training say in it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core.digests import digest
from harness.core.folding import fingerprint
from harness.core.lazy import installed_version
from harness.core.prompting import inputs_text
from harness.core.records import Case


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the training curve; `exact` is the share of validation cases with the whole answer right."""

    number: int
    training_loss: float
    validation_loss: float
    exact: float


def best_epoch(curve: Sequence[Epoch]) -> Epoch:
    """The first with the lowest validation loss."""
    return min(curve, key=lambda epoch: epoch.validation_loss)


def epoch_line(epoch: Epoch) -> str:
    """One epoch as it is told while training."""
    loss, validation = epoch.training_loss, epoch.validation_loss
    return f"epoch {epoch.number}: loss {loss:.3f}, validation {validation:.3f}, exact {epoch.exact:.3f}"


def data_digest(pool: Sequence[Case]) -> str:
    """The digest of labelled cases, whatever the order of their rows."""
    return digest([[c.id, dict(c.inputs), dict(c.expected)] for c in sorted(pool, key=lambda c: c.id)])


def card_of(
    *,
    task: str,
    base_digest: str,
    training: Sequence[Case],
    validation: Sequence[Case],
    hyperparameters: Mapping[str, Any],
    curve: Sequence[Epoch],
    duration_s: float,
    hardware: str,
) -> dict[str, Any]:
    """What a card of any training holds.

    `texts` has the fingerprint of each case that had a part in the training, validation included, so that it can be
    told later whether a holdout case was among them.
    """
    pool = [*training, *validation]
    return {
        "task": task,
        "base_sha256": base_digest,
        "data_sha256": data_digest(pool),
        "texts": {case.id: fingerprint(inputs_text(case.inputs)) for case in pool},
        "cases": {"training": len(training), "validation": len(validation)},
        "hyperparameters": dict(hyperparameters),
        "curve": [{k: _rounded(v) for k, v in asdict(epoch).items()} for epoch in curve],
        "kept_epoch": best_epoch(curve).number,
        "duration_s": round(duration_s),
        "hardware": hardware,
        "versions": {name: installed_version(name) for name in ("torch", "transformers", "peft")},
    }


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    (folder / "card.json").write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def hardware_name(torch: Any, device: str) -> str:
    """The device that computed, as a card names it."""
    if device.startswith("cuda"):
        return str(torch.cuda.get_device_name())
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def has_bfloat16(torch: Any, device: str) -> bool:
    """Whether the device multiplies in bfloat16; emulated on others it is slower than float32."""
    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.cpu._is_avx512_bf16_supported())


def _rounded(value: float) -> float:
    return round(value, 5) if isinstance(value, float) else value
