"""The next token of each sequence: the most probable one, or one drawn by the sequence's own random numbers.

This module is imported at first use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from harness.core.lazy import need
from harness.drivers.grammar import Masks, Matcher

torch: Any = need("torch", extra="local")


@dataclass(frozen=True, slots=True)
class Choice:
    """How one sequence chooses."""

    temperature: float
    random: Random
    matcher: Matcher | None


def choose(logits: Any, choices: Sequence[Choice], masks: Masks | None) -> tuple[list[int], list[float]]:
    """A token for each row of `logits` and its log-probability at temperature 1.

    With `masks` both are among the tokens that may come next, and `logits` are changed: how sure the model is of a
    label is how it chooses between labels, not how much it would rather say something else.
    """
    if masks is not None:
        masks.fill([choice.matcher for choice in choices])
        masks.apply(logits)
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
