"""Heads that point: on the frozen layers of an encoder, where in a text a field's value begins and ends.

The heads are plain tensors by name, so that training and answering compute the same thing with the same functions.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.lazy import need
from harness.drivers.encoder_model import BATCH, Encoder
from harness.drivers.span_fields import SpanField

if TYPE_CHECKING:
    from pathlib import Path

LAYERS = 4
"""How many of the encoder's layers the heads read, evenly spaced from the word embeddings to the last: words themselves
stand in the first, what is said of them in the last."""
LONGEST = 12
"""Tokens of the longest piece that a head can point at."""
REACH = ((5, 1), (5, 3))
"""(width, dilation) of the two convolutions by which a token learns what stands around it."""


@dataclass(frozen=True, slots=True)
class Layers:
    """What an encoder makes of one text: `states` of shape (tokens, layers x dimensions), each layer normalised.

    `places` are the first character of each token and the one after its last; `begins` and `ends` say where a piece
    may begin and end: never inside a number or a word.
    """

    states: Any
    places: tuple[tuple[int, int], ...]
    begins: tuple[bool, ...]
    ends: tuple[bool, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Scores:
    """What the heads say of a batch: log-probabilities, by field.

    `pieces` (texts, tokens, tokens): of the piece from one token to another; `none` (texts): that no value is named;
    `readings` (texts, tokens, readings): how a piece that begins there is meant. `labels` (texts, labels) are logits.
    """

    pieces: dict[str, Any]
    none: dict[str, Any]
    readings: dict[str, Any]
    labels: dict[str, Any]


def read_layers(encoder: Encoder, texts: Sequence[str]) -> Iterator[Layers]:
    """The layers of each text, in order."""
    torch = need("torch", extra="local")
    ordered = sorted(range(len(texts)), key=lambda i: (len(texts[i]), texts[i]))
    found: dict[int, Layers] = {}
    for start in range(0, len(ordered), BATCH[encoder.device]):
        rows = ordered[start : start + BATCH[encoder.device]]
        started = time.perf_counter()
        encoded = encoder.tokenize([texts[i] for i in rows])
        places = encoder.tokenizer(
            [texts[i] for i in rows], truncation=True, max_length=encoder.max_tokens, return_offsets_mapping=True
        )["offset_mapping"]
        with torch.no_grad():
            layers = encoder.model(**encoded, output_hidden_states=True).hidden_states
            chosen = [layers[round(i * (len(layers) - 1) / (LAYERS - 1))].float() for i in range(LAYERS)]
            states = torch.cat([torch.nn.functional.layer_norm(one, one.shape[-1:]) for one in chosen], dim=-1).cpu()
        each = (time.perf_counter() - started) / len(rows)
        for row, state, place in zip(rows, states, places, strict=True):
            found[row] = _layers(texts[row], state[: len(place)], [(int(a), int(b)) for a, b in place], each)
    for i in range(len(texts)):
        yield found.pop(i)


def _layers(text: str, states: Any, places: Sequence[tuple[int, int]], seconds: float) -> Layers:
    return Layers(
        states=states.half(),
        places=tuple(places),
        begins=tuple(b > a and not _inside(text, a) for a, b in places),
        ends=tuple(b > a and not _inside(text, b) for a, b in places),
        seconds=seconds,
    )


def _inside(text: str, place: int) -> bool:
    """Whether a word or a number goes on over this place."""
    pair = text[max(0, place - 1) : place + 1] if place else ""
    return len(pair) == 2 and (pair.isalpha() or pair.isdigit())


def new_weights(fields: Sequence[SpanField], *, dimensions: int, width: int) -> dict[str, Any]:
    """Weights to begin with, drawn from torch's random numbers; `dimensions` are those of the encoder."""
    torch = need("torch", extra="local")

    def drawn(rows: int, *columns: int) -> Any:
        inputs = 1
        for one in columns:
            inputs *= one
        return torch.randn(rows, *columns) / inputs**0.5

    weights = {"down": drawn(width, LAYERS * dimensions), "down.bias": torch.zeros(width)}
    for position, (reach, _) in enumerate(REACH):
        weights |= {f"near.{position}": drawn(width, width, reach), f"near.{position}.bias": torch.zeros(width)}
    for one in fields:
        outputs = len(one.labels) if one.reader is None else 1
        weights |= {f"{one.name}.whole": drawn(outputs, 2 * width), f"{one.name}.whole.bias": torch.zeros(outputs)}
        if one.reader is not None:
            weights[f"{one.name}.pieces"] = drawn(2 + len(one.readings), width)
    return weights


def score(
    weights: Mapping[str, Any], fields: Sequence[SpanField], batch: Sequence[Layers], *, dropout: float = 0.0
) -> Scores:
    """What the heads say of texts; `dropout` is the share of features that training leaves out."""
    torch = need("torch", extra="local")
    functional = torch.nn.functional
    device = weights["down"].device
    states = torch.nn.utils.rnn.pad_sequence([one.states.float() for one in batch], batch_first=True).to(device)
    length = states.shape[1]
    real = torch.tensor([[i < len(one.places) for i in range(length)] for one in batch], device=device).unsqueeze(-1)

    def drop(tensor: Any) -> Any:
        return functional.dropout(tensor, dropout, training=dropout > 0)

    features = drop(functional.gelu(functional.linear(drop(states), weights["down"], weights["down.bias"]))) * real
    for position, (_, dilation) in enumerate(REACH):
        around = functional.conv1d(
            features.transpose(1, 2),
            weights[f"near.{position}"],
            weights[f"near.{position}.bias"],
            padding="same",
            dilation=dilation,
        ).transpose(1, 2)
        features = (features + drop(functional.gelu(around))) * real
    highest = features.masked_fill(~real, float("-inf")).amax(1)
    whole = drop(torch.cat([highest, features.sum(1) / real.sum(1)], dim=1))
    allowed = _allowed(torch, batch, length, device)
    scores = Scores({}, {}, {}, {})
    for one in fields:
        overall = functional.linear(whole, weights[f"{one.name}.whole"], weights[f"{one.name}.whole.bias"])
        if one.reader is None:
            scores.labels[one.name] = overall
            continue
        points = functional.linear(features, weights[f"{one.name}.pieces"])
        joint = points[:, :, None, 0] + points[:, None, :, 1]
        joint = joint.masked_fill(~allowed, float("-inf"))
        total = torch.logsumexp(torch.cat([joint.flatten(1), overall], dim=1), dim=1)
        scores.pieces[one.name] = joint - total[:, None, None]
        scores.none[one.name] = overall[:, 0] - total
        scores.readings[one.name] = functional.log_softmax(points[:, :, 2:], dim=-1)
    return scores


def _allowed(torch: Any, batch: Sequence[Layers], length: int, device: Any) -> Any:
    begins = torch.tensor([[*one.begins, *[False] * (length - len(one.begins))] for one in batch], device=device)
    ends = torch.tensor([[*one.ends, *[False] * (length - len(one.ends))] for one in batch], device=device)
    band = torch.ones(length, length, dtype=torch.bool, device=device).triu().tril(LONGEST - 1)
    return begins[:, :, None] & ends[:, None, :] & band


def save_weights(weights: Mapping[str, Any], path: Path) -> None:
    need("safetensors.torch", extra="local").save_file(
        {k: v.detach().cpu().contiguous() for k, v in weights.items()}, path
    )


def load_weights(path: Path, *, device: str) -> dict[str, Any]:
    loaded: dict[str, Any] = need("safetensors.torch", extra="local").load_file(path, device=device)
    return loaded
