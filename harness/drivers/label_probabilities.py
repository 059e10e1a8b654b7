"""How probable each label of an enumeration is for a causal model: asked of all of them, not only of the one chosen.

This module is imported at first use.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.core.lazy import need
from harness.core.parsing import parse
from harness.core.records import ParseMode, Prompt, Request, Response, Scalar
from harness.core.schemas import AnswerSchema
from harness.core.token_confidence import field_confidence, scalars
from harness.drivers.chat_tokens import common
from harness.drivers.local_engine import LocalEngine
from harness.drivers.packed_rows import PackedRows


def label_probabilities(
    engine: LocalEngine,
    prompt: Prompt,
    inputs: Mapping[str, str],
    field: str,
    labels: Sequence[Scalar],
    *,
    before: str = "",
) -> dict[Scalar, float]:
    """Label → its probability behind `before`, the answer up to the label; they sum to 1.

    `before` is by default an answer that begins with `field`. That is exp(sum of the log-probabilities of the label's
    tokens, quotes included), over the sum of the same of all labels. A number counts with the comma after it.
    """
    before = before or f"{{{json.dumps(field, ensure_ascii=False)}: "
    texts = [before + _written(label, ",") for label in labels]
    (found,) = _shares(engine, prompt, inputs, [texts])
    return dict(zip(labels, found, strict=True))


def with_label_confidence(engine: LocalEngine, request: Request, reply: Response) -> Response:
    """The reply with the probability, among all labels, of each one that it chose.

    Fields that are no enumerations keep what the tokens tell. A text that is no JSON object is left as it is.
    """
    parsed = parse(reply.text, ParseMode.STRICT, finish_reason=reply.finish_reason)
    if parsed.problem or not isinstance(parsed.value, dict):
        return reply
    schema = AnswerSchema(request.prompt.schema)
    known = field_confidence(reply.text, reply.logprobs or (), start=parsed.start, fields=schema.fields) or {}
    places, texts = [], []
    for name, begin, end in scalars(reply.text, parsed.start):
        labels = schema.enumerated(name)
        if labels is not None and parsed.value[name] in labels:
            places.append((name, labels.index(parsed.value[name])))
            texts.append([reply.text[:begin] + _written(label, reply.text[end - 1]) for label in labels])
    shares = _shares(engine, request.prompt, request.inputs, texts) if texts else []
    chosen = {name: share[at] for (name, at), share in zip(places, shares, strict=True)}
    return replace(reply, confidence=known | chosen)


def _written(label: Scalar, after: str) -> str:
    """A label as JSON; a number with the character after it, which tells 1 from 10."""
    number = isinstance(label, int | float) and not isinstance(label, bool)
    return json.dumps(label, ensure_ascii=False) + (after if number else "")


def _shares(
    engine: LocalEngine, prompt: Prompt, inputs: Mapping[str, str], texts: Sequence[Sequence[str]]
) -> list[list[float]]:
    """For each list of texts how probable each is as the beginning of the answer, beside the others of its list."""
    asked = [[engine.tokens.ids(prompt, inputs, begun=text) for text in group] for group in texts]
    scores = _log_probabilities(engine, prompt, inputs, [ids for group in asked for ids in group])
    found = []
    for group in asked:
        shared = min(common(group[0], ids) for ids in group)
        own = [sum(next(scores)[shared:]) for _ in group]
        top = max(own)
        total = math.fsum(math.exp(score - top) for score in own)
        found.append([math.exp(score - top) / total for score in own])
    return found


def _log_probabilities(
    engine: LocalEngine, prompt: Prompt, inputs: Mapping[str, str], asked: Sequence[Sequence[int]]
) -> Iterator[list[float]]:
    """For each sequence the log-probability of each token behind those before it, 0 for what all begin with."""
    torch = need("torch", extra="local")
    shared = min(common(asked[0], ids) for ids in asked)
    with torch.inference_mode():
        rows, used = engine.behind_prefix(prompt, list(inputs), [ids[:shared] for ids in asked])
        packed = isinstance(rows, PackedRows)
        # The last shared token is fed with each sequence, for it tells the first token in which they differ.
        begin = shared - 1 if packed else used
        size = engine.most_rows if packed else 1
        for part in (asked[at : at + size] for at in range(0, len(asked), size)):
            rows.add()
            if isinstance(rows, PackedRows):
                if begin > used:
                    rows.feed([part[0][used:begin]])
                rows.fork(len(part))
            logits = rows.feed_all([ids[begin:] for ids in part])
            for row in reversed(range(len(part))):
                rows.drop(row)
            for ids, after in zip(part, logits, strict=True):
                chances = after[shared - 1 - begin : -1].log_softmax(-1)
                own = torch.tensor([ids[shared:]], device=chances.device).T
                yield [0.0] * shared + chances.gather(1, own).squeeze(1).tolist()
