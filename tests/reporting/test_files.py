"""verdicts.json and outcomes.jsonl: whole, strict JSON, and the same bytes for the same inputs."""

import dataclasses
import json

import pytest
from support.small_report import CASES, at_least, never, report, right, suite_report, table, wrong_below

from harness.core.records import Failure, Response
from harness.core.tables import TableBuilder
from harness.core.verdicts import Verdict
from harness.reporting.files import FORMAT, outcome_rows, verdicts_json, write_files, write_text

CLAIMS = (
    at_least("good", 0.8),
    at_least("bad", 0.8, role="report"),
    at_least("good", 0.5, metric="field_accuracy", field="kind", slice="loud_ones"),
    never("good", "unusable"),
)


def make(**changes):
    runs = {"bad": table(wrong_below(30)), "good": table(right)}
    return report(suite_report(runs, CLAIMS, **changes))


def strictly(text):
    def refuse(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_every_claim_is_there_with_its_verdict_and_all_its_numbers():
    content = strictly(verdicts_json(make()))
    assert (content["version"], content["profile"]) == (FORMAT, "pr")
    (suite,) = content["suites"]
    assert (suite["suite"], suite["task"], suite["holdout"], suite["schema"]) == (
        "kitchen",
        "kitchen",
        "12" * 32,
        "34" * 32,
    )
    claims = suite["claims"]
    assert [(c["run"], c["metric"], c["status"], c["role"], c["effect"]) for c in claims] == [
        ("good", "accuracy", "PASS", "gate", "pass"),
        ("bad", "accuracy", "FAIL", "report", "warn"),
        ("good", "field_accuracy", "PASS", "gate", "pass"),
        ("good", "unusable", "PASS", "gate", "pass"),
    ]
    numbers = {field.name for field in dataclasses.fields(Verdict)} - {"claim"}
    assert all(numbers <= set(claim) for claim in claims)
    assert (claims[2]["field"], claims[2]["slice"], claims[2]["n"]) == ("kind", "loud_ones", 11)
    assert "slice" not in claims[0]
    assert claims[0]["sentence"] == "40 of 40 right (100.0%), at least 92.8% with 95% confidence; 80% asked"
    assert (claims[0]["n"], claims[0]["estimate"], claims[0]["bound"], claims[0]["alpha"]) == (40, 1.0, 0.8, 0.05)
    assert claims[3]["bound"] is None


def test_runs_are_named_with_stage_digest_and_missing_answers():
    (suite,) = strictly(verdicts_json(report(suite_report({"gone": table(None)}))))["suites"]
    assert suite["runs"] == {
        "gone": {
            "stage": "shipped",
            "adapter": "rules",
            "prompt": "p.md",
            "driver": "python",
            "model": "rules.py:answer",
            "usd_per_1000": 0.0,
            "largest_cost": 60,
            "digest": "cd" * 32,
            "treatment": None,
            "changed": None,
            "missing": 44,
            "consistency": None,
            "proofs": {},
        }
    }


def test_strategies_that_could_not_run_are_named_with_the_reason():
    (suite,) = strictly(verdicts_json(make(broken={"gpt": "no key"})))["suites"]
    assert suite["broken"] == {"gpt": "no key"}


def test_what_keeps_a_suite_from_being_judged_whole_is_there():
    (suite,) = strictly(verdicts_json(make(unjudged=("no baseline",), incomplete=["a slice is left out"])))["suites"]
    assert (suite["unjudged"], suite["incomplete"]) == (["no baseline"], ["a slice is left out"])


def test_equal_inputs_give_equal_bytes_without_time_or_path():
    one, other = verdicts_json(make()), verdicts_json(make())
    assert one == other
    assert one.endswith("}\n")
    assert "/home" not in one
    assert "/work" not in one
    assert "/tmp" not in one


def test_an_answer_is_a_row_with_what_was_expected_and_what_it_cost():
    def answer(case):
        ends = {
            "c00": Response(text="no idea", latency_s=0.5),
            "c01": Failure(kind="timeout", message="no answer within 1 s"),
            "c02": Response(text='{"kind": "größer", "loud": false}', latency_s=0.25),
        }
        return ends.get(case.id, right(case))

    rows = list(outcome_rows(suite_report({"one": table(answer)})))
    assert [(row["case"], row["strategy"], row["repeat"]) for row in rows] == [(case.id, "one", 0) for case in CASES]
    assert [row["status"] for row in rows[:5]] == ["invalid", "error", "wrong", "correct", "correct"]
    assert [row["problem"] for row in rows[:4]] == ["not_json", "timeout", "", ""]
    assert rows[2] == {
        "suite": "kitchen",
        "case": "c02",
        "strategy": "one",
        "repeat": 0,
        "status": "wrong",
        "answer": {"kind": "größer", "loud": False},
        "expected": {"kind": "green_tea", "loud": False},
        "cost": 4.0,
        "costly": False,
        "problem": "",
        "latency_s": 0.25,
        "input_tokens": 0.0,
        "output_tokens": 0.0,
        "slices": ["marked"],
        "wrong": ["kind"],
    }
    assert rows[0]["text"] == "no idea"
    assert not {"wrong", "text", "cluster", "supplement"} & set(rows[3])
    assert rows[43]["supplement"] is True
    assert (rows[0]["cost"], rows[0]["costly"], rows[0]["answer"]) == (34.0, True, None)
    assert (rows[1]["latency_s"], rows[1]["input_tokens"]) == (None, None)


def test_a_missing_answer_is_a_row_without_numbers():
    rows = list(outcome_rows(suite_report({"gone": table(None)})))
    assert {row["status"] for row in rows} == {"missing"}
    assert {(row["cost"], row["latency_s"], row["answer"], row["costly"]) for row in rows} == {
        (None, None, None, False)
    }


def test_every_repeat_is_a_row():
    made = TableBuilder(cases=CASES, repeats=3, decision_fields=("kind", "loud"), largest_cost=60)
    rows = list(outcome_rows(suite_report({"one": made.finish()})))
    assert [(row["case"], row["repeat"]) for row in rows[:4]] == [("c00", 0), ("c00", 1), ("c00", 2), ("c01", 0)]
    assert len(rows) == 3 * len(CASES)


def test_both_files_are_written_and_are_strict_json(tmp_path):
    write_files(tmp_path / "latest", make())
    content = strictly((tmp_path / "latest" / "verdicts.json").read_text(encoding="utf-8"))
    assert len(content["suites"][0]["claims"]) == len(CLAIMS)
    lines = (tmp_path / "latest" / "outcomes.jsonl").read_text(encoding="utf-8").splitlines()
    assert [strictly(line)["strategy"] for line in lines] == ["bad"] * 44 + ["good"] * 44
    assert sorted(path.name for path in (tmp_path / "latest").iterdir()) == ["outcomes.jsonl", "verdicts.json"]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a" / "file.txt"
    write_text(path, "before, größer\n")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "x" * 100_000 + "\ud800")
    assert path.read_text(encoding="utf-8") == "before, größer\n"
    write_text(path, "after\n")
    assert path.read_bytes() == b"after\n"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]
