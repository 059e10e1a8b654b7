"""The words of a verdict: plain first, true to the numbers, and never against the verdict."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as generators
from support.gate_claims import FAIL, INCONCLUSIVE, PASS, changed, one, priced, rate, sides

from harness.core import wording
from harness.core.gate import Claim, Outcomes, at_least, at_most, cost_at_most, cost_no_worse, never, no_worse, settle

COSTS = np.repeat([0.0, 1.0, 5.0, 20.0], [340, 40, 16, 4])
JARGON = re.compile(r"\bp\b|p-value|alpha|null|interval|significan|Tango|Holm|Clopper|bound|deff|mid-p")
NAN = float("nan")


def named(values: list[float], **options: object) -> Outcomes:
    return Outcomes(values=values, case_ids=[f"t-{i}" for i in range(len(values))], **options)  # type: ignore[arg-type]


SENTENCES = [
    (at_least(rate(380, 420), 0.8), "380 of 420 right (90.5%), at least 87.8% with 95% confidence; 80% asked"),
    (at_least(rate(300, 420), 0.8), "300 of 420 right (71.4%), at most 75.1% with 95% confidence; 80% asked"),
    (
        at_least(rate(350, 420), 0.8),
        "350 of 420 right (83.3%), at least 80.05% with 95% confidence; 80% asked",
    ),
    (
        at_least(rate(340, 420), 0.8),
        "340 of 420 right (81.0%), at least 77.5% with 95% confidence; 80% asked; 4421 more cases would settle it",
    ),
    (
        at_least(rate(90, 100, repeats=3), 0.8),
        "270 of 300 answers right (90.0%), at least 83.6% with 95% confidence; 80% asked",
    ),
    (at_most(rate(12, 420), 0.05), "12 of 420 (2.9%), at most 4.6% with 95% confidence; 5% allowed"),
    (at_most(rate(42, 420), 0.05), "42 of 420 (10.0%), at least 7.7% with 95% confidence; 5% allowed"),
    (at_most(rate(4, 420), 0.035, alpha=0.01), "4 of 420 (1.0%), at most 2.7% with 99% confidence; 3.5% allowed"),
    (never(rate(0, 36)), "no violation in 36 cases; that does not exclude a rate of up to 8.0%"),
    (never(named([0, 1, 0, 1])), "2 of 4 cases with a violation (t-1, t-3); none is allowed"),
    (
        never(named([0, 1, NAN])),
        "1 of 3 cases with a violation (t-1); none is allowed; answers of 1 case are missing besides",
    ),
    (
        never(rate(0, 30), assure=0.05),
        "no violation in 30 cases; that does not exclude a rate of up to 9.5%; 5% was to be excluded; "
        "29 more cases would settle it",
    ),
    (
        never(rate(0, 30, repeats=3), assure=0.05),
        "no violation in 30 cases, asked 3 times each; that does not exclude a rate of up to 9.5%; "
        "5% was to be excluded; 29 more cases, asked 3 times each, would settle it",
    ),
    (
        never(Outcomes(values=[[0, 1], [0, 0], [1, 1]], case_ids=["a", "b", "c"])),
        "2 of 3 cases, asked 2 times each, with a violation (a, c); none is allowed",
    ),
    (
        at_least(rate(340, 420, repeats=2), 0.8),
        "680 of 840 answers right (81.0%), at least 77.5% with 95% confidence; 80% asked; "
        "4421 more cases, asked 2 times each, would settle it",
    ),
    (changed(0, 0, 1000, 0.02), "no case lost or gained of 1000; a loss of 2 points or more is excluded"),
    (changed(1, 0, 1000, 0.01), "lost 1 case, gained 0 of 1000; a loss of 1 point or more is excluded"),
    (
        changed(21, 0, 1000, 0.03),
        "lost 21 cases, gained 0 of 1000; a loss of 3 points or more is excluded; "
        "the loss is real, but smaller than 3 points",
    ),
    (
        changed(9, 5, 412, 0.025),
        "lost 9 cases, gained 5 of 412; a loss of 2.5 points or more can't be excluded; 75 more cases would settle it",
    ),
    (
        changed(18, 4, 200, 0.05),
        "lost 18 cases, gained 4 of 200; the loss is real, at least 3.4 points with 95% confidence; "
        "a loss of 5 points or more can't be excluded",
    ),
    (
        changed(60, 4, 200, 0.05),
        "lost 60 cases, gained 4 of 200; the loss is real, at least 22.4 points with 95% confidence",
    ),
    (changed(0, 0, 40, 0.2, identical=True), "nothing changed: the same strategy with the same stored answers"),
    (
        cost_at_most(priced(COSTS), 0.9, cost_max=20),
        "costs 0.5 per decision, at most 0.7676 with 95% confidence; 0.9 allowed",
    ),
    (
        cost_no_worse(priced(COSTS), priced(COSTS), 0.2, cost_max=20),
        "costs 0.5 per decision, as before; a rise of 0.2 or more is excluded",
    ),
    (
        cost_no_worse(priced(COSTS + 2), priced(COSTS), 0.2, cost_max=22),
        "costs 2 more per decision (2.5, was 0.5); the rise is real, at least 1.769 with 95% confidence",
    ),
    (at_least(rate(0, 0), 0.8), "not judged: there are no cases"),
    (at_least(named([1] * 30 + [NAN]), 0.8), "not judged: answers of 1 of 31 cases are missing: t-30"),
    (
        no_worse(named([1] * 30), named([1] * 31), 0.2),
        "not judged: the cases are not those of the baseline: 1 only there (t-30); "
        "accept a new baseline to compare with these cases",
    ),
]


@pytest.mark.parametrize(
    ("claim", "words"), SENTENCES, ids=lambda value: None if isinstance(value, Claim) else value[:40]
)
def test_what_is_said(claim: Claim, words: str) -> None:
    verdict = one(claim)
    assert wording.sentence(verdict) == words
    assert wording.sentence(verdict, subject="accuracy of base") == f"accuracy of base: {words}"


@pytest.mark.parametrize("claim", [claim for claim, _ in SENTENCES])
def test_the_plain_statement_is_without_jargon_and_the_numbers_are_elsewhere(claim: Claim) -> None:
    verdict = one(claim)
    assert not JARGON.search(wording.sentence(verdict))
    assert wording.details(verdict).endswith(f"rule {verdict.rule}")
    assert wording.details(verdict).startswith(f"cases {verdict.n}")


def test_repeats_are_told() -> None:
    rng = np.random.default_rng(0)
    arms = [Outcomes(values=rng.random((400, 3)) < 0.99, case_ids=range(400)) for _ in range(2)]
    words = wording.sentence(one(no_worse(arms[0], arms[1], 0.05)))
    assert re.match(r"lost \d\.?\d? cases, gained \d\.?\d? of 400 \(means of 3 repeats\); a loss of 5 points", words)
    assert "nothing" not in words
    same = wording.sentence(one(no_worse(arms[0], arms[0], 0.05)))
    assert same.startswith("no case lost or gained of 400 (means of 3 repeats); ")


def test_noise_between_repeats_is_told_in_cases_as_they_are_asked() -> None:
    noisy = Outcomes(values=np.repeat([[1, 1, 1], [1, 1, 0], [0, 0, 0]], [150, 30, 20], axis=0), case_ids=range(200))
    assert wording.sentence(one(at_least(noisy, 0.84))) == (
        "510 of 600 answers right (85.0%), at least 80.2% with 95% confidence; 84% asked; "
        "3497 more cases, asked 3 times each, would settle it"
    )
    assert wording.budget(one(at_least(noisy, 0.8))) == "allows 30 failures in 200 cases"
    assert wording.budget(one(at_most(noisy, 0.95))) == "allows 184 of 200 cases"
    assert wording.sentence(one(no_worse(noisy, noisy, 0.01, role="guard"))).endswith(
        "more cases, asked 3 times each, would settle it"
    )


def test_details_are_complete() -> None:
    verdict = settle([changed(18, 4, 200, 0.05), at_least(rate(99, 100), 0.9)])[0]
    assert wording.details(verdict) == (
        "cases 200, baseline 0.98, candidate 0.91, change -0.07, lower bound -0.1117, upper bound -0.03367, "
        "p 0.002172, mid-p 0.0013, decided at 0.025, smallest detectable difference 0.05831, budget 7, rule exact_p"
    )
    clustered = Outcomes(values=np.ones((60, 2)), case_ids=range(60), clusters=np.arange(60) // 2)
    assert "repeats 2, independent groups 30, design effect 2," in wording.details(one(at_least(clustered, 0.5)))


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (at_least(rate(400, 400), 0.99), "allows no failure in 400"),
        (at_least(rate(20, 20), 0.99, role="guard"), "can't pass on 20 cases, however good the answers"),
        (at_most(rate(0, 400), 0.02), "allows 3 of 400"),
        (at_most(rate(0, 299), 0.01), "allows none of 299"),
        (never(rate(0, 40)), "allows no violation"),
        (changed(45, 38, 1000, 0.03), "allows 52 lost cases besides the 38 gained of 1000"),
        (cost_at_most(priced(COSTS), 0.9, cost_max=20), "allows 10 cases of the largest cost in 400"),
        (
            cost_no_worse(priced(COSTS), priced(COSTS), 0.5, cost_max=20),
            "allows 4 cases of 400 to become as dear as can be",
        ),
        (at_least(rate(0, 0), 0.99), ""),
    ],
)
def test_what_a_claim_can_stand(claim: Claim, words: str) -> None:
    assert wording.budget(one(claim)) == words


def test_flipped_cases_are_named() -> None:
    candidate, baseline = sides(3, 1, 9)
    assert wording.flipped(one(no_worse(candidate, baseline, 0.9))) == "lost: 0, 1, 2; gained: 3"
    assert wording.flipped(one(no_worse(candidate, baseline, 0.9)), most=2) == "lost: 0, 1 and 1 more; gained: 3"
    assert wording.flipped(one(no_worse(baseline, baseline, 0.9))) == ""


def test_a_measure_is_named_for_readers() -> None:
    assert wording.measured("format_validity") == "format validity"
    assert wording.measured("field_accuracy", field="team", slice="refunds") == "field accuracy of team on refunds"
    assert wording.measured("cost", slice="refunds", quote="`") == "cost on `refunds`"
    assert wording.measured("pass_hat", k=3, slice="refunds") == "pass^3 on refunds"


def test_long_lines_are_wrapped_between_words() -> None:
    lines = wording.wrapped("one two-three " + "x" * 30 + " four", width=20, indent="  ")
    assert lines == ["  one two-three", "    " + "x" * 30, "    four"]


@pytest.mark.parametrize(
    ("rate_", "against", "text"),
    [
        (0.8783, None, "87.8%"),
        (0.79996, 0.8, "79.996%"),
        (0.8, 0.8, "80.0%"),
        (0.0, 0.05, "0.0%"),
        (0.80004, 0.8, "80.004%"),
    ],
)
def test_percent(rate_: float, against: float | None, text: str) -> None:
    assert wording.percent(rate_, against=against) == text


@pytest.mark.parametrize(
    ("change", "text"), [(0.03, "3 points"), (-0.01, "1 point"), (0.0027, "0.27 points"), (0.083, "8.3 points")]
)
def test_points(change: float, text: str) -> None:
    assert wording.points(change) == text


@pytest.mark.parametrize(
    ("value", "against", "text"),
    [
        (1234567.0, None, "1234567"),
        (0.12345, None, "0.1235"),
        (0.0, None, "0"),
        (0.899996, 0.9, "0.899996"),
        (12, None, "12"),
    ],
)
def test_number(value: float, against: float | None, text: str) -> None:
    assert wording.number(value, against=against) == text


@settings(max_examples=150, deadline=None)
@given(generators.integers(1, 600), generators.sampled_from([0.5, 0.8, 0.9, 0.95, 0.985]), generators.data())
def test_a_printed_bound_never_contradicts_the_verdict(n: int, floor: float, data: generators.DataObject) -> None:
    ones = data.draw(generators.integers(int(n * floor * 0.9), n))
    verdict = one(at_least(rate(ones, n), floor, role="guard"))
    found = re.search(r"at (least|most) ([\d.]+)% with 95% confidence; ([\d.]+)% asked", wording.sentence(verdict))
    assert found is not None
    shown, asked = float(found[2]), float(found[3])
    assert asked == pytest.approx(100 * floor)
    assert {PASS: shown >= asked, INCONCLUSIVE: shown < asked, FAIL: shown < asked}[verdict.status]


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (1234.4, "EUR 1,234"),
        (99.996, "EUR 100"),
        (12.3, "EUR 12.30"),
        (0.2, "EUR 0.20"),
        (0.0021, "EUR 0.0021"),
        (0, "EUR 0.00"),
        (-5396, "EUR -5,396"),
    ],
)
def test_money_has_as_many_digits_as_matter(amount: float, written: str) -> None:
    assert wording.money(amount, "EUR") == written
