"""Claims and verdicts: what a suite states of its outcomes, and what the gate makes of it (STATISTICS.md).

`at_least`, `at_most`, `cost_at_most`, `quantile_at_most`, `never`, `no_worse` and `cost_no_worse` make a `Claim`;
`settle` judges all claims of a suite together. A verdict is a function of the stored outcomes alone. Claims that can't
be judged as they are written raise ClaimError when they are made; `check_reachable` and `check_quantile_reachable` find
that out before there are outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.core.claims import Claim, at_least, at_most, cost_at_most, cost_no_worse, never, no_worse, quantile_at_most
from harness.core.cost_evidence import weigh_cost, weigh_cost_change
from harness.core.early import has_e_process, pending, weigh_early
from harness.core.family import Decision, PValue, blocking_failures, reported_failures
from harness.core.kinds import Kind, Role, Rule, VerdictStatus
from harness.core.latency_evidence import weigh_quantile
from harness.core.outcomes import Outcomes
from harness.core.paired_evidence import weigh_no_worse
from harness.core.rate_evidence import weigh_never, weigh_rate
from harness.core.reach import check_quantile_reachable, check_reachable, supported_bound
from harness.core.verdicts import Evidence, Measured, Verdict, numbers

__all__ = [
    "Claim",
    "Evidence",
    "Kind",
    "Measured",
    "Outcomes",
    "Role",
    "Rule",
    "Verdict",
    "VerdictStatus",
    "at_least",
    "at_most",
    "check_quantile_reachable",
    "check_reachable",
    "cost_at_most",
    "cost_no_worse",
    "never",
    "no_worse",
    "quantile_at_most",
    "settle",
    "settle_early",
    "statuses",
    "supported_bound",
    "weigh",
]

_MOST_CASES = 1_000_000
_FEW_CLUSTERS = 30


def settle(claims: Iterable[Claim]) -> list[Verdict]:
    """The verdicts on all claims of one suite, in the order given.

    PASS where the claim's own bound shows it. FAIL where it does not and the p-value survives the correction over all
    claims settled together: the gates and guards form one family, reports another. INCONCLUSIVE otherwise. A claim
    with missing answers or another set of cases is never PASS. The result depends on neither the order of the claims
    nor that of the cases.
    """
    listed = list(claims)
    return _settled(listed, [weigh(claim) for claim in listed])


def settle_early(claims: Iterable[Claim]) -> list[Verdict]:
    """The verdicts on all claims of one suite while answers are still coming in, to be asked for as often as you like.

    Answers that were not asked for yet are NaN. A PASS or a FAIL stands, whatever comes later: whoever asks again keeps
    it. Claims that can't be looked at are INCONCLUSIVE as `incomplete` until their cases are all there. Source:
    STATISTICS.md, section 8.
    """
    listed = list(claims)
    return _settled(listed, [_weigh_early(claim) for claim in listed])


def _settled(listed: Sequence[Claim], evidence: Sequence[Evidence]) -> list[Verdict]:
    decisions, mid_p = _decisions(listed, evidence)
    return [
        _judged(claim, evidence[i], decisions[i], i == mid_p) if i in decisions else _outright(claim, evidence[i])
        for i, claim in enumerate(listed)
    ]


def statuses(claims: Sequence[Claim], evidence: Sequence[Evidence]) -> list[VerdictStatus]:
    """PASS, FAIL or INCONCLUSIVE as `settle` would say, from evidence that was weighed before.

    For whoever settles the same family thousands of times with a few claims changed.
    """
    decisions, _ = _decisions(claims, evidence)
    return [
        _status(known, decisions[i]) if known.outright is None else known.outright.status
        for i, known in enumerate(evidence)
    ]


def weigh(claim: Claim) -> Evidence:
    """What the outcomes of one claim say before the other claims are heard."""
    match claim.kind:
        case Kind.AT_LEAST | Kind.AT_MOST:
            return weigh_rate(claim)
        case Kind.NEVER:
            return weigh_never(claim)
        case Kind.NO_WORSE:
            return weigh_no_worse(claim)
        case Kind.COST_AT_MOST:
            return weigh_cost(claim)
        case Kind.QUANTILE_AT_MOST:
            return weigh_quantile(claim)
        case Kind.COST_NO_WORSE:
            return weigh_cost_change(claim)


def _weigh_early(claim: Claim) -> Evidence:
    if has_e_process(claim):
        return weigh_early(claim)
    evidence = weigh(claim)
    incomplete = evidence.outright is not None and evidence.outright.rule is Rule.INCOMPLETE
    return pending(claim) if incomplete and claim.kind is not Kind.NEVER else evidence


def _decisions(claims: Sequence[Claim], evidence: Sequence[Evidence]) -> tuple[dict[int, Decision], int | None]:
    """By place, what the correction over all claims says of those with a p-value; and the place of the one by mid-p."""
    decisions: dict[int, Decision] = {}
    mid_p = _single_primary(claims, evidence)
    for blocking, correct in ((True, blocking_failures), (False, reported_failures)):
        members = [i for i, claim in enumerate(claims) if claim.blocks is blocking and evidence[i].outright is None]
        decisions.update(
            zip(members, correct([_p_value(claims[i], evidence[i], i == mid_p) for i in members]), strict=True)
        )
    return decisions, mid_p


def _status(evidence: Evidence, decision: Decision) -> VerdictStatus:
    """PASS by the bound, or else FAIL by the p-value, or else INCONCLUSIVE."""
    if evidence.passes:
        return VerdictStatus.PASS
    return VerdictStatus.FAIL if decision.failed else VerdictStatus.INCONCLUSIVE


def _single_primary(claims: Sequence[Claim], evidence: Sequence[Evidence]) -> int | None:
    """The place of the only blocking claim with a p-value, if it is a paired one without clusters: it uses mid-p.

    Declared claims are counted, also those that could not be judged: an incomplete neighbour must not change a test.
    """
    family = [index for index, claim in enumerate(claims) if claim.blocks and claim.kind is not Kind.NEVER]
    return family[0] if len(family) == 1 and evidence[family[0]].mid_p_allowed else None


def _p_value(claim: Claim, evidence: Evidence, mid_p: bool) -> PValue:
    measured = evidence.measured
    p = measured.p_mid if mid_p else measured.p
    return PValue(1.0 if p is None else p, measured.p_min or 0.0, claim.alpha_fail)


def _outright(claim: Claim, evidence: Evidence) -> Verdict:
    """The verdict that the evidence gives by itself."""
    outright = evidence.outright
    if outright is None:
        raise ValueError(f"the claim {claim.name} was not decided")
    return Verdict(
        claim=claim,
        status=outright.status,
        rule=outright.rule,
        reason=outright.reason,
        more_cases=outright.more_cases,
        notes=_notes(claim, evidence.measured),
        **numbers(evidence.measured),
    )


def _judged(claim: Claim, evidence: Evidence, decision: Decision, mid_p: bool) -> Verdict:
    measured = evidence.measured
    p, level = _p_value(claim, evidence, mid_p).p, decision.decided_at
    p_words = f"{'mid-p' if mid_p else 'p'} = {p:.4g}"
    more_cases = None
    status = _status(evidence, decision)
    if status is VerdictStatus.PASS:
        rule, reason = evidence.pass_rule, evidence.bound_reason
    elif status is VerdictStatus.FAIL:
        rule = Rule.MID_P if mid_p else evidence.fail_rule
        reason = f"{evidence.bound_reason}, and {p_words} is within the level {level:.4g}"
    else:
        rule = evidence.undecided_rule
        above = f", and {p_words} is above the level {level:.4g}"
        reason = evidence.bound_reason + (above if rule is Rule.UNDECIDED else "")
        more_cases = _more_cases(evidence, level, mid_p)
    return Verdict(
        claim=claim,
        status=status,
        rule=rule,
        reason=reason,
        decided_at=level,
        more_cases=more_cases,
        drift=evidence.passes
        and claim.baseline is not None
        and measured.p is not None
        and measured.p <= claim.alpha_fail,
        notes=_notes(claim, measured),
        **numbers(measured),
    )


def _more_cases(evidence: Evidence, level: float, mid_p: bool) -> int | None:
    """The smallest number of further cases with which the same rates would PASS, or FAIL at `level`."""
    scaled, n = evidence.scaled, evidence.measured.n
    if scaled is None:
        return None

    def settled(more: int) -> bool:
        passes, p = scaled(1 + more / n, mid_p=mid_p)
        return passes or p <= level

    if not settled(_MOST_CASES):
        return None
    low, high = 0, 1
    while not settled(high):
        low, high = high, min(2 * high, _MOST_CASES)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle, high)
    return high


def _notes(claim: Claim, measured: Measured) -> tuple[str, ...]:
    if claim.kind is Kind.NEVER or measured.n_clusters >= min(_FEW_CLUSTERS, measured.n):
        return ()
    return (
        f"only {measured.n_clusters} independent groups of cases: with fewer than {_FEW_CLUSTERS} the bounds are rough",
    )
