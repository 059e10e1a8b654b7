"""How many cases a run takes that stops when it is settled, and which errors it makes on the way.

`python benchmarks/early_stop.py` writes benchmarks/results/early_stop.md.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from harness.core.gate import Outcomes, VerdictStatus, no_worse, settle, settle_early
from harness.core.statistics import clopper_pearson_lower, clopper_pearson_upper
from harness.runs.early import FIRST, GROWTH

RESULT = Path(__file__).parent / "results" / "early_stop.md"
CASES, BASELINE, MARGIN, DISCORDANCE = 2000, 0.90, 0.03, 0.08
CANDIDATES = (0.80, 0.85, 0.87, 0.90, 0.92)
Run = tuple[NDArray[np.float64], NDArray[np.float64]]


def pair(random: np.random.Generator, candidate: float) -> Run:
    """Candidate and baseline: right or wrong per case, differing on 8% of the cases or as much as the loss takes."""
    change = candidate - BASELINE
    differ = max(DISCORDANCE, abs(change) + DISCORDANCE / 2)
    before = random.random(CASES) < BASELINE
    lost = random.random(CASES) < (differ - change) / 2 / BASELINE
    gained = random.random(CASES) < (differ + change) / 2 / (1 - BASELINE)
    after = np.where(before, ~lost, gained)
    return after.astype(np.float64), before.astype(np.float64)


def looks() -> list[int]:
    """After how many cases a run is looked at."""
    asked = [FIRST]
    while asked[-1] < CASES:
        asked.append(min(CASES, asked[-1] + max(FIRST, asked[-1] // GROWTH)))
    return asked


def stopped(run: Run) -> tuple[VerdictStatus, int]:
    """The verdict of a run that stops when it is settled, and after how many cases."""
    after, before = run
    baseline = Outcomes(values=before, case_ids=range(CASES))
    status = VerdictStatus.INCONCLUSIVE
    for asked in looks():
        known = after.copy()
        known[asked:] = np.nan
        (verdict,) = settle_early([no_worse(Outcomes(values=known, case_ids=range(CASES)), baseline, MARGIN)])
        status = verdict.status
        if status is not VerdictStatus.INCONCLUSIVE:
            return status, asked
    return status, CASES


def whole(run: Run) -> VerdictStatus:
    """The verdict of the same run on all cases."""
    after, before = (Outcomes(values=side, case_ids=range(CASES)) for side in run)
    return settle([no_worse(after, before, MARGIN)])[0].status


def row(candidate: float, runs: int, seed: int) -> list[str]:
    random = np.random.default_rng([seed, round(1000 * candidate)])
    drawn = [pair(random, candidate) for _ in range(runs)]
    early = [stopped(run) for run in drawn]
    asked = np.array([cases for _, cases in early])
    counts, fixed = Counter(status for status, _ in early), Counter(whole(run) for run in drawn)
    return [
        f"{candidate:.2f}",
        f"{np.median(asked):.0f} ({np.quantile(asked, 0.1):.0f}–{np.quantile(asked, 0.9):.0f})",
        *(share(counts[status], runs) for status in (VerdictStatus.PASS, VerdictStatus.FAIL)),
        *(share(fixed[status], runs) for status in (VerdictStatus.PASS, VerdictStatus.FAIL)),
    ]


def share(count: int, runs: int) -> str:
    low, high = clopper_pearson_lower(count, runs, 0.025), clopper_pearson_upper(count, runs, 0.025)
    return f"{100 * count / runs:.1f}% ({100 * low:.1f}–{100 * high:.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="simulated runs per row (default: 1000)")
    parser.add_argument("--seed", type=int, default=3, help="of the simulation (default: 3)")
    options = parser.parse_args()
    rows = [row(candidate, options.runs, options.seed) for candidate in CANDIDATES]
    head = ["candidate", "cases asked (10%–90%)", "PASS, early", "FAIL, early", "PASS, all cases", "FAIL, all cases"]
    lines = [
        "# Stopping early",
        "",
        f"`python benchmarks/early_stop.py --runs {options.runs} --seed {options.seed}`: {CASES} cases, a baseline at "
        f"{BASELINE:.2f}, margin {MARGIN}, alpha 0.05,",
        f"looked at after {', '.join(map(str, looks()[:6]))}, … cases. Rates with 95% limits. The last two "
        "columns judge the same runs on all cases.",
        "",
        tabulate(rows, headers=head, tablefmt="pipe", disable_numparse=True),
        "",
        f"At {BASELINE - MARGIN:.2f} the candidate has lost exactly the margin: a PASS is an error, of which 5% are "
        f"allowed; so is a FAIL at {BASELINE:.2f} and above.",
        "",
    ]
    RESULT.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
