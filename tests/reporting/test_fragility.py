"""What a terminal and the page say of a few-shot prompt's fragility."""

from harness.core.consistency import Share
from harness.core.fragility import Fragility, Group, Moved, Variant
from harness.reporting.fragility import HEAVIEST, fragility_lines, fragility_markdown


def moved(name, *, change=0.0, cases=0):
    return Moved(
        variant=Variant(name=name, examples=("x", "y"), dropped=name),
        accuracy=0.8 + change,
        losses=0,
        gains=0,
        moved=cases,
        change=change,
        lower=change - 0.1,
        upper=change + 0.1,
    )


def found(drops, orders=None):
    return Fragility(
        run="suite/few",
        examples=len(drops),
        cases=50,
        declared=Share(estimate=0.8, lower=0.7, upper=0.9),
        again=moved("asked again"),
        drops=Group(variants=tuple(drops), any_moved=9),
        orders=orders,
        failed=0,
    )


def test_only_examples_that_move_an_answer_are_shown_and_no_more_than_ten():
    lines = list(fragility_lines(found([moved(f"e{i:02d}", cases=i) for i in range(30)])))
    start = next(i for i, line in enumerate(lines) if line.startswith("example "))
    assert [line.split()[0] for line in lines[start + 2 : start + 2 + HEAVIEST]] == [f"e{i}" for i in range(29, 19, -1)]
    assert lines[start + 2 + HEAVIEST] == ""
    assert not any("order" in line for line in lines[:6])


def test_changes_come_with_their_limits_in_points():
    lines = list(fragility_lines(found([moved("a", change=-0.06, cases=3), moved("b", change=0.02, cases=1)])))
    row = next(line for line in lines if line.startswith("one of 2 dropped"))
    assert "74.0% to 82.0%" in row
    assert "-6.0 (-16.0 to +4.0)" in row
    assert "+2.0 (-8.0 to +12.0)" in row


def test_weights_that_may_know_the_cases_are_mentioned():
    page = fragility_markdown(found([moved("a")]), seed=3, trained=True)
    assert "LoRA weights that may have been trained on these cases" in page
    assert "LoRA" not in fragility_markdown(found([moved("a")]), seed=3, trained=False)
    assert "## Other orders" not in page


def test_ids_do_nothing_in_markdown():
    page = fragility_markdown(found([moved("a|b`<i>")]), seed=0, trained=False)
    assert "`a¦b'<i>`" in page
