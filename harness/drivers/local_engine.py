"""Requests → answers of one loaded causal model: the shared prefix once, the rest in batches that fit memory.

This module is imported at first use.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from harness.core.digests import digest
from harness.core.lazy import need
from harness.core.records import Decoding, Failure, Logprobs, Prompt, Request, Response, Usage
from harness.drivers.causal_model import CausalModel
from harness.drivers.chat_tokens import ChatTokens, common
from harness.drivers.generation import Limits, Wanted, Writer, Written, out_of_memory
from harness.drivers.grammar import Grammar
from harness.drivers.packed_rows import PackedRows
from harness.drivers.plain_row import PlainRow, packing_agrees
from harness.drivers.token_texts import text_of, token_texts

torch: Any = need("torch", extra="local")

ROWS = {"cpu": 64, "cuda": 256}
TOKENS = {"cpu": 2048, "cuda": 16384}
"""How many sequences are written at once, and how many new tokens a forward pass takes, where memory allows."""
SHARE_OF_FREE = 0.5
"""How much of the free memory keys and values may take; the rest is for what is computed with them."""

NO_MEMORY = Failure(kind="out_of_memory", message="the request does not fit in memory, even alone")


class LocalEngine:
    """A loaded model that answers requests."""

    def __init__(self, loaded: CausalModel, tokens: ChatTokens, *, rows: int | None, most_tokens: int | None) -> None:
        """`rows` and `most_tokens` are the limits declared; None: what suits the device."""
        self.loaded = loaded
        self.tokens = tokens
        kind = loaded.device.partition(":")[0]
        self._limits = Limits(rows=rows or ROWS.get(kind, 64), tokens=most_tokens or TOKENS.get(kind, 2048))
        self.packs = packing_agrees(loaded.model)
        self._grammars: dict[str, Grammar] = {}
        self._rows: tuple[str, list[int], PackedRows | PlainRow] | None = None

    def answer(self, requests: Sequence[Request]) -> list[Response | Failure]:
        """The replies in the order of the requests. Time is shared out evenly over those answered together."""
        started = time.perf_counter()
        written: dict[int, tuple[int, Written | Failure]] = {}
        for group in _by_prompt(requests):
            asked = [self.tokens.ids(requests[i].prompt, requests[i].inputs) for i in group]
            answers = self._write([requests[i] for i in group], asked)
            written.update({i: (len(ids), answer) for i, ids, answer in zip(group, asked, answers, strict=True)})
        each = (time.perf_counter() - started) / max(1, len(requests))
        return [self._reply(*written[i], latency_s=each) for i in range(len(requests))]

    @property
    def most_rows(self) -> int:
        """How many rows are computed at once."""
        return self._limits.rows

    def choices_at_start(self, request: Request) -> tuple[int, int]:
        """How many tokens the schema of a request allows at the first choice, and how many there are."""
        grammar = self._grammar_of(request)
        matcher, masks = grammar.matcher(), grammar.masks(1)
        matcher.consume(matcher.forced())
        logits = torch.zeros(1, grammar.vocab_size)
        masks.fill([matcher])
        masks.apply(logits)
        return int(logits.isfinite().sum()), grammar.vocab_size

    def _reply(self, asked: int, answer: Written | Failure, *, latency_s: float) -> Response | Failure:
        if isinstance(answer, Failure):
            return answer
        text = text_of(self.loaded.tokenizer, answer.ids)
        return Response(
            text=text,
            finish_reason="length" if answer.cut else "stop",
            usage=Usage(input_tokens=asked, output_tokens=len(answer.ids)),
            latency_s=latency_s,
            logprobs=self._logprobs(text, answer),
        )

    def _logprobs(self, text: str, answer: Written) -> Logprobs | None:
        texts = token_texts(self.loaded.tokenizer, answer.ids)
        return tuple(zip(texts, answer.logprobs, strict=True)) if "".join(texts) == text else None

    def _write(self, requests: Sequence[Request], asked: Sequence[Sequence[int]]) -> list[Written | Failure]:
        """The answers to requests of one prompt."""
        context = self.loaded.context
        answers: list[Written | Failure] = [
            Failure(kind="too_long", message=f"the request has {len(ids)} tokens, the model reads {context}")
            for ids in asked
        ]
        fit = [i for i, ids in enumerate(asked) if context is None or len(ids) < context]
        if not fit:
            return answers
        first = requests[0]
        with torch.inference_mode():
            try:
                rows, used = self.behind_prefix(first.prompt, first.inputs, [asked[i] for i in fit])
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                return [NO_MEMORY if i in set(fit) else answer for i, answer in enumerate(answers)]
            wanted = [_wanted(requests[i], asked[i], used=used, context=context) for i in fit]
            most = self._fitting(max(len(one.tail) + one.most for one in wanted))
            held = first.settings.decoding is Decoding.JSON_SCHEMA
            grammar = self._grammar_of(first) if held else None
            ends = self.loaded.eos_ids | (set() if grammar is None else {grammar.end_token})
            writer = Writer(rows, ends=ends, limits=self._limits, most=most, grammar=grammar)
            for i, written in zip(fit, writer.write(wanted), strict=True):
                answers[i] = written or NO_MEMORY
        return answers

    def behind_prefix(
        self, prompt: Prompt, names: Iterable[str], asked: Iterable[Sequence[int]]
    ) -> tuple[PackedRows | PlainRow, int]:
        """Empty rows behind the prefix of a prompt, computed once, and how many of its tokens all of `asked` share."""
        key = digest([prompt.digest, list(names)])
        if self._rows is None or self._rows[0] != key:
            self._rows = None  # its memory is free before the next one takes some
            prefix = self.tokens.shared_ids(prompt, list(names))
            make = PackedRows if self.packs else PlainRow
            self._rows = key, prefix, make(self.loaded.model, prefix)
        _, prefix, rows = self._rows
        used = min(min(common(prefix, ids), len(ids) - 1) for ids in asked)
        rows.shorten(used)
        return rows, used

    def _grammar_of(self, request: Request) -> Grammar:
        key = json.dumps(request.prompt.schema)  # the order of its fields is the order of the answer's
        if key not in self._grammars:
            width = self.loaded.model.get_output_embeddings().weight.shape[0]
            self._grammars[key] = Grammar(request.prompt.schema, self.loaded.tokenizer, vocab_size=width)
        return self._grammars[key]

    def _fitting(self, longest: int) -> int:
        """How many rows of `longest` tokens the free memory takes."""
        return max(1, int(SHARE_OF_FREE * self.loaded.free_bytes() / (self.loaded.token_bytes * longest)))


def _by_prompt(requests: Sequence[Request]) -> list[list[int]]:
    """The numbers of the requests, in groups with one prompt, one set of settings and inputs of the same names."""
    groups: dict[object, list[int]] = {}
    for i, request in enumerate(requests):
        groups.setdefault((request.prompt.digest, request.settings, tuple(request.inputs)), []).append(i)
    return list(groups.values())


def _wanted(request: Request, asked: Sequence[int], *, used: int, context: int | None) -> Wanted:
    most = request.settings.max_tokens
    return Wanted(
        tail=asked[used:],
        most=most if context is None else min(most, context - len(asked)),
        temperature=request.settings.temperature,
        seed=seed_of(request),
    )


def seed_of(request: Request) -> int:
    """The seed of one answer: of what is asked and how often, never of a case's id or of what is asked beside it."""
    parts: list[object] = [request.settings.seed, list(request.inputs.items()), request.repeat]
    return int(digest(parts)[:16], 16)
