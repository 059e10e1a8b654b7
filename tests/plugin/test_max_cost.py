"""--gate-max-cost: a run stops before it costs more, keeps what was answered, and is no passed gate."""

from __future__ import annotations

import json

import pytest
from support.chat_server import ChatServer, answer

SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), 0.5)

def test_noted(run, gate):
    gate.at_least(run.accuracy(), 0.5, role="report")
"""
FLIPS = """
def test_flips(run, gate):
    gate.at_most(run.flip_rate([(f"c{i:04d}", {"text": f"apple {i} !"}) for i in range(50)]), 0.5)
"""
A_DOLLAR = "price: {input_per_million: 0, output_per_million: 3906.25}\n"
"""For a call of 256 tokens, the default of `max_tokens`: a Python callable tells no usage, and counts as the most."""


def price(project, name, text=A_DOLLAR):
    file = project.root / "adapters" / f"{name}.yaml"
    file.write_text(file.read_text() + text)


@pytest.fixture
def priced(project):
    project.suite(SUITE)
    price(project, "good")
    return project


@pytest.mark.parametrize("profile", ["pr", "release"])
def test_a_run_that_stops_blocks_and_says_what_is_missing(priced, profile):
    result = priced.run("--gate-max-cost", "50", "--gate-profile", profile)
    result.assert_outcomes(failed=2)
    assert priced.calls == 50
    result.stdout.fnmatch_lines(
        [
            "*good could not be run: good stopped before US$ 50.00 was passed (50.00 spent, 1.00 the most that the "
            "next call may cost): 50 of 200 requests answered and saved; the same command with a higher *",
            "fruit/good: 50 calls, 0 answers from the ledger, US$ 50.00 spent",
        ]
    )
    suite = json.loads(priced.report("verdicts.json"))["suites"][0]
    assert suite["claims"] == []
    assert "50 of 200" in suite["broken"]["good"]


def test_a_higher_limit_goes_on_where_it_stopped(priced):
    priced.run("--gate-max-cost", "50")
    result = priced.run("--gate-max-cost", "150")
    assert result.ret == 0
    assert priced.calls == 200
    result.stdout.fnmatch_lines(["fruit/good: 150 calls, 50 answers from the ledger, US$ 150.00 spent"])
    whole = priced.report("verdicts.json")
    assert priced.run("--gate-max-cost", "0").ret == 0
    assert (priced.calls, priced.report("verdicts.json")) == (200, whole)


def test_it_can_not_become_a_baseline(priced):
    result = priced.run("--gate-max-cost", "50", "--gate-accept", "why not")
    assert result.ret != 0
    assert not (priced.root / "reports" / "baselines").exists()


def test_the_limit_is_for_all_strategies_together(project):
    for name in ("bad", "fair", "good"):
        price(project, name)
    project.strategies(fair="candidate", good="shipped", bad="reference")
    project.suite(SUITE)
    result = project.run("--gate-max-cost", "250")
    assert project.calls == 250
    result.stdout.fnmatch_lines(
        [
            "fruit/fair: 200 calls, *US$ 200.00 spent",
            "fruit/good: 50 calls, *US$ 50.00 spent",
        ]
    )
    assert [claim["run"] for claim in project.claims] == ["fair", "fair"]


def test_a_free_strategy_runs_whatever_is_left(priced):
    priced.strategies(good="candidate", fair="shipped")
    priced.run("--gate-max-cost", "10")
    assert priced.calls == 210
    assert [claim["run"] for claim in priced.claims] == ["fair", "fair"]


def test_edited_inputs_that_can_not_be_afforded_are_not_taken_for_flips(priced):
    priced.suite(SUITE + FLIPS)
    result = priced.run("--gate-max-cost", "220")
    result.assert_outcomes(failed=3)
    assert priced.calls == 220
    assert priced.claims == []
    result.stdout.fnmatch_lines(["*70 of 100 requests answered and saved*"])
    priced.run("--gate-max-cost", "30").assert_outcomes(passed=3)
    assert priced.calls == 250


def test_stopping_early_stops_at_the_limit_too(priced):
    result = priced.run("--gate-early-stop", "--gate-max-cost", "5")
    result.assert_outcomes(failed=2)
    assert priced.calls == 5
    assert priced.claims == []


def test_a_recording_does_not_hold_what_was_not_asked(priced):
    priced.run("--gate-max-cost", "50", "--gate-record", "run.jsonl")
    rows = [json.loads(line) for line in (priced.root / "run.jsonl").read_text().splitlines()]
    assert len(rows) == 51
    result = priced.run("--gate-replay", "run.jsonl")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*has no prediction for case*"])


def test_an_own_question_that_can_not_be_afforded_fails_its_test(project):
    project.suite("def test_own(run):\n    assert run.answer({'text': 'apple 7'}) == {'kind': 'apple'}\n")
    price(project, "good")
    result = project.run("--gate-max-cost", "0.5")
    result.assert_outcomes(failed=1)
    assert project.calls == 0
    project.run("--gate-max-cost", "1").assert_outcomes(passed=1)


def test_a_price_that_is_not_known_is_refused_before_anything_is_asked(project):
    project.strategies(good="candidate", fair="shipped")
    project.suite(SUITE)
    price(project, "fair", "price: auto\n")
    result = project.run("--gate-max-cost", "10")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    said = result.stdout.str() + result.stderr.str()
    assert "no price is known for adapters/fair.yaml (model.py:answer); declare it there" in said
    assert "price: {input_per_million:" in said
    assert project.calls == 0
    assert project.run().ret == 0


@pytest.mark.parametrize("limit", ["-1", "nan", "inf", "much"])
def test_a_limit_that_is_no_amount_is_refused(project, limit):
    result = project.run_apart(f"--gate-max-cost={limit}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--gate-max-cost*"])


def test_calls_over_a_network_are_paid_by_what_they_used(project):
    project.suite(SUITE)

    def fruit(call):
        kind = call.messages[-1]["content"].split()[0]
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        return answer(json.dumps({"kind": kind}), usage=usage)

    with ChatServer(fruit) as server:
        project.write(
            "adapters/good.yaml",
            f"driver: openai_chat\nmodel: m\nbase_url: {server.base_url}\n"
            "price: {input_per_million: 0, output_per_million: 10000}\n",
        )
        # a dime each, and 2.56 at most
        stopped = project.run_apart("--gate-max-cost", "10")
        stopped.assert_outcomes(failed=2)
        assert 74 <= server.count <= 75
        resumed = project.run_apart("--gate-max-cost", "20")
        resumed.assert_outcomes(passed=2)
        assert server.count == 200


def test_workers_tell_together_what_was_spent(priced):
    priced.strategies(good="candidate", fair="shipped")
    result = priced.run_apart("-n", "2")
    result.assert_outcomes(passed=4)
    assert priced.calls == 400
    result.stdout.fnmatch_lines(
        [
            "fruit/good: 200 calls, 0 answers from the ledger, US$ 200.00 spent",
            "fruit/fair: 200 calls, 0 answers from the ledger, US$ 0.00 spent",
        ]
    )


def test_a_replay_tells_of_no_spending(priced):
    priced.run("--gate-record", "run.jsonl")
    result = priced.run("--gate-replay", "run.jsonl")
    assert "spent" not in result.stdout.str()
    assert "from the ledger" not in result.stdout.str()
