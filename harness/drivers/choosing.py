"""The next token of each sequence: the most probable one, or one drawn by the sequence's own random numbers.

This module is imported at first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from harness.drivers.lazy import need

torch: Any = need("torch", extra="local")


class Constraint(Protocol):
    """What one sequence may still say."""

    @property
    def complete(self) -> bool:
        """Whether the answer is at its end."""

    def forced(self) -> Sequence[int]:
        """The tokens that must come next, as far as there is no choice. They are not consumed by asking."""

    def consume(self, token: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Choice:
    """How one sequence chooses."""

    temperature: float
    random: Random
    constraint: Constraint | None


def choose(logits: Any, choices: Sequence[Choice]) -> tuple[list[int], list[float]]:
    """A token for each row of `logits` and its log-probability, among those allowed and at temperature 1."""
    tokens = logits.argmax(-1)
    drawn = [row for row, choice in enumerate(choices) if choice.temperature > 0]
    if drawn:
        tokens[drawn] = _draw(logits[drawn], [choices[row] for row in drawn])
    logprobs = logits.gather(1, tokens.unsqueeze(1)).squeeze(1) - logits.logsumexp(-1)
    return tokens.tolist(), logprobs.tolist()


def _draw(logits: Any, choices: Sequence[Choice]) -> Any:
    """Tokens at the points that one random number per row picks on the sum of probabilities.

    The numbers come from the sequence, not from a stream of the batch, so that company does not change them; and from
    Python, so that they are the same on each device.
    """
    heat = torch.tensor([[choice.temperature] for choice in choices], dtype=torch.float64, device=logits.device)
    upto = (logits.double() / heat).softmax(-1).cumsum(-1)
    points = torch.tensor([[choice.random.random()] for choice in choices], dtype=torch.float64, device=logits.device)
    found = torch.searchsorted(upto, points * upto[:, -1:], right=True)
    return found.squeeze(1).clamp(max=logits.shape[1] - 1)
