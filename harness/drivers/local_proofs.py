"""Proofs that a local model is what its adapter and strategy declare: LoRA, template, schema, batches.

This module is imported at first use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.core.lazy import need
from harness.core.parsing import parse
from harness.core.records import Decoding, Failure, ParseMode, Prompt, Proof, Request, Response
from harness.core.schemas import AnswerSchema
from harness.drivers.causal_model import CausalModel
from harness.drivers.chat_tokens import ChatTokens
from harness.drivers.local_engine import LocalEngine
from harness.drivers.plain_row import NEAR

torch: Any = need("torch", extra="local")

BATCH_PROBES = 4
"""How many requests are asked again, alone."""
LORA_PROBES = ("The invoice was sent twice.", "Please call back before noon, it is urgent!", "7 + 5 = ?")
"""What LoRA weights are tried on: short texts of no task, since weights that do something do it to every text."""
LORA, MERGED, TEMPLATE = "LoRA changes the logits", "merged and unmerged LoRA agree", "template"
SCHEMA, BATCHES = "answers are held to the schema", "answers do not depend on the batch"


@dataclass(frozen=True, slots=True)
class LoraEffect:
    """The largest differences of a logit on the probes, and the largest logit there."""

    changed: float
    merging: float
    largest: float


def merge_measured(loaded: CausalModel, tokens: ChatTokens) -> LoraEffect:
    """Merge the LoRA weights into the model, which is then as fast as without them, and tell what they change."""
    prompt = Prompt(instructions="Answer.", definitions={}, examples=(), schema={})
    asked = [tokens.ids(prompt, {"text": text}) for text in LORA_PROBES]
    with loaded.model.disable_adapter():
        base = _logits(loaded, asked)
    apart = _logits(loaded, asked)
    loaded.merge()
    merged = _logits(loaded, asked)
    return LoraEffect(
        changed=float((apart - base).abs().max()),
        merging=float((merged - apart).abs().max()),
        largest=float(apart.abs().max()),
    )


def _logits(loaded: CausalModel, asked: Sequence[Sequence[int]]) -> Any:
    """The logits of the first token of each answer."""
    with torch.inference_mode():
        rows = [loaded.model(torch.tensor([ids], device=loaded.device), logits_to_keep=1).logits for ids in asked]
    return torch.cat([row[:, -1].float() for row in rows])


def lora_proofs(effect: LoraEffect, dtype: str, *, adapter: str) -> list[Proof]:
    """That LoRA weights do something, and that merging them into the model does nothing else."""
    again = f"train them again with: harness train adapters/{adapter}.yaml"
    if not effect.changed > 0:
        detail = "no logit changes with the LoRA weights: they did not load, or were never trained"
        return [Proof(name=LORA, status="failed", detail=detail, remedy=again)]
    bound = NEAR[dtype] * effect.largest
    detail = f"logits differ by {effect.merging:.2g} at most, {bound:.2g} is rounding in {dtype}"
    remedy = "" if effect.merging <= bound else "set `dtype: float32` in the adapter"
    return [
        Proof(name=LORA, status="proved", detail=f"logits on probe texts move by up to {effect.changed:.2g}"),
        Proof(name=MERGED, status="failed" if remedy else "proved", detail=detail, remedy=remedy),
    ]


def template_proof(tokens: ChatTokens, card: Mapping[str, Any], *, adapter: str) -> Proof:
    """Which template renders the requests, and whether LoRA weights were trained with it."""
    trained = card.get("template_sha256")
    if trained is None:
        return Proof(name=TEMPLATE, status="reported", detail=tokens.name)
    if trained == tokens.digest:
        return Proof(name=TEMPLATE, status="proved", detail=f"{tokens.name}, with which the LoRA weights were trained")
    return Proof(
        name=TEMPLATE,
        status="failed",
        detail=f"{tokens.name} (SHA-256 {tokens.digest[:12]}…), but the LoRA weights were trained with {trained[:12]}…",
        remedy=f"set `template` in adapters/{adapter}.yaml to that of the training, or train again with: "
        f"harness train adapters/{adapter}.yaml",
    )


def answer_proofs(engine: LocalEngine, requests: Sequence[Request]) -> list[Proof]:
    """What probe answers show: that the schema holds them where it should, and that their batch does not matter."""
    greedy = [replace(request, settings=replace(request.settings, temperature=0.0)) for request in requests]
    together = engine.answer(greedy)
    proofs = [batch_proof(engine, greedy, together)]
    if requests and requests[0].settings.decoding is Decoding.JSON_SCHEMA:
        proofs.append(schema_proof(engine, greedy[0], together))
    return proofs


def schema_proof(engine: LocalEngine, request: Request, replies: Sequence[Response | Failure]) -> Proof:
    """That masks forbid something, and that finished answers fit the whole schema."""
    allowed, known = engine.choices_at_start(request)
    schema = AnswerSchema(request.prompt.schema)
    finished = [r.text for r in replies if isinstance(r, Response) and r.finish_reason == "stop"]
    fitting = sum(_fits(schema, text) for text in finished)
    detail = (
        f"{allowed} of {known} tokens may be chosen first; {fitting} of {len(finished)} finished probe "
        "answers fit the schema"
    )
    if 0 < allowed < known and fitting == len(finished):
        return Proof(name=SCHEMA, status="proved", detail=detail)
    remedy = "use `decoding: free`, and report the schema, whose constraint this version does not hold"
    return Proof(name=SCHEMA, status="failed", detail=detail, remedy=remedy)


def _fits(schema: AnswerSchema, text: str) -> bool:
    parsed = parse(text, ParseMode.STRICT)
    return not parsed.problem and schema.first_error(parsed.value) is None


def batch_proof(engine: LocalEngine, greedy: Sequence[Request], together: Sequence[Response | Failure]) -> Proof:
    """That greedy answers are the same alone and together: all in float32, how many elsewhere."""
    alone = [engine.answer([request])[0] for request in greedy[:BATCH_PROBES]]
    same = sum(_words(one) == _words(other) for one, other in zip(alone, together, strict=False))
    way = f"in batches of {len(together)}" if engine.packs else "though one request is answered at a time"
    detail = f"{same} of {len(alone)} greedy probe answers are the same alone and {way}, in {engine.loaded.dtype}"
    if engine.loaded.dtype != "float32":
        return Proof(name=BATCHES, status="reported", detail=detail)
    if same == len(alone):
        return Proof(name=BATCHES, status="proved", detail=detail)
    remedy = "set `batch: {rows: 1}` in the adapter"
    return Proof(name=BATCHES, status="failed", detail=detail, remedy=remedy)


def _words(reply: Response | Failure) -> object:
    return reply.text if isinstance(reply, Response) else reply.kind
