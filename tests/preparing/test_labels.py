"""Labels to look at again."""

import random

import numpy as np
import pytest

from harness.preparing.duplicates import Alike, Pair
from harness.preparing.labels import (
    Suspect,
    conflicts,
    disagreements,
    label_counts,
    label_report,
    spelling_variants,
    suspects,
)
from harness.preparing.rows import Row


def row(id_, label, text="", **more):
    return Row(id=id_, inputs={"text": text or id_}, expected={"label": label}, **more)


def labelled(**counts):
    return [row(f"{label}{i}", label) for label, n in counts.items() for i in range(n)]


def pair(one, other, similarity=1.0, kind=Alike.EXACT):
    return Pair(one=one, other=other, kind=kind, similarity=similarity)


def test_labels_are_counted_the_most_frequent_first():
    rows = [*labelled(b=2, a=1, c=2), Row(id="x", inputs={"text": "x"}, expected={"other": 1}), row("y", True)]
    assert list(label_counts(rows, "label").items()) == [("b", 2), ("c", 2), ("a", 1), ("true", 1)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("refund_request", "Refund request"),
        ("refund_request", "request-refund"),
        ("refund_request", "RefundRequests"),
        ("login problem", "login_problem "),
    ],
)
def test_the_same_words_are_one_label_however_often_they_stand(one, other):
    rows = [row("1", one), row("2", other), row("3", "delivery")]
    (found,) = spelling_variants(rows, "label")
    assert found.labels == {one: 1, other: 1}


def test_slips_of_the_keyboard_are_found_where_they_are_rare():
    (found,) = spelling_variants(labelled(refund_request=30, refund_reqeust=2, delivery_drop=9), "label")
    assert found.labels == {"refund_request": 30, "refund_reqeust": 2}
    assert spelling_variants(labelled(refund_request=30, refund_reqeust=9), "label") == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [("P1", "P2"), ("tier_level_1", "tier_level_2"), ("refund", "refuse"), ("card", "card_limits")],
)
def test_other_labels_are_no_variants(one, other):
    assert spelling_variants(labelled(**{one: 40, other: 1}), "label") == ()


def test_copies_with_other_labels_are_suspects_the_odd_one_out_first():
    rows = [row("1", "a"), row("2", "a"), row("3", "a"), row("4", "b"), row("5", "c"), row("6", "c")]
    tied = [pair("1", "2"), pair("1", "3"), pair("1", "4", 0.9, Alike.NEAR), pair("5", "6")]
    found = conflicts(rows, tied, "label")
    assert [(s.row, s.given, s.suggested, s.suspicion) for s in found] == [
        ("4", "b", "a", 0.75),
        ("1", "a", "b", 0.25),
        ("2", "a", "b", 0.25),
        ("3", "a", "b", 0.25),
    ]
    assert found[0].reasons == ("near copy of 1, which has a (similarity 0.90)",)
    assert found[2].reasons == ("one of 4 copies with different labels: 3 a, 1 b",)


def test_where_copies_have_several_other_labels_equally_often_none_is_suggested():
    found = conflicts([row("1", "a"), row("2", "b"), row("3", "c")], [pair("1", "2"), pair("1", "3")], "label")
    assert {s.suggested for s in found} == {""}
    assert {round(s.suspicion, 3) for s in found} == {0.667}


PLACES = {"north": (0.0, 1.0), "south": (0.0, -1.0), "west": (1.0, 0.0)}


def places(count, wrong, seed=1):
    """Rows whose text is a point near that of their label, and the ids of those with another label than their place."""
    order = random.Random(seed)
    rows, bad = [], set()
    for i in range(count):
        true = order.choice(list(PLACES))
        x, y = (value + order.gauss(0, 0.2) for value in PLACES[true])
        given = order.choice([label for label in PLACES if label != true]) if i < wrong else true
        bad |= {f"r{i}"} if i < wrong else set()
        rows.append(row(f"r{i}", given, f"{x:.6f} east {y:.6f}"))
    order.shuffle(rows)
    return rows, bad


def embed(texts):
    points = np.array([[float(part) for part in text.split(" east ")] for text in texts], dtype=np.float32)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_a_model_that_has_not_seen_the_row_tells_wrong_labels():
    rows, bad = places(200, 12)
    found = disagreements(rows, "label", embed)
    assert {s.row for s in found[:12]} == bad
    assert found[0].suggested != found[0].given
    assert found[0].suspicion > 0.9
    assert found[0].reasons[0].startswith(f"a model trained without this row is sure of {found[0].suggested} (")


def test_the_order_of_the_rows_does_not_change_what_the_model_finds():
    rows, _ = places(120, 8)
    assert disagreements(rows, "label", embed) == disagreements(rows[::-1], "label", embed)


def test_copies_of_a_wrong_label_do_not_vouch_for_each_other():
    rows, _ = places(200, 0)
    wrong = row("w", "south", "0.010000 east 1.000000")
    copies = [row(f"w{i}", "south", wrong.inputs["text"]) for i in range(8)]
    cluster = [row(f"k{i}", "west", f"-0.0{i} east -1.0", cluster="thread") for i in range(8)]
    found = {s.row: s for s in disagreements([*rows, wrong, *copies, *cluster], "label", embed)}
    assert {f"w{i}" for i in range(8)} | {"w"} | {f"k{i}" for i in range(8)} <= set(found)
    assert all(found[f"w{i}"].suggested == "north" for i in range(8))
    assert all(found[f"k{i}"].suggested == "south" for i in range(8))


def test_rare_labels_are_not_judged():
    rows, _ = places(60, 0)
    rare = [row(f"q{i}", "rare", f"0.{i} east 1.0") for i in range(1, 5)]
    assert not {s.row for s in disagreements([*rows, *rare], "label", embed)} & {r.id for r in rare}
    assert disagreements(labelled(a=3, b=9), "label", embed) == []


def test_what_several_checks_found_is_one_list():
    model = Suspect(row="1", field="label", given="a", suggested="b", suspicion=0.9, reasons=("model",))
    copy = Suspect(row="1", field="label", given="a", suggested="", suspicion=0.5, reasons=("copy",))
    other = Suspect(row="2", field="label", given="a", suggested="c", suspicion=0.95, reasons=("copy",))
    ranked = suspects([copy, other], [model])
    assert [(s.row, s.suspicion, s.suggested, s.reasons) for s in ranked] == [
        ("2", 0.95, "c", ("copy",)),
        ("1", 0.9, "b", ("copy", "model")),
    ]
    rows = [row("1", "a", "the text"), row("2", "a"), *labelled(x_y=1, X_Y=1)]
    report = label_report(rows, ranked, spelling_variants(rows, "label"))
    assert report.counts == {"suspects": 2, "spelling variants": 1}
    assert report.samples[1].texts == ("the text", "a → b: copy; model")
    assert report.samples[2].texts == ("X_Y", "x_y")
