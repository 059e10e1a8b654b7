"""The self-test's tables: for the page and for a terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

from tabulate import tabulate

from harness.core.kinds import Kind
from harness.core.records import ANCHOR
from harness.core.statistics import clopper_pearson_lower, clopper_pearson_upper, quantile_ranks
from harness.core.wording import measured, number, points
from harness.reporting.model import ClaimTest, JudgedClaim, PlantTest, SelfTest

CONFIDENCE = 0.95
FOUND = (0.80, 0.95)
NEVER = "not found"
WIDTH = 100


def selftest_markdown(test: SelfTest) -> Iterator[str]:
    """The section of the page."""
    yield "### Self-test of this gate"
    yield ""
    yield from _prose(test)
    yield ""
    head = ["strategy", "claim", "role", "false alarms", "wrong PASS", "PASS if unchanged", "found 80%", "found 95%"]
    yield tabulate(
        [[f"`{c.judged.measure.run}`", *_row(c, test)] for c in test.claims],
        headers=head,
        tablefmt="pipe",
        disable_numparse=True,
    )
    yield ""
    yield "Found: the size of a regression in this claim's own cases that FAILs 80% and 95% of the time."
    yield ""
    if test.plants:
        yield f"How often a regression is blocked, by the share of its cases ({test.plant_simulations} simulations):"
        yield ""
        yield tabulate(*_plants(test), tablefmt="pipe", disable_numparse=True)
        yield ""


def selftest_lines(suite: str, test: SelfTest) -> list[str]:
    """The same for a terminal of 100 columns."""
    rows = [
        [_short(f"{c.judged.measure.run}: {claim_words(c.judged)}", 44), _share(c.false_alarms, test), *_found(c)]
        for c in test.claims
    ]
    table = tabulate(rows, headers=["claim", "false alarms", "found 80%", "found 95%"], disable_numparse=True)
    first, *more = _prose(test)
    prose = [part for line in (f"self-test of {suite}: {first}", *more) for part in textwrap.wrap(line, WIDTH)]
    return [*prose, "", *table.splitlines(), ""]


def claim_words(judged: JudgedClaim) -> str:
    """A claim in a few words: "accuracy on rare ≥ 0.8", "accuracy, loss < 0.05"."""
    measure, claim = judged.measure, judged.verdict.claim
    where = measured(measure.metric, field=measure.field, slice=measure.slice, quantile=measure.quantile, k=measure.k)
    match claim.kind:
        case Kind.NEVER:
            return f"no {where}"
        case Kind.AT_LEAST:
            return f"{where} ≥ {claim.bound:g}"
        case Kind.NO_WORSE | Kind.COST_NO_WORSE:
            worse = "loss" if claim.kind is Kind.NO_WORSE else "rise"
            pinned = " since the anchor" if judged.against == ANCHOR else ""
            return f"{where}, {worse} < {claim.bound:g}{pinned}"
        case _:
            return f"{where} ≤ {claim.bound:g}"


def _prose(test: SelfTest) -> Iterator[str]:
    alarms = _share(test.any_false_alarm, test)
    yield (
        f"{len(test.claims)} claims, {test.simulations} simulations on the stored predictions (seed {test.seed}). "
        f"Any false alarm while nothing changed: {alarms}, {100 * test.alpha:g}% promised."
    )
    if test.churned:
        yield (
            f"The predictions of {', '.join(test.churned)} are those of the baseline: {100 * test.churn:g}% of the "
            "cases were made to differ at random, half of them for the worse."
        )
    for line in test.skipped:
        yield f"Not simulated: {line}."
    for line in test.broken:
        yield f"PROMISE BROKEN: {line}."


def _row(claim: ClaimTest, test: SelfTest) -> list[str]:
    return [
        claim_words(claim.judged),
        claim.judged.role,
        _share(claim.false_alarms, test),
        _share(claim.wrong_passes, test),
        _share(claim.unchanged_passes, test),
        *_found(claim),
    ]


def _share(count: int | None, test: SelfTest) -> str:
    """A simulated rate with its Clopper-Pearson limits."""
    if count is None:
        return "–"
    n, tail = test.simulations, (1 - CONFIDENCE) / 2
    low, high = clopper_pearson_lower(count, n, tail), clopper_pearson_upper(count, n, tail)
    return f"{100 * count / n:.1f}% ({100 * low:.1f}–{100 * high:.1f})"


def _found(claim: ClaimTest) -> list[str]:
    """The quantiles of the regressions that were just found, with their limits by order statistics."""
    cells = []
    for share in FOUND:
        low, at, high = (claim.sizes[rank] for rank in quantile_ranks(len(claim.sizes), share, CONFIDENCE))
        if math.isinf(at):
            cells.append(NEVER)
        else:
            cells.append(f"{_size(claim, at)} ({_bare(claim, low)}–{_bare(claim, high)})")
    return cells


def _size(claim: ClaimTest, size: float) -> str:
    return number(size) if "cost" in claim.judged.verdict.claim.kind else points(size)


def _bare(claim: ClaimTest, size: float) -> str:
    return "∞" if math.isinf(size) else _size(claim, size).split()[0]


def _plants(test: SelfTest) -> tuple[Sequence[Sequence[str]], Sequence[str]]:
    shares = sorted({share for plant in test.plants for share, _ in plant.blocked})
    rows = [[f"`{p.run}`", p.name, *_blocked(p, shares, test), _caught(p)] for p in test.plants]
    return rows, ["strategy", "planted", *(f"{100 * share:g}%" for share in shares), "most often caught by"]


def _blocked(plant: PlantTest, shares: Sequence[float], test: SelfTest) -> list[str]:
    seen = dict(plant.blocked)
    return [f"{100 * seen[s] / test.plant_simulations:.0f}%" if s in seen else "100%" for s in shares]


def _caught(plant: PlantTest) -> str:
    return "nothing" if plant.caught_by is None else claim_words(plant.caught_by)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
