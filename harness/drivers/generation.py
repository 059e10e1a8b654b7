"""The loop that writes answers: sequences join and leave a batch, which halves where memory ends.

This module is imported at first use.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from harness.core.lazy import need
from harness.drivers.choosing import Choice, choose
from harness.drivers.grammar import Grammar, Matcher

torch: Any = need("torch", extra="local")


class Rows(Protocol):
    """The memory of a model for a batch."""

    @property
    def most(self) -> int | None:
        """How many rows it can hold, None: any number."""

    def add(self) -> None: ...

    def drop(self, row: int) -> None: ...

    def compact(self) -> None: ...

    def feed(self, tokens: Sequence[Sequence[int]]) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One answer to write behind the tokens `tail`, of at most `most` tokens. `seed` is for temperatures above 0."""

    tail: Sequence[int]
    most: int
    temperature: float = 0.0
    seed: int = 0


@dataclass(slots=True)
class Written:
    """The tokens of an answer without the one that ends it, their log-probabilities, and whether it was cut off."""

    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    cut: bool = False


@dataclass(slots=True)
class Limits:
    """How much is computed at once: `rows` sequences, and about `tokens` new tokens per forward pass.

    Halved for good where it was too much.
    """

    rows: int
    tokens: int

    def halve(self, rows: int) -> None:
        self.rows, self.tokens = max(1, rows // 2), max(1, self.tokens // 2)


class _Sequence:
    """An answer under way: `new` are the tokens that the model has not read yet."""

    def __init__(self, wanted: Wanted, index: int, matcher: Matcher | None) -> None:
        self.index = index
        self.choice = Choice(wanted.temperature, Random(wanted.seed), matcher)
        self.written = Written()
        self.new = list(wanted.tail)
        self.done = False
        self._most = wanted.most
        self._go_on()

    def take(self, token: int, logprob: float, ends: Collection[int]) -> None:
        """Go on with a token that was chosen."""
        self.new = []
        if token in ends:
            self.done = True
            return
        if self.choice.matcher is not None:
            self.choice.matcher.consume([token])
        self._append(token, logprob)
        self._go_on()

    def _go_on(self) -> None:
        """Write what the schema leaves no choice about, and see whether the answer is at its end."""
        matcher = self.choice.matcher
        if matcher is not None:
            forced = matcher.forced()[: self._most - len(self.written.ids)]
            matcher.consume(forced)
            for token in forced:
                self._append(token, 0.0)
            self.done = matcher.finished
        if not self.done and len(self.written.ids) >= self._most:
            self.done = self.written.cut = True

    def _append(self, token: int, logprob: float) -> None:
        self.written.ids.append(token)
        self.written.logprobs.append(logprob)
        self.new.append(token)


class Writer:
    """Writes one list of answers."""

    def __init__(
        self,
        rows: Rows,
        *,
        ends: Collection[int],
        limits: Limits,
        most: int | None = None,
        grammar: Grammar | None = None,
    ) -> None:
        """Tokens in `ends` end an answer. At most `most` rows are written at once, besides what `limits` say; every
        answer is in `grammar`, if there is one."""
        self._rows = rows
        self._ends = ends
        self._limits = limits
        self._most = min(given for given in (most, rows.most, limits.rows) if given is not None)
        self._grammar = grammar
        self._masks = None if grammar is None else grammar.masks(self._most)
        self._active: list[_Sequence] = []
        self._answers: list[Written | None] = []

    def write(self, wanted: Sequence[Wanted]) -> list[Written | None]:
        """The answers in the order asked for; None for one that does not fit in memory even alone.

        An answer does not depend on which others are written with it, but for rounding.
        """
        self._answers = [None] * len(wanted)
        # The longest first: what does not fit shows at once, and none is left to be written alone at the end.
        waiting = deque(sorted(range(len(wanted)), key=lambda index: -len(wanted[index].tail)))
        while waiting or self._active:
            self._admit(wanted, waiting)
            if self._active and not self._step():
                self._make_room(waiting)
            for row in reversed(range(len(self._active))):
                if self._active[row].done:
                    self._answers[self._active[row].index] = self._active[row].written
                    self._leave(row)
        return self._answers

    def _admit(self, wanted: Sequence[Wanted], waiting: deque[int]) -> None:
        """Let sequences join while there are rows and the next forward pass is not full."""
        most = min(self._most, self._limits.rows)
        tokens = sum(len(sequence.new) for sequence in self._active)
        while waiting and len(self._active) < most:
            matcher = None if self._grammar is None else self._grammar.matcher()
            sequence = _Sequence(wanted[waiting[0]], waiting[0], matcher)
            tokens += len(sequence.new)
            if self._active and tokens > self._limits.tokens:
                return
            waiting.popleft()
            if sequence.done:  # the schema leaves no choice at all
                self._answers[sequence.index] = sequence.written
            else:
                self._active.append(sequence)
                self._rows.add()

    def _step(self) -> bool:
        """Choose the next token of every sequence; False where memory does not suffice."""
        try:
            logits = self._rows.feed([sequence.new for sequence in self._active])
            tokens, logprobs = choose(logits, [sequence.choice for sequence in self._active], self._masks)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            return False
        for sequence, token, logprob in zip(self._active, tokens, logprobs, strict=True):
            sequence.take(token, logprob, self._ends)
        return True

    def _make_room(self, waiting: deque[int]) -> None:
        """Go on with half of the sequences; the others begin again later. One that was alone is given up."""
        self._limits.halve(len(self._active))
        keep = len(self._active) // 2
        while len(self._active) > keep:
            sequence = self._active[-1]
            self._leave(len(self._active) - 1)
            if keep:
                waiting.appendleft(sequence.index)
        self._rows.compact()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _leave(self, row: int) -> None:
        self._rows.drop(row)
        last = self._active.pop()
        if row < len(self._active):
            self._active[row] = last


def out_of_memory(error: Exception) -> bool:
    """Whether torch could not get memory, on a GPU or for the processor."""
    told = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in told or "not enough memory" in told
