"""--gate-shard and `harness merge`: the parts of a run on several machines, judged as one run is."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harness.runs import LEDGER

SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))


def test_flips(run, gate):
    gate.at_most(run.flip_rate([(case.id, {"text": case.inputs["text"] + " !"}) for case in run.cases[:40]]), 0.5)


def test_by_hand(run):
    first = run.answer({"text": "apple 900"})
    kind = first["kind"] if first else "none"
    assert run.answer({"text": f"{kind} 901"}) == {"kind": "quince"}
"""
RAISES = '    if int(number) == 7:\n        raise ValueError("no")\n    if stop_at is not None and'


@pytest.fixture
def sharded(project):
    project.strategies(fair="candidate", good="shipped")
    project.suite(SUITE)
    return project


def shard(project, number, of=3):
    """Run one shard on a machine of its own: keep its ledger, and leave nothing of it."""
    shutil.rmtree(project.root / ".holdfast", ignore_errors=True)
    result = project.run("--gate-shard", f"{number}/{of}")
    keep(project, number)
    return result


def keep(project, number):
    (project.root / "shards").mkdir(exist_ok=True)
    shutil.copy(project.root / LEDGER, project.root / "shards" / f"{number}.sqlite")
    shutil.rmtree(project.root / ".holdfast")


def harness(project, *arguments):
    command = [sys.executable, "-m", "harness.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)


def merge(project, *numbers):
    return harness(project, "merge", *(Path("shards") / f"{number}.sqlite" for number in numbers))


def whole(project):
    """The verdicts and the calls of a single run, of which nothing else is left."""
    result = project.run()
    verdicts, calls = project.report("verdicts.json"), project.calls
    forget(project)
    return result, verdicts, calls


def forget(project):
    for name in (".holdfast", "reports", "adapters/calls.log"):
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def test_three_shards_merge_to_the_verdicts_of_a_single_run(sharded):
    result, verdicts, calls = whole(sharded)
    result.assert_outcomes(passed=3, failed=2)
    asked = []
    for number in (1, 2, 3):
        collected = shard(sharded, number)
        collected.assert_outcomes(skipped=6)
        assert collected.ret == 0
        asked.append(int(collected.stdout.str().partition(f"shard {number} of 3: ")[2].split()[0]))
    assert sum(asked) == 200
    assert max(asked) - min(asked) <= 1
    assert sharded.calls == calls
    assert not (sharded.root / "reports").exists()
    done = merge(sharded, 1, 2, 3)
    assert done.returncode == int(result.ret) == 1
    assert "2 failed, 3 passed, 1 inconclusive" in done.stdout
    assert sharded.report("verdicts.json") == verdicts
    assert sharded.calls == calls


def test_shards_of_an_accepted_strategy_merge_to_the_same_verdicts(project):
    """`identical` does not depend on where the answers came from."""
    project.suite(
        """
        def test_no_regression(run, baseline, gate):
            gate.no_worse(run.accuracy(), baseline.accuracy(), margin=0.05)
        """
    )
    project.run("--gate-accept", "first")
    shutil.rmtree(project.root / ".holdfast")
    project.run().assert_outcomes(passed=1)
    verdicts = project.report("verdicts.json")
    assert [claim["rule"] for claim in project.claims] == ["identical"]
    for number in (1, 2, 3):
        shard(project, number)
    assert merge(project, 1, 2, 3).returncode == 0
    assert project.report("verdicts.json") == verdicts
    assert project.calls == 600


def test_a_shard_that_is_run_again_asks_nothing(sharded):
    sharded.run("--gate-shard", "2/3")
    calls = sharded.calls
    assert calls > 0
    result = sharded.run("--gate-shard", "2/3")
    assert (result.ret, sharded.calls) == (0, calls)
    result.stdout.fnmatch_lines(["fruit: shard 2 of 3: * of 200 cases asked; merge the ledgers to judge"])


def test_a_missing_shard_blocks_and_says_how_many_answers_are_missing(sharded):
    for number in (1, 3):
        shard(sharded, number)
    calls = sharded.calls
    done = merge(sharded, 1, 3)
    assert done.returncode == 1
    for run in ("fair", "good"):
        told = f"{run} could not be run: 67 of 200 answers of fruit/{run} are not in ledger.sqlite"
        assert f"{told}, and no model is asked: a shard is missing or was not finished" in done.stdout, done.stdout
    assert sharded.calls == calls


def test_the_rest_can_be_merged_later(sharded):
    for number in (1, 2, 3):
        shard(sharded, number)
    assert "missing" in merge(sharded, 1, 2).stdout
    done = merge(sharded, 3)
    assert "could not be run" not in done.stdout
    assert done.stdout.startswith("shards/3.sqlite: ")


def test_shards_of_different_prompts_are_noticed(sharded):
    shard(sharded, 1)
    sharded.write("suites/fruit/prompts/p.md", "Name the fruit, please.\n")
    for number in (2, 3):
        shard(sharded, number)
    done = merge(sharded, 1, 2, 3)
    assert done.returncode == 1
    told = "67 of them were answered before the prompt, its examples or the schema changed; run all shards on the same"
    assert "67 of 200 answers of fruit/good are not in ledger.sqlite, and no model is asked: " + told in done.stdout


def test_requests_that_failed_are_judged_as_failed_and_not_as_missing(sharded):
    model = (sharded.root / "adapters" / "model.py").read_text()
    sharded.write("adapters/model.py", model.replace("    if stop_at is not None and", RAISES))
    _, verdicts, _ = whole(sharded)
    told = ""
    for number in (1, 2, 3):
        result = shard(sharded, number)
        assert result.ret == 0
        told += result.stdout.str()
    assert "fruit/good: 2 requests failed (2 exception) and are judged so" in told
    done = merge(sharded, 1, 2, 3)
    assert "4 failed requests" in done.stdout
    assert sharded.report("verdicts.json") == verdicts
    assert '"error"' in sharded.report("outcomes.jsonl")


def test_exports_of_shards_merge_too(sharded):
    _, verdicts, _ = whole(sharded)
    for number in (1, 2):
        shard(sharded, number)
        assert (
            harness(sharded, "ledger", "export", f"{number}.jsonl", "--ledger", f"shards/{number}.sqlite").returncode
            == 0
        )
    shard(sharded, 3)
    done = harness(sharded, "merge", "1.jsonl", "2.jsonl", "shards/3.sqlite", "--into", "elsewhere/all.sqlite")
    assert "judging: pytest suites/ --gate-replay=elsewhere/all.sqlite" in done.stdout
    assert sharded.report("verdicts.json") == verdicts
    assert not (sharded.root / ".holdfast" / "ledger.sqlite").exists()


def test_a_shard_whose_model_cannot_be_had_fails(sharded):
    sharded.write("adapters/lost.yaml", "driver: python\nmodel: model.py:anser\n")
    sharded.strategies(lost="candidate", good="shipped")
    sharded.suite(SUITE.partition("def test_by_hand")[0])
    result = sharded.run("--gate-shard", "1/3")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["NOT COMPLETE: fruit/lost could not be run: *anser*"])


def test_requests_that_were_never_sent_leave_a_shard_incomplete(sharded):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        limits = "limits: {retries: 0, concurrency: 1}"
        sharded.write("adapters/good.yaml", f"driver: openai_chat\nmodel: m\nbase_url: {address}\n{limits}\n")
        sharded.suite(SUITE.partition("def test_flips")[0])
        result = sharded.run_apart("--gate-shard", "1/3", "--gate-strategies", "good")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "fruit/good: 5 requests failed (5 connection) and are judged so; the same command asks them again",
            "NOT COMPLETE: fruit/good: 62 requests were not sent: not asked, since 5 in a row failed*",
        ]
    )
    keep(sharded, 1)
    assert "could not be run: 195 of 200 answers of fruit/good are not in ledger.sqlite" in merge(sharded, 1).stdout


def test_a_shard_whose_tests_state_no_claims_fails_without_asking(sharded):
    sharded.suite('def test_broken(run, gate):\n    gate.at_least(run.accuracy(slice="rear"), 0.5)\n')
    result = sharded.run("--gate-shard", "1/3")
    result.assert_outcomes(failed=2)
    assert (result.ret, sharded.calls) == (1, 0)


def test_clusters_and_repeats_stay_together(project):
    rows = [
        {"id": f"c{n}", "inputs": {"text": f"apple {n}"}, "expected": {"kind": "apple"}, "cluster": f"t{n // 5}"}
        for n in range(60)
    ]
    project.write("fixtures/fruit/holdout.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    project.freeze()
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.5)\n")
    result = project.run("--gate-repeats", "3", "--gate-shard", "2/4")
    result.stdout.fnmatch_lines(["fruit: shard 2 of 4: 15 of 60 cases asked*"])
    asked = (project.root / "adapters" / "calls.log").read_text().split("\n")[:-1]
    numbers = [int(line.split()[1]) for line in asked]
    assert all(numbers.count(n) == 3 for n in numbers)
    assert all(all(other in numbers for other in range(n // 5 * 5, n // 5 * 5 + 5)) for n in numbers)


@pytest.mark.parametrize("text", ["0/3", "4/3", "2", "2/0", "-1/3", "a/b", "1/2/3", ""])
def test_what_is_no_shard_is_a_usage_error(sharded, text):
    result = sharded.run_apart(f"--gate-shard={text}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*is no shard; expected I/N with I from 1 to N, such as 2/5*"])
    assert sharded.calls == 0


@pytest.mark.parametrize(
    "other",
    [
        ["--gate-accept", "x"],
        ["--gate-early-stop"],
        ["--gate-fresh"],
        ["--gate-record", "f"],
        ["--gate-replay", "f"],
        ["--gate-selftest"],
        ["-n", "2"],
    ],
)
def test_what_judges_or_asks_otherwise_is_refused(sharded, other):
    result = sharded.run_apart("--gate-shard", "1/2", *other)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--gate-shard can't be used with {other[0]}:*leave*out*"])
    assert sharded.calls == 0


def test_merging_what_is_no_ledger_takes_nothing_and_does_not_judge(sharded):
    shard(sharded, 1)
    sharded.write("shards/2.sqlite", "no json\n")
    done = merge(sharded, 1, 2)
    assert done.returncode == 2
    assert "shards/2.sqlite can't be taken, and nothing was:\n  line 1: " in done.stderr
    assert not (sharded.root / "reports").exists()
    assert "0 answers" in harness(sharded, "ledger", "stats").stdout
