"""Rules that changed over time are told from labels that are only noisy."""

import random

from harness.preparing.duplicates import Alike, Pair
from harness.preparing.rows import Row
from harness.preparing.rules import changed_rules


def groups(count, answer):
    """So many pairs of alike rows at random days; `answer` gives the label on a day of the year."""
    order = random.Random(4)
    rows, pairs = [], []
    for i in range(count):
        for part in "xy":
            day = order.randint(1, 28 * 12) - 1
            date = f"2026-{1 + day // 28:02d}-{1 + day % 28:02d}"
            rows.append(Row(id=f"{i}{part}", inputs={"text": "t"}, expected={"label": answer(day, order)}, date=date))
        pairs.append(Pair(one=f"{i}x", other=f"{i}y", kind=Alike.NEAR, similarity=0.9))
    return rows, pairs


def test_a_label_that_another_one_replaced_is_found_with_its_day():
    rows, pairs = groups(60, lambda day, order: "a" if day < 168 or order.random() < 0.05 else "b")
    (change,) = changed_rules(rows, pairs, "label")
    assert (change.before, change.after) == ("a", "b")
    assert change.groups > 5 * change.against
    assert change.p < 0.001
    assert "2026-06" < change.since < "2026-07-10"


def test_noise_is_no_change():
    rows, pairs = groups(100, lambda day, order: order.choice("abc"))
    assert changed_rules(rows, pairs, "label") == ()


def test_five_groups_are_not_enough_and_six_are():
    rows = [
        Row(
            id=f"{i}{part}",
            inputs={"text": "t"},
            expected={"label": part},
            date=f"2026-0{1 if part == 'a' else 2}-0{i}",
        )
        for i in range(1, 7)
        for part in "ab"
    ]
    pairs = [Pair(one=f"{i}a", other=f"{i}b", kind=Alike.EXACT, similarity=1.0) for i in range(1, 7)]
    assert changed_rules(rows, pairs[:5], "label") == ()
    (change,) = changed_rules(rows, pairs, "label")
    assert (change.groups, change.against, change.p, change.since) == (6, 0, 2 / 2**6, "2026-02-01")


def test_rows_without_a_date_say_nothing():
    rows, pairs = groups(60, lambda day, order: "a" if day < 168 else "b")
    undated = [Row(id=row.id, inputs=row.inputs, expected=row.expected) for row in rows]
    assert changed_rules(undated, pairs, "label") == ()
    assert changed_rules([], [], "label") == ()
