"""Requests about support tickets to a local model, and transformers' own `generate` as the reference of answers."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.core.prompting import answer_text, make_prompt
from harness.core.records import Adapter, Decoding, Prompt, Request, Settings
from harness.core.schemas import AnswerSchema
from harness.drivers.grammar import Grammar
from harness.drivers.transformers_local import TransformersDriver
from harness.fixtures_io.tasks import load_fixture

ROOT = Path(__file__).parents[2]
TICKETS = load_fixture(ROOT / "fixtures/support_tickets")
SCHEMA = AnswerSchema(TICKETS.task.schema)
POOL = TICKETS.pool()
SHORT = AnswerSchema({"type": "object", "properties": {"priority": {"enum": ["P1", "P2"]}}})
"""In prompts whose answers are free, so that they are short."""


def local(folder: Path, *, file: Path | None = None, **options: Any) -> TransformersDriver:
    """The driver of an adapter whose model is in `folder`, on the device of HOLDFAST_TEST_DEVICE or the CPU, in
    float32."""
    options = {"device": os.environ.get("HOLDFAST_TEST_DEVICE", "cpu"), "dtype": "float32"} | options
    return TransformersDriver(
        Adapter(name="local", driver="transformers_local", model=str(folder), options=options, file=str(file or ""))
    )


def ticket_prompt(shots: int = 2, schema: AnswerSchema = SHORT) -> Prompt:
    """Short instructions and the first `shots` tickets of the pool as examples."""
    return make_prompt("Sort the ticket.", schema, [(case.inputs, case.expected) for case in POOL[:shots]])


def ticket_requests(count: int, *, prompt: Prompt | None = None, repeats: int = 1, **settings: Any) -> list[Request]:
    """Requests about tickets of the pool that are no examples, repeats of one next to each other."""
    cases = POOL[100 : 100 + count]
    made = Settings(**({"max_tokens": 24} | settings))
    prompt = prompt or ticket_prompt()
    return [
        Request(prompt=prompt, case_id=case.id, repeat=repeat, inputs=case.inputs, settings=made)
        for case in cases
        for repeat in range(repeats)
    ]


def constrained(count: int, **settings: Any) -> list[Request]:
    """Requests whose answers must fit the schema."""
    settings = {"max_tokens": 80} | settings
    return ticket_requests(count, prompt=ticket_prompt(1, SCHEMA), decoding=Decoding.JSON_SCHEMA, **settings)


def generated(driver: TransformersDriver, requests: Sequence[Request], **options: Any) -> list[str]:
    """What `model.generate` answers greedily, each request by itself."""
    tokenizer = driver.engine.loaded.tokenizer
    return [tokenizer.decode(ids, skip_special_tokens=True) for ids in generated_ids(driver, requests, **options)]


def generated_ids(driver: TransformersDriver, requests: Sequence[Request], **options: Any) -> list[list[int]]:
    """The tokens of `generated`, with the one that ends an answer."""
    loaded = driver.engine.loaded
    torch = loaded.torch
    answers = []
    for request in requests:
        ids = torch.tensor([driver.engine.tokens.ids(request.prompt, request.inputs)], device=loaded.device)
        found = loaded.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=request.settings.max_tokens,
            do_sample=False,
            **options,
        )
        answers.append(found[0, ids.shape[1] :].tolist())
    return answers


def under_schema(driver: TransformersDriver, request: Request) -> Any:
    """A processor of logits for `generate` that holds an answer to the schema of a request.

    Where there is no choice about the next tokens it allows them alone, cut as the tokenizer would cut their text.
    """
    loaded = driver.engine.loaded
    grammar = Grammar(request.prompt.schema, loaded.tokenizer, vocab_size=loaded.model.config.vocab_size)
    matcher, masks, asked = grammar.matcher(), grammar.masks(1), []

    def process(ids: Any, scores: Any) -> Any:
        if asked:
            matcher.consume([int(ids[0, -1])])
        asked.append(1)
        if forced := matcher.forced():
            only = loaded.torch.full_like(scores, float("-inf"))
            only[0, forced[0]] = 0.0
            return only
        masks.fill([matcher])
        masks.apply(scores)
        return scores

    return process


def valid(text: str, schema: AnswerSchema = SCHEMA) -> bool:
    """Whether a text is one JSON value that the schema allows, written as `answer_text` writes it."""
    answer = json.loads(text)
    return schema.first_error(answer) is None and answer_text(answer, schema.schema) == text
