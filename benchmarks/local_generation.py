"""What packed batches, a shared prefix and forced tokens gain over `model.generate` on the same model and requests.

`python benchmarks/local_generation.py` writes benchmarks/results/local_generation.md. Each way of answering runs in a
process of its own, so that its memory is its own. `--model FOLDER --device cuda` measures a real model.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from support.tiny_tokenizer import TICKETS, train_tokenizer  # noqa: E402

from harness.core.prompting import make_prompt  # noqa: E402
from harness.core.records import Adapter, Decoding, Failure, Request, Settings  # noqa: E402
from harness.core.schemas import AnswerSchema  # noqa: E402
from harness.drivers.grammar import Grammar, Masks, Matcher  # noqa: E402
from harness.drivers.transformers_local import TransformersDriver  # noqa: E402
from harness.fixtures_io.tasks import load_fixture  # noqa: E402

RESULT = Path(__file__).parent / "results" / "local_generation.md"
FREE_TOKENS, MOST_TOKENS = 40, 120
AT_ONCE = 64
"""Requests per call of the driver, as the scheduler makes them."""
WAYS = ("free", "free_generate", "free_batched", "constrained", "constrained_generate")


# ------------------------------------------------------------------------------------------------ model and requests


def build_model(folder: Path) -> None:
    """A Llama of about 29 million parameters with random weights. Its tokenizer has seen tickets but no answers, so
    that an answer has about 40 tokens."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    rows = [json.loads(line) for line in (TICKETS / "pool.jsonl").read_text(encoding="utf-8").splitlines()]
    tokenizer = train_tokenizer([row["inputs"]["text"] for row in rows], 4000)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=512,
        intermediate_size=1536,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=False,
        initializer_range=0.1,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def requests(cases: int, shots: int, *, constrained: bool) -> list[Request]:
    fixture = load_fixture(TICKETS)
    schema = AnswerSchema(fixture.task.schema)
    examples = [(case.inputs, case.expected) for case in fixture.pool()[:shots]]
    prompt = make_prompt("Sort the ticket of a customer.", schema, examples)
    settings = (
        Settings(decoding=Decoding.JSON_SCHEMA, max_tokens=MOST_TOKENS)
        if constrained
        else Settings(max_tokens=FREE_TOKENS)
    )
    return [
        Request(prompt=prompt, case_id=case.id, repeat=0, inputs=case.inputs, settings=settings)
        for case in list(fixture.holdout())[:cases]
    ]


# ------------------------------------------------------------------------------------------------ ways of answering


def harness(driver: TransformersDriver, asked: Sequence[Request]) -> list[str]:
    replies = [reply for at in range(0, len(asked), AT_ONCE) for reply in driver.answer(asked[at : at + AT_ONCE])]
    failed = next((reply.message for reply in replies if isinstance(reply, Failure)), None)
    if failed:
        raise SystemExit(f"a request failed: {failed}")
    return [reply.text for reply in replies if not isinstance(reply, Failure)]


def generate_each(driver: TransformersDriver, asked: Sequence[Request]) -> list[str]:
    return [text for request in asked for text in generate(driver, [request])]


def generate_batched(driver: TransformersDriver, asked: Sequence[Request], size: int = 32) -> list[str]:
    """Batches of `size`, shortest requests first, padded on the left."""
    tokens = driver.engine.tokens
    order = sorted(range(len(asked)), key=lambda i: len(tokens.ids(asked[i].prompt, asked[i].inputs)))
    found: dict[int, str] = {}
    for at in range(0, len(order), size):
        batch = order[at : at + size]
        found.update(zip(batch, generate(driver, [asked[i] for i in batch]), strict=True))
    return [found[i] for i in range(len(asked))]


def generate(driver: TransformersDriver, asked: Sequence[Request]) -> list[str]:
    loaded = driver.engine.loaded
    torch, tokenizer = loaded.torch, loaded.tokenizer
    rows = [driver.engine.tokens.ids(request.prompt, request.inputs) for request in asked]
    width = max(len(row) for row in rows)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=loaded.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=loaded.device)
    constrained = asked[0].settings.decoding is Decoding.JSON_SCHEMA
    with torch.inference_mode():
        found = loaded.model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=asked[0].settings.max_tokens,
            do_sample=False,
            pad_token_id=pad,
            logits_processor=[held(driver, asked[0])] if constrained else None,
        )
    return [tokenizer.decode(row, skip_special_tokens=True) for row in found[:, width:].tolist()]


def held(driver: TransformersDriver, request: Request) -> Callable[[Any, Any], Any]:
    """A processor of logits with the masks of llguidance, for one request. Where the schema leaves no choice, it allows
    the token by which the harness goes on; else both would cut the same text into other tokens, and go on otherwise."""
    matcher, masks, seen = grammar_of(driver, request).matcher(), Masks(1, *mask_sizes(driver, request)), [0]

    def process(ids: Any, scores: Any) -> Any:
        if seen[0]:
            matcher.consume([int(ids[0, -1])])
        seen[0] += 1
        if forced := matcher.forced():
            chosen = scores[0, forced[0]].clone()
            scores.fill_(float("-inf"))
            scores[0, forced[0]] = chosen
        else:
            masks.fill([matcher])
            masks.apply(scores)
        return scores

    return process


GRAMMARS: dict[str, Grammar] = {}


def grammar_of(driver: TransformersDriver, request: Request) -> Grammar:
    """Compiled once, as the harness does."""
    if request.prompt.digest not in GRAMMARS:
        loaded = driver.engine.loaded
        width = loaded.model.get_output_embeddings().weight.shape[0]
        GRAMMARS[request.prompt.digest] = Grammar(request.prompt.schema, loaded.tokenizer, vocab_size=width)
    return GRAMMARS[request.prompt.digest]


def mask_sizes(driver: TransformersDriver, request: Request) -> tuple[int, int]:
    grammar = grammar_of(driver, request)
    return grammar.vocab_size, grammar.end_token


class MaskClock:
    """The seconds spent on masks, forced tokens and matchers."""

    def __init__(self) -> None:
        self.seconds = 0.0
        for kind, names in ((Masks, ("fill", "apply")), (Matcher, ("forced", "consume")), (Grammar, ("matcher",))):
            for name in names:
                setattr(kind, name, self._timed(getattr(kind, name)))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            started = time.perf_counter()
            try:
                return method(*args)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


# ------------------------------------------------------------------------------------------------------- measuring


def driver_of(options: argparse.Namespace, folder: Path, **batch: int) -> TransformersDriver:
    given = {"device": options.device, "dtype": options.dtype, "batch": batch}
    return TransformersDriver(Adapter(name="local", driver="transformers_local", model=str(folder), options=given))


def measure(way: str, options: argparse.Namespace) -> dict[str, Any]:
    """One way of answering all requests, after a first short one that loads the model."""
    import torch

    torch.set_num_threads(options.threads)
    driver = driver_of(options, options.folder, **({"rows": options.rows} if options.rows else {}))
    asked = requests(options.cases, options.shots, constrained=way.startswith("constrained"))
    answer = {"generate": generate_each, "batched": generate_batched}.get(way.partition("_")[2], harness)
    answer(driver, asked[:1])
    clock = MaskClock() if options.clock else None
    started, worked = time.perf_counter(), time.process_time()
    texts = answer(driver, asked)
    seconds, cpu_s = time.perf_counter() - started, time.process_time() - worked
    tokenizer = driver.engine.loaded.tokenizer
    prefix = driver.engine.tokens.shared_ids(asked[0].prompt, list(asked[0].inputs))
    on_gpu = driver.engine.loaded.device.startswith("cuda")
    return {
        "texts": texts,
        "seconds": seconds,
        "cpu_s": cpu_s,
        "mask_s": None if clock is None else clock.seconds,
        "peak_mib": torch.cuda.max_memory_allocated() / 2**20
        if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "prefix": len(prefix),
        "tokens": sum(len(tokenizer(text)["input_ids"]) for text in texts) / len(texts),
        "parameters": driver.engine.loaded.model.num_parameters(),
        "packs": driver.engine.packs,
    }


def in_process(way: str, options: argparse.Namespace, **changes: Any) -> dict[str, Any]:
    """`measure` in a process of its own."""
    given = {**vars(options), **changes, "way": way}
    flags = [f"--{name}={value}" for name, value in given.items() if value not in (None, False, "")]
    flags = [flag.removesuffix("=True") for flag in flags]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        subprocess.run([sys.executable, __file__, *flags, f"--out={out}"], check=True)
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    print(f"{way}: {found['seconds']:.1f} s, {options.cases / found['seconds']:.2f} cases/s", flush=True)
    return found


def near_ties(options: argparse.Namespace, one: Sequence[str], other: Sequence[str]) -> list[float]:
    """For each free answer that differs: by how much the model preferred its next token over the other's there."""
    import torch

    differing = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if not differing:
        return []
    driver = driver_of(options, options.folder)
    asked = requests(options.cases, options.shots, constrained=False)
    loaded, gaps = driver.engine.loaded, []
    for i in differing:
        a, b = (loaded.tokenizer(text)["input_ids"] for text in (one[i], other[i]))
        at = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
        if at is None:
            continue
        ids = driver.engine.tokens.ids(asked[i].prompt, asked[i].inputs) + a[:at]
        with torch.inference_mode():
            logits = loaded.model(torch.tensor([ids], device=loaded.device)).logits[0, -1]
        gaps.append(abs(float(logits[a[at]] - logits[b[at]])))
    return gaps


# ------------------------------------------------------------------------------------------------------- the page


def page(options: argparse.Namespace, found: dict[str, dict[str, Any]], clocked: dict[str, Any]) -> str:
    def rate(way: str) -> float:
        return float(options.cases / found[way]["seconds"])

    def beside(way: str, other: str) -> str:
        worked = found[other]["cpu_s"] / found[way]["cpu_s"]
        return (
            f"{rate(way) / rate(other):.1f} × ({rate(way):.2f} and {rate(other):.2f} cases/s; CPU time {worked:.1f} ×)"
        )

    def same(one: str, other: str) -> str:
        equal = sum(a == b for a, b in zip(found[one]["texts"], found[other]["texts"], strict=True))
        return f"{equal} of {options.cases}"

    schema = AnswerSchema(load_fixture(TICKETS).task.schema)
    # On a machine that others use too, seconds on the clock would make the share look smaller.
    masks = clocked["mask_s"] / min(clocked["seconds"], clocked["cpu_s"])
    valid = sum(fits(text, schema) for text in found["constrained"]["texts"])
    rows = [
        ("constrained, beside one `generate` each", "≥ 5 ×", beside("constrained", "constrained_generate")),
        ("free text, beside one `generate` each", "≥ 1.7 ×", beside("free", "free_generate")),
        ("free text, beside `generate` in batches of 32", "≥ 1.7 ×", beside("free", "free_batched")),
        (
            "masks and forced tokens at batch 32",
            "≤ 5% of the time",
            f"{100 * masks:.1f}%",
        ),
        ("free answers equal to one `generate` each", "all", same("free", "free_generate")),
        ("those of batched `generate` equal to them", "", same("free_batched", "free_generate")),
        ("constrained answers equal to one `generate` each", "all", same("constrained", "constrained_generate")),
        ("constrained answers that fit the whole schema", "all", f"{valid} of {options.cases}"),
    ]
    free = found["free"]
    weights = "the weights given" if options.model else "random weights"
    told = [
        "# Local generation beside `model.generate`",
        "",
        f"`python benchmarks/local_generation.py` on {options.device}, {options.threads} threads, Python "
        f"{platform.python_version()}: {options.cases} support tickets, {free['parameters'] / 1e6:.0f} million "
        f"parameters, {weights}, {free['prefix']} tokens that all requests begin with, on average {free['tokens']:.0f} "
        f"tokens of free and {found['constrained']['tokens']:.0f} of constrained answers.",
        "",
        tabulate(rows, headers=["what", "goal", "measured"], tablefmt="github"),
        "",
        "Peak memory of each process, model and libraries included:",
        "",
        tabulate([(w, f"{found[w]['peak_mib']:,.0f} MiB") for w in WAYS], headers=["way", "peak"], tablefmt="github"),
        "",
        "`generate` is held to the schema by a processor of logits with the same masks; where the schema leaves no "
        "choice it takes the token that the harness takes, one forward pass each.",
    ]
    gaps = near_ties(options, free["texts"], found["free_generate"]["texts"])
    if gaps:
        told += [
            "",
            f"Where free answers differ, the two tokens at which they part are {max(gaps):.1g} apart in the model's "
            "logits at most: rounding decides such ties, and rounding depends on the shape of a batch.",
        ]
    return "\n".join(told) + "\n"


def fits(text: str, schema: AnswerSchema) -> bool:
    try:
        return schema.first_error(json.loads(text)) is None
    except ValueError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="", help="a folder; default: a small model with random weights")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--shots", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, help="most requests at once; default: the driver's own")
    parser.add_argument("--result", type=Path, default=RESULT)
    for name, kind in (("way", str), ("folder", Path), ("out", Path)):
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    parser.add_argument("--clock", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        options.out.write_text(json.dumps(measure(options.way, options)), encoding="utf-8")
        return
    with tempfile.TemporaryDirectory() as built:
        options.folder = Path(options.model or built)
        if not options.model:
            build_model(options.folder)
        found = {way: in_process(way, options) for way in WAYS}
        clocked = in_process("constrained", options, clock=True, rows=32)
        options.result.write_text(page(options, found, clocked), encoding="utf-8")


if __name__ == "__main__":
    main()
