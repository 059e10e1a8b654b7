"""A causal language model on a device: where its files are, what they are, and the loaded model."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from harness.core.digests import digest
from harness.core.errors import DriverError
from harness.core.lazy import need
from harness.drivers.encoder_model import file_digest, quiet

_UNKNOWN_FREE = 4 * 2**30
DTYPES = ("auto", "float32", "bfloat16", "float16")
_GPU_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""One of them is there on a machine whose GPU torch can use: NVIDIA, AMD, either under WSL."""
_READ = (
    "*.safetensors",
    "pytorch_model*.bin",
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "*.model",
    "vocab.*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
)


def files_digest(folder: Path, *, adapter: str = "") -> str:
    """The digest of all files that a model is loaded from; raises DriverError where there are no weights."""
    found = {path.name: path for pattern in _READ for path in sorted(folder.glob(pattern)) if path.is_file()}
    if not any(name.endswith((".safetensors", ".bin")) for name in found):
        raise DriverError(f"{adapter}: no weights (*.safetensors) in {folder}")
    return digest({name: file_digest(path) for name, path in found.items()})


def choose_device(declared: str, *, adapter: str = "") -> str:
    """The device to run on: `declared`, or for "auto" a GPU where there is one. Raises DriverError for one not here."""
    if declared == "cpu" or (declared == "auto" and not any(Path(file).exists() for file in _GPU_FILES)):
        return "cpu"  # without importing torch, which takes seconds: the identity of an adapter is asked in every run
    torch = need("torch", extra="local")
    if declared == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if declared.startswith("cuda") and not torch.cuda.is_available():
        raise DriverError(f"{adapter}: device is {declared}, and torch finds no GPU; expected `device: auto` or `cpu`")
    return declared


def choose_dtype(declared: str, device: str) -> str:
    """`declared`, or for "auto" bfloat16 on a GPU that computes in it and float32 elsewhere."""
    if declared != "auto":
        return declared
    if not device.startswith("cuda"):
        return "float32"
    return "bfloat16" if need("torch", extra="local").cuda.is_bf16_supported() else "float32"


class CausalModel:
    """Model and tokenizer, loaded, in evaluation mode. `model` is a PeftModel where LoRA weights are given."""

    def __init__(self, folder: Path, *, lora: Path | None, device: str, dtype: str) -> None:
        torch = need("torch", extra="local")
        transformers = need("transformers", extra="local")
        quiet(transformers)
        self.torch = torch
        self.device = device
        self.dtype = dtype
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
        if lora is not None:
            peft = need("peft", extra="local")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
                model = peft.PeftModel.from_pretrained(model, lora)
        self.model = model.to(device).eval()

    def merge(self) -> None:
        """Add the LoRA weights to the model's own, so that they take no time of their own any more."""
        self.model = self.model.merge_and_unload()

    @property
    def eos_ids(self) -> frozenset[int]:
        """The tokens that end an answer: the model's own list, or the tokenizer's."""
        declared = self.model.generation_config.eos_token_id
        ids = declared if isinstance(declared, list) else [declared, self.tokenizer.eos_token_id]
        return frozenset(i for i in ids if i is not None)

    @property
    def context(self) -> int | None:
        """How many tokens fit, where the model says so."""
        limit = getattr(self._text_config, "max_position_embeddings", None)
        return int(limit) if limit else None

    @property
    def token_bytes(self) -> int:
        """The memory that keys and values of one token take."""
        config = self._text_config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return int(2 * config.num_hidden_layers * heads * size * self.model.dtype.itemsize)

    def free_bytes(self) -> int:
        """The memory of the device that nobody uses."""
        if self.device.startswith("cuda"):
            free: int = self.torch.cuda.mem_get_info(self.device)[0]
            return free
        try:
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError):  # not every system tells
            return _UNKNOWN_FREE

    @property
    def _text_config(self) -> Any:
        return self.model.config.get_text_config(decoder=True)
