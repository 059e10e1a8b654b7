"""A request as the tokens of a causal model, by its tokenizer's chat template or by a plain one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from harness.core.digests import digest
from harness.core.errors import DriverError
from harness.core.prompting import TEMPLATE_VERSION, inputs_message, shared_messages
from harness.core.records import Prompt

TEMPLATES = ("auto", "chat", "plain")
_PLAIN_VERSION = "1"
RENDERING_VERSION = f"{TEMPLATE_VERSION}.{_PLAIN_VERSION}"
"""Changes where the text of a request changes although its model and prompt don't."""

Message = Mapping[str, str]


class ChatTokens:
    """Renders the messages of requests as text and as token ids."""

    def __init__(self, tokenizer: Any, *, template: str = "auto", adapter: str = "") -> None:
        """`template` "auto" is the tokenizer's own, and plain where it has none.

        Raises DriverError if a chat template is asked for and the tokenizer has none.
        """
        self._tokenizer = tokenizer
        own = getattr(tokenizer, "chat_template", None)
        if template == "chat" and not own:
            raise DriverError(f"{adapter}: the tokenizer has no chat template; expected `template: plain`")
        self.plain = template == "plain" or not own
        self.digest = digest([TEMPLATE_VERSION, _PLAIN_VERSION if self.plain else own])
        self._merged: bool | None = None

    @property
    def name(self) -> str:
        """What a report calls the template."""
        return "plain (Input:, Answer:)" if self.plain else "chat template of the tokenizer"

    def text(self, prompt: Prompt, inputs: Mapping[str, str]) -> str:
        """All that the model reads before it answers."""
        return self._render([*shared_messages(prompt), inputs_message(inputs)], answer=None)

    def ids(self, prompt: Prompt, inputs: Mapping[str, str], *, begun: str = "") -> list[int]:
        """The token ids of `text`, followed by an answer that is `begun`."""
        return self._ids(self.text(prompt, inputs) + begun)

    def shared_ids(self, prompt: Prompt, names: Collection[str]) -> list[int]:
        """The token ids that all requests of `prompt` with inputs called `names` begin with, up to rare exceptions."""
        one, other = (self.ids(prompt, dict.fromkeys(names, text)) for text in ("0", "Z"))
        return one[: common(one, other)]

    def with_answer(self, prompt: Prompt, inputs: Mapping[str, str], answer: str) -> tuple[list[int], list[int]]:
        """(ids of what the model reads, ids of the answer with what ends it), as `generate` and training see them."""
        messages = [*shared_messages(prompt), inputs_message(inputs)]
        before = self._render(messages, answer=None)
        whole = self._render(messages, answer=answer)
        end = self._tokenizer.eos_token or ""
        ended = whole[len(before) :] if whole.startswith(before) else answer + end
        return self._ids(before), self._tokenizer(ended.rstrip("\n"), add_special_tokens=False)["input_ids"]

    def _ids(self, text: str) -> list[int]:
        # A chat template writes its special tokens itself.
        found: list[int] = self._tokenizer(text, add_special_tokens=self.plain)["input_ids"]
        return found

    def _render(self, messages: Sequence[Message], *, answer: str | None) -> str:
        if self.plain:
            return _plain(messages, answer=answer, end=self._tokenizer.eos_token or "")
        if answer is not None:
            messages = [*messages, {"role": "assistant", "content": answer}]
        return self._chat(messages, generating=answer is None)

    def _chat(self, messages: Sequence[Message], *, generating: bool) -> str:
        """The chat template's text. Where it refuses a system message, that one stands before the first user's."""
        if self._merged is None:
            try:
                self._apply(messages, generating)
                self._merged = False
            except Exception:  # templates raise what they like
                self._merged = True
        if self._merged:
            system, first, *rest = messages
            merged = f"{system['content']}\n\n{first['content']}"
            messages = [{"role": "user", "content": merged}, *rest]
        return self._apply(messages, generating)

    def _apply(self, messages: Sequence[Message], generating: bool) -> str:
        text: str = self._tokenizer.apply_chat_template(
            [dict(message) for message in messages], tokenize=False, add_generation_prompt=generating
        )
        return text


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences have in common at their beginning."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _plain(messages: Sequence[Message], *, answer: str | None, end: str) -> str:
    parts = []
    for message in messages:
        role, content = message["role"], message["content"]
        parts.append({"system": f"{content}\n\n", "user": f"Input:\n{content}\nAnswer:\n"}.get(role, f"{content}\n\n"))
    return "".join(parts) + ("" if answer is None else answer + end)
