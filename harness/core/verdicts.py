"""What the gate says of one claim, and what it knew when it said it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from harness.core.claims import Claim
from harness.core.kinds import Rule, VerdictStatus
from harness.core.outcomes import Outcomes


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The numbers of STATISTICS.md, section 7, for one claim. None stands where there is nothing to say.

    `n` cases with `repeats` answers each in `n_clusters` independent groups. `estimate` with its one-sided bounds
    `lower` and `upper` is a rate, a mean cost, or for paired kinds the change, candidate less baseline; the two means
    behind a change are `candidate_estimate` and `baseline_estimate`. `losses` and `gains` are the sums of what got
    worse and better over the cases: at one repeat the numbers of flipped cases, for costs amounts. `p` is the exact
    one-sided p-value of the failure, `p_mid` its mid-p form, `p_min` the smallest value it could have had. `deff` is
    how many cases are worth one independent case, `mde` the smallest difference found 4 times out of 5 (None where
    nothing varied), `budget` how many failures, occurrences, cases of the largest cost, or losses besides the gains
    seen, this claim can stand on these cases and still PASS (None: not even none). The ids are sorted.
    """

    n: int
    repeats: int
    n_clusters: int
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    candidate_estimate: float | None = None
    baseline_estimate: float | None = None
    losses: float | None = None
    gains: float | None = None
    p: float | None = None
    p_mid: float | None = None
    p_min: float | None = None
    deff: float | None = None
    mde: float | None = None
    budget: int | None = None
    lost_ids: tuple[str, ...] = ()
    gained_ids: tuple[str, ...] = ()
    violation_ids: tuple[str, ...] = ()
    missing_ids: tuple[str, ...] = ()
    unmatched_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict(Measured):
    """PASS, FAIL or INCONCLUSIVE, the rule that decided, why, and the numbers behind it.

    `decided_at` is the level that the p-value was held against after the correction for many claims (None: no p-value
    took part). `more_cases` is how many more cases with the same rates would settle an INCONCLUSIVE, None where no
    number up to a million would. `drift` marks a PASS with a loss that is real but within the margin. `notes` are
    sentences that a reader should know besides. Two verdicts are equal where all this is; the claim is not compared.
    """

    claim: Claim = field(compare=False)
    status: VerdictStatus
    rule: Rule
    reason: str
    decided_at: float | None = None
    more_cases: int | None = None
    drift: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outright:
    """A verdict that needs no p-value and no other claim."""

    status: VerdictStatus
    rule: Rule
    reason: str
    more_cases: int | None = None


class Scaled(Protocol):
    """What would be known with `factor` times as many cases at the same rates: (passes, p-value or its mid-p form)."""

    def __call__(self, factor: float, *, mid_p: bool) -> tuple[bool, float]: ...


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the outcomes of one claim say before the other claims are heard.

    `passes` tells whether the bound shows the claim, `bound_reason` the same in words; `mid_p_allowed` marks a paired
    claim without clusters. `outright` is there where no bound and no p-value matter; otherwise `scaled` is, unless the
    cases are still to come. The rules say by what a PASS, a FAIL and neither come about.
    """

    measured: Measured
    passes: bool = False
    pass_rule: Rule = Rule.LOWER_BOUND
    fail_rule: Rule = Rule.EXACT_P
    undecided_rule: Rule = Rule.UNDECIDED
    bound_reason: str = ""
    mid_p_allowed: bool = False
    scaled: Scaled | None = None
    outright: Outright | None = None


def numbers(measured: Measured) -> dict[str, Any]:
    """The fields of a `Measured` by name."""
    return {entry.name: getattr(measured, entry.name) for entry in fields(Measured)}


def known(value: float | None) -> float:
    """A number that the rule in question always has; raises ValueError where it is missing all the same."""
    if value is None:
        raise ValueError("the verdict lacks a number that its rule needs")
    return value


def incomplete(outcomes: Outcomes, *others: Outcomes) -> Evidence | None:
    """The evidence of a claim that misses cases or answers; None where everything expected is there."""
    missing = tuple(sorted({name for side in (outcomes, *others) for name in side.missing_ids}))
    if outcomes.n and not missing:
        return None
    if outcomes.n:
        reason = f"answers of {len(missing)} of {outcomes.n} cases are missing: {some(missing)}"
    else:
        reason = "there are no cases"
    return Evidence(
        measured=Measured(n=outcomes.n, repeats=outcomes.repeats, n_clusters=outcomes.n_clusters, missing_ids=missing),
        outright=Outright(status=VerdictStatus.INCONCLUSIVE, rule=Rule.INCOMPLETE, reason=reason),
    )


def some(ids: Sequence[str], most: int = 5) -> str:
    """The first few of the ids, and how many more there are."""
    shown = ", ".join(ids[:most])
    return shown if len(ids) <= most else f"{shown} and {len(ids) - most} more"
