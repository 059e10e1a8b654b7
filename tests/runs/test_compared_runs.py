"""`harness compare`: what a stored run tells is read back whole, and two of them are held against each other."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from support.small_report import (
    CASES,
    TASK,
    at_least,
    repeated,
    report,
    right,
    suite_report,
    table,
    wrong_below,
)

from harness.cli import main
from harness.core.records import Failure, Response, Stage
from harness.core.treatment import Treatment
from harness.fixtures_io.suites import Project
from harness.runs.reports import write_report
from harness.runs.stored_runs import NOT_HERE, read_run


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def store(folder, runs, *, cases=CASES, suite="kitchen", treatments=None, **changes):
    """The report folder of a run."""
    made = suite_report(runs, [at_least(name, 0.5, role="report") for name in runs], cases=cases, name=suite, **changes)
    treated = {name: replace(run, treatment=(treatments or {}).get(name)) for name, run in made.runs.items()}
    write_report(report(replace(made, runs=treated)), folder)


def treatment(prompt, **changes):
    values = {"examples": (), "schema": "s", "model": {"driver": "python", "name": "m", "source": "ab"}}
    return Treatment(prompt=prompt, **values | {"settings": {"parse": "strict", "decoding": "free"}} | changes)


def compared(tmp_path, *options):
    status = main(["compare", "a", "b", *options])
    folder = tmp_path / "reports/compare"
    verdicts = json.loads((folder / "verdicts.json").read_text()) if folder.exists() else {}
    return status, verdicts, (folder / "report.md").read_text() if folder.exists() else ""


# ------------------------------------------------------------------------------------------------------ a stored run


def odd(case):
    """Every way in which an answer can end."""
    ends = {
        "c00": Response(text="no idea", latency_s=0.5),
        "c01": Failure(kind="timeout", message="no answer within 1 s"),
        "c02": Response(text='{"kind": "red_wine", "loud": false}', latency_s=0.25),
        "c03": Response(text='{"kind": "hot_soup"}', latency_s=0.25),
    }
    return ends.get(case.id, right(case))


def test_a_stored_run_is_read_back_as_it_was(tmp_path):
    cases = [replace(case, cluster=f"group {i % 7}" if i % 2 else None) for i, case in enumerate(CASES)]
    runs = {
        "odd": table(odd, cases, review_below=0.5),
        "gone": table(None, cases),
        "many": repeated([right, odd], cases),
    }
    store(tmp_path / "a", runs, cases=cases, strategies={"odd": {"stage": Stage.REFERENCE}})
    suite = read_run(tmp_path / "a", Project(root=tmp_path))["kitchen"]
    stored = list(suite.cases.values())
    for before, case in zip(cases, stored, strict=True):
        assert (case.id, case.expected, case.cluster, case.supplement) == (
            before.id,
            before.expected,
            before.cluster,
            before.supplement,
        )
        assert case.inputs == {"text": NOT_HERE}
        for one, other in zip(TASK.slices, suite.task.slices, strict=True):
            assert (one.name, one.critical) == (other.name, other.critical)
            assert one.contains(before) is other.contains(case)
    for name, before in runs.items():
        now = suite.run(name, name=name, stage=Stage.CANDIDATE, cases=stored).table
        for part in ("status", "valid", "answers", "problems", "texts"):
            np.testing.assert_array_equal(getattr(now, part), getattr(before, part), err_msg=part)
        for part in ("cost", "latency_s", "input_tokens", "output_tokens", "confidence"):
            np.testing.assert_array_equal(getattr(now, part), getattr(before, part), err_msg=part)
        for field, values in before.fields.items():
            np.testing.assert_array_equal(now.fields[field], values)
        assert (now.case_ids, now.clusters, now.largest_cost) == (before.case_ids, before.clusters, before.largest_cost)


@pytest.mark.parametrize("known", [{}, {"one": {"treatment": {"prompt": "x"}}}])
def test_a_run_that_lacks_what_is_known_of_a_strategy_is_refused(tmp_path, capsys, known):
    for folder in ("a", "b"):
        store(tmp_path / folder, {"one": table(right)})
    file = tmp_path / "b" / "verdicts.json"
    content = json.loads(file.read_text())
    (suite,) = content["suites"]
    suite["runs"] = {run: suite["runs"][run] | change for run, change in known.items()} or {"other": {}}
    file.write_text(json.dumps(content))
    assert main(["compare", "a", "b"]) == 2
    assert "b is no stored run that can be read back (KeyError" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["verdicts.json", "outcomes.jsonl"])
def test_a_folder_that_is_no_stored_run_is_named_with_what_makes_one(tmp_path, capsys, name):
    for folder in ("a", "b"):
        store(tmp_path / folder, {"one": table(right)})
    (tmp_path / "b" / name).write_text('{"suite": 1}\n')
    assert main(["compare", "a", "b"]) == 2
    assert "b is no stored run that can be read back" in (told := capsys.readouterr().err)
    assert "as `pytest suites/ --gate-report b` writes it" in told
    (tmp_path / "b" / name).unlink()
    assert main(["compare", "a", "b"]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_texts_are_those_of_the_fixture_where_it_is_the_same_holdout(tmp_path, project_of_the_run):
    suite = read_run(tmp_path / "mine/reports/latest", Project(root=tmp_path / "mine"))["orders"]
    assert all(NOT_HERE not in case.inputs.values() for case in suite.cases.values())
    assert suite.task.costs.fields
    holdout = tmp_path / "mine/fixtures/orders/holdout.jsonl"
    holdout.write_text(holdout.read_text().replace("order", "Order"))
    suite = read_run(tmp_path / "mine/reports/latest", Project(root=tmp_path / "mine"))["orders"]
    assert all(NOT_HERE in case.inputs.values() for case in suite.cases.values())


@pytest.fixture
def project_of_the_run(tmp_path):
    """A project made by `harness init`, with a report of it that was really run."""
    import os
    import subprocess
    import sys
    from pathlib import Path

    assert main(["init", "mine", "--task", "extraction"]) == 0
    command = [sys.executable, "-m", "pytest", "suites/", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run(command, cwd=tmp_path / "mine", env=environment, check=False).returncode == 0


# ------------------------------------------------------------------------------------------------------- comparisons


def test_a_real_loss_is_told_and_decides_nothing_without_a_margin(tmp_path, capsys):
    store(tmp_path / "a", {"one": table(right)}, treatments={"one": treatment("Name the drink.")})
    store(tmp_path / "b", {"one": table(wrong_below(12))}, treatments={"one": treatment("Name it.")})
    status, verdicts, page = compared(tmp_path)
    assert status == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == verdicts["decision"]
    assert told[0] == "B beside A, 1 strategy: 0 better, 1 worse, 0 without a difference that these cases show."
    assert told[1].startswith("kitchen: one: accuracy -30.0 (-")
    assert "lost 12, gained 0 of 40: FAIL; worse on marked" not in told[1]
    assert told[-1] == "report: reports/compare/report.md"
    (overall, *_) = verdicts["suites"][0]["claims"]
    assert (overall["status"], overall["role"], overall["losses"], overall["gains"]) == ("FAIL", "report", 12, 0)
    assert overall["p"] == pytest.approx(0.5**12)
    assert "| all cases" in page
    assert "**prompt**: 1 line added, 1 removed" in page
    assert "-Name the drink.\n+Name it." in page
    assert "- lost by `one (B)`: `c00`" in page
    assert "Profile" not in page


def test_the_bounds_are_tangos(tmp_path):
    from harness.core.statistics import tango_interval

    store(tmp_path / "a", {"one": table(wrong_below(2))})
    store(tmp_path / "b", {"one": table(wrong_below(5))})
    _, verdicts, _ = compared(tmp_path)
    overall = verdicts["suites"][0]["claims"][0]
    assert (overall["lower"], overall["upper"]) == pytest.approx(tango_interval(3, 0, 40, 0.90))


def test_a_gain_is_told(tmp_path, capsys):
    store(tmp_path / "a", {"one": table(wrong_below(12))})
    store(tmp_path / "b", {"one": table(right)})
    status, verdicts, page = compared(tmp_path)
    assert status == 0
    assert capsys.readouterr().out.startswith("B beside A, 1 strategy: 1 better, 0 worse, 0 without")
    assert verdicts["suites"][0]["claims"][0]["sentence"] == "lost 0 cases, gained 12 of 40; a loss is excluded"
    assert "Errors cost 1,200 per 1,000 in A and 0 in B: -1,200 (" in page


@pytest.mark.parametrize(
    ("wrong", "status", "told"),
    [
        (0, 0, "PASS: a loss of 10 points or more from A to B is excluded for 1 strategy."),
        (2, 0, "INCONCLUSIVE: a loss of 10 points or more from A to B can't be excluded for 1 of 1 strategy."),
        (
            20,
            1,
            "FAIL: 2 claims about 1 strategy: the loss from A to B is real, and a loss of 10 points or more was to",
        ),
    ],
)
def test_a_margin_makes_it_a_gate(tmp_path, capsys, wrong, status, told):
    store(tmp_path / "a", {"one": table(right)})
    store(tmp_path / "b", {"one": table(wrong_below(wrong))})
    found, verdicts, _ = compared(tmp_path, "--margin", "0.1")
    assert found == status
    assert capsys.readouterr().out.startswith(told)
    roles = {
        claim.get("slice"): claim["role"] for claim in verdicts["suites"][0]["claims"] if claim["metric"] != "cost"
    }
    assert roles == {None: "gate", "loud_ones": "guard", "marked": "report"}


def test_a_difference_is_told_alike_from_either_side(tmp_path, capsys):
    """The verdict of a loss is corrected for all slices that are looked at, so that it may be INCONCLUSIVE."""
    store(tmp_path / "a", {"one": table(right)})
    store(tmp_path / "b", {"one": table(wrong_below(5))})
    assert main(["compare", "a", "b"]) == 0
    told = capsys.readouterr().out
    assert "-12.5 (-23.5 to -5.4) points" in told
    assert "0 better, 1 worse, 0 without a difference" in told
    assert main(["compare", "b", "a"]) == 0
    assert "1 better, 0 worse, 0 without a difference" in capsys.readouterr().out


def test_missing_answers_are_no_sign_that_nothing_differs(tmp_path, capsys):
    store(tmp_path / "a", {"one": table(right)})
    store(tmp_path / "b", {"one": table(None)})
    assert main(["compare", "a", "b"]) == 0
    told = capsys.readouterr().out
    assert "0 without a difference that these cases show, 1 not judged, since answers are missing." in told


def test_supplements_alone_can_not_be_compared(tmp_path, capsys):
    cases = [replace(case, supplement=True) for case in CASES]
    for folder in ("a", "b"):
        store(tmp_path / folder, {"one": table(right, cases)}, cases=cases)
    assert main(["compare", "a", "b"]) == 2
    assert "no case in common that is no supplement" in capsys.readouterr().err


def test_strategies_are_paired_by_name_or_as_told(tmp_path, capsys):
    store(tmp_path / "a", {"one": table(right), "gpt": table(right)})
    store(tmp_path / "b", {"one": table(right), "mini": table(wrong_below(12))})
    _, verdicts, page = compared(tmp_path)
    assert [suite["suite"] for suite in verdicts["suites"]] == ["kitchen: one"]
    assert "in one of the runs only: gpt, mini" in page
    _, verdicts, _ = compared(tmp_path, "--pair", "gpt=mini")
    assert [suite["suite"] for suite in verdicts["suites"]] == ["kitchen: gpt → mini", "kitchen: one"]
    capsys.readouterr()
    assert main(["compare", "a", "b", "--pair", "gpt=maxi"]) == 2
    assert "there is no pair gpt=maxi: kitchen has one, gpt in A and one, mini in B" in capsys.readouterr().err


def test_runs_on_other_cases_are_compared_on_those_that_both_know(tmp_path):
    store(tmp_path / "a", {"one": table(right, CASES[:30])}, cases=CASES[:30])
    store(tmp_path / "b", {"one": table(wrong_below(15), CASES[10:])}, cases=CASES[10:])
    _, verdicts, page = compared(tmp_path)
    overall = verdicts["suites"][0]["claims"][0]
    assert (overall["n"], overall["losses"]) == (20, 5)
    assert "compared on the 20 cases that both runs were asked, of 30 in A and 34 in B" in page


def test_other_expected_answers_are_refused(tmp_path, capsys):
    changed = [replace(case, expected={**case.expected, "loud": True}) for case in CASES]
    store(tmp_path / "a", {"one": table(right)})
    store(tmp_path / "b", {"one": table(right, changed)}, cases=changed)
    assert main(["compare", "a", "b"]) == 2
    assert "expect other answers to 33 cases (c01, c02, c03 and 30 more)" in capsys.readouterr().err
    assert not (tmp_path / "reports").exists()


def test_nothing_in_common_is_said(tmp_path, capsys):
    store(tmp_path / "a", {"one": table(right)})
    store(tmp_path / "b", {"one": table(right)}, suite="cellar")
    assert main(["compare", "a", "b"]) == 2
    assert "a and b have no suite in common: kitchen in the one, cellar in the other" in capsys.readouterr().err
    store(tmp_path / "b", {"two": table(right)})
    assert main(["compare", "a", "b"]) == 2
    assert "name the two with --pair A_NAME=B_NAME" in capsys.readouterr().err
    store(tmp_path / "b", {"one": repeated([right, right])})
    assert main(["compare", "a", "b"]) == 2
    assert "answered each case 1 times in A and 2 times in B" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--margin", "3"], "--margin is '3'; expected a difference of accuracies above 0"),
        (["--margin", "some"], "--margin is 'some'"),
        (["--pair", "one"], "--pair is 'one'; expected A_NAME=B_NAME"),
        (["--margin", "0.01"], "no_worse 0.01 can't be shown on 40 cases"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path, capsys, options, told):
    store(tmp_path / "a", {"one": table(right)})
    store(tmp_path / "b", {"one": table(right)})
    assert main(["compare", "a", "b", *options]) == 2
    assert told in capsys.readouterr().err


def test_equal_runs_give_equal_bytes_and_may_lie_elsewhere(tmp_path):
    store(tmp_path / "a", {"one": table(right)})
    store(tmp_path / "b", {"one": table(wrong_below(3))})
    main(["compare", "a", "b", "--out", "one"])
    main(["compare", "a", "b", "--out", "two"])
    for name in ("report.md", "verdicts.json", "outcomes.jsonl", "comment.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert str(tmp_path) not in (tmp_path / "one/verdicts.json").read_text()
    assert "To reproduce: `harness compare a b`" in (tmp_path / "one/report.md").read_text()


def test_hostile_text_of_a_stored_run_does_nothing(tmp_path):
    hostile = "<script>alert(1)</script> | [x](http://example.com) @team `code`"
    store(tmp_path / "a", {"one": table(right)})
    store(tmp_path / "b", {"one": table(lambda case: Response(text=hostile))}, treatments={"one": treatment(hostile)})
    _, _, page = compared(tmp_path)
    assert "<script>" not in page
