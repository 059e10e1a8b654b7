"""The driver of span heads: answers with pieces of the text, and with labels, by heads trained on a frozen encoder.

A value's probability is that of all pieces and readings which spell it. Prompts, definitions, examples and rules across
fields have no say: the heads know the task.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.digests import canonical_json
from harness.core.errors import DriverError
from harness.core.lazy import installed_version
from harness.core.prompting import answer_text, inputs_text
from harness.core.records import Adapter, Failure, Prompt, Request, Response, Usage
from harness.core.schemas import AnswerSchema
from harness.drivers.encoder_model import Encoder, file_digest, locate, read_card, verified_digest
from harness.drivers.span_fields import ONE, SpanField, fields_of_card
from harness.drivers.span_model import Layers, load_weights, read_layers, score
from harness.drivers.span_values import read_day_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRIVER_VERSION = "1"
MOST = 20
"""Pieces of the text that are read per field, the most probable first."""
LEAST = 1e-4
"""Pieces less probable than this are not read."""
BATCH = 32

_Fields = tuple[tuple[SpanField, ...], Mapping[str, AnswerSchema]]
"""The fields of a schema, and by field what alone it allows."""


class EncoderSpansDriver:
    """A `BatchDriver` over one encoder and its heads; loaded at the first answer, digests checked before."""

    def __init__(self, adapter: Adapter) -> None:
        """Raises DriverError for missing or wrong weights, and for heads of another base."""
        self._name = adapter.name
        self._folder = locate(adapter.model, adapter=adapter.name)
        self._max_tokens = int(adapter.options.get("max_tokens", 256))
        self._digest = verified_digest(self._folder, adapter.options.get("sha256"), adapter=adapter.name)
        self._heads = Path(adapter.file).parent / str(adapter.options["heads"])
        self._card = read_card(
            self._heads, base_digest=self._digest, adapter=adapter.name, kind="heads", holds="fields"
        )
        self._received = adapter.options.get("received")
        self._loaded: tuple[Encoder, dict[str, Any]] | None = None
        self._known: dict[str, _Fields] = {}

    def identity(self) -> Mapping[str, str]:
        return {
            "encoder_spans": DRIVER_VERSION,
            "weights": self._digest,
            "heads": file_digest(self._heads / "heads.safetensors"),
            "card": file_digest(self._heads / "card.json"),
            "received": str(self._received or ""),
            "max_tokens": str(self._max_tokens),
        } | {name: installed_version(name) for name in ("torch", "transformers", "dateparser")}

    def answer(self, requests: Sequence[Request]) -> Sequence[Response | Failure]:
        return [
            reply
            for start in range(0, len(requests), BATCH)
            for reply in self._answer_batch(requests[start : start + BATCH])
        ]

    def close(self) -> None:
        self._loaded = None

    def _load(self) -> tuple[Encoder, dict[str, Any]]:
        if self._loaded is None:
            encoder = Encoder(self._folder, max_tokens=self._max_tokens)
            self._loaded = encoder, load_weights(self._heads / "heads.safetensors", device=encoder.device)
        return self._loaded

    def _answer_batch(self, requests: Sequence[Request]) -> list[Response]:
        encoder, weights = self._load()
        texts = [inputs_text(request.inputs) for request in requests]
        layers = list(read_layers(encoder, texts))
        allowed = [self._fields(request.prompt) for request in requests]
        fields, _ = allowed[0]
        scores = score(weights, fields, layers)
        replies = []
        for row, (request, read) in enumerate(zip(requests, layers, strict=True)):
            started = time.perf_counter()
            today = read_day_of(request.inputs.get(self._received, "")) if self._received else None
            values, confidence = {}, {}
            for one in fields:
                if one.reader is None:
                    chosen = _labels(one, scores.labels[one.name][row].cpu().numpy())
                else:
                    probable = _Probable(
                        pieces=scores.pieces[one.name][row].cpu().numpy(),
                        readings=scores.readings[one.name][row].cpu().numpy(),
                        none=float(scores.none[one.name][row]),
                    )
                    chosen = _value(one, allowed[row][1][one.name], probable, read, texts[row], today)
                values[one.name], confidence[one.name] = chosen
            replies.append(
                Response(
                    text=answer_text(values, request.prompt.schema),
                    usage=Usage(input_tokens=len(read.places)),
                    latency_s=read.seconds + time.perf_counter() - started,
                    confidence=confidence,
                    provider_model=self._name,
                )
            )
        return replies

    def _fields(self, prompt: Prompt) -> _Fields:
        if prompt.digest not in self._known:
            fields = fields_of_card(AnswerSchema(prompt.schema), self._card["fields"])
            if fields is None:
                raise DriverError(
                    f"{self._name}: the heads in {self._heads} were trained for other fields or labels than the schema "
                    f"has; train them again with: harness train adapters/{self._name}.yaml"
                )
            properties, definitions = prompt.schema["properties"], prompt.schema.get("$defs", {})
            alone = {
                one.name: AnswerSchema({"properties": {one.name: properties[one.name]}, "$defs": definitions})
                for one in fields
            }
            self._known[prompt.digest] = fields, alone
        return self._known[prompt.digest]


@dataclass(frozen=True, slots=True)
class _Probable:
    """Log-probabilities of one text and field: see `Scores`."""

    pieces: NDArray[np.float32]
    readings: NDArray[np.float32]
    none: float


def _value(
    field: SpanField, alone: AnswerSchema, probable: _Probable, read: Layers, text: str, today: date | None
) -> tuple[Any, float]:
    """The most probable value that can be read and is allowed, and its probability among all that can."""
    import numpy as np

    assert field.reader is not None
    found: dict[str, tuple[Any, float]] = {}

    def add(value: Any, probability: float) -> None:
        if alone.first_error({field.name: value}) is None:
            key = canonical_json(value)
            found[key] = value, found.get(key, (value, 0.0))[1] + probability

    add(None, float(np.exp(probable.none)))
    flat = probable.pieces.ravel()
    for place in np.argsort(-flat, kind="stable")[:MOST]:
        if flat[place] < np.log(LEAST):
            break
        first, last = divmod(int(place), probable.pieces.shape[1])
        piece = text[read.places[first][0] : read.places[last][1]]
        for value, log_p in zip(field.reader.values(piece, today), probable.readings[first], strict=False):
            add(value, float(np.exp(flat[place] + log_p)))
    if not found:
        return None, 0.0
    value, probability = found[max(found, key=lambda key: (found[key][1], key))]
    return value, probability / sum(p for _, p in found.values())


def _labels(field: SpanField, logits: NDArray[np.float32]) -> tuple[Any, float]:
    """The label, or all labels more probable than not, and the probability of that choice."""
    import numpy as np

    if field.choose == ONE:
        p = np.exp(logits - logits.max())
        return field.labels[int(p.argmax())], float(p.max() / p.sum())
    present = 1 / (1 + np.exp(-logits.astype(np.float64)))
    chosen = [value for value, p in zip(field.labels, present, strict=True) if p > 0.5]
    return chosen, float(np.maximum(present, 1 - present).prod())
