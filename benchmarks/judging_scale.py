"""How long the gate takes over a million stored outcomes, and how much memory it needs.

    python benchmarks/judging_scale.py            # writes benchmarks/results/judging_scale.md

Six claims over everything and four for each of 50 slices are settled as one suite. Every shape is measured in a process
of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.gate import (
    Claim,
    Outcomes,
    at_least,
    at_most,
    cost_at_most,
    cost_no_worse,
    never,
    no_worse,
    settle,
)

SLICES = 50
SEED = 7
RESULT = Path(__file__).parent / "results" / "judging_scale.md"
SECONDS_ALLOWED, MEMORY_ALLOWED = 10.0, 2.0


@dataclass(frozen=True, kw_only=True)
class Shape:
    """So many cases with so many answers each, in clusters of that size."""

    name: str
    cases: int
    repeats: int
    cluster_size: int


SHAPES = (
    Shape(name="1,000,000 cases", cases=1_000_000, repeats=1, cluster_size=1),
    Shape(name="200,000 cases × 5 repeats", cases=200_000, repeats=5, cluster_size=1),
    Shape(name="1,000,000 cases in clusters of 10", cases=1_000_000, repeats=1, cluster_size=10),
)


def claims(shape: Shape) -> list[Claim]:
    rng = np.random.default_rng(SEED)
    size = (shape.cases, shape.repeats)
    baseline = (rng.random(size) < 0.9).astype(np.float64)
    candidate = np.where(rng.random(size) < 0.06, rng.random(size) < 0.9, baseline).astype(np.float64)
    dear, dear_before = (
        np.where(right == 1, 0.0, rng.choice([1.0, 5.0, 20.0], size=size)) for right in (candidate, baseline)
    )
    slice_of = rng.integers(0, SLICES, size=shape.cases)
    names = np.array([f"case-{number:07d}" for number in range(shape.cases)])
    clusters = np.arange(shape.cases) // shape.cluster_size if shape.cluster_size > 1 else None

    def part(values: NDArray[np.float64], rows: NDArray[np.intp]) -> Outcomes:
        return Outcomes(
            values=values[rows], case_ids=names[rows].tolist(), clusters=None if clusters is None else clusters[rows]
        )

    everything = np.arange(shape.cases)
    right, before = part(candidate, everything), part(baseline, everything)
    cost, cost_before = part(dear, everything), part(dear_before, everything)
    made = [
        at_least(right, 0.85),
        at_most(part((dear >= 20).astype(np.float64), everything), 0.05),
        no_worse(right, before, 0.01),
        cost_at_most(cost, 1.0, cost_max=20),
        cost_no_worse(cost, cost_before, 0.1, cost_max=20),
        never(right, role="report"),
    ]
    for number in range(SLICES):
        rows = np.flatnonzero(slice_of == number)
        right, before, cost = part(candidate, rows), part(baseline, rows), part(dear, rows)
        made += [
            at_least(right, 0.85, role="guard"),
            no_worse(right, before, 0.02, role="guard"),
            cost_at_most(cost, 1.0, cost_max=20, role="guard"),
            never(part((dear > 20).astype(np.float64), rows)),
        ]
    return made


def measure(shape: Shape) -> str:
    """One row of the table."""
    start = time.perf_counter()
    made = claims(shape)
    built = time.perf_counter()
    before = _peak_gib()
    verdicts = settle(made)
    seconds = time.perf_counter() - built
    peak = _peak_gib()
    counts = ", ".join(f"{count} {status}" for status, count in sorted(Counter(v.status for v in verdicts).items()))
    met = "yes" if seconds <= SECONDS_ALLOWED and peak <= MEMORY_ALLOWED else "NO"
    return (
        f"| {shape.name} | {len(made)} | {built - start:.1f} s | {seconds:.1f} s | {before:.2f} GiB | {peak:.2f} GiB "
        f"| {counts} | {met} |"
    )


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    if len(sys.argv) > 1:
        print(measure(SHAPES[int(sys.argv[1])]))
        return
    rows = [
        subprocess.run(
            [sys.executable, __file__, str(index)], check=True, capture_output=True, text=True
        ).stdout.strip()
        for index in range(len(SHAPES))
    ]
    report = "\n".join(
        [
            "# Judging a million outcomes",
            "",
            f"`python benchmarks/judging_scale.py`: one suite, 6 claims over all cases, 4 for each of {SLICES} slices.",
            f"Allowed: {SECONDS_ALLOWED:g} s to settle, {MEMORY_ALLOWED:g} GiB of memory.",
            "",
            "| outcomes | claims | making them | settling | memory before | peak memory | verdicts | met? |",
            "|---|---:|---:|---:|---:|---:|---|---|",
            *rows,
            "",
        ]
    )
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(report, encoding="utf-8")
    print(report)


if __name__ == "__main__":
    main()
