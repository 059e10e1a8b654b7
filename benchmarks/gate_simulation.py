"""How often the gate is right: the table of STATISTICS.md, section 9, by simulation through its public functions.

    python benchmarks/gate_simulation.py          # writes benchmarks/results/gate_simulation.md, about a minute

How the answers are made: every case has a chance of its own of being answered right, drawn from a Beta distribution
with mean 0.9, so spread that two fresh runs of one system differ on 8 cases in 100 (as many lost as gained). A
candidate that loses L points gives a wrong answer instead of a right one with chance L/0.9. In "strong clustering" the
ten cases of a cluster share one such chance, and each takes over one common answer of its cluster with chance 0.8.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.gate import Claim, Outcomes, Verdict, at_least, at_most, cost_at_most, never, no_worse, settle
from harness.core.statistics import clopper_pearson_lower, clopper_pearson_upper

ACCURACY = 0.9
DISCORDANCE = 0.04  # of each kind, between two fresh runs of one system
SPREAD = ACCURACY * (1 - ACCURACY) / DISCORDANCE  # of the cases' own chances
BETA = (ACCURACY / (SPREAD - 1), (1 - ACCURACY) / (SPREAD - 1))
SLICES = (15, 16, 18, 20, 22, 24, 25, 28, 30, 34, 38, 40)
SLICE_MARGIN = 0.15
SEED = 20_240_917
RESULT = Path(__file__).parent / "results" / "gate_simulation.md"
SEVERITY = {"FAIL": 0, "INCONCLUSIVE": 1, "PASS": 2}

Generator = np.random.Generator
Answers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One requirement: what is counted, how often it may happen at most or must at least, and how often it did."""

    scenario: str
    counted: str
    limit: float
    at_least: bool = False
    hits: int = 0
    simulations: int = 0

    @property
    def measured(self) -> float:
        return self.hits / self.simulations

    @property
    def met(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


# ----------------------------------------------------------------------------------------------------- how answers come


def chances(rng: Generator, n: int) -> Answers:
    """The chance of each case of being answered right."""
    return rng.beta(*BETA, size=n)


def answers(rng: Generator, right: Answers, repeats: int = 1, loss: float = 0.0) -> Answers:
    """A fresh run: 1 where right, (cases, repeats); `loss` is the share of all answers that goes wrong besides."""
    kept = 1 - loss / ACCURACY
    return (rng.random((right.size, repeats)) < (right * kept)[:, None]).astype(np.float64)


def flips(rng: Generator, n: int, loss: float, simulations: int) -> NDArray[np.int64]:
    """Rows of (losses, gains) between one run of the baseline and one of the candidate, for one repeat.

    The counts that `answers` gives: a case is lost with E[q] - E[q^2] k and gained with E[q] k - E[q^2] k, where k is
    the share of right answers that the candidate keeps.
    """
    kept = 1 - loss / ACCURACY
    both = (ACCURACY - DISCORDANCE) * kept
    lost, gained = ACCURACY - both, ACCURACY * kept - both
    return rng.multinomial(n, [lost, gained, 1 - lost - gained], size=simulations)[:, :2]


def clustered_answers(rng: Generator, clusters: int, size: int, loss: float = 0.0) -> tuple[Answers, Answers]:
    """Baseline and candidate over clusters of equal size whose cases mostly share one answer."""
    right = chances(rng, clusters)

    def run(kept: float) -> Answers:
        common = rng.random(clusters) < right * kept
        alone = rng.random((clusters, size)) < (right * kept)[:, None]
        return np.where(rng.random((clusters, size)) < 0.8, common[:, None], alone).reshape(-1).astype(np.float64)

    return run(1.0), run(1 - loss / ACCURACY)


# -------------------------------------------------------------------------------------------------------- what is asked


def outcomes(values: Answers, clusters: NDArray[np.int64] | None = None) -> Outcomes:
    return Outcomes(values=values, case_ids=range(len(values)), clusters=clusters)


@cache
def claim_of(n: int, losses: int, gains: int, margin: float, role: str = "gate") -> Claim:
    """The paired claim with these counts: which cases they are does not matter."""
    baseline, candidate = np.ones(n), np.ones(n)
    candidate[:losses] = 0
    baseline[losses : losses + gains] = 0
    return no_worse(outcomes(candidate), outcomes(baseline), margin, role=role)


@cache
def verdict_of(n: int, losses: int, gains: int, margin: float) -> Verdict:
    """The verdict of the only claim of a run."""
    return settle([claim_of(n, losses, gains, margin, "guard")])[0]


def statuses(n: int, margin: float, loss: float, simulations: int, rng: Generator) -> dict[str, int]:
    """How often each verdict comes, for one claim at one repeat without clusters."""
    counts = dict.fromkeys(SEVERITY, 0)
    rows, times = np.unique(flips(rng, n, loss, simulations), axis=0, return_counts=True)
    for (losses, gains), repeated in zip(rows.tolist(), times.tolist(), strict=True):
        counts[verdict_of(n, losses, gains, margin).status] += repeated
    return counts


# ----------------------------------------------------------------------------------------------------------- scenarios

Scenario = Callable[[Generator, int], list[Row]]


def one_claim(n: int, margin: float, loss: float, scenario: str, *required: tuple[str, float, bool]) -> Scenario:
    def run(rng: Generator, simulations: int) -> list[Row]:
        counts = statuses(n, margin, loss, simulations, rng)
        return [
            Row(
                scenario=scenario,
                counted=status,
                limit=limit,
                at_least=at_least_,
                hits=counts[status],
                simulations=simulations,
            )
            for status, limit, at_least_ in required
        ]

    return run


def slices(scenario: str, counted: str, limit: float, worse: tuple[int, float] | None = None) -> Scenario:
    """Twelve guarded slices; without `worse`, any FAIL counts, and else the FAIL of the slice of that size."""

    def run(rng: Generator, simulations: int) -> list[Row]:
        drawn = np.stack(
            [flips(rng, n, worse[1] if worse is not None and worse[0] == n else 0.0, simulations) for n in SLICES],
            axis=1,
        )
        hits = 0
        for sample in drawn.tolist():
            cells = [(n, b, c) for n, (b, c) in zip(SLICES, sample, strict=True)]
            if not any(_could_fail(*cell) for cell in cells):  # no level is above alpha, so nothing can FAIL
                continue
            verdicts = settle([claim_of(n, b, c, SLICE_MARGIN, "guard") for n, b, c in cells])
            failed = {n for (n, _, _), verdict in zip(cells, verdicts, strict=True) if verdict.status == "FAIL"}
            hits += bool(failed) if worse is None else worse[0] in failed
        return [
            Row(
                scenario=scenario,
                counted=counted,
                limit=limit,
                at_least=worse is not None,
                hits=hits,
                simulations=simulations,
            )
        ]

    return run


def _could_fail(n: int, losses: int, gains: int) -> bool:
    verdict = verdict_of(n, losses, gains, SLICE_MARGIN)
    return verdict.p is not None and verdict.p <= verdict.claim.alpha_fail


def clustered(loss: float, scenario: str, status: str, limit: float) -> Scenario:
    labels = np.repeat(np.arange(100), 10)

    def run(rng: Generator, simulations: int) -> list[Row]:
        hits = 0
        for _ in range(simulations):
            baseline, candidate = clustered_answers(rng, 100, 10, loss)
            verdict = settle([no_worse(outcomes(candidate, labels), outcomes(baseline, labels), 0.03, role="guard")])[0]
            hits += verdict.status == status
        return [Row(scenario=scenario, counted=status, limit=limit, hits=hits, simulations=simulations)]

    return run


def disagreement(n: int, repeats: int, margin: float, scenario: str, limit: float) -> Scenario:
    """One baseline, two fresh runs of the same system, each judged against it."""

    def run(rng: Generator, simulations: int) -> list[Row]:
        known: dict[tuple[int, ...], str] = {}

        def status(candidate: Answers, baseline: Answers) -> str:
            totals = (candidate - baseline).sum(axis=1)
            key = tuple(np.bincount((totals + repeats).astype(int), minlength=2 * repeats + 1).tolist())
            if key not in known:
                known[key] = settle([no_worse(outcomes(candidate), outcomes(baseline), margin)])[0].status
            return known[key]

        hits = 0
        for _ in range(simulations):
            right = chances(rng, n)
            baseline = answers(rng, right, repeats)
            hits += status(answers(rng, right, repeats), baseline) != status(answers(rng, right, repeats), baseline)
        return [Row(scenario=scenario, counted="disagree", limit=limit, hits=hits, simulations=simulations)]

    return run


def copies(rng: Generator, simulations: int) -> list[Row]:
    """Random claims of every kind, with and without repeats and clusters, against five copies of every trial."""
    hits = 0
    for _ in range(simulations):
        n, repeats = int(rng.integers(20, 200)), int(rng.integers(1, 4))
        right = chances(rng, n)
        first, second = answers(rng, right, repeats), answers(rng, right, repeats)
        labels = rng.integers(0, n // 2, size=n) if rng.random() < 0.5 else None
        once, five = (
            settle(
                [
                    at_least(outcomes(np.tile(first, (1, times)), labels), 0.85, role="guard"),
                    at_most(outcomes(np.tile(1 - first, (1, times)), labels), 0.15, role="guard"),
                    never(outcomes(np.tile(1 - first, (1, times)), labels)),
                    cost_at_most(outcomes(np.tile(4 - 4 * first, (1, times)), labels), 0.6, cost_max=4, role="guard"),
                    no_worse(
                        outcomes(np.tile(first, (1, times)), labels),
                        outcomes(np.tile(second, (1, times)), labels),
                        0.08,
                        role="guard",
                    ),
                ]
            )
            for times in (1, 5)
        )
        hits += any(
            (a.status, a.rule) != (b.status, b.rule) or not np.allclose(_bounds(a), _bounds(b), 0, 1e-12)
            for a, b in zip(once, five, strict=True)
        )
    return [
        Row(scenario="every trial copied five times", counted="changed", limit=0, hits=hits, simulations=simulations)
    ]


def _bounds(verdict: Verdict) -> list[float]:
    return [bound for bound in (verdict.lower, verdict.upper) if bound is not None]


def one_more_wrong(rng: Generator, simulations: int) -> list[Row]:
    """Random counts for one paired claim, alone and as one of twelve, before and after one more wrong answer."""
    hits = 0
    for index in range(simulations):
        n = int(rng.integers(5, 400))
        discordant = rng.multinomial(n, [*rng.dirichlet([1, 1, 8])])
        losses, gains = int(discordant[0]), int(discordant[1])
        if losses + gains == n and gains == 0:
            continue
        worse = (losses, gains - 1) if (gains and rng.random() < 0.5) or losses + gains == n else (losses + 1, gains)
        margin = float(rng.choice([0.02, 0.05, 0.15, 0.3]))
        others = [claim_of(m, *flips(rng, m, 0.1, 1)[0].tolist(), 0.05, "guard") for m in SLICES] if index % 2 else []
        before, after = (
            settle([claim_of(n, b, c, margin, "guard"), *others])[0].status for b, c in ((losses, gains), worse)
        )
        hits += SEVERITY[after] > SEVERITY[before]
    return [
        Row(
            scenario="one candidate answer turned wrong",
            counted="moved towards PASS",
            limit=0,
            hits=hits,
            simulations=simulations,
        )
    ]


SCENARIOS: tuple[tuple[Scenario, int], ...] = (
    (one_claim(200, 0.05, 0.0, "no change, n=200, m=.05", ("FAIL", 0.065, False), ("PASS", 0.74, True)), 200_000),
    (one_claim(1000, 0.03, 0.0, "no change, n=1000, m=.03", ("FAIL", 0.073, False), ("PASS", 0.925, True)), 200_000),
    (one_claim(200, 0.05, 0.05, "true loss equal to the margin, n=200", ("PASS", 0.065, False)), 200_000),
    (one_claim(1000, 0.03, 0.03, "true loss equal to the margin, n=1000", ("PASS", 0.073, False)), 200_000),
    (one_claim(200, 0.05, 0.10, "loss of 10 points, n=200, m=.05", ("FAIL", 0.955, True)), 200_000),
    (one_claim(1000, 0.03, 0.05, "loss of 5 points, n=1000, m=.03", ("FAIL", 0.99, True)), 200_000),
    (slices("12 slices of 15–40 cases, no change", "any FAIL", 0.065), 8_000),
    (slices("12 slices, the one of 40 loses 30%", "found", 0.85, (40, 0.30)), 2_000),
    (slices("12 slices, the one of 25 loses 45%", "found", 0.87, (25, 0.45)), 2_000),
    (clustered(0.0, "100 clusters of 10, no change, m=.03", "FAIL", 0.073), 3_000),
    (clustered(0.03, "100 clusters of 10, true loss equal to the margin", "PASS", 0.075), 3_000),
    (disagreement(1000, 1, 0.05, "two fresh identical runs, n=1000, m=.05", 0.01), 4_000),
    (disagreement(200, 3, 0.05, "two fresh identical runs, n=200, K=3, m=.05", 0.04), 4_000),
    (copies, 400),
    (one_more_wrong, 1_000),
)


def simulate(share: float = 1.0, seed: int = SEED) -> list[Row]:
    """All rows, with that share of the simulations; the same seed gives the same rows."""
    rows: list[Row] = []
    for index, (scenario, simulations) in enumerate(SCENARIOS):
        rows += scenario(np.random.default_rng([seed, index]), max(1, round(simulations * share)))
    return rows


def table(rows: list[Row]) -> str:
    lines = [
        "| scenario | requirement | measured | simulations | 95% interval | met? |",
        "|---|---|---:|---:|---|---|",
    ]
    for row in rows:
        sign, percent = "≥" if row.at_least else "≤", f"{100 * row.limit:g}%"
        required = f"{row.counted} {sign} {percent}" if row.limit else f"{row.counted}: never"
        low = clopper_pearson_lower(row.hits, row.simulations, 0.025)
        high = clopper_pearson_upper(row.hits, row.simulations, 0.025)
        interval = f"{100 * low:.2f}% to {100 * high:.2f}%"
        met = "yes" if row.met else "NO"
        lines.append(
            f"| {row.scenario} | {required} | {100 * row.measured:.2f}% | {row.simulations:,} | {interval} | {met} |"
        )
    return "\n".join(lines)


def main() -> None:
    start = time.perf_counter()
    rows = simulate()
    report = "\n".join(
        [
            "# Does the gate keep its promises?",
            "",
            f"`python benchmarks/gate_simulation.py`, seed {SEED}. Requirements: STATISTICS.md, section 9.",
            "",
            table(rows),
            "",
            "Answers come from cases with chances of their own (mean 0.9), so that two fresh runs of one system differ",
            "on 8 cases in 100; in clusters, 8 of 10 cases take over one common answer.",
            "",
        ]
    )
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(report, encoding="utf-8")
    print(report)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
