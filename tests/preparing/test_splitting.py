"""Splits that keep clusters whole, ignore the row order, keep shares of labels, and carry the claims."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.claims import at_least, no_worse
from harness.core.errors import ClaimError, FixtureError
from harness.core.folding import folded
from harness.core.kinds import Kind
from harness.core.outcomes import Outcomes
from harness.core.records import Slice
from harness.preparing.needs import Need, size_reach
from harness.preparing.rows import Row
from harness.preparing.splitting import split

PARTS = ("pool", "validation", "holdout")


def row(id_, label="a", text="", **more):
    return Row(id=str(id_), inputs={"text": text or f"text {id_}"}, expected={"label": label}, **more)


def ids(made):
    return {part: {r.id for r in getattr(made, part)} for part in PARTS}


ROWS = st.lists(
    st.tuples(
        st.integers(0, 30).map(lambda n: f"text {n}"),
        st.sampled_from("aaab"),
        st.sampled_from([None, None, "t1", "t2", "t3", "t4"]),
        st.sampled_from([None, "2026-01-01", "2026-01-02T10:00:00", "2026-02-01"]),
    ),
    min_size=25,
    max_size=60,
)


def drawn_rows(drawn, dated):
    return [
        row(i, label, text if i % 2 else text.upper(), cluster=cluster, date=date if dated else None)
        for i, (text, label, cluster, date) in enumerate(drawn)
    ]


def try_split(rows, **options):
    """The split, None where one cluster holds nearly everything."""
    try:
        return split(rows, field="label", **options)
    except ClaimError:
        return None


@given(ROWS, st.booleans(), st.integers(0, 3))
def test_no_cluster_and_no_text_is_ever_split_and_no_row_is_lost(drawn, dated, seed):
    rows = drawn_rows(drawn, dated)
    made = try_split(rows, seed=seed)
    if made is None:
        return
    side = {id_: part for part, members in ids(made).items() for id_ in members}
    assert sorted(side) == sorted(r.id for r in rows)
    assert sum(len(getattr(made, part)) for part in PARTS) == len(rows)
    for key in ({r.id: r.cluster for r in rows}, {r.id: folded(r.inputs["text"]) for r in rows}):
        for name in set(key.values()) - {None}:
            assert len({side[id_] for id_, value in key.items() if value == name}) == 1


@given(ROWS, st.booleans(), st.randoms())
def test_the_row_order_does_not_matter(drawn, dated, order):
    rows = drawn_rows(drawn, dated)
    shuffled = list(rows)
    order.shuffle(shuffled)
    one, other = try_split(rows), try_split(shuffled)
    assert (one is None) == (other is None)
    if one is not None:
        assert ids(one) == ids(other)
        assert one.report == other.report
        assert one.reach == other.reach


def test_another_seed_is_another_split_and_the_same_seed_the_same():
    rows = [row(i) for i in range(200)]
    assert ids(split(rows, field="label")) == ids(split(rows, field="label"))
    assert ids(split(rows, field="label")) != ids(split(rows, field="label", seed=8))


def test_labels_keep_their_shares():
    rows = [row(f"{label}{i}", label) for label, n in {"a": 400, "b": 90, "c": 11, "d": 1}.items() for i in range(n)]
    made = split(rows, field="label", holdout=0.3, validation=0.1)
    assert abs(len(made.holdout) - 0.3 * len(rows)) <= 1
    assert abs(len(made.validation) - 0.1 * len(rows)) <= 1
    held = Counter(r.expected["label"] for r in made.holdout)
    assert (held["a"], held["b"]) == (pytest.approx(120, abs=1), pytest.approx(27, abs=1))
    assert 3 <= held["c"] <= 4
    assert made.report.counts["labels without a row in the holdout"] == 1 - held["d"]


def test_a_large_cluster_does_not_swallow_the_holdout():
    rows = [*(row(i, cluster="large") for i in range(500)), *(row(f"s{i}") for i in range(500))]
    made = split(rows, field="label", holdout=0.2, validation=0)
    assert len(made.holdout) == 200
    assert not {r.cluster for r in made.holdout} - {None}
    assert made.validation == ()


def test_the_newest_are_the_holdout_and_a_cluster_is_as_old_as_its_oldest_row():
    rows = [row(i, date=f"2026-01-{1 + i:02d}") for i in range(20)]
    rows += [row("old", cluster="c", date="2025-12-01"), row("new", cluster="c", date="2026-03-01")]
    rows += [row("undated"), row("zone", date="2026-01-20T23:00:00-05:00")]
    made = ids(split(rows, field="label", holdout=0.2, validation=0.1))
    assert made["holdout"] == {"zone", "19", "18", "17", "16"}
    assert made["validation"] == {"15", "14", "13"}
    assert {"old", "new", "undated"} <= made["pool"]
    assert split(rows, field="label").report.counts["rows without a date, in the pool"] == 1


def test_a_wrong_date_is_named():
    with pytest.raises(FixtureError, match="row 1, line 3: 'soon' is no date"):
        split([row(1, date="soon", line=3), row(2)], field="label")


def test_the_holdout_grows_to_what_the_claims_need():
    rows = [row(i) for i in range(1000)]
    needs = [Need(kind=Kind.AT_LEAST, bound=0.99), Need(kind=Kind.NO_WORSE, bound=0.03)]
    made = split(rows, field="label", holdout=0.05, needs=needs)
    size = len(made.holdout)
    assert size == 299  # 0.99^299 < 0.05: the floor needs more than the margin
    at_least(outcomes(size), 0.99)  # no ClaimError
    no_worse(outcomes(size), outcomes(size), 0.03)
    with pytest.raises(ClaimError, match="needs? at least|use at least 299"):
        at_least(outcomes(size - 1), 0.99)


def outcomes(n, clusters=None):
    return Outcomes(values=[[1.0]] * n, case_ids=[str(i) for i in range(n)], clusters=clusters)


def test_clusters_count_once_for_what_is_needed():
    rows = [row(i, cluster=f"c{i // 2}") for i in range(1000)]
    made = split(rows, field="label", holdout=0.05, needs=[Need(kind=Kind.NO_WORSE, bound=0.03)])
    clusters = [r.cluster for r in made.holdout]
    assert made.report.counts["clusters of the holdout"] == len(set(clusters)) == len(clusters) // 2
    no_worse(outcomes(len(clusters), clusters), outcomes(len(clusters), clusters), 0.03)
    fewer = [c for c in clusters if c != clusters[0]]
    with pytest.raises(ClaimError):
        no_worse(outcomes(len(fewer), fewer), outcomes(len(fewer), fewer), 0.03)


@pytest.mark.parametrize("dated", [False, True])
def test_a_slice_gets_what_its_claim_needs(dated):
    rows = [
        row(i, "rare" if i % 20 == 0 else "a", date=f"2026-01-01T{i // 60:02d}:{i % 60:02d}" if dated else None)
        for i in range(1400)
    ]
    rare = Slice(name="rare", where={"label": ("rare",)})
    made = split(rows, field="label", holdout=0.1, needs=[Need(kind=Kind.NEVER, bound=0.05, part=rare)])
    assert sum(r.expected["label"] == "rare" for r in made.holdout) == 59
    if dated:
        cut = min(r.date for r in made.holdout)
        assert max(r.date for r in made.pool + made.validation) < cut
    else:
        assert len(made.holdout) < 200


def test_too_few_rows_for_a_claim_are_named_with_what_they_could_support():
    rows = [row(i, "rare" if i < 30 else "a") for i in range(200)]
    rare = Slice(name="rare", where={"label": ("rare",)})
    message = "at_least 0.95 on slice rare needs 59 cases in the holdout, and the rows have 30; all of them together "
    with pytest.raises(ClaimError, match=re.escape(message) + r"could support 0\.905: label at least 29 more"):
        split(rows, field="label", needs=[Need(kind=Kind.AT_LEAST, bound=0.95, part=rare)])
    with pytest.raises(ClaimError, match="nothing of the 200 rows is left to the pool"):
        split(rows, field="label", validation=0, needs=[Need(kind=Kind.AT_LEAST, bound=0.05 ** (1 / 200))])


@pytest.mark.parametrize("shares", [{"holdout": 0}, {"holdout": 0.9, "validation": 0.1}, {"validation": -0.1}])
def test_shares_leave_something_to_the_pool(shares):
    with pytest.raises(ValueError, match="holdout must be above 0"):
        split([row(1), row(2)], field="label", **shares)


def test_what_sizes_could_tell():
    made = split([row(i, "ab"[i % 2]) for i in range(400)], field="label", holdout=0.5)
    assert set(made.reach) == {"", "a", "b"}
    assert made.reach["a"] == size_reach(100)
    reach = size_reach(200)
    assert reach.floor == pytest.approx(0.05 ** (1 / 200))
    assert reach.assured == pytest.approx(1 - 0.05 ** (1 / 200))
    assert reach.margin == pytest.approx(0.0133, abs=1e-4)
    assert reach.change == pytest.approx((1.6449 + 0.8416) * (0.1 / 200) ** 0.5, abs=1e-4)
    assert str(reach) == (
        "200 cases: floors up to 0.9851, violations rarer than 0.0149 assured, margins above 0.0134, "
        "changes from 0.0556 found"
    )
    assert size_reach(200, clustered=True).margin > reach.margin


def test_a_task_without_labels_is_split_by_hash():
    made = split([Row(id=str(i), inputs={"text": f"t{i}"}, expected={"n": i}) for i in range(100)], field=None)
    assert (len(made.pool), len(made.validation), len(made.holdout)) == (60, 10, 30)
    assert set(made.reach) == {""}
