"""The driver of local causal models: any that transformers loads, with LoRA weights or without, on a GPU or a CPU."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.digests import digest
from harness.core.errors import DriverError
from harness.core.lazy import installed_version
from harness.core.records import Adapter, Failure, Proof, Request, Response
from harness.drivers.causal_model import CausalModel, choose_device, choose_dtype, files_digest
from harness.drivers.chat_tokens import RENDERING_VERSION, ChatTokens
from harness.drivers.encoder_model import file_digest, locate

if TYPE_CHECKING:
    from harness.drivers.local_engine import LocalEngine
    from harness.drivers.local_proofs import LoraEffect

DRIVER_VERSION = "1"
"""Changes where the answers of the same model to the same text change."""


class TransformersDriver:
    """A `BatchDriver` over one causal model, which is loaded at the first answer."""

    def __init__(self, adapter: Adapter) -> None:
        """Raises DriverError for missing weights, a device that is not there, and LoRA weights of another base."""
        options = adapter.options
        self._name = adapter.name
        self._folder = locate(adapter.model, revision=options.get("revision"), adapter=adapter.name)
        self._digest = files_digest(self._folder, adapter=adapter.name)
        self._device = choose_device(str(options.get("device", "auto")), adapter=adapter.name)
        self._dtype = choose_dtype(str(options.get("dtype", "auto")), self._device)
        self._template = str(options.get("template", "auto"))
        self._asks_labels = bool(options.get("label_probabilities", False))
        self._batch: dict[str, int] = dict(options.get("batch", {}))
        self._lora: Path | None = None
        self._card: dict[str, Any] = {}
        if "lora" in options:
            self._lora = Path(adapter.file).parent / str(options["lora"])
            self._card = _read_card(self._lora, base_digest=self._digest, adapter=adapter.name)
        self._engine: LocalEngine | None = None
        self._effect: LoraEffect | None = None

    def identity(self) -> Mapping[str, str]:
        found = {
            "transformers_local": DRIVER_VERSION,
            "model": self._digest,  # of the tokenizer and its template too
            "template": self._template,
            "rendering": RENDERING_VERSION,
            "device": self._device.partition(":")[0],
            "dtype": self._dtype,
            "torch": installed_version("torch"),
            "transformers": installed_version("transformers"),
            "llguidance": installed_version("llguidance"),
        }
        if self._asks_labels:
            found["label_probabilities"] = "true"  # a reply without them can't tell them
        if self._lora is not None:
            found["lora"] = _lora_digest(self._lora)
            found["peft"] = installed_version("peft")
        return found

    def answer(self, requests: Sequence[Request]) -> Sequence[Response | Failure]:
        replies = self.engine.answer(requests) if requests else []
        if not self._asks_labels:
            return replies
        from harness.drivers.label_probabilities import with_label_confidence

        return [
            with_label_confidence(self.engine, request, reply) if isinstance(reply, Response) else reply
            for request, reply in zip(requests, replies, strict=True)
        ]

    def proofs(self, requests: Sequence[Request]) -> Sequence[Proof]:
        """What the LoRA weights, the template, the schema and the batch do to the answers of probe requests."""
        if not requests:
            return []
        from harness.drivers.local_proofs import answer_proofs, lora_proofs, template_proof

        engine = self.engine
        proofs = [template_proof(engine.tokens, self._card, adapter=self._name)]
        if self._effect is not None:
            proofs += lora_proofs(self._effect, self._dtype, adapter=self._name)
        return [*proofs, *answer_proofs(engine, requests)]

    def rendered(self, request: Request) -> str:
        """Everything that the model reads for this request, as one text."""
        return self.engine.tokens.text(request.prompt, request.inputs)

    def close(self) -> None:
        self._engine = None

    @property
    def engine(self) -> LocalEngine:
        """The loaded model, with LoRA weights merged into it."""
        if self._engine is None:
            from harness.drivers.local_engine import LocalEngine
            from harness.drivers.local_proofs import merge_measured

            model = CausalModel(self._folder, lora=self._lora, device=self._device, dtype=self._dtype)
            tokens = ChatTokens(model.tokenizer, template=self._template, adapter=self._name)
            if self._lora is not None:
                self._effect = merge_measured(model, tokens)
            rows, most_tokens = self._batch.get("rows"), self._batch.get("tokens")
            self._engine = LocalEngine(model, tokens, rows=rows, most_tokens=most_tokens)
        return self._engine


def _lora_digest(lora: Path) -> str:
    return digest({name: file_digest(lora / name) for name in ("adapter_model.safetensors", "adapter_config.json")})


def _read_card(lora: Path, *, base_digest: str, adapter: str) -> dict[str, Any]:
    """The training card of LoRA weights, {} where they have none; raises DriverError for weights of another base."""
    again = f"train them with: harness train adapters/{adapter}.yaml"
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        if not (lora / name).is_file():
            raise DriverError(f"{adapter}: there is no {name} in {lora}, so no LoRA weights; {again}")
    path = lora / "card.json"
    if not path.is_file():
        return {}
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        trained = card.get("base_sha256", base_digest)
    except (ValueError, AttributeError) as error:
        raise DriverError(f"{adapter}: {path} is no training card: {error}; {again}") from error
    if trained != base_digest:
        raise DriverError(
            f"{adapter}: the LoRA weights in {lora} were trained for a base with SHA-256 {str(trained)[:12]}…, "
            f"this base has {base_digest[:12]}…; {again}"
        )
    return card
