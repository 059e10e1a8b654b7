"""One sequence at a time as the model itself runs it: for models that packed rows don't compute rightly.

This module is imported at first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from harness.core.lazy import need
from harness.drivers.packed_rows import PackedRows, attention_windows, use_packed_attention

torch: Any = need("torch", extra="local")

NEAR = {"float32": 1e-3, "float16": 2e-2, "bfloat16": 1e-1}
"""How far packed logits may be from the model's own, as a part of the largest one."""
PROBED_WINDOW = 1024
"""Packed rows are tried beyond the end of windows up to this many tokens; reading more would take too long."""


class PlainRow:
    """The same as `PackedRows`, for one row, with the model's own cache and attention.

    The prefix is computed once, and a row begins with a copy of what the model remembers of it: a cache that forgets,
    or is a state, can't be shortened to where the row began.
    """

    most = 1

    def __init__(self, model: Any, prefix: Sequence[int]) -> None:
        self._model = model
        self._prefix = list(prefix)
        self._used = len(prefix)
        self._begun: Any = None
        self._cache: Any = None

    def shorten(self, used: int) -> None:
        """Let the row begin behind the first `used` tokens of the prefix."""
        if used != self._used:
            self._used, self._begun = used, None

    def add(self) -> None:
        """A new row, the only one."""
        self._cache = None

    def drop(self, row: int) -> None:
        """Forget the row."""
        self._cache = None

    def compact(self) -> None:
        """Nothing is held for other rows."""

    def feed(self, tokens: Sequence[Sequence[int]]) -> Any:
        """The logits after the last of the row's new tokens: shape (1, vocabulary)."""
        return self._fed(tokens, keep=1)

    def feed_all(self, tokens: Sequence[Sequence[int]]) -> list[Any]:
        """The logits after each of the row's new tokens: shape (tokens, vocabulary)."""
        return [self._fed(tokens, keep=len(tokens[0]))]

    def _fed(self, tokens: Sequence[Sequence[int]], *, keep: int) -> Any:
        (new,) = tokens
        out = self._read(new, self._behind_prefix() if self._cache is None else self._cache, keep=keep)
        self._cache = out.past_key_values
        return out.logits[0, -keep:].float()

    def _behind_prefix(self) -> Any:
        if self._used and self._begun is None:
            self._begun = self._read(self._prefix[: self._used], None, keep=1).past_key_values
        return deepcopy(self._begun)

    def _read(self, tokens: Sequence[int], cache: Any, *, keep: int) -> Any:
        ids = torch.tensor([list(tokens)], device=self._model.device)
        return self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=keep)


def packing_agrees(model: Any) -> bool:
    """Whether packed rows give this model's own logits, on made-up tokens. If so its attention is set for them.

    Attention with a cap, sinks or a state of another kind makes them differ, or refuses them.
    """
    try:
        windows = attention_windows(model)
    except Exception:  # a configuration without layers of attention, or with others
        return False
    own = model.config._attn_implementation
    size = model.get_input_embeddings().num_embeddings
    longest = max((window for window in windows if window and window <= PROBED_WINDOW), default=0)
    prefix, *rows = (
        [(7 * i * i + start) % size for i in range(start, start + n)] for start, n in ((3, longest + 9), (5, 4), (8, 2))
    )
    with torch.inference_mode():
        plain, alone = PlainRow(model, prefix), []
        for row in rows:
            plain.add()
            alone.append(plain.feed([[*row, row[0]]]))
        whole = torch.cat(alone)
        try:
            use_packed_attention(model)
            packed = PackedRows(model, prefix)
            for _ in rows:
                packed.add()
            packed.feed(rows)
            found = packed.feed([row[:1] for row in rows])
            near = NEAR[str(model.dtype).removeprefix("torch.")] * float(whole.abs().max())
            agrees = found.shape == whole.shape and float((found - whole).abs().max()) <= near
        except torch.OutOfMemoryError:
            raise
        except Exception:  # a model may refuse in any way
            agrees = False
    if not agrees:
        model.set_attn_implementation(own)
    return agrees
