"""Charts: the numbers that they show, the same bytes each time, and SVG that stands well in a page."""

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import matplotlib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_report import CASES, TASK, report, right, suite_report, table, wrong_below

from harness.core.economics import Economics, Fixed, Volume
from harness.core.metrics import members
from harness.core.records import Case, Failure, Response, Slice, Stage
from harness.core.statistics import tango_interval, wilson_interval
from harness.reporting.charts import rendering
from harness.reporting.charts.accuracy_cost import accuracy_cost, points, spread
from harness.reporting.charts.choosing import charts_of
from harness.reporting.charts.confusion import confusion_in_money, short
from harness.reporting.charts.palette import DARK, LIGHT, STAND_INS
from harness.reporting.charts.pictures import chart_files, write_pictures
from harness.reporting.charts.rendering import png, svg
from harness.reporting.charts.slice_changes import SHOWN, charts_of_changes, slice_changes
from harness.reporting.markdown import report_markdown
from harness.reporting.model import TrainedEpoch, TrainedWeights

NATURAL = members(CASES, None)
SVG = "{http://www.w3.org/2000/svg}"
CURVE = TrainedWeights(
    runs=("good",),
    training_cases=90,
    validation_cases=10,
    curve=[
        TrainedEpoch(number=n, training_loss=1 / n, validation_loss=2 / n if n < 3 else 0.9, exact=0.5)
        for n in (1, 2, 3)
    ],
    kept_epoch=2,
)


def changed(**changes):
    """A suite with every chart: a candidate that lost cases since the baseline, and a trained adapter."""
    runs = {"bad": table(wrong_below(30)), "good": table(wrong_below(2, "green_tea"))}
    return suite_report(runs, baseline=table(right), trained={"lora": CURVE}, **changes)


def texts(element):
    return ["".join(text.itertext()) for text in element.iter(f"{SVG}text")]


def drawn(chart):
    return ET.fromstring(svg(chart, "p"))


# ------------------------------------------------------------------------------------------------------- what they show


def test_every_chart_belongs_to_a_section_and_has_its_own_name():
    charts = list(charts_of(changed()))
    assert [chart.key for chart in charts] == [
        "strategies",
        "money",
        "calibration",
        "critical_slices",
        "critical_slices",
        "training",
    ]
    assert len({chart.name for chart in charts}) == len(charts)


def test_accuracy_and_cost_are_those_of_the_natural_holdout():
    suite = suite_report({"bad": table(wrong_below(10)), "good": table(right)})
    bad, good = points(suite, NATURAL)
    assert (bad.accuracy, bad.cost, bad.dominated) == (0.75, 1000, True)
    assert (bad.lower, bad.upper) == wilson_interval(30, 40, 0.95)
    assert (good.accuracy, good.cost, good.dominated) == (1.0, 0, False)
    assert good.stage is Stage.SHIPPED


def test_the_price_of_inference_is_in_the_cost_where_it_is_known():
    suite = suite_report({"bad": table(wrong_below(10)), "good": table(right)})
    priced = replace(suite, runs=suite.runs | {"good": replace(suite.runs["good"], usd_per_1000=2.5)})
    assert [point.cost for point in points(priced, NATURAL)] == [1000, 2.5]
    assert "of errors, and of inference where known" in accuracy_cost(priced, NATURAL).words
    assert "Cost per 1,000 decisions of errors." in accuracy_cost(suite, NATURAL).words


def test_declared_economics_are_in_the_cost():
    economics = Economics(
        currency="EUR",
        volume=Volume(number=1000, per="month"),
        errors="costs",
        currency_per_usd=1.0,
        strategies={"good": Fixed(hosting_per_month=70)},
    )
    suite = suite_report({"bad": table(wrong_below(10)), "good": table(right)}, economics=economics)
    assert [point.cost for point in points(suite, NATURAL)] == pytest.approx([1000, 70])
    assert "in EUR: inference, errors, correction and fixed" in accuracy_cost(suite, NATURAL).words


def test_neither_of_two_alike_strategies_is_beaten():
    suite = suite_report({"one": table(right), "two": table(right)})
    assert [point.dominated for point in points(suite, NATURAL)] == [False, False]


def test_a_strategy_without_an_answer_has_no_point():
    assert accuracy_cost(suite_report({"none": table(None)}), NATURAL) is None


def test_the_words_of_accuracy_and_cost_name_every_strategy_in_order():
    suite = suite_report({"bad": table(wrong_below(10)), "good": table(right)})
    words = accuracy_cost(suite, NATURAL).words
    assert (
        "bad (candidate): 75.0% (59.8% to 85.8%), cost 1,000, beaten in both by another; good (shipped): 100" in words
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=15).map(sorted))
def test_labels_keep_their_order_and_their_distance(wanted):
    places = spread(wanted, 0, 1, 0.06)
    assert all(above - below >= 0.06 - 1e-9 for below, above in pairwise(places))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in places)


def test_confusion_in_money_tells_each_cell_dearest_first():
    chart = confusion_in_money(suite_report({"bad": table(wrong_below(10))}), "bad", NATURAL)
    assert chart.title == "What wrong answers for kind cost, by bad"
    assert chart.words.endswith(
        "40 in all. Dearest first: green_tea answered as red_wine: 20 in 5; hot_soup answered as red_wine: 20 in 5."
    )
    shown = texts(drawn(chart))
    assert shown == ["red_wine", "green_tea", "hot_soup", "20", "20", "right ↓  answered →"]


def test_answers_that_can_not_be_used_have_a_column():
    def answer(case):
        return Response(text="?") if case.id == "c01" else right(case)

    chart = confusion_in_money(suite_report({"one": table(answer)}), "one", NATURAL)
    assert texts(drawn(chart))[:3] == ["no usable answer", "hot_soup", "25"]


def test_many_labels_are_grouped():
    cases = [
        Case(id=f"c{i:03d}", inputs={"text": "t"}, expected={"kind": f"k{i % 30}", "loud": False}) for i in range(120)
    ]

    def answer(case):
        number = int(str(case.expected["kind"])[1:])
        return Response(text=f'{{"kind": "k{(number + 1) % 30}", "loud": false}}')

    suite = suite_report({"off": table(answer, cases)}, cases=cases)
    chart = confusion_in_money(suite, "off", members(cases, None))
    assert "480 in all" in chart.words
    assert texts(drawn(chart)).count("other labels") == 2
    assert len([text for text in texts(drawn(chart)) if text.startswith("k")]) == 24


def test_there_is_no_confusion_where_none_costs_anything():
    assert confusion_in_money(suite_report({"good": table(right)}), "good", NATURAL) is None


def test_the_change_of_a_slice_has_the_bounds_of_a_paired_comparison():
    charts = {chart.title: chart.words for chart in charts_of_changes(changed())}
    by_name = {one.name: one for one in slice_changes(changed(), "bad")}
    loud = by_name["loud_ones"]
    assert (loud.n, loud.lost, loud.gained, loud.critical) == (11, 8, 0, True)
    assert loud.change == pytest.approx(-8 / 11)
    assert (loud.lower, loud.upper) == pytest.approx(tango_interval(8, 0, 11, 0.95))
    words = charts["Change of accuracy on each slice since the baseline, bad"]
    assert "loud_ones (critical): -72.7 (-90.3 to -28.0), lost 8, gained 0 of 11" in words


def test_critical_slices_come_first_then_those_that_changed_most():
    names = [one.name for one in slice_changes(changed(), "bad")]
    assert names == ["loud_ones", "marked"]


def test_slices_that_changed_least_are_left_out_and_counted():
    cases = [replace(case, tags=tuple(f"t{n}" for n in range(40) if (n + i) % 3)) for i, case in enumerate(CASES)]
    task = replace(TASK, slices=tuple(Slice(name=f"s{n}", tag=f"t{n}") for n in range(40)))
    suite = suite_report({"bad": table(wrong_below(30), cases)}, cases=cases, task=task, baseline=table(right, cases))
    (chart,) = charts_of_changes(suite)
    assert f"{40 - SHOWN} slices that changed least are left out." in chart.words
    assert chart.key == "other_slices"
    assert sum(text.startswith("s") for text in texts(drawn(chart))) == SHOWN


def test_nothing_changed_and_references_have_no_chart_of_changes():
    same = suite_report({"good": table(right)}, baseline=table(right))
    assert list(charts_of_changes(same)) == []
    reference = {"bad": {"stage": Stage.REFERENCE}}
    suite = suite_report({"bad": table(wrong_below(9))}, baseline=table(right), strategies=reference)
    assert list(charts_of_changes(suite)) == []
    assert list(charts_of_changes(suite_report({"bad": table(wrong_below(9))}))) == []


def test_cases_that_the_baseline_does_not_know_do_not_count_as_changed():
    known = table(lambda case: right(case) if int(case.id[1:]) < 20 else Failure(kind="x", message="x"))
    known.status[20:] = -1
    suite = suite_report({"bad": table(wrong_below(30))}, baseline=known)
    assert {one.name: one.n for one in slice_changes(suite, "bad")} == {"loud_ones": 5, "marked": 3}


def test_training_curves_tell_every_epoch_and_the_kept_one():
    chart = list(charts_of(changed()))[-1]
    assert "Epoch 2 was kept. epoch 1: training 1.000, validation 2.000; epoch 2: training 0.500" in chart.words
    assert {"training", "validation", "epoch", "loss"} <= {text.strip() for text in texts(drawn(chart))}


@pytest.mark.parametrize(("cost", "told"), [(0.5, "0.5"), (7, "7"), (940, "940"), (12_500, "12.5k"), (3.1e6, "3.1M")])
def test_amounts_in_cells_are_short(cost, told):
    assert short(cost) == told


# ------------------------------------------------------------------------------------------------------ how they look


def test_the_same_chart_gives_the_same_bytes():
    for one, two in zip(charts_of(changed()), charts_of(changed()), strict=True):
        assert svg(one, "a") == svg(two, "a")
    chart = next(charts_of(changed()))
    assert png(chart) == png(chart)
    assert png(chart).startswith(b"\x89PNG")


def test_a_chart_has_a_name_and_words_for_screen_readers_and_its_text_as_text():
    for chart in charts_of(changed()):
        element = drawn(chart)
        assert element.get("role") == "img"
        assert element.find(f"{SVG}title").text == chart.title
        assert element.find(f"{SVG}desc").text == chart.words
        assert element.get("aria-labelledby") == element.find(f"{SVG}title").get("id")
        assert texts(element)


def test_colours_are_those_of_the_page_and_nothing_else_is_coloured():
    assert LIGHT.keys() == DARK.keys() == STAND_INS.keys()
    for chart in charts_of(changed()):
        text = svg(chart, "p")
        assert "var(--chart-ink)" in text or "var(--chart-muted)" in text
        assert set(re.findall(r"#[0-9a-f]{6}", text)) == set()


def test_ids_are_unique_in_a_page_and_lead_somewhere():
    pages = "".join(svg(chart, f"c{n}") for n, chart in enumerate(charts_of(changed())))
    ids = re.findall(r' id="([^"]*)"', pages)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', pages)) | set(re.findall(r"url\(#([^)]*)\)", pages)) <= set(ids)
    assert "<style" not in pages
    assert "<metadata" not in pages


def test_hostile_labels_are_text():
    nasty = '"><script>alert(1)</script>$\\frac{1}{0}$'
    cases = [Case(id=f"c{i:02d}", inputs={"text": "t"}, expected={"kind": "tea", "loud": False}) for i in range(40)]

    def answer(case):
        return Response(text=json.dumps({"kind": nasty + "\u202e", "loud": False}))

    suite = suite_report({"<b>$x": table(answer, cases)}, cases=cases)
    for chart in charts_of(suite):
        text = svg(chart, "p")
        assert "<script" not in text
        assert "<b>" not in text
        ET.fromstring(text)


def test_settings_of_the_project_neither_matter_nor_change():
    with matplotlib.rc_context({"font.size": 40, "axes.grid": True, "text.usetex": True}):
        changed_before = dict(matplotlib.rcParams)
        one = svg(next(charts_of(changed())), "p")
        assert dict(matplotlib.rcParams) == changed_before
    assert one == svg(next(charts_of(changed())), "p")


# --------------------------------------------------------------------------------------------------------- as PNG files


def test_markdown_links_to_pictures_under_their_headings(tmp_path):
    made = report(changed())
    pictures = chart_files(made)
    write_pictures(tmp_path, pictures)
    text = report_markdown(made, pictures)
    linked = re.findall(r"^!\[.*\]\((.*)\)$", text, re.MULTILINE)
    assert len(linked) == 6
    assert sorted(linked) == sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png"))
    assert (
        "### Strategies\n\n![Accuracy against cost per 1,000 decisions](charts/kitchen-accuracy-and-cost.png)\n" in text
    )
    assert "![" not in report_markdown(made)


def test_names_of_runs_that_are_no_file_names_stay_apart():
    runs = {"a/b": table(wrong_below(9)), "a b": table(wrong_below(9))}
    pictures = chart_files(report(suite_report(runs, baseline=table(right))))
    names = [picture.path for picture in pictures["kitchen", "critical_slices"]]
    assert len(set(names)) == 2
    assert all(re.fullmatch(r"charts/[\w-]+\.png", name) for name in names)


def test_without_matplotlib_there_are_no_pictures(monkeypatch):
    monkeypatch.setattr("harness.reporting.charts.pictures.can_draw", lambda: False)
    assert chart_files(report(changed())) == {}
    assert rendering.INSTALL == "pip install 'holdfast[charts]'"
