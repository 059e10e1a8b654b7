"""What must hold of the gate for whatever outcomes, and how often it is right."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as generators
from scipy import stats
from support.gate_claims import FAIL, PASS, SEVERITY, changed, one, priced, rate, sides

from benchmarks.gate_simulation import simulate
from harness.core.gate import (
    Claim,
    Outcomes,
    Role,
    Verdict,
    at_least,
    at_most,
    cost_at_most,
    cost_no_worse,
    never,
    no_worse,
    settle,
    statuses,
    weigh,
)

some_examples = settings(max_examples=80, deadline=None)


@generators.composite
def runs(draw: generators.DrawFn, plain: bool = False) -> tuple[Outcomes, Outcomes]:
    """Candidate and baseline over the same cases; `plain` for one repeat without clusters."""
    n = draw(generators.integers(1, 30))
    repeats = 1 if plain else draw(generators.integers(1, 3))
    bits = generators.lists(generators.integers(0, 1), min_size=n * repeats, max_size=n * repeats)
    clusters = None
    if not plain and draw(generators.booleans()):
        clusters = draw(generators.lists(generators.sampled_from(["x", "y", "z", "w", None]), min_size=n, max_size=n))
    candidate, baseline = (
        Outcomes(values=np.reshape(draw(bits), (n, repeats)), case_ids=[f"c{i}" for i in range(n)], clusters=clusters)
        for _ in range(2)
    )
    return candidate, baseline


bounds = generators.sampled_from([0.0, 0.02, 0.1, 0.25, 0.5, 0.8, 0.95, 1.0])


def claims_on(candidate: Outcomes, baseline: Outcomes, bound: float) -> list[Claim]:
    """One guard of each kind, with the same bound."""
    return [
        at_least(candidate, bound, role="guard"),
        at_most(candidate, bound, role="guard"),
        cost_at_most(candidate, bound, cost_max=1, role="guard"),
        never(candidate, role="guard"),
        no_worse(candidate, baseline, bound, role="guard"),
        cost_no_worse(candidate, baseline, bound, cost_max=1, role="guard"),
    ]


def renamed(outcomes: Outcomes, order: Sequence[int], name: Callable[[str], str]) -> Outcomes:
    return Outcomes(
        values=outcomes.values[list(order)][:, ::-1],
        case_ids=[name(outcomes.case_ids[row]) for row in order],
        clusters=None
        if outcomes.clusters is None
        else [None if (label := outcomes.clusters[row]) is None else name(label) for row in order],
    )


def without_ids(verdict: Verdict) -> Verdict:
    return dataclasses.replace(verdict, lost_ids=(), gained_ids=(), violation_ids=(), reason="")


@some_examples
@given(runs(), bounds, generators.randoms(use_true_random=False))
def test_order_and_names_change_nothing(
    sides_: tuple[Outcomes, Outcomes], bound: float, shuffle: random.Random
) -> None:
    candidate, baseline = sides_
    orders = [shuffle.sample(range(candidate.n), candidate.n) for _ in range(2)]
    claims = claims_on(candidate, baseline, bound)
    shuffled = claims_on(
        renamed(candidate, orders[0], lambda name: name), renamed(baseline, orders[1], lambda name: name), bound
    )
    assert settle(claims) == settle(shuffled)
    assert settle(claims) == settle(claims[::-1])[::-1]
    other_names = claims_on(
        renamed(candidate, orders[0], lambda name: f"z{name[::-1]}"),
        renamed(baseline, orders[1], lambda name: f"z{name[::-1]}"),
        bound,
    )
    assert [without_ids(v) for v in settle(claims)] == [without_ids(v) for v in settle(other_names)]


@some_examples
@given(runs(), bounds, generators.integers(2, 5))
def test_copying_every_repeat_changes_nothing(sides_: tuple[Outcomes, Outcomes], bound: float, times: int) -> None:
    candidate, baseline = (
        Outcomes(values=np.tile(side.values, (1, times)), case_ids=side.case_ids, clusters=side.clusters)
        for side in sides_
    )
    once, copied = claims_on(*sides_, bound), claims_on(candidate, baseline, bound)
    alone, alone_copied = no_worse(*sides_, bound, role="guard"), no_worse(candidate, baseline, bound, role="guard")
    for claims, more in ((once, copied), ([alone], [alone_copied])):
        for before, after in zip(settle(claims), settle(more), strict=True):
            assert (before.status, before.rule, before.drift) == (after.status, after.rule, after.drift)
            assert (before.lower, before.upper) == (after.lower, after.upper)
            assert before.p == (None if after.p is None else pytest.approx(after.p, rel=1e-9))
            assert (before.budget, before.more_cases) == (after.budget, after.more_cases)


@settings(max_examples=150, deadline=None)
@given(runs(plain=True), bounds, generators.data())
def test_one_more_wrong_answer_never_helps(
    sides_: tuple[Outcomes, Outcomes], bound: float, data: generators.DataObject
) -> None:
    candidate, baseline = sides_
    right = np.flatnonzero(candidate.values[:, 0])
    assume(right.size)
    worse_values = candidate.values.copy()
    worse_values[data.draw(generators.sampled_from(right.tolist()))] = 0
    worse = Outcomes(values=worse_values, case_ids=candidate.case_ids)

    def claims(side: Outcomes) -> list[Claim]:
        wrong = Outcomes(values=1 - side.values, case_ids=side.case_ids)
        before = Outcomes(values=1 - baseline.values, case_ids=side.case_ids)
        return [
            at_least(side, bound, role="guard"),
            at_most(wrong, bound, role="guard"),
            never(wrong, role="guard"),
            cost_at_most(wrong, bound, cost_max=1, role="guard"),
            no_worse(side, baseline, bound, role="guard"),
            cost_no_worse(wrong, before, bound, cost_max=1, role="guard"),
        ]

    flips = data.draw(generators.lists(generators.tuples(*[generators.integers(0, 9)] * 2), max_size=6))
    family = [changed(b, c, 20, 0.1, role="guard") for b, c in flips]
    for before, after in zip(claims(candidate), claims(worse), strict=True):
        for others in ([], family):
            assert SEVERITY[settle([after, *others])[0].status] <= SEVERITY[settle([before, *others])[0].status]


@some_examples
@given(
    generators.lists(generators.floats(0, 10), min_size=1, max_size=40), generators.floats(0.1, 9), generators.data()
)
def test_one_dearer_answer_never_makes_a_cost_pass(
    costs: list[float], ceiling: float, data: generators.DataObject
) -> None:
    index = data.draw(generators.integers(0, len(costs) - 1))
    dearer = [*costs[:index], data.draw(generators.floats(costs[index], 10)), *costs[index + 1 :]]
    before, after = (one(cost_at_most(priced(c), ceiling, cost_max=10, role="guard")) for c in (costs, dearer))
    assert after.status is not PASS or before.status is PASS
    assert before.upper is not None
    assert after.upper is not None
    assert after.upper >= before.upper * (1 - 1e-12)


@generators.composite
def suites(draw: generators.DrawFn) -> list[Claim]:
    """Claims of all kinds and roles over small numbers of cases."""
    claims: list[Claim] = []
    for _ in range(draw(generators.integers(1, 7))):
        n = draw(generators.integers(5, 40))
        losses = draw(generators.integers(0, n // 2))
        gains = draw(generators.integers(0, n // 2))
        candidate, baseline = sides(losses, gains, n)
        bound, role = draw(bounds), draw(generators.sampled_from(["guard", "guard", "report"]))
        claims.append(draw(generators.sampled_from(claims_on(candidate, baseline, bound))))
        claims[-1] = dataclasses.replace(claims[-1], role=Role(role))
    return claims


@settings(max_examples=150, deadline=None)
@given(suites(), generators.data())
def test_selecting_fewer_claims_changes_no_pass_and_lifts_no_fail(
    claims: list[Claim], data: generators.DataObject
) -> None:
    kept = sorted(data.draw(generators.sets(generators.integers(0, len(claims) - 1), min_size=1)))
    whole, selected = settle(claims), settle([claims[index] for index in kept])
    for before, after in zip((whole[index] for index in kept), selected, strict=True):
        assert (before.status is PASS) == (after.status is PASS)
        if before.claim.blocks and before.status is FAIL:
            assert after.status is FAIL


@some_examples
@given(suites())
def test_statuses_alone_are_those_of_the_verdicts(claims: list[Claim]) -> None:
    assert statuses(claims, [weigh(claim) for claim in claims]) == [verdict.status for verdict in settle(claims)]


@some_examples
@given(runs(), bounds)
def test_bounds_contain_the_estimate(sides_: tuple[Outcomes, Outcomes], bound: float) -> None:
    for verdict in settle(claims_on(*sides_, bound)):
        assert verdict.estimate is not None
        assert verdict.lower is not None
        assert verdict.upper is not None
        assert verdict.lower <= verdict.estimate <= verdict.upper
        assert verdict.p is None or 0 <= verdict.p <= 1
        assert verdict.p is None or verdict.p_min is None or verdict.p_min <= verdict.p * (1 + 1e-9)


@some_examples
@given(runs(), bounds, bounds)
@example((rate(10, 20), rate(12, 20)), 0.1, 0.5)
def test_a_wider_bound_never_hurts(sides_: tuple[Outcomes, Outcomes], first_: float, second: float) -> None:
    narrow, wide = sorted((first_, second))
    for index, (strict, lax) in enumerate(
        zip(settle(claims_on(*sides_, narrow)), settle(claims_on(*sides_, wide)), strict=True)
    ):
        passes = (strict.status is PASS, lax.status is PASS)
        assert passes[0] >= passes[1] if index == 0 else passes[0] <= passes[1]  # a wide bound is a strict floor


def test_the_gate_keeps_its_promises_in_a_short_simulation() -> None:
    """The rows of benchmarks/gate_simulation.py with a sixteenth of its simulations and another seed.

    A gate that does exactly what is required, hits ~ Binomial(simulations, limit), is beyond the bound of a row with a
    chance of at most 0.0001 / rows: the bound is that quantile of the binomial. So it misses any row of a run less than
    once in 10,000 runs, and a gate that is better than required misses less often still. The seed is fixed besides.
    """
    rows = simulate(share=1 / 16, seed=3)
    assert len(rows) == 17
    for row in rows:
        chance = 1e-4 / len(rows)
        if row.limit == 0:
            assert row.hits == 0, row
        elif row.at_least:
            assert row.hits >= stats.binom.ppf(chance, row.simulations, row.limit), row
        else:
            assert row.hits <= stats.binom.isf(chance, row.simulations, row.limit), row
