"""Confidence against share of right answers, on outcomes that are really scored."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_report import CASES, right, table

from harness.core.calibration import BINS, calibration
from harness.core.metrics import members
from harness.core.records import Response
from harness.core.statistics import wilson_interval

NATURAL = members(CASES, None)


def sure(confidences, wrong=()):
    """Answers case i with the i-th confidence, and wrong in the cases `wrong`."""

    def answer(case):
        number = int(case.id[1:])
        text = right(case).text if number not in wrong else json.dumps({"kind": "wine", "loud": False})
        return Response(text=text, confidence={"kind": confidences[number], "loud": 1.0})

    return answer


def test_bins_hold_their_answers_with_bounds():
    found = calibration(table(sure([0.25] * 10 + [0.95] * 34, wrong=range(5))), NATURAL)
    assert (found.n, found.answers) == (40, 40)
    low, high = found.bins
    assert (low.start, low.end, low.n, low.right) == (0.2, 0.3, 10, 0.5)
    assert low.confidence == pytest.approx(0.25)
    assert (low.lower, low.upper) == wilson_interval(5, 10, 0.95)
    assert (high.start, high.end, high.n, high.right) == (0.9, 1.0, 30, 1.0)
    assert found.confidence == pytest.approx((10 * 0.25 + 30 * 0.95) / 40)
    assert found.right == 35 / 40
    assert found.error == pytest.approx((10 * 0.25 + 30 * 0.05) / 40)


def test_cases_that_do_not_count_are_left_out():
    found = calibration(table(sure([0.9] * 40 + [0.1] * 4)), NATURAL)
    assert [b.start for b in found.bins] == [0.9]


def test_unknown_confidence_is_none_and_a_part_is_counted():
    def answer(case):
        return Response(text=right(case).text, confidence=None if case.id == "c00" else {"kind": 0.5, "loud": 0.5})

    assert calibration(table(lambda case: Response(text=right(case).text)), NATURAL) is None
    found = calibration(table(answer), NATURAL)
    assert (found.n, found.answers) == (39, 40)


@given(st.lists(st.floats(0, 1), min_size=44, max_size=44), st.sets(st.integers(0, 43)))
def test_bins_cover_every_answer_once(confidences, wrong):
    found = calibration(table(sure(confidences, wrong)), np.ones(44, dtype=bool))
    assert sum(b.n for b in found.bins) == found.n == 44
    assert len(found.bins) <= BINS
    assert all(b.start <= b.confidence + 1e-12 and b.confidence <= b.end + 1e-12 for b in found.bins)
    assert all(b.lower <= b.right <= b.upper for b in found.bins)
    assert 0 <= found.error <= 1
    assert sum(b.n * b.right for b in found.bins) / 44 == pytest.approx(found.right)
