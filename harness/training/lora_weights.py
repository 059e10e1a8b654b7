"""LoRA weights of any model: put on it, and made the same for equal trainings."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

from harness.core.errors import TrainingError
from harness.core.lazy import need


def with_lora(model: Any, **config: Any) -> Any:
    """The model with new LoRA weights, drawn from torch's random numbers; `config` is that of peft's LoraConfig.

    Raises TrainingError if the model has none of the modules that are to get them.
    """
    peft = need("peft", extra="local")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
            return peft.get_peft_model(model, peft.LoraConfig(bias="none", **config))
    except ValueError as error:
        raise TrainingError(f"LoRA weights can't be put on the model: {error}") from error


def settle_config(lora: Path) -> None:
    """Make peft's `adapter_config.json` the same for equal trainings.

    The base is named by the adapter; the folder it was loaded from is nobody else's business. The modules come out of a
    set, in any order.
    """
    path = lora / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"base_model_name_or_path": None}
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
