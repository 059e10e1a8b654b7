"""Is anything lost, or paid for twice, when a run is killed? `kill -9` at a random moment, 20 times, then to the end.

    python benchmarks/kill_and_resume.py [--kills N] [--cases N] [--seed N]

A project in a temporary folder asks a counting server through the openai_chat driver. Before, the same project runs
undisturbed. Writes benchmarks/results/kill_and_resume.md; exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tabulate import tabulate

from harness.execution.ledger import Ledger
from harness.execution.scheduler import COMMIT_EVERY
from harness.runs import LEDGER
from harness.runs.freezing import freeze

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "kill_and_resume.md"
sys.path.insert(0, str(ROOT / "tests"))
from support.chat_server import Call, ChatServer, Reply, answer  # noqa: E402  the tests' server is no package

LABELS = ("apple", "pear", "quince")
LATENCY_S, CONCURRENCY = 0.1, 16
SETTLE_S = 0.5
"""After a kill, what was sent arrives within this time."""
PER_KILL = 5
"""A kill comes within the time that start-up and this part of the calls take."""
COMMAND = ("-m", "pytest", "suites/", "-q", "-p", "no:randomly")
SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), 0.5)


def test_cost(run, gate):
    gate.at_most(run.cost(), 3)
"""


def behave(call: Call) -> Reply:
    """Answers one case in nine wrongly, the same way each time."""
    label, number = call.messages[-1]["content"].split()
    said = LABELS[0] if int(number) % 9 == 0 else label
    return answer(json.dumps({"kind": said}), delay_s=LATENCY_S)


def make_project(root: Path, cases: int, base_url: str) -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind"],
        "properties": {"kind": {"enum": list(LABELS)}},
    }
    rows = [
        {"id": f"c{n}", "inputs": {"text": f"{LABELS[n % 3]} {n}"}, "expected": {"kind": LABELS[n % 3]}}
        for n in range(cases)
    ]
    files = {
        "pytest.ini": "[pytest]\n",
        "fixtures/fruit/task.yaml": "name: fruit\nschema: schema.json\ndecision_fields: [kind]\n"
        "costs: {invalid: 10, kind: {default: 4}}\n",
        "fixtures/fruit/schema.json": json.dumps(schema),
        "fixtures/fruit/holdout.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "suites/fruit/prompts/p.md": "Name the fruit.\n",
        "suites/fruit/strategies.yaml": "task: fruit\nadapter: local\nstrategies:\n"
        "  one: {stage: shipped, prompt: prompts/p.md}\n",
        "suites/fruit/test_fruit.py": SUITE,
        "adapters/local.yaml": f"driver: openai_chat\nmodel: scripted\nbase_url: {base_url}\n"
        f"limits: {{concurrency: {CONCURRENCY}}}\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    list(freeze(root / "fixtures" / "fruit"))


def start(root: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *COMMAND], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
    )


def stored(root: Path) -> int:
    if not (root / LEDGER).exists():
        return 0
    with Ledger(root / LEDGER) as ledger:
        return len(ledger)


def undisturbed(root: Path, server: ChatServer) -> tuple[bytes, float, float]:
    """The verdicts of a run that nobody disturbs; seconds until its first call, and in all. Its traces are removed."""
    began, first = time.monotonic(), 0.0
    with start(root) as running:
        while running.poll() is None:
            if not first and server.count:
                first = time.monotonic() - began
            time.sleep(0.01)
    if running.returncode:
        raise SystemExit(f"the undisturbed run ended with {running.returncode}")
    whole = time.monotonic() - began
    verdicts = (root / "reports/latest/verdicts.json").read_bytes()
    shutil.rmtree(root / LEDGER.parent)
    shutil.rmtree(root / "reports")
    server.count = 0
    return verdicts, first, whole


def disturbed(root: Path, server: ChatServer, after_s: float, cases: int) -> tuple[str, int, int]:
    """Start, and kill after a while: the phase that it hit, the calls made, and those of them that were lost.

    The phase is "" for a run that ended before it could be killed.
    """
    calls, known = server.count, stored(root)
    with start(root) as running:
        try:
            running.wait(after_s)
        except subprocess.TimeoutExpired:
            running.kill()
    time.sleep(SETTLE_S)
    made, kept = server.count - calls, stored(root) - known
    if running.returncode >= 0:
        return "", made, made - kept
    phase = "calls" if made else "start-up" if known < cases else "judging"
    return phase, made, made - kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=4)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    bound = CONCURRENCY + COMMIT_EVERY
    with tempfile.TemporaryDirectory() as scratch, ChatServer(behave, record=False) as server:
        root = Path(scratch)
        make_project(root, options.cases, server.base_url)
        verdicts, first, whole = undisturbed(root, server)
        window = first + (whole - first) / PER_KILL
        kills: list[tuple[str, int, int]] = []
        while len(kills) < options.kills:
            phase, made, lost = disturbed(root, server, moments.uniform(0, window), options.cases)
            if phase:
                kills.append((phase, made, lost))
        with start(root) as running:
            running.wait()
        same = (root / "reports/latest/verdicts.json").read_bytes() == verdicts
        total, gone = server.count, [count for _, _, count in kills]
    phases = Counter(phase for phase, _, _ in kills)
    rows = [
        ["the same `verdicts.json`, byte for byte", "yes", "yes" if same else "NO"],
        ["calls in all", f"≤ {options.cases} + in flight at each kill", f"{total} = {options.cases} + {sum(gone)}"],
        [
            "calls lost at one kill, most",
            f"≤ {bound} (concurrency {CONCURRENCY} + batch {COMMIT_EVERY})",
            str(max(gone)),
        ],
        ["kills that hit", "", ", ".join(f"{phase} {count}" for phase, count in sorted(phases.items()))],
    ]
    held = same and total == options.cases + sum(gone) and max(gone) <= bound
    command = (
        f"python benchmarks/kill_and_resume.py --kills {options.kills} --cases {options.cases} --seed {options.seed}"
    )
    page = [
        "# Kill and resume",
        "",
        f"`{command}`:",
        f"`kill -9` at a random moment, {options.kills} times, then to the end. {options.cases} cases, "
        f"{LATENCY_S * 1000:.0f} ms latency, {CONCURRENCY} in flight.",
        f"Undisturbed, a run takes {whole:.1f} s, {first:.1f} s of it before its first call.",
        "",
        tabulate(rows, headers=["what", "goal", "measured"], tablefmt="pipe", disable_numparse=True),
        "",
        f"Lost at each kill, of the calls made since the last: {', '.join(f'{n}/{made}' for _, made, n in kills)}.",
        "",
    ]
    RESULT.write_text("\n".join(page), encoding="utf-8")
    print("\n".join(page))
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
