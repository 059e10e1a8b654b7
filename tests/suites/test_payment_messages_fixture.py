"""The payment messages are what their data card says: enough, right where it can be computed, different, unleaked."""

import re
from collections import Counter
from datetime import date

import pytest
from support.embedded import ROOT

from harness.core.metrics import members
from harness.fixtures_io.tasks import load_fixture
from harness.preparing.personal_data import find_personal_data

MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
DAYS = re.compile(
    rf"\d[./]\d|(?:mon|tues|wednes|thurs|fri|satur|sun)day|{MONTHS}|\b(?:month|week|days?|first)\b", re.IGNORECASE
)
RELATIVE = {"yesterday": -1, "today": 0, "tomorrow": 1, "tmrw": 1}


@pytest.fixture(scope="module")
def fixture():
    return load_fixture(ROOT / "fixtures" / "payment_messages")


@pytest.fixture(scope="module")
def holdout(fixture):
    return fixture.holdout()  # which verifies the lock


@pytest.fixture(scope="module")
def cases(fixture, holdout):
    return [*holdout, *fixture.pool()]


def message(case):
    return case.inputs["message"]


def received(case):
    return date.fromisoformat(case.inputs["received"][:10])


def test_there_are_as_many_messages_as_the_card_says(fixture, holdout, cases):
    card = (fixture.folder / "CARD.md").read_text(encoding="utf-8")
    pool = len(cases) - len(holdout)
    assert len(holdout) >= 150
    assert pool >= 300
    assert f"{len(cases)} messages" in card
    assert f"{len(holdout)} are the holdout, {pool} the pool" in card


def test_every_critical_slice_has_enough_cases(fixture, holdout):
    sizes = {part.name: int(members(holdout, part).sum()) for part in fixture.task.slices}
    assert all(size >= 20 for size in sizes.values()), sizes


def test_days_of_receipt_have_their_weekday(cases):
    assert [case.id for case in cases if f"{received(case):%A}" not in case.inputs["received"]] == []


def test_texts_and_contract_numbers_of_holdout_and_pool_differ(fixture, holdout):
    pool = fixture.pool()
    texts = Counter(" ".join(message(case).casefold().split()) for case in (*holdout, *pool))
    assert texts.most_common(1)[0][1] == 1
    numbers = [{case.expected["contract"] for case in part} - {None} for part in (holdout, pool)]
    assert numbers[0] & numbers[1] == set()


def test_a_contract_in_digits_stands_in_its_message(cases):
    spoken = re.compile(r"\b(?:one|two|three|four|five|six|seven|eight|nine|zero|oh)\b", re.IGNORECASE)
    missing = [
        case.id
        for case in cases
        if (number := case.expected["contract"]) is not None
        and number.removeprefix("NE-") not in re.sub(r"[\W_]", "", message(case))
        and not spoken.search(message(case))
    ]
    assert missing == []


def test_the_day_of_a_message_with_one_relative_word_can_be_computed(holdout):
    """Where it is the only thing in the text that names a day."""
    judged = 0
    for case in holdout:
        words = set(re.findall(r"\b(?:yesterday|today|tomorrow|tmrw)\b", message(case).casefold()))
        if len(words) == 1 and not DAYS.search(message(case)) and "before yesterday" not in message(case).casefold():
            judged += 1
            expected = date.fromisoformat(case.expected["date"])
            assert (expected - received(case)).days == RELATIVE[words.pop()], case.id
    assert judged >= 15


def test_nulls_are_tagged(holdout):
    wrong = [
        (case.id, name)
        for case in holdout
        for name, tag in (("contract", "no_contract"), ("amount", "no_amount"), ("date", "no_date"))
        if (case.expected[name] is None) != (tag in case.tags)
    ]
    assert wrong == []


def test_personal_data_is_masked(cases):
    assert {case.id: found for case in cases if (found := find_personal_data(message(case)))} == {}
