"""The cards of trained weights, as reports show them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from harness.core.records import Adapter
from harness.reporting.model import TrainedEpoch, TrainedWeights


def trained_weights(adapters: Iterable[tuple[str, Adapter]]) -> dict[str, TrainedWeights]:
    """adapter name → how its LoRA weights were trained, for those (run, adapter) pairs that have a card.

    A card that is missing or can't be read says nothing here: answering with such weights is what the driver refuses.
    """
    runs: dict[str, list[str]] = {}
    found: dict[str, Adapter] = {}
    for run, adapter in adapters:
        if "lora" in adapter.options:
            runs.setdefault(adapter.name, []).append(run)
            found[adapter.name] = adapter
    cards = {name: _read(adapter, runs[name]) for name, adapter in found.items()}
    return {name: card for name, card in cards.items() if card is not None}


def _read(adapter: Adapter, runs: list[str]) -> TrainedWeights | None:
    path = Path(adapter.file).parent / str(adapter.options["lora"]) / "card.json"
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        weights = TrainedWeights(
            runs=runs,
            training_cases=int(card["cases"]["training"]),
            validation_cases=int(card["cases"]["validation"]),
            curve=[
                TrainedEpoch(
                    number=int(row["number"]),
                    training_loss=float(row["training_loss"]),
                    validation_loss=float(row["validation_loss"]),
                    exact=float(row["exact"]),
                )
                for row in card["curve"]
            ],
            kept_epoch=int(card["kept_epoch"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return weights if any(epoch.number == weights.kept_epoch for epoch in weights.curve) else None
