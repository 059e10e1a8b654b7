"""The numbers of a few-shot prompt whose examples are dropped and reordered."""

import pytest

from harness.core import statistics as st
from harness.core.fragility import Variant, fragility
from harness.core.records import Case, Failure, Outcome, Response, Status
from harness.core.tables import TableBuilder

N = 40


def outcomes(*answers, clusters=(None,) * N):
    """A table with a repeat for each of these changes: see `said`."""
    cases = [Case(id=f"c{i}", inputs={}, expected={}, cluster=clusters[i]) for i in range(N)]
    builder = TableBuilder(cases=cases, repeats=len(answers), decision_fields=("kind",), largest_cost=1.0)
    for repeat, changes in enumerate(answers):
        for outcome in said(repeat, **changes):
            failed = outcome.status is Status.ERROR
            builder.add(outcome, Failure(kind="x", message="") if failed else Response(text=""))
    return builder.finish()


def said(repeat, *, wrong=(), otherwise=(), failed=()):
    """Right answers "a" but for these cases; in `otherwise` the wrong answer is "c" instead of "b"."""
    found = []
    for i in range(N):
        status = Status.ERROR if i in failed else Status.WRONG if i in (*wrong, *otherwise) else Status.CORRECT
        kind = "c" if i in otherwise else "b" if i in wrong else "a"
        found.append(
            Outcome(
                case_id=f"c{i}",
                repeat=repeat,
                status=status,
                fields={"kind": status is Status.CORRECT},
                cost=0.0,
                valid=i not in failed,
                answer=None if i in failed else {"kind": kind, "note": f"{i} {len(wrong)}"},
            )
        )
    return found


def drop(name, **changes):
    return Variant(name=f"without {name}", examples=("x",), dropped=name), outcomes(changes)


def measured(drops, orders=(), *, declared=None, clusters=(None,) * N):
    asked = outcomes(*(declared or [{"wrong": range(4)}, {"wrong": range(4)}]), clusters=clusters)
    return fragility("suite/few", asked, drops, orders, examples=("x", "y", "z"))


def test_each_variant_is_compared_case_by_case_with_the_declared_prompt():
    found = measured(
        [drop("x", wrong=range(10)), drop("y", wrong=range(1)), drop("z", wrong=range(2), otherwise=(2, 3))],
        [(Variant(name="order 1", examples=("z", "y", "x")), outcomes({"wrong": range(4)}))],
    )
    assert (found.examples, found.cases, found.declared.estimate) == (3, N, 0.9)
    x, y, z = found.drops.variants
    assert (x.losses, x.gains, x.moved, x.accuracy) == (6, 0, 6, 0.75)
    assert (y.losses, y.gains, y.moved) == (0, 3, 3)
    assert (z.losses, z.gains, z.moved, z.change) == (0, 0, 2, 0.0)
    assert x.change == pytest.approx(-0.15)
    assert (found.drops.lowest, found.drops.highest) == (x, y)
    assert found.drops.any_moved == 9
    assert found.drops.mean_moved == pytest.approx(11 / 3)
    assert found.drops.by_weight() == [x, y, z]
    assert (found.orders.any_moved, found.again.moved, found.failed) == (0, 0, 0)


def test_limits_hold_for_all_variants_together():
    one = measured([drop("x", wrong=range(10))]).drops.variants[0]
    many = measured([drop("x", wrong=range(10)), *(drop(f"y{i}") for i in range(30))]).drops.variants[0]
    assert many.lower < one.lower < one.change < one.upper < many.upper
    assert one.lower == pytest.approx(st.tango_lower(6, 0, N, 0.025 / 2))
    assert one.upper == pytest.approx(-st.tango_lower(0, 6, N, 0.025 / 2))


def test_clusters_widen_the_limits():
    alone = measured([drop("x", wrong=range(10))]).drops.variants[0]
    grouped = measured([drop("x", wrong=range(10))], clusters=[f"k{i // 5}" for i in range(N)]).drops.variants[0]
    assert grouped.change == alone.change
    assert grouped.lower < alone.lower


def test_what_moves_when_the_same_prompt_is_asked_again_is_told_apart():
    found = measured([drop("x")], declared=[{"wrong": range(4)}, {"wrong": range(2)}])
    assert (found.again.moved, found.again.gains) == (2, 2)


def test_failed_requests_are_counted_and_wrong():
    found = measured([drop("x", wrong=range(4), failed=(38, 39))])
    assert (found.failed, found.drops.variants[0].losses, found.drops.variants[0].moved) == (2, 2, 2)


def test_nothing_to_measure_is_an_error():
    with pytest.raises(ValueError, match="there must be a case and an example to drop"):
        measured([])
