"""A report of 12 strategies and 40 slices can be read, in a browser too: every omission is said in words."""

import json
import re

import pytest
from support.wide_report import SLICES, STRATEGIES, wide_report

from harness.reporting.comment import LIMIT, comment_markdown
from harness.reporting.files import verdicts_json
from harness.reporting.markdown import report_markdown
from harness.reporting.summary import summary_lines


@pytest.fixture(scope="module", params=[3, 20], ids=["much is wrong", "little is wrong"])
def wide(request):
    return wide_report(worst=request.param)


def test_the_report_stays_under_60_kb_and_the_comment_under_githubs_limit(wide):
    assert len(report_markdown(wide).encode()) < 60_000
    assert len(comment_markdown(wide).encode()) <= LIMIT


def test_claims_that_are_not_met_come_first_and_the_others_are_counted_by_strategy(wide):
    text = report_markdown(wide)
    claims = text.partition("### Claims\n")[2].partition("\n##")[0]
    rows = [line.split("|") for line in claims.splitlines() if line.startswith("| `")]
    assert 0 < len(rows) <= 25
    assert {row[4].strip() for row in rows} <= {"FAIL", "INCONCLUSIVE"}
    told = "".join(line for line in claims.splitlines() if not line.startswith("|"))
    more = sum(int(n) for n in re.findall(r"` (\d+)", told))
    judged = [claim for claim in wide.suites[0].claims if claim.measure.run != "base"]
    assert len(rows) + more == len(judged) == STRATEGIES * (SLICES + 3)
    assert "`verdicts.json`" in claims


def test_every_claim_is_in_verdicts_json(wide):
    (suite,) = json.loads(verdicts_json(wide))["suites"]
    assert len(suite["claims"]) == STRATEGIES * (SLICES + 3)


def test_what_the_cases_can_tell_is_about_all_cases_first(wide):
    text = report_markdown(wide)
    part = text.partition("### What these cases can tell\n")[2].partition("\n##")[0]
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    assert len(rows) == 25
    assert not any("slice_of" in row for row in rows)
    assert f"The other {STRATEGIES * (SLICES + 3) - 25} claims" in part


def test_no_table_has_more_than_six_strategies_side_by_side(wide):
    text = report_markdown(wide)
    heads = re.findall(r"^\| slice .*$", text, re.M)
    assert len(heads) == 6
    assert max(head.count("`") // 2 for head in heads) == 6
    assert sum(head.count("`few_shot") for head in heads) == 2 * STRATEGIES


def test_cases_that_are_not_shown_are_counted():
    text = report_markdown(wide_report())
    assert re.search(r"- lost by `few_shot_with_reasoning_0`: \d+ more, in `outcomes.jsonl`", text)
    assert re.search(r"- \d+ more claims that block, in `verdicts.json`: `few_shot_with_reasoning_\d+` \d+", text)


def test_the_terminal_is_not_flooded(wide):
    lines = summary_lines(wide)
    assert len(lines) < 60
    assert all(len(line) <= 100 for line in lines)
