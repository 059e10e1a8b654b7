"""What a run has spent, in words and over several processes."""

import pytest

from harness.core.errors import DriverError
from harness.core.records import Adapter, Price
from harness.execution.spending import Account, Spending, amount
from harness.runs.spent import check_prices, joined, plain, spent_lines, stopped


def test_each_strategy_with_calls_has_a_line_and_the_others_one_together():
    accounts = {
        "fruit/one": Account(calls=412, stored=105, spent=amount(1.234)),
        "fruit/two": Account(calls=1, stored=1, spent=amount(0.00012)),
        "fruit/three": Account(calls=2, priced=False),
        "fruit/four": Account(stored=500),
        "fruit/five": Account(stored=1000),
    }
    assert spent_lines(accounts) == [
        "fruit/one: 412 calls, 105 answers from the ledger, US$ 1.23 spent",
        "fruit/two: 1 call, 1 answer from the ledger, US$ 0.0001 spent",
        "fruit/three: 2 calls, 0 answers from the ledger, price not known",
        "other strategies: 1,500 answers from the ledger",
    ]


def test_a_run_without_calls_says_so():
    assert spent_lines({"fruit/one": Account(stored=7)}) == ["no call was made: 7 answers from the ledger"]
    assert spent_lines({}) == []


def test_what_one_process_paid_for_the_others_found_in_the_ledger():
    payer = {"one": Account(calls=80, stored=20, spent=amount(0.8)), "two": Account(stored=100)}
    reader = {"one": Account(stored=100), "two": Account(calls=60, stored=40, spent=amount(0.6))}
    both = joined([plain(payer), plain(reader)])
    assert both["one"] == Account(calls=80, stored=20, spent=amount(0.8))
    assert both["two"] == Account(calls=60, stored=40, spent=amount(0.6))
    assert joined([plain(payer)]) == payer


def test_a_stopped_run_says_how_far_it_came_and_how_to_go_on():
    spending = Spending(1.5)
    spending.spent = amount(1.47)
    assert stopped("few_shot", spending, amount(0.04), 312, 517, resumes=True) == (
        "few_shot stopped before US$ 1.50 was passed (1.47 spent, 0.0400 the most that the next call may cost): 312 of "
        "517 requests answered and saved; the same command with a higher --gate-max-cost goes on"
    )
    assert "asks all of them again" in stopped("few_shot", spending, 1, 1, 2, resumes=False)


def test_prices_that_are_not_known_are_named_with_what_to_write():
    own = Price(input_per_million=1.0, output_per_million=2.0)
    free, priced = (
        Adapter(name=n, driver="d", model="m", file=f"adapters/{n}.yaml", price=p) for n, p in (("a", None), ("b", own))
    )
    unknown = Adapter(name="c", driver="d", model="nobody-1", file="adapters/c.yaml", price="auto")
    check_prices([free, priced])
    with pytest.raises(
        DriverError, match=r"adapters/c\.yaml \(nobody-1\); declare it there.*price: \{input_per_million"
    ):
        check_prices([free, unknown, priced, unknown])
