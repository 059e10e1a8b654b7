"""How long duplicates and the split take for many texts, how much memory they need, and which planted copies they find.

    python benchmarks/preparing_scale.py                  # writes benchmarks/results/preparing_scale.md
    python benchmarks/preparing_scale.py train.csv …      # sentences out of CSV files with a column `text` instead

Texts are three sentences each, drawn with a seed from the messages of this repository's fixtures, with exact copies,
copies with a word changed, and one automatic message that differs in its number only. Every size is measured in a
process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import csv
import json
import os
import random
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from harness.core.copies import NEAR as COPY
from harness.core.copies import shingles
from harness.preparing.duplicates import Alike, find_pairs, settle_copies
from harness.preparing.groups import Groups
from harness.preparing.rows import Row
from harness.preparing.splitting import split

SIZES = (50_000, 100_000, 200_000)
SEED = 11
EXACT, NEAR, AUTOMATIC = 0.05, 0.10, 0.02
LABELS = 40
ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "preparing_scale.md"
SECONDS_ALLOWED, MEMORY_ALLOWED = 300.0, 4.0


def sentences(files: list[str]) -> list[str]:
    texts: list[str] = []
    for name in files:
        with Path(name).open(encoding="utf-8", newline="") as file:
            texts += [row["text"] for row in csv.DictReader(file)]
    for path in [] if files else sorted((ROOT / "fixtures").glob("*/*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            texts += json.loads(line)["inputs"].values()
    parts = {part.strip() for text in texts for part in re.split(r"(?<=[.!?])\s+", text)}
    return sorted(part for part in parts if len(part.split()) >= 4)


def make_rows(size: int, known: list[str]) -> tuple[list[Row], list[tuple[str, str, Alike]]]:
    """Rows in a seeded order, and the planted copies: (id of the original, id of the copy, kind)."""
    order = random.Random(SEED)
    rows: list[Row] = []
    planted: list[tuple[str, str, Alike]] = []

    def add(text: str, label: str) -> str:
        rows.append(Row(id=f"r{len(rows)}", inputs={"text": text}, expected={"label": label}))
        return rows[-1].id

    while len(rows) < size:
        draw = order.random()
        if draw < AUTOMATIC:
            number = order.randrange(10**9)
            add(f"Automatic message. The nightly export of your contact list could not be finished. Job {number}.", "a")
            continue
        text, label = " ".join(order.choices(known, k=3)), f"label {order.randrange(LABELS)}"
        original = add(text, label)
        if draw < AUTOMATIC + EXACT:
            planted.append((original, add(text.upper().replace(".", " !"), label), Alike.EXACT))
        elif draw < AUTOMATIC + EXACT + NEAR:
            words = text.split()
            words[order.randrange(len(words))] = "really"
            changed = " ".join(words)
            copy = add(changed, label)
            if shingles([text, changed]).similarity(0, 1) >= COPY:  # a long word of a short text makes another text
                planted.append((original, copy, Alike.NEAR))
    order.shuffle(rows)
    return rows, planted


def measure(size: int, files: list[str]) -> str:
    rows, planted = make_rows(size, sentences(files))
    before = _peak_gib()
    start, busy = time.perf_counter(), time.process_time()
    pairs = find_pairs(rows)
    found = time.perf_counter()
    stay, report = settle_copies(rows, pairs)
    made = split(stay, field="label")
    end, busy = time.perf_counter(), time.process_time() - busy
    side = {row.id: part for part in ("pool", "validation", "holdout") for row in getattr(made, part)}
    places = {row.id: place for place, row in enumerate(rows)}
    groups = Groups(len(rows))
    for pair in pairs:
        groups.join(places[pair.one], places[pair.other])
    roots = groups.roots
    together = {
        kind: [roots[places[one]] == roots[places[other]] for one, other, k in planted if k is kind]
        for kind in (Alike.EXACT, Alike.NEAR)
    }
    across = sum(one in side and other in side and side[one] != side[other] for one, other, _ in planted)
    peak = _peak_gib()
    met = "yes" if end - start <= SECONDS_ALLOWED and peak <= MEMORY_ALLOWED else "NO"
    shares = " | ".join(f"{sum(hits):,} of {len(hits):,}" for hits in together.values())
    return (
        f"| {size:,} | {found - start:.0f} s | {end - found:.0f} s | {busy:.0f} s | {before:.2f} GiB | {peak:.2f} GiB "
        f"| {shares} | {report.counts['largest cluster']:,} | {across} | {met} |"
    )


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "--size":
        print(measure(int(sys.argv[2]), sys.argv[3:]))
        return
    files = sys.argv[1:]
    load = os.getloadavg()[1]
    rows = [
        subprocess.run(
            [sys.executable, __file__, "--size", str(size), *files], check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()
        for size in SIZES
    ]
    source = " ".join(Path(name).name for name in files)
    report = "\n".join(
        [
            "# Duplicates and split of many texts",
            "",
            f"`{' '.join(['python benchmarks/preparing_scale.py', source]).strip()}`: exact and near copies, clusters, "
            f"and a split stratified by {LABELS} labels. Allowed: {SECONDS_ALLOWED:g} s, {MEMORY_ALLOWED:g} GiB.",
            f"{os.cpu_count()} cores, of which one is used; load average before the run: {load:.1f}. Memory before is "
            "that of the rows.",
            "",
            "| texts | pairs | clusters and split | processor time | memory before | peak memory | exact copies found "
            "| near copies found | largest cluster | copies across the split | met? |",
            "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
            *rows,
            "",
        ]
    )
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
