"""How long preparing takes for many texts, how much memory it needs, and which planted copies it finds.

    python benchmarks/preparing_scale.py                  # writes benchmarks/results/preparing_scale.md
    python benchmarks/preparing_scale.py train.csv …      # sentences out of CSV files with a column `text` instead

Texts are three sentences each, drawn with a seed from the messages of this repository's fixtures, with exact copies,
copies with a word changed, and one automatic message that differs in its number only. The whole commands get them as
mails: with signatures, footers, quotes, HTML, broken letters and personal data. Everything is measured in a process of
its own, so that its peak memory is its own, and beside what is usual for the task: pandas for reading a table and
writing JSON lines, datasketch's MinHashLSH for finding near copies.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pandas
from datasketch import MinHash, MinHashLSH
from stdnum import iban, luhn

from harness.core.copies import NEAR as COPY
from harness.core.copies import shingles
from harness.core.folding import folded
from harness.preparing.duplicates import Alike, find_pairs, settle_copies
from harness.preparing.groups import Groups
from harness.preparing.rows import Row
from harness.preparing.splitting import split
from harness.runs.embedding import Embedder

SIZES = (50_000, 100_000, 200_000)
SEED = 11
EXACT, NEAR, AUTOMATIC = 0.05, 0.10, 0.02
LABELS = 40
EMBEDDED = 500
ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "preparing_scale.md"
SECONDS_ALLOWED, MEMORY_ALLOWED = 300.0, 4.0
FOOTER = "This e-mail is confidential and meant only for those to whom it is addressed."
QUOTE = "On 3 May 2025 at 10:12, Support wrote:\n> We have your message and\n> will answer soon."
STAGES = {"raw.jsonl": "reading", "spaces": "cleaning", "masking": "masking", "duplicates": "copies"}
"""What of `harness prepare` has ended when a line that begins (or ends, before its colon) with a word is printed."""


def sentences(files: list[str]) -> list[str]:
    texts: list[str] = []
    for name in files:
        with Path(name).open(encoding="utf-8", newline="") as file:
            texts += [row["text"] for row in csv.DictReader(file)]
    for path in [] if files else sorted((ROOT / "fixtures").glob("*/[hp]o*.jsonl")):  # holdout and pool
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
    met = "yes" if busy <= SECONDS_ALLOWED and peak <= MEMORY_ALLOWED else "NO"
    shares = " | ".join(f"{sum(hits):,} of {len(hits):,}" for hits in together.values())
    return (
        f"| {size:,} | {found - start:.0f} s | {end - found:.0f} s | {busy:.0f} s | {before:.2f} GiB | {peak:.2f} GiB "
        f"| {shares} | {report.counts['largest cluster']:,} | {across} | {met} |"
    )


def as_mail(text: str, order: random.Random) -> str:
    """A text as it may arrive. Each addition stands in a share of the mails that is drawn on its own."""
    draw = order.random()
    if draw < 0.1:
        text += f" Please call me on 0{order.choice((151, 160, 170, 176))} {order.randrange(10**6, 10**7)} after five."
    elif draw < 0.15:
        account = f"37040044{order.randrange(10**10):010}"
        text += f" My account is DE{iban.calc_check_digits('DE00' + account)}{account}."
    elif draw < 0.18:
        number = f"4{order.randrange(10**14):014}"
        text += f" The card is {number}{luhn.calc_check_digit(number)}."
    elif draw < 0.2:
        text = f"{text} Grüße, für Rückfragen gern".encode().decode("cp1252", "replace")
    if order.random() < 0.1:
        text = "<div><p>" + text.replace(". ", ".</p><p>") + "</p></div>"
    if order.random() < 0.3:
        name = f"{order.choice(('anna', 'ben', 'carla', 'dmitri'))}{order.randrange(10**5)}"
        text += f"\n\nKind regards\n{name}\n{name}@example.com\n+49 30 {order.randrange(10**6, 10**7)}"
    if order.random() < 0.2:
        text += f"\n{FOOTER}"
    if order.random() < 0.1:
        text += f"\n\n{QUOTE}"
    return text


def write_table(path: Path, size: int, files: list[str]) -> None:
    order = random.Random(SEED)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        for row in make_rows(size, sentences(files))[0]:
            table.writerow([as_mail(row.inputs["text"], order), row.expected["label"]])


def read_with_pandas(path: Path) -> None:
    table = pandas.read_csv(path)
    table.to_json(path.with_suffix(".pandas.jsonl"), orient="records", lines=True, force_ascii=False)


def find_with_datasketch(path: Path) -> None:
    """Near copies as datasketch's documentation finds them: a MinHash of each text, asked for and put into an index."""
    with path.open(encoding="utf-8", newline="") as file:
        texts = [folded(row["text"]) for row in csv.DictReader(file)]
    parts = ([text[i : i + 5].encode() for i in range(max(1, len(text) - 4))] for text in texts)
    index = MinHashLSH(threshold=COPY, num_perm=128)
    for number, minhash in enumerate(MinHash.generator(parts, num_perm=128)):
        index.query(minhash)
        index.insert(number, minhash)


def embedding_rate(path: Path) -> float:
    """Mails that the embedded model embeds in a second of processor time, by the first few."""
    with path.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in itertools.islice(csv.DictReader(file), EMBEDDED + 8)]
    embedder = Embedder()
    embedder(texts[:8])
    start = time.process_time()
    embedder(texts[8:])
    return EMBEDDED / (time.process_time() - start)


def measured(command: Sequence[str]) -> tuple[float, float, float, dict[str, float]]:
    """Seconds, seconds of processor time, peak memory in GiB, and the seconds of each stage that was told of."""
    start = last = time.perf_counter()
    stages: dict[str, float] = {}
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            head = line.partition(":")[0]
            stage = next((told for word, told in STAGES.items() if head.endswith(word)), None)
            if stage:
                now = time.perf_counter()
                stages[stage], last = now - last, now
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    end = time.perf_counter()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    stages["labels, split, writing"] = end - last
    return end - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20, stages


def across(folder: Path) -> int:
    """Folded texts and clusters that stand in more than one part of a prepared task."""
    parts: dict[str, set[str]] = defaultdict(set)
    for part in ("pool", "validation", "holdout"):
        for line in (folder / f"{part}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            parts[f"text {folded(row['inputs']['text'])}"].add(part)
            parts[f"cluster {row.get('cluster', row['id'])}"].add(part)
    return sum(len(found) > 1 for found in parts.values())


def whole(size: int, files: list[str]) -> list[str]:
    """The lines of the report about the whole commands."""
    with tempfile.TemporaryDirectory() as name:
        table, task = Path(name) / "mails.csv", Path(name) / "task"
        subprocess.run([sys.executable, __file__, "--table", str(table), str(size), *files], check=True)
        load = ["-m", "harness.cli", "import", "csv", str(table), "--text", "text", "--label", "label"]
        runs = {
            "pandas: `read_csv`, `to_json`": measured([__file__, "--pandas", str(table)]),
            "`harness import csv`": measured([*load, "--out", str(task)]),
            "datasketch: `MinHashLSH`": measured([__file__, "--datasketch", str(table)]),
            "`harness prepare`": measured(["-m", "harness.cli", "prepare", str(task)]),
        }
        both = across(task)
        one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
        embed = [sys.executable, __file__, "--embed", str(table)]
        rate = float(subprocess.run(embed, check=True, stdout=subprocess.PIPE, text=True, env=one_thread).stdout)
    lines = []
    reference = 1.0
    for what, (seconds, busy, peak, _) in runs.items():
        ours = what.startswith("`harness")
        reference = reference if ours else busy
        met = "yes" if peak <= MEMORY_ALLOWED and busy <= SECONDS_ALLOWED else "NO"
        ratio, met = (f"{busy / reference:.2f} x", met) if ours else ("1 x", "")
        lines.append(f"| {what} | {busy:.0f} s | {seconds:.0f} s | {ratio} | {peak:.2f} GiB | {met} |")
    stages = runs["`harness prepare`"][3]
    return [
        f"## The whole commands, {size:,} mails",
        "",
        "Each command is below its reference; the ratio is of processor time. More than 50,000 rows are not compared "
        "by meaning unless `--semantic` is given.",
        "",
        "| command | processor time | by the clock | ratio | peak memory | met? |",
        "|---|---:|---:|---:|---:|---|",
        *lines,
        "",
        "Of `harness prepare`, by the clock: "
        + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in stages.items())
        + ".",
        f"With `--semantic` the embedded model, which embeds {rate:.0f} of these mails in a second of processor time "
        f"({EMBEDDED} were measured), would take {size / rate / 60:.0f} minutes of it.",
        f"Texts and clusters in more than one of pool, validation and holdout: {both}.",
        "",
    ]


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    match sys.argv[1:]:
        case ["--size", size, *files]:
            print(measure(int(size), files))
        case ["--table", path, size, *files]:
            write_table(Path(path), int(size), files)
        case ["--pandas", path]:
            read_with_pandas(Path(path))
        case ["--datasketch", path]:
            find_with_datasketch(Path(path))
        case ["--embed", path]:
            print(embedding_rate(Path(path)))
        case files:
            write_report(files)


def write_report(files: list[str]) -> None:
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
            "# Preparing many texts",
            "",
            f"`{' '.join(['python benchmarks/preparing_scale.py', source]).strip()}`. Allowed: {SECONDS_ALLOWED:g} s, "
            f"{MEMORY_ALLOWED:g} GiB. {os.cpu_count()} cores, of which one is used; load average before the run: "
            f"{load:.1f}. The machine may have other work, so the seconds allowed are compared with processor time.",
            "",
            *whole(max(SIZES), files),
            "## Duplicates and split alone",
            "",
            f"Exact and near copies, clusters, and a split stratified by {LABELS} labels. Memory before is that of the "
            "rows.",
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
