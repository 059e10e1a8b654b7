"""Evidence about a change in a rate on the same cases (STATISTICS.md, section 5)."""

from __future__ import annotations

import math

import numpy as np

from harness.core import statistics as st
from harness.core.claims import Claim
from harness.core.kinds import Rule
from harness.core.outcomes import FloatArray
from harness.core.pairing import Pairs, paired, unchanged
from harness.core.rate_evidence import POWER, largest
from harness.core.verdicts import Evidence, Measured


def weigh_no_worse(claim: Claim) -> Evidence:
    """The evidence for `no_worse`."""
    pairs = paired(claim)
    if isinstance(pairs, Evidence):
        return pairs
    change = _Change(claim, pairs)
    measured = change.measured()
    if claim.identical and change.units == 0:  # declared identical but with other outcomes: judged by the outcomes
        return unchanged(measured)
    passes = change.tango.lower > -claim.bound
    return Evidence(
        measured=measured,
        passes=passes,
        pass_rule=Rule.LOWER_BOUND,
        bound_reason=(
            f"the lower bound {change.tango.lower:.4g} of the change is {'above' if passes else 'not above'} "
            f"the margin {-claim.bound:g}"
        ),
        mid_p_allowed=not pairs.clustered,
        scaled=change.scaled,
    )


class _Change:
    """The numbers of one paired comparison, from whole numbers of right answers per case."""

    def __init__(self, claim: Claim, pairs: Pairs) -> None:
        self._claim, self._pairs = claim, pairs
        candidate = pairs.candidate.values.sum(axis=1)
        self._baseline_total = float(pairs.baseline_values.sum())
        self._totals: FloatArray = candidate - pairs.baseline_values.sum(axis=1)
        differences: FloatArray = self._totals / pairs.repeats
        per_cluster = self._totals
        freedom = None
        deff = 1.0
        if pairs.clustered:
            per_cluster = np.bincount(pairs.cluster_codes, weights=self._totals, minlength=pairs.n_clusters)
            freedom = pairs.n_clusters - 1
            deff = st.design_effect(differences, pairs.cluster_codes)
        self._per_cluster = per_cluster[per_cluster != 0]
        self.units = int(np.count_nonzero(differences))
        self._deff, self._critical = deff, st.critical_value(claim.alpha, freedom)
        self._differences = differences
        self.tango = st.step_scaled_tango(
            differences[differences != 0], pairs.n, claim.alpha, design_effect=deff, degrees_of_freedom=freedom
        )

    def measured(self) -> Measured:
        pairs, totals = self._pairs, self._totals
        answers = pairs.n * pairs.repeats
        p, p_mid = _worse(self._per_cluster)
        return Measured(
            n=pairs.n,
            repeats=pairs.repeats,
            n_clusters=pairs.n_clusters,
            estimate=self.tango.estimate,
            lower=self.tango.lower,
            upper=self.tango.upper,
            candidate_estimate=(self._baseline_total + float(totals.sum())) / answers,
            baseline_estimate=self._baseline_total / answers,
            losses=abs(float(totals[totals < 0].sum())) / pairs.repeats,
            gains=float(totals[totals > 0].sum()) / pairs.repeats,
            p=p,
            p_mid=p_mid,
            p_min=2.0**-self._per_cluster.size,
            deff=self._deff if math.isfinite(self._deff) else None,
            mde=self._detectable(),
            budget=largest(self._bearable, pairs.n),
            lost_ids=pairs.ids_where(totals < 0),
            gained_ids=pairs.ids_where(totals > 0),
        )

    def scaled(self, factor: float, *, mid_p: bool) -> tuple[bool, float]:
        """With the step-scaled counts over the design effect, which at one repeat are the counts themselves."""
        if math.isinf(self._deff):
            return False, 1.0
        losses, gains = self.tango.losses / self._deff * factor, self.tango.gains / self._deff * factor
        p = st.binomial_p_above(losses, losses + gains, 0.5)
        if mid_p:
            beyond = st.binomial_p_above(losses + 1, losses + gains, 0.5) if gains >= 1 else 0.0
            p = (p + beyond) / 2
        return self._shown(losses, gains, self._pairs.n / self._deff * factor), p

    def _shown(self, losses: float, gains: float, n: float) -> bool:
        """Whether step times Tango's lower bound is above the margin."""
        if losses + gains > n or math.isinf(self._critical):
            return False
        delta = -self._claim.bound / self.tango.step
        return delta < -1 or st.tango_score(losses, gains, n, delta) > self._critical

    def _bearable(self, bad: int) -> bool:
        if math.isinf(self._deff):
            return False
        losses = bad / self.tango.step
        return self._shown(losses / self._deff, self.tango.gains / self._deff, self._pairs.n / self._deff)

    def _detectable(self) -> float | None:
        squares = math.fsum((self._differences * self._differences).tolist())
        if squares == 0 or math.isinf(self._deff):
            return None
        n = self._pairs.n
        return st.minimum_detectable_effect(n / self._deff, squares / n, self._claim.alpha, POWER)


def _worse(totals: FloatArray) -> tuple[float, float]:
    """The exact and the mid p-value of "the candidate is worse" from the totals per cluster that are not 0."""
    if totals.size == 0:
        return 1.0, 1.0
    if (np.abs(totals) == abs(totals[0])).all():
        losses, gains = int((totals < 0).sum()), int((totals > 0).sum())
        return st.mcnemar_exact_worse(losses, gains), st.mcnemar_midp_worse(losses, gains)
    return st.sign_flip_worse(totals), st.sign_flip_midp_worse(totals)
