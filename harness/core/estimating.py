"""How large a request is before it is sent, and how many tokens that will be."""

from __future__ import annotations

from harness.core.prompting import inputs_text, shared_messages
from harness.core.records import Prompt, Request

TOKENS_PER_BYTE = 0.25
"""The rule of thumb of 4 characters of English per token; in bytes of UTF-8, since other scripts take more tokens."""


class RequestSize:
    """Bytes of UTF-8 that a model reads per request; what the requests of one prompt share is measured once.

    `messages` tells whether it reads chat messages, or the inputs of the case alone.
    """

    def __init__(self, *, messages: bool) -> None:
        self._messages = messages
        self._shared: dict[str, int] = {}

    def __call__(self, request: Request) -> int:
        return self._of_prompt(request.prompt) + _bytes(inputs_text(request.inputs))

    def _of_prompt(self, prompt: Prompt) -> int:
        if not self._messages:
            return 0
        if prompt.digest not in self._shared:
            self._shared[prompt.digest] = sum(_bytes(message["content"]) for message in shared_messages(prompt))
        return self._shared[prompt.digest]


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
