"""The words that claims and verdicts are written in."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from harness.core.errors import ClaimError

_Word = TypeVar("_Word", bound=StrEnum)


class Kind(StrEnum):
    """What is claimed."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    COST_AT_MOST = "cost_at_most"
    QUANTILE_AT_MOST = "quantile_at_most"
    NEVER = "never"
    NO_WORSE = "no_worse"
    COST_NO_WORSE = "cost_no_worse"


class Role(StrEnum):
    """What hangs on a claim: a `gate` must PASS, a `guard` blocks only where it FAILs, a `report` never blocks."""

    GATE = "gate"
    GUARD = "guard"
    REPORT = "report"


class VerdictStatus(StrEnum):
    """PASS: shown. FAIL: the opposite shown. INCONCLUSIVE: these cases can't tell."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


class Rule(StrEnum):
    """Which rule of STATISTICS.md decided."""

    LOWER_BOUND = "lower_bound"  # PASS: the lower bound reaches the floor, or stays above the margin
    UPPER_BOUND = "upper_bound"  # PASS: the upper bound stays within the ceiling or the margin
    EXACT_P = "exact_p"  # FAIL: the p-value survives the correction for many claims
    MID_P = "mid_p"  # FAIL of a single unclustered paired claim
    ANYTIME = "anytime"  # PASS or FAIL by evidence that may be looked at after every case
    UNDECIDED = "undecided"  # INCONCLUSIVE: neither bound nor p-value decides
    NO_VIOLATION = "no_violation"
    VIOLATION = "violation"
    TOO_FEW_TO_ASSURE = "too_few_to_assure"
    IDENTICAL = "identical"
    INCOMPLETE = "incomplete"
    NOT_COMPARABLE = "not_comparable"


def word(vocabulary: type[_Word], value: str) -> _Word:
    """The word of a vocabulary with this value; ClaimError with the known ones if there is none."""
    try:
        return vocabulary(value)
    except ValueError:
        raise ClaimError(f"{vocabulary.__name__.lower()} must be {' or '.join(vocabulary)}, got {value!r}") from None
