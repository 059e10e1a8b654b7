"""Stability has one place on the page."""

from support.small_report import repeated, report, right, suite_report, table, wrong_below

from harness.reporting.markdown import report_markdown


def page(**runs):
    return report_markdown(report(suite_report(runs)))


def test_several_answers_to_each_case_stand_under_stability():
    text = page(one=repeated([wrong_below(3), right]))
    assert "### Stability\n\n#### Consistency\n\n| " in text
    assert "asked once" not in text


def test_that_nothing_is_known_is_said_once():
    text = page(one=table(right))
    assert text.count("### Stability\n\nEach case was asked once") == 1
    assert "`pytest suites/ --gate-repeats 3`" in text
