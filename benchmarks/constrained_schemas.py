"""Whether every finished constrained answer is valid: the support-ticket schema and a file of public schemas, decoded
with random logits under the mask, as by a model that knows nothing.

`python benchmarks/constrained_schemas.py SCHEMAS.json` writes benchmarks/results/constrained_schemas.md. The file holds
{name: schema}; see that page for where it comes from.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from tabulate import tabulate

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from support.tiny_tokenizer import tiny_tokenizer  # noqa: E402

from harness.core.errors import DriverError  # noqa: E402
from harness.core.options import SchemaNotLowered  # noqa: E402
from harness.core.parsing import parse  # noqa: E402
from harness.core.records import ParseMode  # noqa: E402
from harness.drivers.grammar import Grammar  # noqa: E402

RESULT = Path(__file__).parent / "results" / "constrained_schemas.md"
TICKETS = ROOT / "fixtures" / "support_tickets" / "schema.json"
SOURCE = """The public schemas are the 200 of JSONSchemaBench ([arXiv:2501.10868](https://arxiv.org/abs/2501.10868))
that this project is tested with; they were collected from public sources, are for testing only, and are no part of it.

Finished answers are parsed as strictly as in a run and validated against the whole schema, by the draft that answers
are judged by and by the one that the schema declares. Answers cut off at the limit are truncated, not finished."""


class Outcome(NamedTuple):
    """What became of one schema; times in seconds."""

    valid: int = 0
    invalid: tuple[str, ...] = ()
    truncated: int = 0
    tokens: int = 0
    sampled: int = 0
    compiling: float = 0.0
    masking: float = 0.0
    refused: str = ""


def decode(grammar: Grammar, *, outputs: int, limit: int, seed: int) -> tuple[list[list[int] | None], int, float]:
    """`outputs` random answers of at most `limit` tokens, None for one that was cut off; the tokens that were sampled,
    and the seconds spent on masks."""
    chance = torch.Generator().manual_seed(seed)
    matchers, masks = [grammar.matcher() for _ in range(outputs)], grammar.masks(outputs)
    answers: list[list[int]] = [[] for _ in matchers]
    sampled, seconds = 0, 0.0
    while True:
        for row, matcher in enumerate(matchers):
            forced = matcher.forced()
            matcher.consume(forced)
            answers[row] += forced
        under_way = [r for r, m in enumerate(matchers) if not m.finished and len(answers[r]) < limit]
        if not under_way:
            return [a if m.finished else None for a, m in zip(answers, matchers, strict=True)], sampled, seconds
        logits = torch.randn(len(under_way), grammar.vocab_size, generator=chance)
        start = time.perf_counter()
        masks.fill([matchers[row] for row in under_way])
        seconds += time.perf_counter() - start
        masks.apply(logits)
        chosen = torch.multinomial(logits.softmax(dim=1), 1, generator=chance).flatten().tolist()
        for row, token in zip(under_way, chosen, strict=True):
            matchers[row].consume([token])
            if token != grammar.end_token:
                answers[row].append(token)
        sampled += len(under_way)


def judge(name: str, schema: Mapping[str, Any], *, outputs: int, limit: int) -> Outcome:
    """The answers of one schema, judged as answers are in a run, and by the draft that the schema declares."""
    tokenizer = tiny_tokenizer()
    start = time.perf_counter()
    try:
        grammar = Grammar(schema, tokenizer)
    except SchemaNotLowered as error:
        return Outcome(refused=f"`{error.keyword}` at {error.pointer}: {error.reason}")
    except DriverError as error:
        return Outcome(refused=str(error))
    compiling = time.perf_counter() - start
    seed = zlib.crc32(name.encode())
    answers, sampled, masking = decode(grammar, outputs=outputs, limit=limit, seed=seed)
    validators = [Draft202012Validator(schema), validator_for(schema, default=Draft202012Validator)(schema)]
    wrong: list[str] = []
    finished = [answer for answer in answers if answer is not None]
    for answer in finished:
        text = tokenizer.decode(answer)
        parsed = parse(text, ParseMode.STRICT) if text.startswith("{") else None
        problem = parsed.problem if parsed else ""
        value = parsed.value if parsed else json.loads(text)
        errors = [] if problem else [error.message for v in validators for error in v.iter_errors(value)]
        if problem or errors:
            wrong.append(f"{problem or errors[0]}: {text}")
    return Outcome(
        valid=len(finished) - len(wrong),
        invalid=tuple(wrong),
        truncated=len(answers) - len(finished),
        tokens=sum(map(len, finished)),
        sampled=sampled,
        compiling=compiling,
        masking=masking,
    )


def page(tickets: Outcome, public: Mapping[str, Outcome], *, outputs: int, ticket_outputs: int, limit: int) -> str:
    accepted = {name: one for name, one in public.items() if not one.refused}
    refused = {name: one.refused for name, one in public.items() if one.refused}

    def row(what: str, many: list[Outcome], each: int) -> list[object]:
        finished = sum(one.valid + len(one.invalid) for one in many)
        valid = sum(one.valid for one in many)
        return [what, f"{len(many) * each:,}", f"{finished:,}", f"{valid:,}", f"{sum(o.truncated for o in many):,}"]

    counts = [
        row("support tickets", [tickets], ticket_outputs),
        row(f"{len(accepted)} public schemas", list(accepted.values()), outputs),
    ]
    everyone = [tickets, *accepted.values()]
    masks = sorted(one.masking / one.sampled * 1e6 for one in everyone if one.sampled)
    compiling = sorted(one.compiling * 1e3 for one in everyone)
    cut = Counter(one.truncated == outputs for one in accepted.values())[True]
    times = [
        ["compiling a schema, ms", *_spread(compiling)],
        ["the mask of one token, µs", *_spread(masks)],
    ]
    cores, python = len(os.sched_getaffinity(0)), f"Python {platform.python_version()}"
    lines = [
        "# Constrained decoding: are finished answers valid?",
        "",
        f"`python benchmarks/constrained_schemas.py SCHEMAS.json` on {cores} cores, {python}.",
        "Random logits under the mask, a byte-level BPE tokenizer of 2,000 tokens, "
        f"at most {limit} tokens an answer; seeds from the schemas' names.",
        SOURCE,
        "",
        tabulate(counts, headers=["schema", "answers", "finished", "valid", "truncated"], tablefmt="pipe"),
        "",
        f"Goal: every finished answer valid. {len(refused)} of {len(public)} public schemas are refused before a "
        f"token is decoded; {cut} of the others finished no answer.",
        "",
        tabulate(times, headers=["time", "median", "95%", "most"], tablefmt="pipe", disable_numparse=True),
        "",
    ]
    lines += [f"- refused: {name}: {why}" for name, why in sorted(refused.items())]
    lines += [f"- invalid: {name}: {why}" for name, one in sorted(accepted.items()) for why in one.invalid[:1]]
    return "\n".join(lines) + "\n"


def _spread(values: list[float]) -> list[str]:
    return [f"{v:.1f}" for v in (statistics.median(values), values[int(0.95 * (len(values) - 1))], values[-1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schemas", type=Path, help="a JSON file {name: schema}")
    parser.add_argument("--outputs", type=int, default=20, help="answers per public schema")
    parser.add_argument("--ticket-outputs", type=int, default=2_000, help="answers to the support-ticket schema")
    parser.add_argument("--limit", type=int, default=512, help="tokens of an answer")
    options = parser.parse_args()
    tiny_tokenizer()
    torch.set_num_threads(1)
    schemas = json.loads(options.schemas.read_text(encoding="utf-8"))
    ticket_schema = json.loads(TICKETS.read_text(encoding="utf-8"))
    tickets = judge("support_tickets", ticket_schema, outputs=options.ticket_outputs, limit=options.limit)
    public = {
        name: judge(name, schema, outputs=options.outputs, limit=options.limit) for name, schema in schemas.items()
    }
    text = page(tickets, public, outputs=options.outputs, ticket_outputs=options.ticket_outputs, limit=options.limit)
    RESULT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
