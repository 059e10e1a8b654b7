"""report.html in Chromium: it is still, can be searched, filtered and opened, and hostile text does nothing in it."""

import pytest
from support.browser import launched, opened
from support.hostile import TEXTS, hostile_report
from support.small_report import CASES, at_least, no_worse, report, right, suite_report, table, wrong_below

from harness.core.records import Case, Response
from harness.reporting.html.page import report_html

LINKS = "#rows tbody a"
FOCUSED = "document.activeElement.textContent"


def answer(case):
    """Wrong in the first 30 cases, and unusable in the very first."""
    return Response(text="Sure! It is tea.") if case.id == "c00" else wrong_below(30)(case)


@pytest.fixture(scope="module")
def browser():
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def file(folder):
    runs = {"base": table(wrong_below(6, "green_tea")), "bad": table(answer), "good": table(right)}
    claims = [at_least("bad", 0.8), no_worse("bad", 0.1), at_least("good", 0.8)]
    kitchen = suite_report(runs, claims, baseline=table(wrong_below(2)))
    cases = [Case(id=f"d{n:03d}", inputs={"text": f"dish {n}"}, expected=CASES[n % 40].expected) for n in range(120)]
    pantry = suite_report({"cook": table(right, cases)}, cases=cases, name="pantry")
    path = folder / "report.html"
    path.write_text(report_html(report(kitchen, pantry)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def hostile(folder):
    path = folder / "hostile.html"
    path.write_text(report_html(hostile_report()), encoding="utf-8")
    return path


def show(page, case):
    page.evaluate(f"location.hash = '#case=kitchen/{case}'")
    page.wait_for_function("id => document.getElementById('detail-h')?.textContent === 'Case ' + id", arg=case)


def ids(seen):
    return [link.inner_text() for link in seen.page.query_selector_all(LINKS)]


# ---------------------------------------------------------------------------------------------------------- it is still


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_nothing_is_asked_of_a_network_nothing_complains_and_nothing_sticks_out(browser, file, scheme, width):
    with opened(browser, file, scheme=scheme, width=width) as seen:
        assert seen.text("#found") == "44 cases"
        assert seen.requests == []
        assert seen.complaints == []
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_decision_is_read_first(browser, file):
    with opened(browser, file) as seen:
        assert "✗ BLOCKED 2 claims not met." in seen.text(".banner")
        assert seen.page.query_selector(".banner p strong").bounding_box()["y"] < 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_banner_charts_and_cases_can_be_read_in_both_schemes(browser, file, scheme):
    with opened(browser, file, scheme=scheme, at="#case=kitchen/c00") as seen:
        for selector in (".banner p, .banner li, .banner a, .banner .badge", ".chart svg text", "#rows th, #rows span"):
            found = seen.contrast(selector)
            assert found
            assert min(found) >= 4.5
        assert min(seen.contrast("#detail td, #detail th, #detail pre, nav a, td, .note, .legend span")) >= 4.5


# --------------------------------------------------------------------------------------------------- filters and search


def test_cases_are_filtered_by_strategy_status_slice_and_flip(browser, file):
    with opened(browser, file) as seen:
        page = seen.page
        page.select_option("#f-status", "bad")
        assert seen.text("#found") == "30 of 44 cases"
        page.select_option("#f-strategy", "good")
        assert seen.text("#found") == "0 of 44 cases"
        page.select_option("#f-strategy", "base")
        assert ids(seen) == ["c01", "c03", "c05"]
        assert [cell.inner_text() for cell in page.query_selector_all("#rows tbody td.number")] == ["4"] * 3
        page.select_option("#f-status", "")
        page.select_option("#f-strategy", "bad")
        page.select_option("#f-flip", "broken")
        assert seen.text("#found") == "28 of 44 cases"
        page.select_option("#f-flip", "fixed")
        page.select_option("#f-strategy", "")
        assert ids(seen) == ["c00", "c01"]
        page.select_option("#f-slice", "loud_ones")
        assert ids(seen) == ["c00"]
        assert page.evaluate("location.hash") == "#cases?suite=0&flip=fixed&slice=loud_ones"
        page.click("text=Clear")
        assert seen.text("#found") == "44 cases"


def test_status_and_flip_are_of_the_same_strategy(browser, file):
    """Case c00 is fixed by `good`, and unusable for `bad`."""
    with opened(browser, file) as seen:
        seen.page.select_option("#f-flip", "fixed")
        seen.page.select_option("#f-status", "i")
        assert ids(seen) == []
        seen.page.select_option("#f-flip", "")
        assert ids(seen) == ["c00"]


def test_search_finds_ids_inputs_answers_and_raw_text(browser, file):
    with opened(browser, file) as seen:
        for words, count in (("c07", 1), ("case 12", 1), ("red_wine", 29), ("sure! it", 1), ("nothing like it", 0)):
            seen.page.fill("#f-q", words)
            seen.page.wait_for_function("n => document.querySelectorAll('#rows tbody tr').length === n", arg=count)


def test_cases_come_in_pages_and_dearest_first_where_wanted(browser, file):
    with opened(browser, file) as seen:
        page = seen.page
        page.select_option("#f-suite", "1")
        assert seen.text("#found") == "120 cases"
        assert (len(ids(seen)), seen.text("#where")) == (50, "page 1 of 3")
        page.click("#on")
        assert ids(seen)[0] == "d050"
        page.select_option("#f-suite", "0")
        page.select_option("#f-order", "cost")
        assert ids(seen)[:2] == ["c00", "c01"]


# ------------------------------------------------------------------------------------------------------------- one case


def test_a_case_opens_to_input_expected_answers_and_before(browser, file):
    with opened(browser, file) as seen:
        seen.page.click("text=c02")
        rows = [row.inner_text().split("\t") for row in seen.page.query_selector_all("#detail tbody tr")]
        assert [cell.strip() for cell in rows[0][:4]] == ["expected", "", "green_tea", "false"]
        assert [row[0].strip() for row in rows[1:]] == ["baseline (before)", "base", "bad ▼ broken", "good"]
        assert rows[3][1].strip() == "✗ wrong"
        assert rows[3][2].split() == ["✗", "wrong:", "red_wine"]
        assert rows[3][4].strip() == "4"
        assert seen.page.inner_text("#detail pre") == "text of case 2"
        assert seen.page.evaluate("location.hash") == "#case=kitchen/c02"


def test_an_answer_that_can_not_be_used_shows_why_and_what_it_was(browser, file):
    with opened(browser, file, at="#case=kitchen/c00") as seen:
        assert "bad: not usable\nnot json\nSure! It is tea." in seen.text("#detail").replace("\n\n", "\n")


def test_links_lead_to_a_case_of_any_suite_and_to_a_list(browser, file):
    with opened(browser, file, at="#case=pantry/d100") as seen:
        assert seen.text("#detail-h") == "Case d100"
        assert seen.page.input_value("#f-suite") == "1"
        assert seen.text("#where") == "page 3 of 3"
        show(seen.page, "c05")
        assert seen.text("#found") == "44 cases"
        seen.page.click(".banner >> text=the cases that it lost")
        seen.page.wait_for_function("() => document.getElementById('f-flip').value === 'broken'")
        assert seen.page.input_value("#f-suite") == "0"
        assert seen.text("#found") == "28 of 44 cases"
        seen.page.click(".banner >> text=c02")
        seen.page.wait_for_function("() => document.getElementById('detail-h').textContent === 'Case c02'")
        assert seen.text("#detail-h") == "Case c02"
    with opened(browser, file, at="#case=kitchen/gone") as seen:
        assert seen.text("#found") == "There is no case gone on this page."


# ----------------------------------------------------------------------------------------------------------------- keys


def test_everything_can_be_done_with_keys(browser, file):
    with opened(browser, file) as seen:
        page, press = seen.page, seen.page.keyboard.press
        press("/")
        assert page.evaluate("document.activeElement.id") == "f-q"
        page.keyboard.type("text")
        press("Escape")
        press("j")
        assert page.evaluate(FOCUSED) == "c00"
        press("j")
        press("ArrowDown")
        press("k")
        assert page.evaluate(FOCUSED) == "c01"
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        press("Enter")
        assert seen.text("#detail-h") == "Case c01"
        press("j")
        assert seen.text("#detail-h") == "Case c02"
        press("Escape")
        assert not page.is_visible("#detail")
        assert page.evaluate(FOCUSED) == "c02"
        press("?")
        assert page.is_visible("#help")
        press("Escape")
        assert not page.is_visible("#help")


def test_keys_turn_pages(browser, file):
    with opened(browser, file, at="#cases?suite=pantry") as seen:
        seen.page.keyboard.press("]")
        assert seen.page.evaluate(FOCUSED) == "d050"
        seen.page.keyboard.press("k")
        assert seen.page.evaluate(FOCUSED) == "d049"
        seen.page.keyboard.press("j")
        assert seen.text("#where") == "page 2 of 3"


def test_keys_that_are_typed_are_text(browser, file):
    with opened(browser, file) as seen:
        seen.page.focus("#f-q")
        seen.page.keyboard.type("j?k/")
        assert seen.page.input_value("#f-q") == "j?k/"
        assert not seen.page.is_visible("#help")


# -------------------------------------------------------------------------------------------------------------- hostile


def test_hostile_text_does_nothing_and_shows_as_text(browser, hostile):
    with opened(browser, hostile) as seen:
        page = seen.page
        for number in range(2 * len(TEXTS)):
            show(page, f"h{number}")
        page.fill("#f-q", "<script>")
        page.wait_for_function("() => document.getElementById('found').textContent.includes(' of ')")
        assert page.evaluate("window.__hacked") is None
        assert seen.requests == []
        assert seen.complaints == []
        assert page.evaluate("document.scripts.length") == 2
        assert page.query_selector_all("img, base, iframe, object, #detail script, #rows script, main b") == []
        show(page, "h0")
        assert page.inner_text("#detail pre") == TEXTS[0]
        assert page.evaluate("document.documentElement.scrollWidth") <= 1400


# ---------------------------------------------------------------------------------------------------------------- print


def test_on_paper_the_sections_stay_and_the_explorer_goes(browser, file):
    with opened(browser, file, scheme="dark") as seen:
        seen.page.emulate_media(media="print")
        assert seen.page.is_visible("#kitchen-claims")
        assert not seen.page.is_visible("#explorer")
        assert not seen.page.is_visible("nav")
        assert "can be filtered and opened in report.html" in seen.text("#cases")
        assert min(seen.contrast(".banner p, .chart svg text, td")) >= 4.5
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
