"""The self-test: what this gate says of these predictions when nothing, or a known regression, is behind them.

Every simulation draws the independent units of the holdout anew, with replacement. *Unchanged* exchanges candidate and
baseline at random, unit by unit, so that there is no change by construction. A *regression* replaces the answers of a
share of the cases. All claims are then settled together as in an ordinary run. The draws follow from the seed alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.core.gate import Claim, Evidence, Kind, Outcomes, VerdictStatus, statuses, weigh
from harness.core.outcomes import FloatArray
from harness.core.statistics import clopper_pearson_lower
from harness.reporting.model import ClaimTest, JudgedClaim, PlantTest, SelfTest

SIMULATIONS = 400
PLANT_SIMULATIONS = 200
CHURN = 0.05
"""The share of cases that are made to differ where the stored predictions are those of the baseline."""
SHARES = (0.02, 0.05, 0.1, 0.2, 0.4, 1.0)
HALVINGS = 8
SURE = 0.001
"""A promise counts as broken where the excess over its level is this unlikely to be chance."""

Told = Callable[[int], None]
"""Called after each step with the number of all steps."""
IntArray = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """One settled claim that may block, with what its answers could have been.

    `units` and `places` name for each row of the claim's outcomes the independent unit that it belongs to, and its
    place in it. `worse` is what each row counts when it goes wrong. `plants` gives, by name, the values if every answer
    of the run carried that regression, in the shape of the outcomes.
    """

    judged: JudgedClaim
    units: Sequence[str]
    places: Sequence[int]
    worse: FloatArray
    plants: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def claim(self) -> Claim:
        return self.judged.verdict.claim

    @cached_property
    def baseline_values(self) -> FloatArray | None:
        """The baseline's values in the order of the claim's rows."""
        baseline = self.claim.baseline
        if baseline is None:
            return None
        row = {name: i for i, name in enumerate(baseline.case_ids)}
        return baseline.values[[row[name] for name in self.claim.outcomes.case_ids]]

    @property
    def differs(self) -> bool:
        """Whether any prediction differs from the baseline's."""
        return self.baseline_values is not None and bool((self.claim.outcomes.values != self.baseline_values).any())


def self_test(
    subjects: Sequence[Subject],
    *,
    skipped: Sequence[str] = (),
    simulations: int = SIMULATIONS,
    seed: int = 0,
    told: Told = lambda steps: None,
) -> SelfTest:
    """Measure the gate on the claims of one suite; `told` hears of each step.

    Raises ValueError for no subjects.
    """
    if not subjects:
        raise ValueError("there is no claim to simulate")
    units = sorted({unit for subject in subjects for unit in subject.units})
    churned = {
        subject.judged.measure.run
        for subject in subjects
        if not any(s.differs for s in subjects if s.judged.measure.run == subject.judged.measure.run)
    }
    number = {unit: i for i, unit in enumerate(units)}
    models = [_Model(subject, number, subject.judged.measure.run in churned) for subject in subjects]
    depth = max(place for subject in subjects for place in subject.places) + 1
    draws = [_Draw(np.random.default_rng([seed, i]), len(units), depth) for i in range(simulations)]
    plants = sorted({(s.judged.measure.run, name) for s in subjects for name in s.plants})
    total = 1 + len(models) + len(plants)
    claims = [model.subject.claim for model in models]
    unchanged = [[weigh(model.at(draw)) for model in models] for draw in draws]
    settled = [statuses(claims, evidence) for evidence in unchanged]
    told(total)
    tests = []
    for i, model in enumerate(models):
        tests.append(_claim_test(i, model, models, draws, unchanged, settled))
        told(total)
    found = []
    for run, name in plants:
        found.append(_plant_test(run, name, models, draws[:PLANT_SIMULATIONS], unchanged))
        told(total)
    any_alarm = sum(
        any(status is VerdictStatus.FAIL and models[i].promises for i, status in enumerate(row)) for row in settled
    )
    result = SelfTest(
        simulations=simulations,
        seed=seed,
        claims=tests,
        plants=found,
        plant_simulations=min(PLANT_SIMULATIONS, simulations),
        any_false_alarm=any_alarm,
        alpha=max(claim.alpha_fail for claim in claims),
        churned=sorted(churned & {s.judged.measure.run for s in subjects if s.claim.baseline is not None}),
        churn=CHURN,
        skipped=skipped,
    )
    return replace(result, broken=_broken_promises(result))


class _Draw:
    """The chance of one simulation: which units, and for each of their cases the numbers that decide about it."""

    def __init__(self, random: np.random.Generator, n_units: int, depth: int) -> None:
        self.units: IntArray = random.integers(n_units, size=n_units)
        self.swapped = random.random(n_units) < 0.5
        self.planted, self.churned = random.random((2, n_units, depth))
        self.lifted = random.random((n_units, depth))
        self.loser = random.random((n_units, depth)) < 0.5


class _Model:
    """A claim as a function of chance and of the share of its cases that went wrong."""

    def __init__(self, subject: Subject, number: Mapping[str, int], churned: bool) -> None:
        self.subject = subject
        claim = subject.claim
        codes = np.array([number[unit] for unit in subject.units], dtype=np.intp)
        self._order: IntArray = np.argsort(codes, kind="stable")
        self._count = np.bincount(codes, minlength=len(number))
        self._start = np.cumsum(self._count) - self._count
        self._places = np.array(subject.places, dtype=np.intp)
        self._values = claim.outcomes.values
        self._worse = np.broadcast_to(subject.worse.reshape(len(codes), -1), self._values.shape)
        self._baseline = subject.baseline_values
        self._churn = CHURN if churned and self._baseline is not None else 0.0
        self._better = np.zeros_like(self._values) if claim.kind is not Kind.AT_LEAST else np.ones_like(self._values)
        self._lift = self._lift_to_bound() if self._baseline is None else 0.0
        self._names = tuple(map(str, range(max(len(number), 2 * len(codes)))))
        self._clustered = claim.outcomes.clustered or (claim.baseline is not None and claim.baseline.clustered)

    @property
    def promises(self) -> bool:
        """Whether a FAIL while the claim holds is an error of chance that is bounded by alpha."""
        return self.subject.claim.kind is not Kind.NEVER

    @cached_property
    def reach(self) -> float:
        """How far the estimate moves, in its own unit, when all answers go wrong."""
        now = self._values if self._baseline is None else (self._values + self._baseline) / 2
        lifted = (1 - self._lift) * now + self._lift * self._better
        return float(np.abs(self._worse - lifted).mean()) * (1 - self._churn / 2)

    @property
    def share_at_bound(self) -> float | None:
        """The share of wrong answers with which the claim only just does not hold; None where none brings it there."""
        claim = self.subject.claim
        if claim.kind is Kind.NEVER or not self.reach:
            return None
        room = claim.bound
        if self._baseline is None:
            now = float(((1 - self._lift) * self._values + self._lift * self._better).mean())
            room = abs(now - claim.bound)
        share = room / self.reach
        return share if share <= 1 else None

    def at(self, draw: _Draw, share: float = 0.0, planted: FloatArray | None = None) -> Claim:
        """The claim in one simulation, with `share` of the cases as in `planted` (default: gone wrong)."""
        count = self._count[draw.units]
        unit = np.repeat(np.arange(draw.units.size), count)
        within = np.arange(unit.size) - np.repeat(np.cumsum(count) - count, count)
        rows = self._order[self._start[draw.units][unit] + within]
        place = self._places[rows]
        now, before = self._values[rows], None if self._baseline is None else self._baseline[rows]
        worse = self._worse[rows]
        if before is None:
            now = np.where((draw.lifted[unit, place] < self._lift)[:, None], self._better[rows], now)
        else:
            swapped = draw.swapped[unit][:, None]
            now, before = np.where(swapped, before, now), np.where(swapped, now, before)
            if self._churn:
                churned, loser = (draw.churned[unit, place] < self._churn)[:, None], draw.loser[unit, place][:, None]
                now, before = np.where(churned & loser, worse, now), np.where(churned & ~loser, worse, before)
        if share:
            hit = (draw.planted[unit, place] < share)[:, None]
            now = np.where(hit, worse if planted is None else planted[rows], now)
        ids = self._names[: rows.size] if rows.size <= len(self._names) else tuple(map(str, range(rows.size)))
        clusters = tuple(self._names[i] for i in unit) if self._clustered else None
        return replace(
            self.subject.claim,
            outcomes=Outcomes(values=now, case_ids=ids, clusters=clusters),
            baseline=None if before is None else Outcomes(values=before, case_ids=ids),
            identical=False,
        )

    def _lift_to_bound(self) -> float:
        """The share of cases to be made good so that the claim holds, if only just; 0 where it does."""
        claim, now = self.subject.claim, float(self._values.mean())
        if claim.kind is Kind.NEVER:
            return float(now > 0)
        excess = claim.bound - now if claim.kind is Kind.AT_LEAST else now - claim.bound
        room = float(np.abs(self._better - self._values).mean())
        return min(1.0, excess / room) if excess > 0 else 0.0


def _claim_test(
    place: int,
    model: _Model,
    models: Sequence[_Model],
    draws: Sequence[_Draw],
    unchanged: Sequence[Sequence[Evidence]],
    settled: Sequence[Sequence[VerdictStatus]],
) -> ClaimTest:
    claims = [other.subject.claim for other in models]

    def status(i: int, share: float) -> VerdictStatus:
        evidence = [*unchanged[i]]
        evidence[place] = weigh(model.at(draws[i], share))
        return statuses(claims, evidence)[place]

    now = Counter(row[place] for row in settled)
    bound = model.share_at_bound
    at_bound = None if bound is None else Counter(status(i, bound) for i in range(len(draws)))
    alarms: int | None = None
    if model.promises:
        source = now if model.subject.claim.baseline is not None else at_bound
        alarms = None if source is None else source[VerdictStatus.FAIL]
    return ClaimTest(
        judged=model.subject.judged,
        false_alarms=alarms,
        wrong_passes=None if at_bound is None else at_bound[VerdictStatus.PASS],
        unchanged_passes=now[VerdictStatus.PASS],
        sizes=tuple(sorted(_first_failure(status, i) * model.reach for i in range(len(draws)))),
    )


def _first_failure(status: Callable[[int, float], VerdictStatus], i: int) -> float:
    """The smallest share of wrong answers that FAILs in simulation `i`, by halving; infinite where none does."""
    if status(i, 1.0) is not VerdictStatus.FAIL:
        return float("inf")
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if status(i, middle) is VerdictStatus.FAIL else (middle, high)
    return high


def _plant_test(
    run: str, name: str, models: Sequence[_Model], draws: Sequence[_Draw], unchanged: Sequence[Sequence[Evidence]]
) -> PlantTest:
    claims = [model.subject.claim for model in models]
    touched = [
        (i, planted)
        for i, model in enumerate(models)
        if model.subject.judged.measure.run == run and (planted := model.subject.plants.get(name)) is not None
    ]
    blocked, caught = [], Counter[int]()
    for share in SHARES:
        hits = 0
        for draw, before in zip(draws, unchanged, strict=False):
            evidence = [*before]
            for i, planted in touched:
                evidence[i] = weigh(models[i].at(draw, share, planted))
            failed = [i for i, status in enumerate(statuses(claims, evidence)) if status is VerdictStatus.FAIL]
            hits += bool(failed)
            caught.update(failed)
        blocked.append((share, hits))
        if hits == len(draws):
            break
    by = max(caught, key=lambda i: (caught[i], -i), default=None)
    return PlantTest(run=run, name=name, blocked=blocked, caught_by=None if by is None else models[by].subject.judged)


def _broken_promises(result: SelfTest) -> list[str]:
    """Error rates that are above their level by more than chance explains."""
    broken = []
    rates = [("any false alarm", result.any_false_alarm, result.alpha)]
    for test in result.claims:
        claim = test.judged.verdict.claim
        rates.append((f"{test.judged.measure}: false alarms", test.false_alarms or 0, claim.alpha_fail))
        rates.append((f"{test.judged.measure}: wrong PASS", test.wrong_passes or 0, claim.alpha))
    for name, count, level in rates:
        least = clopper_pearson_lower(count, result.simulations, SURE / len(rates))
        if least > level:
            broken.append(f"{name} in {count} of {result.simulations}, where {level:g} is promised")
    return broken
