"""Candidate and baseline, case by case: only two sides with the same cases and no gaps are compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.core.claims import Claim
from harness.core.kinds import Rule, VerdictStatus
from harness.core.outcomes import FloatArray, Outcomes
from harness.core.verdicts import Evidence, Measured, Outright, incomplete, some


class Pairs(NamedTuple):
    """Both sides in the candidate's order of cases, and the number of each case's cluster."""

    candidate: Outcomes
    baseline_values: FloatArray
    cluster_codes: NDArray[np.intp]
    n_clusters: int

    @property
    def n(self) -> int:
        return self.candidate.n

    @property
    def repeats(self) -> int:
        return self.candidate.repeats

    @property
    def clustered(self) -> bool:
        return self.n_clusters < self.n

    def ids_where(self, rows: ArrayLike) -> tuple[str, ...]:
        return self.candidate.ids_where(rows)


def paired(claim: Claim) -> Pairs | Evidence:
    """The two sides of a paired claim by case id; or the evidence that they can't be compared."""
    candidate, baseline = claim.outcomes, claim.baseline
    if baseline is None:
        raise ValueError(f"the claim {claim.name} has no baseline")
    for side in (candidate, baseline):
        if side.n == 0 and (gap := incomplete(side)) is not None:
            return gap
    order = _baseline_rows(candidate, baseline)
    if order is None:
        return _not_comparable(candidate, baseline)
    gap = incomplete(candidate, baseline)
    if gap is not None:
        return gap
    clusters = candidate if candidate.clusters is not None else baseline
    codes = candidate.cluster_codes if clusters is candidate else baseline.cluster_codes[order]
    return Pairs(candidate, baseline.values[order], codes, clusters.n_clusters)


def _baseline_rows(candidate: Outcomes, baseline: Outcomes) -> NDArray[np.intp] | slice | None:
    """Which row of the baseline belongs to each row of the candidate; None where the cases are not the same."""
    if candidate.case_ids == baseline.case_ids:
        return slice(None)
    rows = {name: row for row, name in enumerate(baseline.case_ids)}
    if rows.keys() != set(candidate.case_ids):
        return None
    return np.fromiter((rows[name] for name in candidate.case_ids), dtype=np.intp, count=candidate.n)


def _not_comparable(candidate: Outcomes, baseline: Outcomes) -> Evidence:
    new = sorted(set(candidate.case_ids) - set(baseline.case_ids))
    gone = sorted(set(baseline.case_ids) - set(candidate.case_ids))
    changes = [
        f"{len(ids)} {what} ({some(ids)})" for ids, what in ((new, "not in the baseline"), (gone, "only there")) if ids
    ]
    return Evidence(
        measured=Measured(
            n=candidate.n,
            repeats=candidate.repeats,
            n_clusters=candidate.n_clusters,
            unmatched_ids=tuple(sorted(new + gone)),
        ),
        outright=Outright(
            status=VerdictStatus.INCONCLUSIVE,
            rule=Rule.NOT_COMPARABLE,
            reason=f"the cases are not those of the baseline: {', '.join(changes)}",
        ),
    )


def unchanged(measured: Measured) -> Evidence:
    """The evidence of a strategy that is the same as the accepted one, down to its stored predictions."""
    return Evidence(
        measured=measured,
        outright=Outright(
            status=VerdictStatus.PASS,
            rule=Rule.IDENTICAL,
            reason="the strategy and its stored predictions are the accepted ones",
        ),
    )
