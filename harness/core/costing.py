"""What each strategy costs in money, and how two of them compare (formulas and sources: docs/economics.md).

What errors cost is estimated on cases and has bounds; prices, wages, fixed costs and the volume are taken as declared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from harness.core import statistics as st
from harness.core.cost_evidence import case_means, largest_cluster, per_cluster
from harness.core.economics import Economics, ErrorCost, Fixed
from harness.core.outcomes import FloatArray, Outcomes
from harness.core.rate_evidence import effective_rate
from harness.core.records import Status
from harness.core.tables import STATUSES, OutcomeTable

LEVEL = 0.025
"""The error on each side of an interval."""
MOST_CASES = 1_000_000
FACTORS = (0.5, 1.0, 2.0)
ERRORS = (Status.WRONG, Status.INVALID, Status.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its two-sided 95% interval, or one at another level where that was asked for."""

    estimate: float
    lower: float
    upper: float

    def scaled(self, factor: float, plus: float = 0.0) -> Estimate:
        """`factor` (of any sign) times the number, and `plus` more."""
        ends = sorted((factor * self.lower + plus, factor * self.upper + plus))
        return Estimate(estimate=factor * self.estimate + plus, lower=ends[0], upper=ends[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arm:
    """One strategy that was run. `usd_per_1000` is what 1,000 answers cost in tokens, None where no price is known.

    `machine_s` is how many seconds of a machine one answer takes; None where a provider is paid for the tokens.
    """

    name: str
    adapter: str
    table: OutcomeTable
    usd_per_1000: float | None
    machine_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Costing:
    """What one strategy costs, in the declared currency.

    Per decision: `inference` (None where it is not known), `errors`, `correction`, and `lost`, the sum of the last two
    with its interval. `fixed` is per month, one-off costs spread over the horizon; `spent` are one-off costs of what is
    in use today, which no decision brings back: they are not in `fixed`. `by_hand` is the share of the decisions that a
    person puts right or takes over. All over `cases` cases.
    """

    name: str
    cases: int
    inference: float | None
    errors: float
    correction: float
    lost: Estimate
    fixed: float
    spent: float
    by_hand: float

    def monthly(self, volume: float) -> Estimate | None:
        """The total at `volume` decisions a month; None where the cost of inference is not known."""
        if self.inference is None:
            return None
        return self.lost.scaled(volume, volume * self.inference + self.fixed)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """From `volume` decisions a month on, `large` costs less than `small`, which has the smaller fixed costs.

    `lower` and `upper` are the ends of its 95% interval; infinite where it may never be, or never is.
    """

    small: str
    large: str
    volume: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Benefit:
    """What a change from today's strategy brings over the horizon: `saved` by the decisions, less `extra` fixed."""

    name: str
    saved: Estimate
    extra: float
    net: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """Which strategy is the cheapest, and its total per month, where `what` is `factor` times what was declared."""

    what: str
    factor: float
    cheapest: str
    monthly: float


class Accounts:
    """The costs of the strategies of one suite. Strategies without a complete case are left out."""

    def __init__(self, economics: Economics, arms: Sequence[Arm], keep: NDArray[np.bool_], today: str | None) -> None:
        """`keep` marks the rows that count; `today` is the strategy in use, where it was run."""
        self.economics = economics
        self._keep = keep
        complete = {arm.name: keep & arm.table.whole for arm in arms}
        self._arms = {arm.name: arm for arm in arms if complete[arm.name].any()}
        self._complete = complete
        self._codes = _codes(next(iter(self._arms.values())).table) if self._arms else np.zeros(0, dtype=np.intp)
        self.today = today if today in self._arms else None
        reviews = any((arm.table.status[keep] == STATUSES.index(Status.REVIEW)).any() for arm in self._arms.values())
        self._one_price = not isinstance(economics.errors, str) and not reviews
        self._money = {name: _money(economics, arm.table) for name, arm in self._arms.items()}
        self.costings = {name: self._costing(arm) for name, arm in self._arms.items()}

    @property
    def volume(self) -> float:
        """The declared decisions per month."""
        return self.economics.volume.per_month

    @property
    def priced(self) -> list[str]:
        """The strategies whose whole cost is known."""
        return [name for name, costing in self.costings.items() if costing.inference is not None]

    def machine_s(self, name: str) -> float | None:
        """The seconds of a machine that an answer takes; None where tokens are paid for instead."""
        return self._arms[name].machine_s

    def runs_of(self, strategy: str) -> list[str]:
        """The names of what was run of a strategy: several where it runs on several adapters."""
        return [name for name in self._arms if _declared(name) == strategy]

    def not_run(self) -> list[str]:
        """The strategies and adapters whose fixed costs are declared, and that none of the costs here are of."""
        declared, arms = self.economics, self._arms.values()
        strategies, adapters = {_declared(arm.name) for arm in arms}, {arm.adapter for arm in arms}
        return [n for n in declared.strategies if n not in strategies] + [
            n for n in declared.adapters if n not in adapters
        ]

    def monthly(self, name: str) -> float:
        """The total per month at the declared volume of a strategy that is `priced`."""
        total = self.costings[name].monthly(self.volume)
        if total is None:
            raise ValueError(f"the cost of inference of {name} is not known")
        return total.estimate

    def cheapest(self, names: Iterable[str]) -> str:
        """The one with the lowest total per month; of equal ones the first. Raises ValueError for no name."""
        return min(names, key=self.monthly)

    def difference(self, one: str, other: str, level: float = LEVEL) -> Estimate:
        """The cost per decision of `one` less that of `other`, without fixed costs; each bound at `level`.

        Paired over the cases that both answered. Where all errors have one price it is that price times Tango's bounds
        for the difference of rates; otherwise increases and decreases get Fay-Feuer limits, joined by MOVER.
        """
        first, second, codes, n_clusters = self._pair(one, other)
        inference = self._inference(one) - self._inference(other)
        largest = max(self._largest(one), self._largest(other))
        if first.size == 0:  # no case was answered by both
            estimate = self.costings[one].lost.estimate - self.costings[other].lost.estimate
            return Estimate(estimate=estimate, lower=-largest, upper=largest).scaled(1, inference)
        if largest == 0:
            return Estimate(estimate=inference, lower=inference, upper=inference)
        differences: FloatArray = first - second
        if self._one_price:
            return _rate_change(differences / largest, codes, n_clusters, level).scaled(largest, inference)
        unit_max = largest * largest_cluster(codes, n_clusters)
        totals = per_cluster(differences, codes, n_clusters, unit_max)
        estimate = math.fsum(differences.tolist()) / differences.size
        lower, upper = st.cost_change_bounds(totals, differences.size, unit_max, level)
        found = Estimate(
            estimate=estimate, lower=max(min(lower, estimate), -largest), upper=min(max(upper, estimate), largest)
        )
        return found.scaled(1, inference)

    def total_difference(self, one: str, other: str, level: float = LEVEL) -> Estimate:
        """The same per month at the declared volume, fixed costs included."""
        extra = self.costings[one].fixed - self.costings[other].fixed
        return self.difference(one, other, level).scaled(self.volume, extra)

    def accuracy_difference(self, one: str, other: str, level: float = LEVEL) -> Estimate:
        """The share of right answers of `one` less that of `other`, paired, with Tango's bounds at `level`."""
        rows = self._complete[one] & self._complete[other]
        if not rows.any():
            return Estimate(estimate=0.0, lower=-1.0, upper=1.0)
        shares = [
            case_means((self._arms[name].table.status[rows] == STATUSES.index(Status.CORRECT)).astype(np.float64))
            for name in (one, other)
        ]
        _, _, codes, n_clusters = self._pair(one, other)
        return _rate_change(shares[0] - shares[1], codes, n_clusters, level)

    def more_cases(self, one: str, other: str, level: float = LEVEL) -> int | None:
        """How many more cases would show which of two costs less in total, if the difference stayed as it is.

        0 where it is shown; None where no number up to a million would. Intervals shrink with the root of their number.
        """
        total = self.total_difference(one, other, level)
        if total.lower > 0 or total.upper < 0:
            return 0
        width = total.estimate - total.lower if total.estimate > 0 else total.upper - total.estimate
        n = int((self._complete[one] & self._complete[other]).sum())
        if total.estimate == 0 or n * ((width / total.estimate) ** 2 - 1) >= MOST_CASES:
            return None
        return math.floor(n * ((width / total.estimate) ** 2 - 1)) + 1

    def break_even(self, one: str, other: str) -> BreakEven | None:
        """None where fixed costs are equal: then the volume does not matter.

        With s the saving per decision of the strategy with the larger fixed costs, the volume is extra / s. The extra
        costs are known, so that the bounds of s give those of the volume: Fieller's theorem without an error above.
        """
        small, large = sorted((one, other), key=lambda name: self.costings[name].fixed)
        extra = self.costings[large].fixed - self.costings[small].fixed
        if extra == 0:
            return None
        saving = self.difference(small, large)

        def volume(per_decision: float) -> float:
            return extra / per_decision if per_decision > 0 else math.inf

        return BreakEven(
            small=small,
            large=large,
            volume=volume(saving.estimate),
            lower=volume(saving.upper),
            upper=volume(saving.lower),
        )

    def benefit(self, name: str) -> Benefit | None:
        """Against today's strategy, over the horizon; None where that was not run, or a cost is not known."""
        if self.today is None or not {name, self.today} <= set(self.priced):
            return None
        months = self.economics.horizon_months
        saved = self.difference(self.today, name).scaled(self.volume * months)
        extra = months * (self.costings[name].fixed - self.costings[self.today].fixed)
        return Benefit(name=name, saved=saved, extra=extra, net=saved.scaled(1, -extra))

    def sensitivity(self, names: Sequence[str]) -> list[Sensitivity]:
        """Which of `names` is the cheapest if the volume, the price of inference or the cost of errors is another."""
        found = []
        for what in ("volume", "price of inference", "cost of errors"):
            for factor in FACTORS:
                totals = {name: self._total(name, what, factor) for name in names}
                cheapest = min(totals, key=totals.__getitem__)
                found.append(Sensitivity(what=what, factor=factor, cheapest=cheapest, monthly=totals[cheapest]))
        return found

    def _total(self, name: str, what: str, factor: float) -> float:
        costing = self.costings[name]
        inference = self._inference(name) * (factor if what == "price of inference" else 1)
        lost = costing.lost.estimate * (factor if what == "cost of errors" else 1)
        return self.volume * (factor if what == "volume" else 1) * (inference + lost) + costing.fixed

    def _costing(self, arm: Arm) -> Costing:
        rows = self._complete[arm.name]
        errors, correction, by_hand = (case_means(part[rows]) for part in self._money[arm.name])
        fixed, spent = self._fixed(arm)
        n = int(rows.sum())
        return Costing(
            name=arm.name,
            cases=n,
            inference=_inference(self.economics, arm),
            errors=math.fsum(errors.tolist()) / n,
            correction=math.fsum(correction.tolist()) / n,
            lost=self._lost(arm, rows),
            fixed=fixed,
            spent=spent,
            by_hand=math.fsum(by_hand.tolist()) / n,
        )

    def _lost(self, arm: Arm, rows: NDArray[np.bool_]) -> Estimate:
        """Errors and corrections per decision: Clopper-Pearson where all have one price, otherwise Fay-Feuer."""
        errors, correction, _ = self._money[arm.name]
        means = case_means((errors + correction)[rows])
        outcomes = _grouped(arm.table, rows, means)
        largest = self._largest(arm.name)
        estimate = math.fsum(means.tolist()) / means.size
        if largest == 0:
            return Estimate(estimate=0.0, lower=0.0, upper=0.0)
        if self._one_price:
            _, ones, size = effective_rate(outcomes, means / largest, LEVEL)
            lower = largest * st.clopper_pearson_lower(ones, size, LEVEL)
            upper = largest * st.clopper_pearson_upper(ones, size, LEVEL)
        else:
            unit_max = largest * largest_cluster(outcomes.cluster_codes, outcomes.n_clusters)
            totals = per_cluster(means, outcomes.cluster_codes, outcomes.n_clusters, unit_max)
            lower, upper = st.fay_feuer(totals, means.size, unit_max, LEVEL)
        return Estimate(estimate=estimate, lower=min(lower, estimate), upper=min(max(upper, estimate), largest))

    def _pair(self, one: str, other: str) -> tuple[FloatArray, FloatArray, NDArray[np.intp], int]:
        """Errors and corrections per case of both, over the cases that both answered, and the clusters of these."""
        rows = self._complete[one] & self._complete[other]
        first, second = (case_means((m[0] + m[1])[rows]) for m in (self._money[one], self._money[other]))
        names, codes = np.unique(self._codes[rows], return_inverse=True)
        return first, second, codes, names.size

    def _inference(self, name: str) -> float:
        inference = self.costings[name].inference
        if inference is None:
            raise ValueError(f"the cost of inference of {name} is not known")
        return inference

    def _largest(self, name: str) -> float:
        """The most that one decision of a strategy can cost in errors and correction."""
        economics, table = self.economics, self._arms[name].table
        correction = economics.correction
        by_hand = correction.each if correction is not None else 0.0
        corrected = by_hand * (correction.share if correction is not None else 0.0)
        if isinstance(economics.errors, ErrorCost):
            error = economics.errors.each * economics.errors.share + corrected
        else:
            error = (table.largest_cost if economics.errors is not None else 0.0) + corrected
        return error if self._one_price or isinstance(economics.errors, str) else max(error, by_hand)

    def _fixed(self, arm: Arm) -> tuple[float, float]:
        """Fixed costs per month, and the one-off costs that are spent because today's strategy has them too."""
        economics = self.economics
        today = self._arms.get(self.today or "")
        parts: list[tuple[Fixed | None, bool]] = [
            (economics.strategies.get(_declared(arm.name)), today is not None and _same(arm, today)),
            (economics.adapters.get(arm.adapter), today is not None and arm.adapter == today.adapter),
        ]
        fixed = spent = 0.0
        for part, paid in parts:
            if part is None:
                continue
            fixed += part.hosting_per_month + part.maintenance_hours_per_month * economics.maintenance_hourly_wage
            if paid:
                spent += part.once
            else:
                fixed += part.once / economics.horizon_months
        return fixed, spent


def _declared(run: str) -> str:
    """The name of a strategy in strategies.yaml: one that runs on several adapters has theirs behind an @."""
    return run.partition("@")[0]


def _same(one: Arm, other: Arm) -> bool:
    return _declared(one.name) == _declared(other.name)


def _money(economics: Economics, table: OutcomeTable) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Per case and repeat: the cost of errors, the cost of correction, and how much of it is done by hand.

    An answer that a validator or a threshold sent to a person is no error: it costs what the task's costs say, or else
    one correction.
    """
    wrong = np.isin(table.status, [STATUSES.index(status) for status in ERRORS]).astype(np.float64)
    review = (table.status == STATUSES.index(Status.REVIEW)).astype(np.float64)
    correction = economics.correction
    share, each = (correction.share, correction.each) if correction is not None else (0.0, 0.0)
    by_hand = share * wrong + review
    if isinstance(economics.errors, str):
        return np.nan_to_num(table.cost), share * wrong * each, by_hand
    errors = economics.errors.each * economics.errors.share * wrong if economics.errors is not None else 0.0 * wrong
    return errors, by_hand * each, by_hand


def _inference(economics: Economics, arm: Arm) -> float | None:
    """Per decision: the price of the tokens, and of the machine's seconds."""
    machine = (arm.machine_s or 0.0) * economics.machine_per_hour / 3600
    if arm.usd_per_1000 == 0:
        return machine
    if arm.usd_per_1000 is None or economics.currency_per_usd is None:
        return None
    return arm.usd_per_1000 / 1000 * economics.currency_per_usd + machine


def _codes(table: OutcomeTable) -> NDArray[np.intp]:
    """The number of each case's cluster."""
    cases = len(table.case_ids)
    return Outcomes(values=np.zeros(cases), case_ids=range(cases), clusters=table.clusters).cluster_codes


def _grouped(table: OutcomeTable, rows: NDArray[np.bool_], values: FloatArray) -> Outcomes:
    clusters = list(compress(table.clusters, rows))
    return Outcomes(values=values, case_ids=range(values.size), clusters=clusters)


def _rate_change(differences: FloatArray, codes: NDArray[np.intp], n_clusters: int, level: float) -> Estimate:
    """The mean of differences within +-1 per case, with Tango's bounds over clusters (STATISTICS.md, section 5)."""
    clustered = n_clusters < differences.size
    found = st.step_scaled_tango(
        differences[differences != 0],
        differences.size,
        level,
        design_effect=st.design_effect(differences, codes) if clustered else 1.0,
        degrees_of_freedom=n_clusters - 1 if clustered else None,
    )
    return Estimate(estimate=found.estimate, lower=found.lower, upper=found.upper)
