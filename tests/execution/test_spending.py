"""The arithmetic of a limit of cost, over any order of reservations and replies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.execution.spending import UNIT, Account, Spending, amount

AMOUNTS = st.integers(0, 10**15)


@st.composite
def histories(draw):
    """A limit, and calls in their order: (most that it may cost, what it costs, how many replies come before it)."""
    calls = st.tuples(AMOUNTS, AMOUNTS, st.integers(0, 3))
    return draw(st.integers(0, 5 * 10**15)), draw(st.lists(calls, max_size=40)), draw(st.randoms(use_true_random=False))


@given(histories())
def test_the_limit_is_passed_by_no_more_than_replies_cost_above_what_was_set_aside(history):
    limit, calls, random = history
    spending, account = Spending(), Account()
    spending.limit = limit
    in_flight, settled = [], []
    for most, cost, replies in calls:
        before = spending.spent + spending.reserved
        taken = spending.reserve(most)
        assert taken == (most == 0 or before + most <= limit)
        if taken:
            in_flight.append((most, cost))
        for _ in range(min(replies, len(in_flight))):
            settled.append(in_flight.pop(random.randrange(len(in_flight))))
            spending.settle(*settled[-1], account)
        assert spending.reserved == sum(most for most, _ in in_flight)
        assert spending.spent == account.spent == sum(cost for _, cost in settled)
        above = sum(max(0, cost - most) for most, cost in settled)
        assert spending.spent + spending.reserved <= limit + above
    assert account.calls == len(settled)


@given(st.lists(AMOUNTS, max_size=30))
def test_without_a_limit_everything_is_affordable(amounts):
    spending = Spending()
    assert all(spending.reserve(most) for most in amounts)
    assert spending.reserved == sum(amounts)


def test_what_costs_nothing_is_affordable_even_when_the_limit_is_passed():
    spending = Spending(0.5)
    assert spending.reserve(amount(0.5))
    spending.settle(amount(0.5), amount(0.7), spending.account("one"))
    assert not spending.reserve(1)
    assert spending.reserve(0)


def test_a_limit_can_be_spent_to_the_last_cent():
    spending, account = Spending(0.3), Account()
    for _ in range(3):
        assert spending.reserve(amount(0.1))
        spending.settle(amount(0.1), amount(0.1), account)
    assert not spending.reserve(1)
    assert account.usd == pytest.approx(0.3)


def test_a_strategy_keeps_its_account():
    spending = Spending()
    spending.account("one").stored += 2
    assert spending.account("one").stored == 2
    assert spending.account("two").stored == 0
    assert amount(1) == UNIT


def test_an_unknown_price_is_no_cost_of_zero():
    assert Account(priced=False).usd is None
    assert Account().usd == 0
