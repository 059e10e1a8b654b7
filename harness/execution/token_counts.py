"""How many tokens a request is about to take, before the provider has counted them."""

from __future__ import annotations

from harness.core.records import Prompt, Request, Usage

CHARACTERS_A_TOKEN = 4


class TokenCounts:
    """Estimates by the length of the texts, and by the answers so far: until the first, an answer may be as long as it
    is allowed to be."""

    def __init__(self) -> None:
        self._prompts: dict[str, float] = {}
        self._answers = self._output = self._all = 0

    @property
    def mean(self) -> float:
        """The tokens of a request and its answer, on average; 0 before the first answer."""
        return self._all / self._answers if self._answers else 0.0

    def estimate(self, request: Request) -> float:
        """The tokens of the request and of its answer."""
        prompt = self._prompts.get(request.prompt.digest)
        if prompt is None:
            prompt = self._prompts[request.prompt.digest] = _characters(request.prompt) / CHARACTERS_A_TOKEN
        inputs = sum(map(len, request.inputs.values())) / CHARACTERS_A_TOKEN
        output = self._output / self._answers if self._answers else request.settings.max_tokens
        return prompt + inputs + output

    def note(self, usage: Usage) -> int:
        """Learn from what an answer took; how many tokens that were, 0 where the provider does not say."""
        taken = usage.input_tokens + usage.output_tokens
        if taken:
            self._answers += 1
            self._output += usage.output_tokens
            self._all += taken
        return taken


def _characters(prompt: Prompt) -> int:
    shown = (
        sum(map(len, inputs.values())) + sum(len(name) + len(str(value)) for name, value in answer.items())
        for inputs, answer in prompt.examples
    )
    return len(prompt.instructions) + sum(shown)
