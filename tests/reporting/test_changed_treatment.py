"""What was done since the baseline was accepted, as a reviewer reads it."""

import json
from dataclasses import replace

from markdown_it import MarkdownIt
from support.small_report import report, right, suite_report, table, wrong_below

from harness.core.records import Stage
from harness.core.treatment import Treatment
from harness.reporting.files import verdicts_json
from harness.reporting.markdown import report_markdown
from harness.reporting.model import AcceptedRun

BEFORE = Treatment(prompt="Answer in one word.\nBe kind.", examples=("p1",), schema="s", model={"name": "m-1"})
NOW = replace(BEFORE, prompt="Answer in one word.\nBe brief.\n```\n<script>alert(1)</script>", model={"name": "m-2"})


def suite(treatments, *, accepted=BEFORE, **changes):
    """Runs that answer right, with these treatments, beside a baseline with two cases wrong."""
    made = suite_report({name: table(right) for name in treatments}, **({"baseline": table(wrong_below(2))} | changes))
    runs = {name: replace(run, treatment=treatments[name]) for name, run in made.runs.items()}
    about = AcceptedRun(
        strategy="mine", reason="Because <it> is good", date="2026-01-02", revision="abc", treatment=accepted
    )
    return replace(made, runs=runs, accepted=about)


def section(made):
    text = report_markdown(report(made))
    return text.split("### Changed since the baseline\n")[1].split("\n### ")[0]


def test_the_baseline_is_named_with_its_reason_and_each_kind_of_change_with_its_detail():
    text = section(suite({"mine": NOW}))
    assert "The baseline is `mine` as accepted on 2026\\-01\\-02 at `abc`: Because &lt;it&gt; is good." in text
    assert "| `mine`     | prompt, model      | 0      | 2" in text
    assert "- **prompt**: 3 lines added, 1 removed" in text
    assert "- **model**: name m\\-1 → m\\-2" in text


def test_the_difference_of_the_prompt_is_a_block_that_the_prompt_cannot_end():
    blocks = [t for t in MarkdownIt("commonmark").parse(section(suite({"mine": NOW}))) if t.type == "fence"]
    (block,) = blocks
    assert block.info == "diff"
    assert block.content.splitlines()[1:] == [
        " Answer in one word.",
        "-Be kind.",
        "+Be brief.",
        "+```",
        "+<script>alert(1)</script>",
    ]


def test_runs_that_were_changed_alike_are_told_together_and_unchanged_ones_not_at_all():
    text = section(suite({"one": NOW, "two": NOW, "same": BEFORE}))
    assert text.count("What was changed in ") == 1
    assert "What was changed in `one`, `two`:" in text
    assert "| `same`     | nothing" in text


def test_a_long_difference_is_cut_and_says_so():
    long = replace(BEFORE, prompt="\n".join(f"line {i}" for i in range(100)))
    assert "43 more lines of the difference are left out." in section(suite({"mine": long}))


def test_a_baseline_without_its_treatment_says_so():
    text = section(suite({"mine": NOW}, accepted=None))
    assert "It was accepted before prompts and settings were kept with it." in text
    assert "| `mine`     | not known" in text


def test_what_was_changed_is_told_where_the_answers_cannot_be_compared_too():
    text = section(suite({"mine": NOW}, baseline=None))
    assert "can't be compared" in text
    assert "- **model**: name m\\-1 → m\\-2" in text


def test_references_are_not_told():
    made = suite({"other": NOW, "mine": BEFORE})
    other = made.runs["other"]
    runs = {**made.runs, "other": replace(other, strategy=replace(other.strategy, stage=Stage.REFERENCE))}
    assert "other" not in section(replace(made, runs=runs))


def test_verdicts_say_what_was_changed_and_hold_the_treatment():
    (found,) = json.loads(verdicts_json(report(suite({"mine": NOW}))))["suites"]
    assert found["runs"]["mine"]["changed"] == {"prompt": "3 lines added, 1 removed", "model": "name m-1 → m-2"}
    assert found["runs"]["mine"]["treatment"]["prompt"] == NOW.prompt
