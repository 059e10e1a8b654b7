"""The encoder driver: answers field by field from the schema's enumerations, by similarity to prototypes or heads.

A request means on an encoder what it means on a chat model: without definitions the names of labels decide, with
definitions their text, and examples join the definitions. With `decoding: json_schema` the answer is the most probable
one that the whole schema allows; without it each field is answered for itself, and may break rules across fields.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import DriverError
from harness.core.prompting import answer_text, inputs_text
from harness.core.records import Adapter, Decoding, Failure, Prompt, Proof, Request, Response, Scalar, Usage
from harness.core.schemas import AnswerSchema, label_text
from harness.drivers.encoder_model import Encoder, file_digest, locate, read_card, verified_digest
from harness.drivers.lazy import installed_version

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DRIVER_VERSION = "1"
LORA_PROOF = "LoRA changes the embeddings"
SHARPNESS = 20.0
"""Cosine similarities are multiplied by this before the softmax; it moves confidences, not unconstrained answers."""


class EncoderDriver:
    """A `BatchDriver` over one encoder; the model is loaded at the first answer, its digest checked before."""

    def __init__(self, adapter: Adapter) -> None:
        """Raises DriverError for missing or wrong weights, and for LoRA weights of another base."""
        self._name = adapter.name
        self._folder = locate(adapter.model, adapter=adapter.name)
        self._max_tokens = int(adapter.options.get("max_tokens", 256))
        self._digest = verified_digest(self._folder, adapter.options.get("sha256"), adapter=adapter.name)
        self._lora: Path | None = None
        self._card: dict[str, Any] = {}
        if "lora" in adapter.options:
            self._lora = Path(adapter.file).parent / str(adapter.options["lora"])
            self._card = read_card(self._lora, base_digest=self._digest, adapter=adapter.name)
        self._encoder: Encoder | None = None
        self._schemas: dict[str, AnswerSchema] = {}
        self._prototypes: dict[str, dict[str, NDArray[np.float32]]] = {}
        self._joint: dict[str, tuple[tuple[dict[str, Scalar], ...], dict[str, NDArray[np.intp]]]] = {}

    def identity(self) -> Mapping[str, str]:
        found = {
            "encoder": DRIVER_VERSION,
            "weights": self._digest,
            "max_tokens": str(self._max_tokens),
            "torch": installed_version("torch"),
            "transformers": installed_version("transformers"),
        }
        if self._lora is not None:
            found["lora"] = file_digest(self._lora / "adapter_model.safetensors")
            found["heads"] = file_digest(self._lora / "heads.safetensors")
            found["peft"] = installed_version("peft")
        return found

    @property
    def encoder(self) -> Encoder:
        """The loaded model."""
        if self._encoder is None:
            self._encoder = Encoder(self._folder, lora=self._lora, max_tokens=self._max_tokens)
        return self._encoder

    def answer(self, requests: Sequence[Request]) -> Sequence[Response | Failure]:
        if not requests:
            return []
        texts = [inputs_text(r.inputs) for r in requests]
        vectors = self.encoder.embed(texts)
        started = time.perf_counter()
        tokens = self.encoder.count_tokens(texts)
        answers = [self._answer(request, vector) for request, vector in zip(requests, vectors, strict=True)]
        each = (time.perf_counter() - started) / len(requests)
        return [
            Response(
                text=text,
                usage=Usage(input_tokens=count),
                latency_s=self.encoder.seconds(text_asked) + each,
                confidence=confidence,
                provider_model=self._name,
            )
            for text_asked, (text, confidence), count in zip(texts, answers, tokens, strict=True)
        ]

    def proofs(self, requests: Sequence[Request]) -> Sequence[Proof]:
        """That LoRA weights, where there are some, change the embeddings of the probes."""
        if self._lora is None or not requests:
            return []
        change = self.encoder.lora_change([inputs_text(request.inputs) for request in requests])
        if change > 0:
            detail = f"the embeddings of {len(requests)} probe inputs move by up to {change:.2g} with the weights"
            return [Proof(name=LORA_PROOF, status="proved", detail=detail)]
        detail = f"the embeddings of {len(requests)} probe inputs are the same with and without: weights did not load"
        remedy = f"train them again with: harness train adapters/{self._name}.yaml"
        return [Proof(name=LORA_PROOF, status="failed", detail=detail, remedy=remedy)]

    def close(self) -> None:
        self._encoder = None

    def _answer(self, request: Request, vector: NDArray[np.float32]) -> tuple[str, dict[str, float]]:
        schema = self._schema(request.prompt)
        log_p = {
            name: _log_softmax(self._sharpness * (rows @ vector))
            for name, rows in self._rows(request.prompt, schema).items()
        }
        chosen: dict[str, Scalar]
        if request.settings.decoding is Decoding.JSON_SCHEMA:
            import numpy as np

            answers, index = self._allowed(request.prompt, schema)
            total = np.sum([log_p[name][rows] for name, rows in index.items()], axis=0)
            chosen = answers[int(total.argmax())]
        else:
            chosen = {name: _values(schema, name)[int(row.argmax())] for name, row in log_p.items()}
        confidence = {
            name: float(2.718281828459045 ** log_p[name][_values(schema, name).index(value)])
            for name, value in chosen.items()
        }
        return answer_text(chosen, request.prompt.schema), confidence

    def _schema(self, prompt: Prompt) -> AnswerSchema:
        if prompt.digest not in self._schemas:
            self._schemas[prompt.digest] = AnswerSchema(prompt.schema)
        return self._schemas[prompt.digest]

    @property
    def _sharpness(self) -> float:
        return float(self._card.get("scale", SHARPNESS))

    def _rows(self, prompt: Prompt, schema: AnswerSchema) -> dict[str, NDArray[np.float32]]:
        """field → unit vectors, one per value of the field, in the schema's order."""
        if prompt.digest not in self._prototypes:
            make = self._heads if self._lora is not None else self._from_prompt
            self._prototypes[prompt.digest] = make(prompt, schema)
        return self._prototypes[prompt.digest]

    def _heads(self, prompt: Prompt, schema: AnswerSchema) -> dict[str, NDArray[np.float32]]:
        from safetensors.numpy import load_file

        assert self._lora is not None
        heads = load_file(self._lora / "heads.safetensors")
        for name in schema.fields:
            wanted = [label_text(v) for v in _values(schema, name)]
            trained = self._card["labels"].get(name)
            if trained != wanted:
                raise DriverError(
                    f"{self._name}: the LoRA weights in {self._lora} were trained for other labels of {name!r}; "
                    f"train them again with: harness train adapters/{self._name}.yaml"
                )
        return {name: _unit(heads[name]) for name in schema.fields}

    def _from_prompt(self, prompt: Prompt, schema: AnswerSchema) -> dict[str, NDArray[np.float32]]:
        import numpy as np

        shown = self.encoder.embed([inputs_text(inputs) for inputs, _ in prompt.examples])
        rows: dict[str, NDArray[np.float32]] = {}
        for name in schema.fields:
            values = _values(schema, name)
            described = self.encoder.embed([_description(prompt, name, value) for value in values])
            for position, value in enumerate(values):
                own = [i for i, (_, answer) in enumerate(prompt.examples) if _is(answer.get(name), value)]
                if own:
                    described[position] = np.concatenate([described[position : position + 1], shown[own]]).mean(axis=0)
            rows[name] = _unit(described)
        return rows

    def _allowed(
        self, prompt: Prompt, schema: AnswerSchema
    ) -> tuple[tuple[dict[str, Scalar], ...], dict[str, NDArray[np.intp]]]:
        if prompt.digest not in self._joint:
            import numpy as np

            answers = schema.joint_answers()
            if not answers:
                raise DriverError(f"{self._name}: the schema allows no answer at all")
            index = {name: np.array([_values(schema, name).index(a[name]) for a in answers]) for name in schema.fields}
            self._joint[prompt.digest] = answers, index
        return self._joint[prompt.digest]


def _description(prompt: Prompt, name: str, value: Scalar) -> str:
    label = label_text(value)
    defined = prompt.definitions.get(name, {}).get(label)
    if defined:
        return defined
    return f"{name} {label}" if isinstance(value, bool) else label.replace("_", " ")


def _values(schema: AnswerSchema, name: str) -> tuple[Scalar, ...]:
    values = schema.enumerated(name)
    if values is None:
        raise DriverError(
            f"the encoder answers fields that are enumerations or booleans; {name!r} is neither: "
            "use a generative adapter for this task"
        )
    return values


def _is(given: Any, value: Scalar) -> bool:
    return bool(given == value) and isinstance(given, bool) == isinstance(value, bool)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: NDArray[np.float32] = rows / np.maximum(lengths, 1e-12)
    return unit


def _log_softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    shifted: NDArray[np.float32] = scores - scores.max()
    result: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum())
    return result
