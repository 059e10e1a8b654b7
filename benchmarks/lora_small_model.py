"""What LoRA makes of a small pretrained model: `harness train` on a pool of 1,000, judged beside the untrained model.

    python benchmarks/lora_small_model.py FOLDER

FOLDER holds a causal model as transformers saves it, with real weights. Of a GGUF file it is made by

    kept = GgufConfig(dequantize=True)
    AutoModelForCausalLM.from_pretrained(PLACE, gguf_file=FILE, quantization_config=kept).save_pretrained(FOLDER)
    AutoTokenizer.from_pretrained(PLACE, gguf_file=FILE).save_pretrained(FOLDER)

The task is the category of the repository's support tickets. Everything runs through the product: `harness freeze`,
`harness train`, `pytest suites/`. Writes benchmarks/results/lora_small_model.md. `--project DIR` keeps the small
project, and goes on with what is done there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tabulate import tabulate

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from harness.core.prompting import make_prompt, render  # noqa: E402
from harness.core.records import Response  # noqa: E402
from harness.core.schemas import AnswerSchema  # noqa: E402
from harness.core.statistics import tango_interval, wilson_interval  # noqa: E402
from harness.drivers.transformers_local import TransformersDriver  # noqa: E402
from harness.fixtures_io.suites import SUITE_FILE, Project, load_suite  # noqa: E402

TICKETS = ROOT / "fixtures" / "support_tickets"
RESULT = Path(__file__).parent / "results" / "lora_small_model.md"
NAME, FIELD = "ticket_category", "category"
GAIN = 0.20
RELOADED = 30
"""How many answers are asked for a second time, by weights that another process has read."""
TASK = f"""name: {NAME}
schema: schema.json
decision_fields: [{FIELD}]
personal_data: masked
"""
SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), 0.5, role="report")
"""
STRATEGIES = f"""task: {NAME}
adapter: small
strategies:
  base:        {{stage: reference, prompt: base.md, sampling: {{max_tokens: 24}}}}
  prompt:      {{stage: reference, prompt: instructions.md, sampling: {{max_tokens: 24}}}}
  constrained: {{stage: reference, prompt: instructions.md, decoding: json_schema}}
  untrained:   {{stage: reference, prompt: short.md, decoding: json_schema}}
  fine_tuned:  {{stage: shipped, prompt: short.md, adapter: small_lora, decoding: json_schema}}
"""
PROMPTS = {
    "base.md": "You sort messages to the help desk of Larkpost, an e-mail marketing product, by category.\n",
    "short.md": "Sort this message to the Larkpost help desk by the house rules.\n",
}
ADAPTER = "driver: transformers_local\nmodel: {model}\ndevice: {device}\n"


def make_project(folder: Path, options: argparse.Namespace) -> None:
    """A project whose holdout and pool are seeded samples of the repository's, with the category as the only field."""
    fixture, suite, adapters = folder / "fixtures" / NAME, folder / "suites" / NAME, folder / "adapters"
    for place in (fixture, suite, adapters):
        place.mkdir(parents=True)
    known = json.loads((TICKETS / "schema.json").read_text(encoding="utf-8"))["properties"][FIELD]
    schema = {"type": "object", "additionalProperties": False, "required": [FIELD], "properties": {FIELD: known}}
    draw = random.Random(options.seed)
    write(fixture / "schema.json", json.dumps(schema))
    write(fixture / "task.yaml", TASK)
    for name, count in (("holdout", options.cases), ("pool", options.pool)):
        rows = rows_of(TICKETS / f"{name}.jsonl")
        taken = (
            {"id": row["id"], "inputs": row["inputs"], "expected": {FIELD: row["expected"][FIELD]}}
            for row in draw.sample(rows, len(rows))[:count]
        )
        write(fixture / f"{name}.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in taken))
    guide = (ROOT / "suites/support_tickets/prompts/instructions.md").read_text(encoding="utf-8")
    write(suite / "instructions.md", guide.partition("## priority")[0])
    for name, text in PROMPTS.items():
        write(suite / name, text)
    write(suite / "strategies.yaml", STRATEGIES)
    write(suite / f"test_{NAME}.py", SUITE)
    write(adapters / "small.yaml", ADAPTER.format(model=options.model.resolve(), device=options.device))
    training = {
        "strategy": f"{NAME}/fine_tuned",
        "rank": options.rank,
        "alpha": 2 * options.rank,
        "learning_rate": options.learning_rate,
        "epochs": options.epochs,
        "batch_size": options.batch,
        "seed": options.seed,
    }
    trained = (adapters / "small.yaml").read_text(
        encoding="utf-8"
    ) + f"lora: lora/small\ntraining: {json.dumps(training)}\n"
    write(adapters / "small_lora.yaml", trained)
    harness(folder, "freeze", f"fixtures/{NAME}")


def harness(folder: Path, *arguments: str) -> None:
    python(folder, "-m", "harness.cli", *arguments)


def judge(folder: Path) -> None:
    python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"suites/{NAME}")


def python(folder: Path, *arguments: str) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *arguments], cwd=folder, env=env, check=True)


def write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def measured(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """strategy → case id → its row of outcomes.jsonl."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows_of(folder / "reports/latest/outcomes.jsonl"):
        found.setdefault(row["strategy"], {})[row["case"]] = row
    return found


def right(rows: Mapping[str, Mapping[str, Any]], cases: Iterable[str]) -> list[bool]:
    return [rows[case]["status"] == "correct" for case in cases]


def percent(hits: Sequence[bool]) -> str:
    lower, upper = wilson_interval(sum(hits), len(hits), 0.95)
    return f"{100 * sum(hits) / len(hits):.1f}% ({100 * lower:.1f}–{100 * upper:.1f})"


def gain(hits: Sequence[bool], over: Sequence[bool]) -> str:
    """The paired difference in points, with its 95% interval."""
    losses = sum(b and not a for a, b in zip(hits, over, strict=True))
    gains = sum(a and not b for a, b in zip(hits, over, strict=True))
    lower, upper = tango_interval(losses, gains, len(hits), 0.95)
    return f"{100 * (gains - losses) / len(hits):+.1f} ({100 * lower:+.1f} to {100 * upper:+.1f})"


def page(folder: Path, options: argparse.Namespace, told: Mapping[str, Any]) -> str:
    card = json.loads((folder / "adapters/lora/small/card.json").read_text(encoding="utf-8"))
    runs = measured(folder)
    holdout = rows_of(folder / f"fixtures/{NAME}/holdout.jsonl")
    cases = [row["id"] for row in holdout]
    pool = rows_of(folder / f"fixtures/{NAME}/pool.jsonl")
    label, _ = Counter(row["expected"][FIELD] for row in pool).most_common(1)[0]
    majority = [row["expected"][FIELD] == label for row in holdout]
    by_run = {name: right(rows, cases) for name, rows in runs.items()}
    tuned, untrained = runs["fine_tuned"], runs["untrained"]
    changed = [tuned[case]["answer"] != untrained[case]["answer"] for case in cases]
    reached = (sum(by_run["fine_tuned"]) - sum(majority)) / len(cases) >= GAIN
    unusable = {name: sum(rows[case]["answer"] is None for case in cases) for name, rows in runs.items()}
    suite = json.loads((folder / "reports/latest/verdicts.json").read_text(encoding="utf-8"))["suites"][0]
    rows = [("majority answer", percent(majority), "")]
    rows += [(name, percent(hits), f"{unusable[name]}") for name, hits in by_run.items()]
    proofs = "; ".join(f"{name}: {status}" for name, status in suite["runs"]["fine_tuned"]["proofs"].items())
    curve = [
        (e["number"], f"{e['training_loss']:.3f}", f"{e['validation_loss']:.3f}", f"{e['exact']:.3f}")
        for e in card["curve"]
    ]
    parameters = card["hyperparameters"]
    summary = [
        ("LoRA over the majority answer, points", "≥ 20", f"{gain(by_run['fine_tuned'], majority)}"),
        ("LoRA over the same prompt untrained, points", "", gain(by_run["fine_tuned"], by_run["untrained"])),
        ("LoRA over the long prompt, constrained, points", "", gain(by_run["fine_tuned"], by_run["constrained"])),
        ("answers that LoRA changed", "> 0", f"{sum(changed)} of {len(cases)}"),
        (
            "answers that are the same when another process reads the saved weights",
            "all",
            f"{told['same']} of {told['again']}",
        ),
        ("training", "", f"{card['duration_s']} s on {card['hardware']}, {card['precision']}"),
        ("peak memory of training", "", f"{told['memory_mib']:,.0f} MiB"),
    ]
    told_of = [
        "# LoRA on a small pretrained model",
        "",
        f"`python benchmarks/lora_small_model.py {options.model.name} {flags(options)}`, Python "
        f"{platform.python_version()}: {options.about or 'a model'} ({told['model']}). The category of support "
        f"tickets, one of {len({row['expected'][FIELD] for row in pool})}; {len(pool)} pool cases "
        f"({card['cases']['training']} to train on, {card['cases']['validation']} to validate), {len(cases)} holdout "
        f"cases of {len(rows_of(TICKETS / 'holdout.jsonl'))}. The goal is {'reached' if reached else 'not reached'}.",
        "",
        tabulate(summary, headers=["what", "goal", "measured"], tablefmt="github"),
        "",
        "All strategies on the same holdout cases, 95% intervals:",
        "",
        tabulate(rows, headers=["strategy", "accuracy", "no usable answer"], tablefmt="github"),
        "",
        "`untrained` is the prompt, schema and model of `fine_tuned` without its LoRA weights; `prompt` and "
        f"`constrained` define every label. The majority answer is `{label}`, the most frequent of the pool.",
        "",
        f"Rank {parameters['rank']}, learning rate {parameters['learning_rate']:g}, batches of "
        f"{parameters['batch_size']}; epoch {card['kept_epoch']} was kept. No setting was tried out on the holdout.",
        "",
        tabulate(curve, headers=["epoch", "training loss", "validation loss", "validation exact"], tablefmt="github"),
        "",
        f"Proofs of treatment of `fine_tuned`: {proofs}.",
    ]
    return "\n".join(told_of) + "\n"


def flags(options: argparse.Namespace) -> str:
    names = ("pool", "cases", "epochs", "rank", "learning_rate", "batch", "seed")
    return " ".join(f"--{name.replace('_', '-')} {getattr(options, name)}" for name in names)


def described(model: Path) -> str:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(model)
    parameters = AutoModelForCausalLM.from_pretrained(model).num_parameters()
    return f"`{config.model_type}`, {parameters / 1e6:.0f} million parameters, {config.vocab_size:,} tokens"


def asked_again(folder: Path) -> tuple[int, int]:
    """(how many cases, how many of them get the answer that the suite's run got) from weights read in this process."""
    suite = load_suite(folder / "suites" / NAME / SUITE_FILE, Project(root=folder))
    strategy = suite.strategies["fine_tuned"]
    cases = list(suite.fixture.holdout())[:RELOADED]
    prompt = make_prompt(suite.prompts[strategy.prompt], AnswerSchema(suite.fixture.task.schema))
    replies = TransformersDriver(suite.adapters["small_lora"]).answer(list(render(strategy, prompt, cases)))
    before = measured(folder)["fine_tuned"]
    same = sum(
        isinstance(reply, Response) and json.loads(reply.text) == before[case.id]["answer"]
        for case, reply in zip(cases, replies, strict=True)
    )
    return len(cases), same


def run(folder: Path, options: argparse.Namespace) -> None:
    if not (folder / "adapters").exists():
        make_project(folder, options)
    memory = folder / "training_mib.txt"
    if not memory.exists():
        harness(folder, "train", "adapters/small_lora.yaml")
        write(memory, str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))
    judge(folder)
    again, same = asked_again(folder)
    told = {
        "model": described(options.model),
        "memory_mib": float(memory.read_text(encoding="utf-8")),
        "again": again,
        "same": same,
    }
    write(options.result, page(folder, options, told))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a folder with a pretrained causal model")
    parser.add_argument("--about", default="", help="what the model is, for the page")
    parser.add_argument("--pool", type=int, default=1000)
    parser.add_argument("--cases", type=int, default=200, help="of the holdout, at most all 517")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=5e-4)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--project", type=Path, help="a folder to keep the project in; default: a temporary one")
    parser.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    if options.project:
        options.project.mkdir(parents=True, exist_ok=True)
        run(options.project.resolve(), options)
        return
    with TemporaryDirectory() as folder:
        run(Path(folder), options)


if __name__ == "__main__":
    main()
