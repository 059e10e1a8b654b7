"""The main job in numbers: accuracies, how long `pytest suites/` takes cold and warm, and what the plugin costs.

    python benchmarks/main_job.py [--banking77 FOLDER]

FOLDER holds train.csv and test.csv of Banking77. Writes benchmarks/results/main_job.md. Start-up is measured against
plain pytest in turns, in this run; the medians of the differences are what counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "main_job.md"
TURNS = 15
COPIED = ("adapters", "fixtures/support_tickets", "suites", "conftest.py", "pyproject.toml")


def copy_project(folder: Path) -> None:
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)


def pytest(folder: Path, *arguments: str) -> float:
    """Seconds of one pytest process; its output is shown if it fails."""
    started = time.perf_counter()
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=folder,
        env=kept,  # where bytecode is not kept, pytest rewrites every plugin in every run
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"pytest {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return seconds


def runs_of(folder: Path, suite: str) -> dict[str, dict[str, dict[str, object]]]:
    suites = json.loads((folder / "reports/latest/verdicts.json").read_text())["suites"]
    found: dict[str, dict[str, dict[str, object]]] = {}
    for claim in next(s for s in suites if s["suite"] == suite)["claims"]:
        if "slice" not in claim:
            found.setdefault(claim["run"], {})[claim["metric"]] = claim
    return found


def share(claim: dict[str, object]) -> str:
    return f"{claim['estimate']:.4f}"


def accuracy(claims: dict[str, dict[str, object]]) -> float:
    return float(str(claims["accuracy"]["estimate"]))


def tickets(folder: Path) -> list[list[str]]:
    cold = pytest(folder, "suites/support_tickets")
    warm = pytest(folder, "suites/support_tickets")
    found = runs_of(folder, "support_tickets")
    gain = 100 * (accuracy(found["fine_tuned"]) - accuracy(found["prompt"]))
    rows = [
        ["support tickets: `pytest suites/`, cold ledger", "≤ 60 s", f"{cold:.1f} s"],
        ["support tickets: `pytest suites/`, warm", "≤ 10 s", f"{warm:.1f} s"],
        ["support tickets: `constrained` format validity", "1.000", share(found["constrained"]["format_validity"])],
        ["support tickets: `fine_tuned` format validity", "1.000", share(found["fine_tuned"]["format_validity"])],
        ["support tickets: `fine_tuned` exact match over `prompt`", "+20 points", f"+{gain:.1f} points"],
    ]
    rows += [[f"support tickets: `{n}` accuracy", "", share(claims["accuracy"])] for n, claims in found.items()]
    return rows


def banking77(folder: Path, data: Path) -> list[list[str]]:
    command = ["import", "csv", str(data / "train.csv"), "--holdout", str(data / "test.csv"), "--text", "text"]
    command += ["--label", "category", "--out", str(folder / "fixtures/banking77"), "--accept-leaks", "published split"]
    subprocess.run([sys.executable, "-m", "harness.cli", *command], check=True, capture_output=True)
    seconds = pytest(folder, "suites/banking77")
    found = runs_of(folder, "banking77")
    goals = {"base": "0.62", "few_shot": "0.76", "fine_tuned": "0.937"}
    rows = [
        [f"Banking77, 3,080 cases: `{name}` accuracy", goals.get(name, ""), share(claims["accuracy"])]
        for name, claims in found.items()
    ]
    return [*rows, ["Banking77: five strategies, cold ledger", "", f"{seconds:.0f} s"]]


def start_up(folder: Path) -> list[list[str]]:
    """Collecting this suite, and a project that has nothing to do with Holdfast, with and without the plugin."""
    plain = folder / "plain"
    (plain / "tests").mkdir(parents=True)
    (plain / "pytest.ini").write_text("[pytest]\n")
    body = "import pytest\n\n\n@pytest.mark.parametrize('n', range(18))\ndef test_it(n):\n    pass\n"
    for number in range(6):
        (plain / "tests" / f"test_{number}.py").write_text(body)
    off = ("-p", "no:holdfast", "-p", "no:randomly")
    suite, reference, unrelated, without = [], [], [], []
    for _ in range(TURNS):
        suite.append(pytest(folder, "suites/support_tickets", "--collect-only", "-p", "no:randomly"))
        reference.append(pytest(plain, "tests", "--collect-only", *off))
        unrelated.append(pytest(plain, "tests", "--collect-only", "-p", "no:randomly"))
        without.append(pytest(plain, "tests", "--collect-only", *off))
    more = statistics.median(a - b for a, b in zip(suite, reference, strict=True))
    cost = statistics.median(a - b for a, b in zip(unrelated, without, strict=True))
    return [
        ["`pytest suites/ --collect-only` beyond plain pytest", "≤ 250 ms", f"{more * 1000:.0f} ms"],
        ["plain pytest, for comparison", "", f"{statistics.median(reference) * 1000:.0f} ms"],
        ["the plugin's cost on an unrelated `--collect-only`", "≤ 30 ms", f"{cost * 1000:.0f} ms"],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--banking77", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        copy_project(folder)
        rows = start_up(folder) + tickets(folder)
        if options.banking77:
            rows += banking77(folder, options.banking77.resolve())
    cores = os.cpu_count()
    page = [
        "# The main job",
        "",
        f"`python benchmarks/main_job.py --banking77 FOLDER`, {platform.machine()}, {cores} cores.",
        "",
        tabulate(rows, headers=["what", "goal", "measured"], tablefmt="pipe", disable_numparse=True),
        "",
    ]
    RESULT.write_text("\n".join(page), encoding="utf-8")
    print("\n".join(page))


if __name__ == "__main__":
    main()
