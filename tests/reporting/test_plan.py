"""The table of a dry run."""

from harness.core.records import Price, Usage
from harness.reporting.plan import MOST, PlannedRun, Tally, plan_table

PRICE = Price(input_per_million=0.4, output_per_million=1.6)


def tally(calls, *, tokens=1000, output=10, price=PRICE):
    found = Tally(price=price)
    for _ in range(calls):
        found.add(Usage(input_tokens=tokens, output_tokens=output))
    return found


def table(*runs, asking=0, max_cost=None):
    return plan_table(runs, asking=asking, max_cost=max_cost)


def cells(lines, start):
    return [line.split()[-5:] for line in lines if line.startswith(start)]


def test_what_is_known_stands_beside_what_is_to_be_made():
    run = PlannedRun(name="fruit/good", stored=tally(105), missing=tally(412), output_by="mean of strategy")
    lines = table(run)
    assert lines[2] == "fruit/good"
    assert lines[3].split() == ["·", "in", "the", "ledger", "105", "105,000", "1,050", "0.0437"]
    assert lines[4].split()[4:] == ["412", "≈412,000", "≈4,120", "≈0.1714", "mean", "of", "strategy"]
    assert [line.split()[4:] for line in lines[6:8]] == [
        ["105", "105,000", "1,050", "0.0437"],
        ["412", "≈412,000", "≈4,120", "≈0.1714"],
    ]


def test_an_upper_limit_is_marked_as_one():
    lines = table(PlannedRun(name="fruit/good", missing=tally(10, output=256), output_by=MOST))
    assert lines[3].split()[4:] == ["10", "≈10,000", "≤2,560", "≤0.0081", "max_tokens"]


def test_an_unknown_price_is_not_zero():
    lines = table(
        PlannedRun(name="fruit/one", missing=tally(10, price=None), output_by=MOST),
        PlannedRun(name="fruit/two", missing=tally(10), output_by=MOST),
    )
    assert "not known" in lines[3]
    assert "not known" in lines[-6] or any(
        line.startswith("· to be made") and "not known" in line for line in lines[6:]
    )


def test_what_can_not_be_known_is_said_in_its_row_and_once_below():
    problem = "the ledger can't be asked: adapters/gpt.yaml: base_url needs the environment variable GPT_URL"
    lines = table(
        PlannedRun(name="fruit/one", missing=tally(10), output_by=MOST, problem=problem),
        PlannedRun(name="fruit/two", missing=tally(10), output_by=MOST, problem=problem),
        PlannedRun(name="fruit/three", problem="the holdout was changed"),
    )
    assert sum(line.startswith("· to be made, at most") for line in lines) == 2
    assert sum(line.startswith("· not known") for line in lines) == 1
    below = " ".join(line.strip() for line in lines)
    assert below.count(problem) == 1
    assert f"fruit/one, fruit/two: {problem}" in below
    assert "fruit/three: the holdout was changed" in below


def test_a_limit_that_would_not_do_is_named():
    run = PlannedRun(name="fruit/good", missing=tally(1000), output_by=MOST)
    assert any("more than --gate-max-cost 0.3:" in line for line in table(run, max_cost=0.3))
    assert not any("--gate-max-cost" in line for line in table(run, max_cost=5.0))


def test_what_is_not_counted_is_named():
    run = PlannedRun(name="fruit/good", missing=tally(1), output_by=MOST, shared_with="fruit/other")
    lines = table(run, asking=2)
    assert "fruit/good asks what fruit/other asks; counted there" in lines
    assert "not counted: 2 tests that may ask by `run` without `gate`" in lines


def test_nothing_to_ask_is_said():
    assert table(asking=1) == [
        "dry run: no claim was declared, so nothing would be asked for one",
        "not counted: 1 test that asks by `run` without `gate`",
    ]


def test_the_table_fits_a_hundred_columns():
    large = Tally(calls=10**7, input_tokens=5 * 10**10, output_tokens=10**10, price=PRICE)
    run = PlannedRun(
        name="a_suite_with_a_long_name/strategy@and_its_adapter",
        stored=large,
        missing=large,
        output_by="mean of strategy",
        problem="word " * 60,
    )
    lines = table(run, asking=3, max_cost=1)
    assert max(map(len, lines)) <= 100
    assert lines[2] == "a_suite_with_a_long_name/stra…"
