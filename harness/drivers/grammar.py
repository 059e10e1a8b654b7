"""Constrained decoding with llguidance: which tokens may come next, and which must.

A `Grammar` is compiled once per schema and tokenizer; each sequence under way has a `Matcher` of its own:

    grammar = Grammar(schema, tokenizer)
    matchers = [grammar.matcher() for _ in requests]
    masks = grammar.masks(len(matchers))
    masks.fill(matchers)                # rows of finished matchers allow the end of the text alone
    masks.apply(logits)                 # logits of every other token become -inf
    matcher.consume([token]); matcher.consume(matcher.forced())

The text is what `prompting.answer_text` writes for the same answer: fields in the schema's order, ", " and ": ", no
other white space. Only numbers with a point can be written in two ways (1.5 and 1.50).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from harness.core.errors import DriverError
from harness.core.grammar_schema import lower_for_grammar
from harness.core.lazy import need

if TYPE_CHECKING:
    import torch
    from llguidance import LLExecutor, LLMatcher, LLTokenizer
    from transformers import PreTrainedTokenizerFast

_WRITING = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "json_allowed_escapes": 'nrbtf\\"',
}
_BITS = 32
_KEYWORDS = {"patternproperty": "patternProperties", "regex": "pattern", "lookaround": "pattern"}
"""What the engine's message says → the keyword that it is about, of those that `lower_for_grammar` hands on."""


class Grammar:
    """What a schema allows, in the tokens of one tokenizer.

    `lowered` is the schema that the engine holds: rules as `anyOf` branches, bounds where the schema has none.
    """

    def __init__(
        self, schema: Mapping[str, Any], tokenizer: PreTrainedTokenizerFast, *, vocab_size: int | None = None
    ) -> None:
        """Raises DriverError naming the keyword that can't be held. `vocab_size` is the width of the model's logits,
        where that is more than the tokenizer's."""
        engine = need("llguidance", extra="local")
        if tokenizer.eos_token_id is None:
            raise DriverError("the tokenizer has no end-of-text token, so that a constrained answer could not end")
        self.lowered = lower_for_grammar(schema)
        self.vocab_size = max(len(tokenizer), vocab_size or 0)
        self.end_token: int = tokenizer.eos_token_id
        self._tokens = _engine_tokens(tokenizer, self.vocab_size)
        limits = engine.LLParserLimits(verbose_errors=False)
        compiled = engine.LLMatcher.grammar_from_json_schema(json.dumps(self.lowered), overrides=_WRITING)
        self._start: LLMatcher = engine.LLMatcher(self._tokens, compiled, log_level=0, limits=limits)
        if self._start.is_error():
            raise _refused(self._start.get_error())

    def matcher(self) -> Matcher:
        """A matcher at the start of an answer."""
        return Matcher(self._start.deep_copy(), self.end_token)

    def masks(self, batch: int) -> Masks:
        """Room for the masks of `batch` sequences, to be used at every step."""
        return Masks(batch, self.vocab_size, self.end_token)


class Matcher:
    """How far one answer has come."""

    def __init__(self, engine: LLMatcher, end_token: int) -> None:
        self.engine = engine
        self._end_token = end_token
        self._ended = False

    @property
    def accepting(self) -> bool:
        """Whether the text so far is a whole answer."""
        return bool(self.engine.is_accepting())

    @property
    def finished(self) -> bool:
        """Whether nothing but the end may follow; it needs no sampling. Raises DriverError if the engine gave up."""
        if self._ended:
            return True
        stopped = bool(self.engine.is_stopped())
        self.check()
        return stopped

    def forced(self) -> list[int]:
        """The tokens that must come next, as the tokenizer itself would cut their text; none where there is a choice,
        or where what follows decides how it is cut."""
        return [] if self.finished else list(self.engine.compute_ff_tokens())

    def consume(self, tokens: Sequence[int]) -> None:
        """Goes on by tokens that the mask allowed or that were forced; raises DriverError for others."""
        if self.finished and set(tokens) <= {self._end_token}:
            return
        ended = list(tokens[-1:]) == [self._end_token]
        text_tokens = list(tokens[:-1] if ended else tokens)
        if text_tokens and not self.engine.consume_tokens(text_tokens):
            raise DriverError(f"tokens {text_tokens} are not allowed by the schema here: the mask was not applied")
        if ended and not self.accepting:
            raise DriverError("the end of the text came before the answer was whole: the mask was not applied")
        self._ended = ended

    def check(self) -> None:
        """Raises DriverError if the engine gave up on the answer (its limits of complexity)."""
        if self.engine.is_error():
            raise DriverError(f"llguidance gave up on an answer: {_first_line(self.engine.get_error())}")


class Masks:
    """One bit per sequence and token, on the CPU; `bits` has the shape (batch, vocabulary / 32) and the type int32."""

    def __init__(self, batch: int, vocab_size: int, end_token: int) -> None:
        library = need("torch", extra="local")
        shape = (batch, -(-vocab_size // _BITS))
        pinned = bool(library.cuda.is_available())  # copied to the device faster
        self.bits: torch.Tensor = library.zeros(shape, dtype=library.int32, pin_memory=pinned)
        self._end_token = end_token
        self._positions: torch.Tensor | None = None

    def fill(self, matchers: Sequence[Matcher | None]) -> None:
        """The masks of the first rows, computed on several threads. A matcher that is finished, or None, gets one that
        allows the end of the text alone. Raises DriverError if the engine gave up on an answer."""
        open_rows = [(m.engine, row) for row, m in enumerate(matchers) if m is not None and not m.finished]
        if open_rows:
            width = self.bits.shape[1] * self.bits.element_size()
            _executor().unsafe_compute_mask_ptr(open_rows, self.bits.data_ptr(), width, self.bits.shape[0])
        still_open = {row for _, row in open_rows}
        for row, matcher in enumerate(matchers):
            if row not in still_open:
                self.bits[row] = 0
                self.bits[row, self._end_token // _BITS] = _bit(self._end_token % _BITS)
            elif matcher is not None:
                matcher.check()

    def apply(self, logits: torch.Tensor) -> None:
        """Sets the logits (rows, vocabulary) of tokens that the first rows of the mask don't allow to -inf, in place,
        on whatever device they are; tokens beyond the mask are not allowed."""
        if self._positions is None or self._positions.device != logits.device:
            self._positions = need("torch", extra="local").arange(_BITS, dtype=self.bits.dtype, device=logits.device)
        rows, width = logits.shape
        bits = self.bits[:rows].to(logits.device)  # waits for the copy, for the next step writes over these bits
        allowed = ((bits.unsqueeze(-1) >> self._positions) & 1).view(rows, -1)[:, :width].bool()
        known = allowed.shape[1]
        logits[:, :known].masked_fill_(~allowed, float("-inf"))
        logits[:, known:] = float("-inf")


_read: WeakKeyDictionary[PreTrainedTokenizerFast, dict[tuple[int, int], LLTokenizer]] = WeakKeyDictionary()


def _engine_tokens(tokenizer: PreTrainedTokenizerFast, width: int) -> LLTokenizer:
    """The tokenizer as the engine reads it: seconds for a large vocabulary, so once for all schemas."""
    known = _read.setdefault(tokenizer, {})
    key = width, tokenizer.eos_token_id
    if key not in known:
        engine, wrap = need("llguidance", extra="local"), need("llguidance.hf", extra="local")
        known[key] = wrap.from_tokenizer(tokenizer, n_vocab=width, slices=engine.LLTokenizer.json_slices())
    return known[key]


@cache
def _executor() -> LLExecutor:
    """The threads that compute masks, one pool for the process."""
    executor: LLExecutor = need("llguidance", extra="local").LLExecutor()
    return executor


def _bit(position: int) -> int:
    """The int32 with this bit set."""
    return -(1 << 31) if position == _BITS - 1 else 1 << position


def _refused(message: str) -> DriverError:
    """The engine's refusal of a schema, with the keyword that it is about."""
    first = _first_line(message)
    keyword = next((word for hint, word in _KEYWORDS.items() if hint in message.lower()), "")
    named = f"`{keyword}`" if keyword else "the schema"
    return DriverError(f"llguidance refuses {named}: {first}; change the schema, or use `decoding: free`")


def _first_line(message: str) -> str:
    return next((line.strip() for line in message.splitlines() if line.strip()), "no reason given")
