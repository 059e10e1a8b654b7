"""What the card beside trained weights tells of the texts that they were trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.records import Adapter


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCard:
    """`texts` has the fingerprint of each text by the id of its case, None in cards that do not hold them; `data` is
    the digest of all labelled cases, "" where the card has none.
    """

    adapter: str
    texts: Mapping[str, str] | None
    data: str


def training_card(adapter: Adapter) -> TrainingCard | None:
    """The card of the LoRA weights or span heads that an adapter uses; None if it uses none.

    A card that is missing or none tells nothing: the driver says so before the weights are used.
    """
    folder = adapter.options.get("lora") or adapter.options.get("heads")
    if folder is None:
        return None
    path = Path(adapter.file).parent / str(folder) / "card.json"
    try:
        card: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        card = {}
    card = card if isinstance(card, dict) else {}
    texts = card.get("texts")
    return TrainingCard(
        adapter=adapter.name, texts=texts if isinstance(texts, dict) else None, data=str(card.get("data_sha256", ""))
    )
