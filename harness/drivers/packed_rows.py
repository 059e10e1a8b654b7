"""The memory of a causal model for many sequences behind one shared prefix, fed without padding.

A forward pass takes the new tokens of all rows one after the other, as one packed row: as many as there are, whatever
their number per row. So the linear layers, which are nearly all of the work, never see padding. Only attention needs to
know the rows. It has two parts, joined by their log-sum-exp: over the prefix, whose keys and values are kept once and
never copied per row, and over each row's own tokens. Layers with a window see the last tokens of either part only.

This module is imported at first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.lazy import need

torch: Any = need("torch", extra="local")

ATTENTION = "holdfast_packed"
COLUMNS = 64
"""Rows' memory grows by this many tokens at a time."""
MOST_SCORES = 2**25
"""Attention scores that are held at once over the prefix: 128 MB in float32."""


class PackedRows:
    """Rows of tokens behind `prefix`, each with its keys and values. Rows are numbered from 0 without gaps."""

    most = None

    def __init__(self, model: Any, prefix: Sequence[int]) -> None:
        """Computes the prefix. The model's attention must have been set by `use_packed_attention`."""
        self._model = model
        self._windows = attention_windows(model)
        self._prefix = _prefix_states(model, prefix)
        self._used = len(prefix)
        self._keys: dict[int, Any] = {}
        self._values: dict[int, Any] = {}
        self._lengths: list[int] = []
        self._step: _Step | None = None

    def shorten(self, used: int) -> None:
        """Let rows begin behind the first `used` tokens of the prefix."""
        assert not self._lengths
        self._used = used

    def add(self) -> None:
        """A new row behind the others."""
        self._lengths.append(0)

    def drop(self, row: int) -> None:
        """Forget a row; the last one takes its number."""
        length = self._lengths.pop()
        last = len(self._lengths)
        if row == last:
            return
        self._lengths[row] = length
        for states in (*self._keys.values(), *self._values.values()):
            states[row, :, :length] = states[last, :, :length]

    def compact(self) -> None:
        """Give back memory that the present rows don't need."""
        rows, columns = len(self._lengths), max(self._lengths, default=0)
        for states in (self._keys, self._values):
            for layer in states:
                states[layer] = states[layer][:rows, :, :columns].clone()

    def fork(self, copies: int) -> None:
        """Make so many rows of the only one."""
        (length,) = self._lengths
        self._lengths = [length] * copies
        for states in (self._keys, self._values):
            for layer, held in states.items():
                states[layer] = held[:1, :, :length].repeat(copies, 1, 1, 1)

    def feed(self, tokens: Sequence[Sequence[int]]) -> Any:
        """The logits after the last of each row's new tokens, of which every row has some: shape (rows, vocabulary)."""
        return self._fed(tokens, last=True)

    def feed_all(self, tokens: Sequence[Sequence[int]]) -> list[Any]:
        """For each row the logits after each of its new tokens: shape (tokens, vocabulary)."""
        counts = [len(new) for new in tokens]
        return list(self._fed(tokens, last=False).split(counts))

    def _fed(self, tokens: Sequence[Sequence[int]], *, last: bool) -> Any:
        device = self._model.device
        counts = [len(new) for new in tokens]
        packed = torch.tensor([[token for new in tokens for token in new]], device=device)
        step = _Step.of(self._lengths, counts, device)
        self._step = step
        out = self._model(
            input_ids=packed,
            position_ids=(step.columns + self._used).unsqueeze(0),
            attention_mask=_no_mask(device),
            past_key_values=self,
            use_cache=True,
            logits_to_keep=step.last if last else 0,
            packed_rows=self,
        )
        self._lengths = [length + count for length, count in zip(self._lengths, counts, strict=True)]
        return out.logits[0].float()

    # What a model asks of its cache.

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._used + max(self._lengths, default=0)

    def update(self, key: Any, value: Any, layer_idx: int, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Remember the keys and values of the new tokens; shapes (1, heads, tokens, size)."""
        assert self._step is not None
        for states, new in ((self._keys, key), (self._values, value)):
            held = states[layer_idx] = self._grown(states.get(layer_idx), new)
            held[self._step.rows, :, self._step.columns] = new[0].transpose(0, 1)
        return key, value

    def _grown(self, held: Any, new: Any) -> Any:
        """`held` with room for the rows and columns of this step."""
        assert self._step is not None
        rows, columns = len(self._lengths), self._step.end
        have_rows, have_columns = (0, 0) if held is None else (held.shape[0], held.shape[2])
        if rows <= have_rows and columns <= have_columns:
            return held
        more_columns = have_columns if columns <= have_columns else -(-columns // COLUMNS) * COLUMNS
        # Zeros, since what is masked is still multiplied by 0, and garbage may be NaN.
        grown = new.new_zeros(max(rows, have_rows), new.shape[1], more_columns, new.shape[3])
        if held is not None:
            grown[:have_rows, :, :have_columns] = held
        return grown

    # Attention.

    def attend(self, layer: int, query: Any, scaling: float) -> Any:
        """The attention of the step's tokens, shapes (heads, tokens, size) → (tokens, heads, size)."""
        assert self._step is not None
        window = self._windows[layer]
        found, weight = self._over_rows(layer, query, scaling, window)
        first = 0 if window is None else max(0, self._used + self._step.begin + 1 - window)
        if first >= self._used:
            return found
        before, weight_before = self._over_prefix(layer, query, scaling, first=first, window=window)
        share = torch.sigmoid(weight_before - weight).unsqueeze(-1).to(found.dtype)
        return before * share + found * (1 - share)

    def _over_prefix(
        self, layer: int, query: Any, scaling: float, *, first: int, window: int | None
    ) -> tuple[Any, Any]:
        """Over the prefix from its token `first` on, the first one that any of the step's tokens sees."""
        assert self._step is not None
        keys, values = (states[:, first : self._used] for states in self._prefix[layer])
        heads, count, size = query.shape
        at_once = max(1, MOST_SCORES // (heads * keys.shape[1]))
        hidden = None
        if window is not None and self._used + self._step.end > window:
            seen_from = self._used + self._step.columns + 1 - window
            hidden = torch.arange(first, self._used, device=query.device) < seen_from[:, None]
        parts = []
        for start in range(0, count, at_once):
            part = query[:, start : start + at_once].reshape(keys.shape[0], -1, size)
            scores = torch.baddbmm(part.new_zeros(1), part, keys.transpose(1, 2), beta=0, alpha=scaling)
            if hidden is not None:
                behind = hidden[start : start + at_once]
                scores.view(keys.shape[0], -1, *behind.shape).masked_fill_(behind, float("-inf"))
            out, weight = _softmax_sum(scores, values)
            parts.append((out.reshape(heads, -1, size).transpose(0, 1), weight.reshape(heads, -1).transpose(0, 1)))
        return torch.cat([out for out, _ in parts]), torch.cat([weight for _, weight in parts])

    def _over_rows(self, layer: int, query: Any, scaling: float, window: int | None) -> tuple[Any, Any]:
        """Over each row's own tokens, in groups of rows with about as many new tokens, padded within a group."""
        assert self._step is not None
        by_token = query.transpose(0, 1)
        _, heads, size = by_token.shape
        outs, weights = [], []
        for group in self._step.groups:
            keys = self._keys[layer][group.first : group.behind, :, : group.end]
            values = self._values[layer][group.first : group.behind, :, : group.end]
            asked = by_token[group.tokens]
            if group.width > 1:
                padded = asked.new_zeros(group.behind - group.first, group.width, heads, size)
                padded[group.row, group.at] = asked
            else:
                padded = asked.unsqueeze(1)
            shared = keys.shape[1]
            lined = padded.transpose(1, 2).reshape(keys.shape[0], shared, -1, size)
            scores = (lined @ keys.transpose(2, 3)) * scaling
            grouped = scores.view(keys.shape[0], shared, heads // shared, group.width, -1)
            grouped.masked_fill_(group.hidden(window), float("-inf"))
            out, weight = _softmax_sum(scores, values)
            out = out.reshape(keys.shape[0], heads, group.width, size).transpose(1, 2)
            weight = weight.reshape(keys.shape[0], heads, group.width).transpose(1, 2)
            outs.append(out[group.row, group.at])
            weights.append(weight[group.row, group.at])
        return (outs[0], weights[0]) if len(outs) == 1 else (torch.cat(outs), torch.cat(weights))


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighbouring rows, `first` up to `behind`, that attention pads to `width` new tokens."""

    first: int
    behind: int
    width: int
    end: int
    tokens: slice
    row: Any
    at: Any
    last_seen: Any

    def hidden(self, window: int | None) -> Any:
        """Which of its row's tokens a new token does not see: later ones, and those behind its window."""
        columns = torch.arange(self.end, device=self.last_seen.device)
        later = columns > self.last_seen
        return later if window is None or self.end <= window else later | (columns <= self.last_seen - window)

    @classmethod
    def of(cls, rows: range, lengths: Sequence[int], counts: Sequence[int], device: Any) -> _Group:
        start = sum(counts[: rows.start])
        own = [counts[row] for row in rows]
        width, end = max(own), max(lengths[row] + counts[row] for row in rows)
        begins = torch.tensor([lengths[row] for row in rows], device=device)
        last_seen = begins[:, None] + torch.arange(width, device=device)
        return cls(
            first=rows.start,
            behind=rows.stop,
            width=width,
            end=end,
            tokens=slice(start, start + sum(own)),
            row=torch.tensor([i for i, count in enumerate(own) for _ in range(count)], device=device),
            at=torch.tensor([at for count in own for at in range(count)], device=device),
            last_seen=last_seen[:, None, None, :, None],
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """Where the tokens of one forward pass belong: their `rows` and `columns`, from `begin` up to `end`, and the `last`
    one of each row."""

    rows: Any
    columns: Any
    last: Any
    begin: int
    end: int
    groups: list[_Group]

    @classmethod
    def of(cls, lengths: Sequence[int], counts: Sequence[int], device: Any) -> _Step:
        rows = [row for row, count in enumerate(counts) for _ in range(count)]
        columns = [length + at for length, count in zip(lengths, counts, strict=True) for at in range(count)]
        ends = torch.tensor(counts, device=device).cumsum(0) - 1
        return cls(
            rows=torch.tensor(rows, device=device),
            columns=torch.tensor(columns, device=device),
            last=ends,
            begin=min(columns),
            end=max(columns) + 1,
            groups=[_Group.of(group, lengths, counts, device) for group in _alike(counts)],
        )


def _alike(counts: Sequence[int]) -> list[range]:
    """Ranges of neighbours that waste little when they are padded to the longest of them."""
    groups, first, width, total = [], 0, 0, 0
    for row, count in enumerate(counts):
        wider = max(width, count)
        size = row - first + 1
        if row > first and wider * size - (total + count) > (total + count) / 4 + 8 * size:
            groups.append(range(first, row))
            first, width, total = row, count, count
        else:
            width, total = wider, total + count
    return [*groups, range(first, len(counts))]


def _softmax_sum(scores: Any, values: Any) -> tuple[Any, Any]:
    """(softmax(scores) @ values, log-sum-exp of the scores), computed in float32; (0, -inf) where nothing is seen."""
    scores = scores.float()
    top = scores.amax(-1, keepdim=True).clamp_min_(torch.finfo(scores.dtype).min)
    shares = scores.sub_(top).exp_()
    total = shares.sum(-1, keepdim=True)
    out = (shares.to(values.dtype) @ values) / total.clamp_min(1).to(values.dtype)
    return out, (top + total.log()).squeeze(-1)


def _prefix_states(model: Any, prefix: Sequence[int]) -> list[tuple[Any, Any]]:
    """Per layer the keys and values of the prefix, shape (heads, tokens, size)."""
    if not prefix:
        return []
    from transformers import DynamicCache

    ids = torch.tensor([list(prefix)], device=model.device)
    whole = DynamicCache()  # the model's own forgets what is behind a window, and `shorten` moves windows back
    model(input_ids=ids, past_key_values=whole, use_cache=True, logits_to_keep=1)
    return [(layer.keys[0], layer.values[0]) for layer in whole.layers]


def attention_windows(model: Any) -> list[int | None]:
    """How many tokens each layer sees, the token itself included, None: all. Raises ValueError for other attention."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    config = model.config.get_text_config(decoder=True)
    if getattr(config, "attention_chunk_size", None):
        raise ValueError("attention in chunks, which is kept like a window and is none")
    windows: list[int | None] = []
    for layer in DynamicCache(config=config).layers:
        if type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer):
            raise ValueError(f"{type(layer).__name__}, a memory of another kind than keys and values")
        windows.append(layer.sliding_window if layer.is_sliding else None)
    return windows


def _no_mask(device: Any) -> Any:
    """What a model takes for a finished mask and passes on; the packed attention has its own."""
    return torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device)


def use_packed_attention(model: Any) -> None:
    """Have the model attend through its `PackedRows` where it is called with them, and as before elsewhere."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(ATTENTION, _attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    model.set_attn_implementation(ATTENTION)


def _attention(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    *,
    scaling: float | None = None,
    packed_rows: PackedRows | None = None,
    **others: Any,
) -> tuple[Any, None]:
    if packed_rows is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        plain: tuple[Any, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **others
        )
        return plain
    if unknown := [name for name in ("softcap", "s_aux") if others.get(name) is not None]:
        raise ValueError(f"attention with {unknown[0]}, which packed rows don't compute")
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    return packed_rows.attend(module.layer_idx, query[0], scaling).unsqueeze(0), None
