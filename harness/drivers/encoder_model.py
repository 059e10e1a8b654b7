"""A sentence encoder: where its weights are, that they are the declared ones, and texts → unit vectors."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import DriverError
from harness.core.lazy import need

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGE_PREFIX = "package:"
BATCH = {"cpu": 8, "cuda": 128}
"""Texts per forward pass. On a CPU padding costs more than small batches do: 8 is twice as fast as 32 on tickets."""


@lru_cache(maxsize=64)
def _file_digest(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; read again only when its size or time of change differs."""
    stat = path.stat()
    return _file_digest(path, stat.st_size, stat.st_mtime_ns)


def locate(model: str, *, revision: str | None = None, adapter: str = "") -> Path:
    """The folder of a model named as `package:NAME` (weights inside an installed package), as a path, or by hub name.

    `revision` is a branch, tag or commit on the hub, its main branch if None. Raises DriverError if it is not there. A
    hub name is looked up in the local cache first and downloaded otherwise.
    """
    if model.startswith(PACKAGE_PREFIX):
        name = model.removeprefix(PACKAGE_PREFIX)
        spec = find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise DriverError(f"{adapter}: the package {name} is not installed; run: pip install 'holdfast[local]'")
        return Path(next(iter(spec.submodule_search_locations))) / "model"
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    if path.is_absolute() or model.startswith("."):
        raise DriverError(f"{adapter}: there is no model folder {model}")
    try:
        return Path(need("huggingface_hub", extra="local").snapshot_download(model, revision=revision))
    except Exception as error:
        raise DriverError(
            f"{adapter}: the model {model} is neither a folder nor to be had from the hub: {error}"
        ) from error


def weights_file(folder: Path, *, adapter: str = "") -> Path:
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return folder / name
    raise DriverError(f"{adapter}: no model.safetensors in {folder}")


def verified_digest(folder: Path, expected: str | None, *, adapter: str = "") -> str:
    """The digest of the weights in `folder`; raises DriverError if it is not the `expected` one."""
    path = weights_file(folder, adapter=adapter)
    actual = file_digest(path)
    if expected and actual != expected:
        raise DriverError(
            f"{adapter}: {path} has SHA-256 {actual}, expected {expected}; "
            "these are other weights than declared: reinstall the model or correct `sha256` in the adapter"
        )
    return actual


def read_card(
    folder: Path, *, base_digest: str, adapter: str = "", kind: str = "LoRA weights", holds: str = "labels"
) -> dict[str, Any]:
    """The training card of trained weights; raises DriverError if it is missing, no card, or of another base.

    `kind` names the weights in messages; `holds` is what their card has besides the base.
    """
    path = folder / "card.json"
    again = f"train them again with: harness train adapters/{adapter}.yaml"
    if not path.is_file():
        raise DriverError(f"{adapter}: no {kind} in {folder}; train them with: harness train adapters/{adapter}.yaml")
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        lacking = {"base_sha256", holds} - set(card)
    except (ValueError, TypeError) as error:
        raise DriverError(f"{adapter}: {path} is not JSON: {error}; {again}") from error
    if lacking:
        raise DriverError(f"{adapter}: {path} has no {' and no '.join(sorted(lacking))}; {again}")
    if card["base_sha256"] != base_digest:
        raise DriverError(
            f"{adapter}: the {kind} in {folder} were trained for a base with SHA-256 {card['base_sha256'][:12]}…, "
            f"this base has {base_digest[:12]}…; {again}"
        )
    return card


class Encoder:
    """Mean-pooled, normalised sentence embeddings of a BERT-like model, with or without LoRA weights.

    Equal texts are embedded once per instance.
    """

    def __init__(self, folder: Path, *, lora: Path | None = None, max_tokens: int = 256) -> None:
        torch = need("torch", extra="local")
        transformers = need("transformers", extra="local")
        quiet(transformers)
        self._torch = torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModel.from_pretrained(folder)
        if lora is not None:
            model = need("peft", extra="local").PeftModel.from_pretrained(model, lora)
        self.model = model.to(self.device).eval()
        self.max_tokens = max_tokens
        self._known: dict[str, NDArray[np.float32]] = {}
        self._seconds: dict[str, float] = {}

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        rows = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        return [len(row) for row in rows]

    def embed(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Unit vectors of `texts`, shape (texts, dimensions). `progress` is told how many texts each batch held."""
        import numpy as np

        missing = sorted({t for t in texts if t not in self._known}, key=lambda t: (len(t), t))
        size = BATCH[self.device]
        for start in range(0, len(missing), size):
            batch = missing[start : start + size]
            started = time.perf_counter()
            with self._torch.inference_mode():
                vectors = pooled(self.model, self.tokenize(batch)).cpu().numpy()
            self._known.update(zip(batch, vectors, strict=True))
            self._seconds.update(dict.fromkeys(batch, (time.perf_counter() - started) / len(batch)))
            if progress:
                progress(len(batch))
        return np.stack([self._known[t] for t in texts]) if texts else np.zeros((0, 0), dtype=np.float32)

    def lora_change(self, texts: Sequence[str]) -> float:
        """The largest difference that the LoRA weights make to any number of the embeddings of `texts`.

        Nothing is remembered of it. Raises AttributeError without LoRA weights.
        """
        encoded = self.tokenize(texts)
        with self._torch.inference_mode():
            tuned = pooled(self.model, encoded)
            with self.model.disable_adapter():
                plain = pooled(self.model, encoded)
        return float((tuned - plain).abs().max())

    def seconds(self, text: str) -> float:
        """How long embedding `text` took when it was embedded: its share of its batch."""
        return self._seconds[text]

    def tokenize(self, texts: Sequence[str]) -> Any:
        return self.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        ).to(self.device)


def pooled(model: Any, encoded: Any) -> Any:
    """Mean of the last hidden states over real tokens, scaled to length 1: shape (texts, dimensions)."""
    hidden = model(**encoded).last_hidden_state
    mask = encoded["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
    return mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-12)


def quiet(transformers: Any) -> None:
    """Keep loading bars of transformers out of a test run's output."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
