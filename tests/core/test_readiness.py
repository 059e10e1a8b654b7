"""The checklist before a change: answered from outcomes where they tell, from declarations, or left open."""

from dataclasses import replace

import numpy as np
import pytest
from support.money import accounts, arm, wrong

from harness.core.costing import Arm
from harness.core.economics import Fixed, Readiness
from harness.core.gate import at_least, settle
from harness.core.outcomes import Outcomes
from harness.core.readiness import Basis, Subject, checks, named
from harness.core.records import Case, Decoding, Stage, Status, Strategy

N = 100
CASES = [
    Case(id=f"c{i:05d}", inputs={"text": "x"}, expected={"kind": ("rare" if i < 10 else "usual" if i < 60 else "b")})
    for i in range(N)
]
KEEP = np.ones(N, dtype=np.bool_)


def subject(one: Arm, *, trained=False, prompted=True, floor=None, **strategy):
    declared = {"name": one.name, "stage": Stage.CANDIDATE, "adapter": one.adapter, "prompt": "p.md", **strategy}
    target = None
    if floor is not None:
        right = (one.table.status[:, 0] == list(Status).index(Status.CORRECT)).astype(float)
        target = settle([at_least(Outcomes(values=right, case_ids=range(N)), floor)])[0]
    return Subject(strategy=Strategy(**declared), table=one.table, trained=trained, prompted=prompted, target=target)


def answers(*arms, pool=None, subjects=None, ceiling=None, **economics):
    found = accounts(*arms, **economics)
    known = subjects or {one.name: subject(one) for one in arms}
    return {check.key: check for check in checks(known, CASES, KEEP, found, pool or {}, ceiling=ceiling)}


@pytest.mark.parametrize(
    ("errors", "floor", "words", "basis"),
    [
        (1, 0.9, "No: `one` gets 99.0% right, at least 95.3%; 90% are asked. Training has to pay", Basis.MEASURED),
        (40, 0.9, "Yes: `one`, the best without training, gets 60.0% right, at most 68.2%; 90% are a", Basis.MEASURED),
        (8, 0.9, "Not settled: `one` gets 92.0% right; 90% are asked. ", Basis.OPEN),
        (8, None, "Not known: `one` gets 92.0% right, and no claim asks for an accuracy.", Basis.OPEN),
    ],
)
def test_whether_prompts_fall_short_is_their_verdict_on_the_floor(errors, floor, words, basis):
    one = wrong("one", range(errors), N)
    found = answers(one, subjects={"one": subject(one, floor=floor)})["target"]
    assert found.answer.startswith(words)
    assert found.basis is basis


def test_the_best_that_only_prompts_a_model_is_asked_about():
    rules, weak, good, tuned = (
        wrong(n, range(k), N) for n, k in [("rules", 0), ("weak", 50), ("good", 40), ("tuned", 0)]
    )
    subjects = {
        "rules": subject(rules, prompted=False),
        "weak": subject(weak),
        "good": subject(good),
        "tuned": subject(tuned, trained=True),
    }
    assert "`good`" in answers(rules, weak, good, tuned, subjects=subjects)["target"].answer
    only = {"rules": subject(rules, prompted=False)}
    assert answers(rules, subjects=only)["target"].basis is Basis.OPEN


def test_the_ceiling_of_prompting_is_told_where_it_is_known():
    one = wrong("one", range(40), N)
    assert "ceiling" not in answers(one)
    assert answers(one, ceiling="12 examples more gain nothing.")["ceiling"].answer == "12 examples more gain nothing."


@pytest.mark.parametrize(
    ("known", "words", "basis"),
    [
        (None, "declare `economics.readiness.knowledge_in_prompt` in task.yaml.", Basis.OPEN),
        (True, "No: what is needed to decide stands in the prompt. ", Basis.DECLARED),
        (False, "so retrieval comes first. ", Basis.DECLARED),
    ],
)
def test_errors_that_concentrate_in_labels_point_to_missing_knowledge(known, words, basis):
    found = answers(wrong("one", range(12), N), readiness=Readiness(knowledge_in_prompt=known))["knowledge"]
    assert words in found.answer
    assert found.basis is basis
    assert (
        "Of 12 answers of `one` that are not right, all are usable and wrong; 83.3% of the errors in `kind` are in 1 "
        "of 3 labels (`rare`), which are 10.0% of the cases." in found.answer
    )


def test_errors_everywhere_are_not_said_to_concentrate():
    assert "all are usable and wrong, spread over the labels." in answers(wrong("one", range(N), N))["knowledge"].answer


def test_a_format_problem_is_what_constrained_decoding_removes():
    invalid = [Status.INVALID] * 20 + [Status.WRONG] * 5 + [Status.CORRECT] * 75
    free = arm("free", [1.0] * 25 + [0.0] * 75, statuses=invalid)
    tight = wrong("tight", range(10), N)
    other = wrong("other", [], N)
    subjects = {
        "free": subject(free),
        "tight": subject(tight, decoding=Decoding.JSON_SCHEMA),
        "other": subject(other, decoding=Decoding.JSON_SCHEMA, prompt="other.md"),
    }
    found = answers(free, tight, other, subjects=subjects)["format"]
    assert found.answer == (
        "In part: 20 of 100 answers of `free` can't be used; constrained decoding (`tight`) leaves none, and 90.0% are "
        "right instead of 75.0%."
    )
    better = wrong("better", [0], N)
    assert (
        "`free`"
        in answers(better, free, tight, subjects={"better": subject(better, prompt="b.md"), **subjects})[
            "format"
        ].answer
    )
    alone = answers(free, subjects={"free": subject(free)})["format"].answer
    assert alone.endswith("The same with `decoding: json_schema` was not run.")
    assert answers(tight, subjects={"tight": subject(tight)})["format"].answer.startswith("No: all 100 answers")


def test_what_was_not_asked_counts_for_nothing():
    found = answers(wrong("one", range(8), N, missing=range(40, 60)))
    assert "`one` gets 90.0% right" in found["target"].answer
    assert "Of 8 answers of `one` that are not right" in found["knowledge"].answer
    assert found["format"].answer == "No: all 80 answers of `one` can be used."


def test_rare_labels_of_the_pool_are_named():
    pool = {"kind": {"usual": 300, "rare": 12, "b": 49}, "loud": {"true": 100, "false": 261}}
    assert answers(wrong("one", [0], N), pool=pool)["examples"].answer == (
        "The pool holds 361 labelled cases. Every label of `loud` has 50 or more. 2 of 3 labels of `kind` have fewer: "
        "`rare` 12, `b` 49."
    )
    assert answers(wrong("one", [0], N))["examples"].basis is Basis.OPEN


def test_whether_the_volume_pays_is_the_total_at_that_volume():
    prompt, tuned = wrong("prompt", range(40), N), wrong("tuned", range(5), N)
    subjects = {"prompt": subject(prompt), "tuned": subject(tuned, trained=True)}

    def at(fixed):
        declared = {"tuned": Fixed(hosting_per_month=fixed)}
        return answers(prompt, tuned, subjects=subjects, strategies=declared)["volume"]

    assert at(1000.0).answer.startswith(
        "Yes: at the declared 1,000 decisions a month `tuned` costs EUR 34,000 less than `prompt` (EUR 2"
    )
    assert "; it pays from 29 on (" in at(1000.0).answer
    assert at(90000.0).answer.startswith("No: ")
    assert (at(35000.0).answer[:12], at(35000.0).basis) == ("Not settled:", Basis.OPEN)
    assert answers(prompt)["volume"].basis is Basis.OPEN


def test_what_only_people_know_is_taken_from_them_or_asked():
    one = wrong("one", [0], N)
    asked = answers(one)
    assert [key for key, check in asked.items() if "economics.readiness." in check.answer] == [
        "knowledge",
        "stable",
        "retraining",
        "rollback",
    ]
    told = Readiness(categories_stable=False, retraining="Ann, each spring", rollback_minutes=90)
    found = answers(one, readiness=told)
    assert found["stable"].answer.startswith("No, as declared: ")
    assert found["retraining"].answer == "Ann, each spring"
    assert found["rollback"].answer == "No: it takes 90 minutes, as declared."
    quick = answers(one, readiness=replace(told, rollback_minutes=60, categories_stable=True))
    assert (quick["rollback"].answer[:3], quick["stable"].answer[:3]) == ("Yes", "Yes")


def test_a_hostile_name_stays_between_its_backticks():
    assert named("a`b|c\nd\u202e") == "`a'b¦c d`"
    assert named("") == "` `"
