"""What Holdfast costs beside the model: whole `pytest suites/` runs against a local server, and a bare client loop.

`python benchmarks/throughput.py` writes benchmarks/results/throughput.md. Every run is a process of its own; times are
from its start to its end, start-up, ledger, scoring and report included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from local_server import local_server
from tabulate import tabulate

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "throughput.md"
CASES, MANY, IN_FLIGHT, LATENCY_S = 2_000, 100_000, 64, 0.1
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["kind"],
    "properties": {"kind": {"enum": ["apple", "pear", "quince"]}},
}
TASK = """name: fruit
schema: schema.json
decision_fields: [kind]
personal_data: masked
costs: {invalid: 25, kind: {default: 4}}
"""
SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), 0.5)

def test_format(run, gate):
    gate.at_least(run.format_validity(), 0.9)
"""
PROMPT = "Name the fruit that the customer writes about.\n"
BARE = """
import asyncio, json, sys, time
from pathlib import Path
import openai

async def main(url, holdout, prompt, in_flight):
    client, gate = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=2), asyncio.Semaphore(in_flight)
    async def ask(text):
        async with gate:
            done = await client.chat.completions.create(
                model="local", temperature=0, max_tokens=256,
                messages=[{"role": "system", "content": prompt}, {"role": "user", "content": text}],
            )
            return done.choices[0].message.content
    texts = [json.loads(line)["inputs"]["text"] for line in Path(holdout).read_text().splitlines()]
    started = time.perf_counter()
    answers = await asyncio.gather(*map(ask, texts))
    assert len(answers) == len(texts)
    print(time.perf_counter() - started)

asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
"""


class Ran(NamedTuple):
    """One process: seconds of wall clock, its largest memory in MiB, and what it printed."""

    wall_s: float
    memory_mib: float
    printed: str


def run(command: list[str], folder: Path) -> Ran:
    """Run a process to its end; raises CalledProcessError where it fails."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = {**kept, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "none"}
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - started
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, printed)
    return Ran(wall_s, used.ru_maxrss / 1024, printed)


def pytest_run(folder: Path) -> Ran:
    return run([sys.executable, "-m", "pytest", "suites", "-q", "-p", "no:randomly"], folder)


def bare_loop(folder: Path, url: str) -> tuple[float, float]:
    """Seconds of a loop of typed AsyncOpenAI calls: of the whole process, and of the loop alone."""
    script = folder / "bare.py"
    script.write_text(BARE, encoding="utf-8")
    holdout = folder / "fixtures" / "fruit" / "holdout.jsonl"
    ran = run([sys.executable, str(script), url, str(holdout), PROMPT, str(IN_FLIGHT)], folder)
    return ran.wall_s, float(ran.printed)


@contextmanager
def project(url: str, *, cases: int, strategies: int = 1) -> Iterator[Path]:
    """A project with that many cases and strategies, each with a prompt of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {
            "fixtures/fruit/task.yaml": TASK,
            "fixtures/fruit/schema.json": json.dumps(SCHEMA),
            "fixtures/fruit/holdout.jsonl": "".join(map(_case, range(cases))),
            "adapters/local.yaml": (
                f"driver: openai_chat\nmodel: local\nbase_url: {url}\nlimits: {{concurrency: {IN_FLIGHT}}}\n"
            ),
            "suites/fruit/test_fruit.py": SUITE,
            "suites/fruit/strategies.yaml": "task: fruit\nadapter: local\nstrategies:\n"
            + "".join(
                f"  s{i}: {{stage: {'candidate' if i else 'shipped'}, prompt: prompts/{i}.md}}\n"
                for i in range(strategies)
            ),
            **{f"suites/fruit/prompts/{i}.md": PROMPT + "Please.\n" * i for i in range(strategies)},
        }
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        run([sys.executable, "-m", "harness.cli", "freeze", "fixtures/fruit"], folder)
        yield folder


def _case(number: int) -> str:
    kind = "apple" if number % 10 else "pear"
    text = f"Order {number}: the {kind} that came on Monday was bruised on one side, and the box was open. " * 2
    return json.dumps({"id": f"c{number:06d}", "inputs": {"text": text}, "expected": {"kind": kind}}) + "\n"


def forget(folder: Path) -> None:
    """Empty the ledger."""
    for file in (folder / ".holdfast").glob("ledger.sqlite*"):
        file.unlink()


def served(url: str) -> int:
    """How many calls a server has answered."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/served") as answer:
        return int(answer.read())


def cold(turns: int) -> list[list[str]]:
    """A cold run beside the bare loop, in turns, and what part of it is calls."""
    with local_server() as url, project(url, cases=CASES) as folder:
        ratios, loops, ours = [], [], []
        for _ in range(turns):
            whole, loop = bare_loop(folder, url)
            forget(folder)
            ran = pytest_run(folder)
            ratios.append(ran.wall_s / whole)
            loops.append((whole, loop))
            ours.append(ran.wall_s)
    whole, loop = (statistics.median(part) for part in zip(*loops, strict=True))
    return [
        row(
            f"{CASES:,} cases, no latency, cold ledger: whole run beside a bare loop of typed calls, whole process",
            "≤ 0.75 ×",
            f"{statistics.median(ratios):.2f} × ({statistics.median(ours):.2f} s, loop {whole:.2f} s)",
        ),
        row(
            "the same, beside the seconds within the loop alone",
            "",
            f"{statistics.median(ours) / loop:.2f} × ({loop:.2f} s)",
        ),
    ]


def with_latency(turns: int) -> list[list[str]]:
    """A run whose calls take 100 ms each; start-up is what a run of one round of calls takes besides."""
    ideal = CASES / IN_FLIGHT * LATENCY_S
    starts, wholes = [], []
    with local_server(latency_s=LATENCY_S) as url:
        for _ in range(turns):
            with project(url, cases=IN_FLIGHT) as folder:
                starts.append(pytest_run(folder).wall_s - LATENCY_S)
            with project(url, cases=CASES) as folder:
                wholes.append(pytest_run(folder).wall_s)
    start, whole = statistics.median(starts), statistics.median(wholes)
    took = whole - start
    return [
        row(
            f"{LATENCY_S * 1000:.0f} ms latency, {IN_FLIGHT} in flight, {CASES:,} cases, less start-up",
            f"≤ 1.15 × {ideal:.1f} s",
            f"{took / ideal:.2f} × ({took:.2f} s; whole {whole:.2f} s)",
        )
    ]


def warm() -> list[list[str]]:
    """A second run of five strategies, and a third with one word of one prompt changed."""
    with local_server() as url, project(url, cases=CASES, strategies=5) as folder:
        pytest_run(folder)
        before = served(url)
        again = [pytest_run(folder).wall_s for _ in range(3)]
        calls = served(url) - before
        prompt = folder / "suites" / "fruit" / "prompts" / "3.md"
        prompt.write_text(prompt.read_text(encoding="utf-8").replace("fruit", "fruits"), encoding="utf-8")
        before = served(url)
        pytest_run(folder)
        changed = served(url) - before
    return [
        row(
            f"second run, {CASES:,} cases × 5 strategies",
            "≤ 3 s, no call",
            f"{statistics.median(again):.2f} s, {calls} calls",
        ),
        row("one word of one prompt changed", f"{CASES:,} calls", f"{changed:,} calls"),
    ]


def scale(turns: int) -> list[list[str]]:
    """Time per case and peak memory at many cases, beside those at few; start-up is taken off the times."""
    starts, few = [], []
    with (
        local_server() as url,
        project(url, cases=IN_FLIGHT) as one_round,
        project(url, cases=CASES) as small,
        project(url, cases=MANY) as large,
    ):
        for _ in range(turns):
            for folder, found in ((one_round, starts), (small, few)):
                forget(folder)
                found.append(pytest_run(folder))
        many = pytest_run(large)
    start = statistics.median(ran.wall_s for ran in starts)
    per_few = (statistics.median(ran.wall_s for ran in few) - start) / (CASES - IN_FLIGHT)
    per_many = (many.wall_s - start) / (MANY - IN_FLIGHT)
    memory = statistics.median(ran.memory_mib for ran in few)
    return [
        row(
            f"{MANY:,} cases: time per case beside that at {CASES:,}",
            "≤ 1.1 ×",
            f"{per_many / per_few:.2f} × ({1e3 * per_many:.2f} ms, {1e3 * per_few:.2f} ms)",
        ),
        row(
            f"{MANY:,} cases: peak memory beside that at {CASES:,}",
            "≤ 1.3 ×",
            f"{many.memory_mib / memory:.2f} × ({many.memory_mib:.0f} MiB, {memory:.0f} MiB)",
        ),
    ]


def row(what: str, goal: str, measured: str) -> list[str]:
    print(f"{what}: {measured}", flush=True)
    return [what, goal, measured]


PARTS: dict[str, Callable[[], list[list[str]]]] = {
    "cold": lambda: cold(5),
    "latency": lambda: with_latency(5),
    "warm": warm,
    "scale": lambda: scale(7),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part, printed and not written")
    only = parser.parse_args().only
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    if only:
        PARTS[only]()
        return
    rows = [line for part in PARTS.values() for line in part()]
    lines = [
        "# What Holdfast costs beside the model",
        "",
        f"`python benchmarks/throughput.py` on {os.cpu_count()} cores, Python {sys.version.split()[0]}.",
        "A local server in its own process; every run is a whole process.",
        "",
        tabulate(rows, headers=["what", "goal", "measured"], tablefmt="pipe", disable_numparse=True),
        "",
    ]
    RESULT.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
