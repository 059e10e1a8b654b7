"""--gate-dry-run: what a run would ask and cost, without a call, a verdict or a report."""

from __future__ import annotations

import json
import re

import pytest
from support.chat_server import ChatServer, answer

USAGE = {"prompt_tokens": 100, "completion_tokens": 12}
SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), 0.5)
"""
FLIPS = """
def test_flips(run, gate):
    edits = [("c0001", {"text": "apple 1 x"}), ("c0002", {"text": "apple 2 x"}), ("c0001", {"text": "apple 1"})]
    gate.at_most(run.flip_rate(edits), 0.99)

def test_flips_again(run, gate):
    gate.at_most(run.flip_rate([("c0001", {"text": "apple 1 x"})]), 0.999, role="guard")
"""
OWN = """
def test_own(run):
    assert run.outcomes
"""
CHAT = """\
driver: openai_chat
model: m
base_url: {url}
api_key: ${{HOLDFAST_TEST_KEY}}
price: {{input_per_million: 1.0, output_per_million: 1000.0}}
"""


def counted(result, strategy):
    """{row of a strategy: its number of calls}."""
    lines = result.stdout.lines
    rows = {}
    for line in lines[lines.index(strategy) + 1 :]:
        if not line.startswith("·"):
            break
        name, calls = re.match(r"· ([a-z, ]+?) +([\d,]+)", line).groups()
        rows[name] = int(calls.replace(",", ""))
    return rows


def test_all_is_counted_and_nothing_asked_run_or_written(project):
    project.strategies(fair="candidate", good="shipped")
    project.suite(SUITE + OWN)
    result = project.run("--gate-dry-run")
    assert result.ret == 0
    result.assert_outcomes(deselected=4)
    assert counted(result, "fruit/fair") == counted(result, "fruit/good") == {"to be made": 200}
    assert counted(result, "total") == {"in the ledger": 0, "to be made": 400}
    result.stdout.fnmatch_lines(["not counted: 2 tests that may ask by `run` without `gate`"])
    assert project.calls == 0
    assert not (project.root / "reports").exists()
    assert not (project.root / ".holdfast").exists()


def test_what_a_run_then_asks_is_what_was_counted(project):
    project.suite(SUITE + FLIPS)
    assert counted(project.run("--gate-dry-run"), "fruit/good") == {"to be made": 202}
    project.run()
    assert project.calls == 202
    assert counted(project.run("--gate-dry-run"), "fruit/good") == {"in the ledger": 202}
    assert project.calls == 202


def test_repeats_and_fresh_answers_are_counted(project):
    project.suite(SUITE)
    project.run()
    assert counted(project.run("--gate-dry-run", "--gate-repeats", "3"), "fruit/good") == {
        "in the ledger": 200,
        "to be made": 400,
    }
    assert counted(project.run("--gate-dry-run", "--gate-fresh"), "fruit/good") == {"to be made": 200}


def test_only_the_strategies_that_are_chosen_are_counted(project):
    project.strategies(fair="candidate", good="shipped")
    project.suite(SUITE)
    result = project.run("--gate-dry-run", "--gate-strategies", "g*")
    assert "fruit/fair" not in result.stdout.lines
    assert result.ret == 0


def test_what_two_strategies_ask_alike_is_counted_once(project):
    project.write(
        "suites/fruit/strategies.yaml",
        """\
        task: fruit
        adapter: good
        strategies:
          one: {stage: shipped, prompt: prompts/p.md}
          two: {stage: candidate, prompt: prompts/p.md, parse: lenient, repeats: 2}
        """,
    )
    project.suite(SUITE)
    result = project.run("--gate-dry-run")
    assert counted(result, "total")["to be made"] == 400
    result.stdout.fnmatch_lines(["fruit/two asks what fruit/one asks; counted there"])
    project.run()
    assert project.calls == 400


@pytest.mark.parametrize("profile", ["pr", "release"])
def test_a_baseline_or_a_selection_does_not_make_it_fail(project, profile):
    project.suite(
        SUITE + "\ndef test_loss(run, baseline, gate):\n    gate.no_worse(run.accuracy(), baseline.accuracy(), 0.1)\n"
    )
    assert project.run("--gate-dry-run", "--gate-profile", profile, "-k", "accuracy").ret == 0


def test_a_model_that_can_not_be_had_is_said_in_its_row(project):
    project.write("adapters/away.yaml", "driver: encoder\nmodel: no/such/folder\n")
    project.strategies(away="candidate", good="shipped")
    project.suite(SUITE)
    result = project.run("--gate-dry-run")
    assert result.ret == 0
    assert counted(result, "fruit/away") == {"to be made, at most": 200}
    assert counted(result, "fruit/good") == {"to be made": 200}
    result.stdout.fnmatch_lines(["fruit/away: the ledger can't be asked: *"])


def test_neither_key_nor_server_is_needed(project, monkeypatch):
    monkeypatch.delenv("HOLDFAST_TEST_KEY", raising=False)
    project.write("adapters/chat.yaml", CHAT.format(url="http://127.0.0.1:9/v1"))
    project.strategies(chat="candidate", good="shipped")
    project.suite(SUITE)
    result = project.run("--gate-dry-run")
    assert result.ret == 0
    # 200 calls of at most 256 tokens for a tenth of a cent each, and some input
    result.stdout.re_match_lines([r"· to be made +200 +≈[\d,]+ +≤51,200 +≤51\.2\d +max_tokens"])
    assert "can't be asked" not in result.stdout.str()


def test_a_strategy_that_would_be_refused_is_said(project):
    project.suite(SUITE)
    file = project.root / "fixtures" / "fruit" / "task.yaml"
    file.write_text(file.read_text().replace("personal_data: masked\n", ""))
    adapter = project.root / "adapters" / "good.yaml"
    adapter.write_text(adapter.read_text() + "external: true\n")
    result = project.run("--gate-dry-run")
    result.stdout.fnmatch_lines(["· not known*", "fruit/good: *", "*unmasked personal data*"])


def test_a_changed_holdout_fails_as_in_a_run(project):
    project.suite(SUITE)
    file = project.root / "fixtures" / "fruit" / "holdout.jsonl"
    file.write_text(file.read_text().replace('"pear 100"', '"pear 100!"'))
    result = project.run("--gate-dry-run")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*1 changed: c0100*"])


def test_tests_that_can_not_state_their_claims_fail(project):
    project.suite(
        SUITE + OWN + "\ndef test_broken(run, gate):\n    run.outcomes\n    gate.at_least(run.accuracy(), 0.1)\n"
    )
    result = project.run("--gate-dry-run")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=2, deselected=1)
    assert project.calls == 0


def test_other_tests_do_not_run_either(project):
    project.write("suites/test_plain.py", "def test_plain():\n    raise AssertionError\n")
    result = project.run("--gate-dry-run")
    assert result.ret == 0
    result.assert_outcomes(deselected=1)


def test_a_limit_that_would_not_do_is_said_beforehand(project, monkeypatch):
    project.write("adapters/chat.yaml", CHAT.format(url="http://127.0.0.1:9/v1"))
    project.strategies(chat="shipped")
    project.suite(SUITE)
    result = project.run("--gate-dry-run", "--gate-max-cost", "1.5")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["this is more than --gate-max-cost 1.5: *"])


def test_output_is_expected_as_the_ledger_knows_it(project, monkeypatch):
    monkeypatch.setenv("HOLDFAST_TEST_KEY", "k")
    project.suite(SUITE)

    def fruit(call):
        return answer(json.dumps({"kind": call.messages[-1]["content"].split()[0]}), usage=USAGE)

    with ChatServer(fruit) as server:
        project.write("adapters/chat.yaml", CHAT.format(url=server.base_url))
        project.strategies(chat="shipped")
        project.run_apart().assert_outcomes(passed=1)
        result = project.run("--gate-dry-run", "--gate-repeats", "2")
        result.stdout.re_match_lines(
            [
                # 100 × 1.0 and 12 × 1000.0 US$ per million tokens, 200 times
                r"· in the ledger +200 +20,000 +2,400 +2\.42 *$",
                r"· to be made +200 +≈[\d,]+ +≈2,400 +≈2\.4\d +mean of strategy",
            ]
        )
        project.write("suites/fruit/prompts/p.md", "Name the fruit, please.\n")
        result = project.run("--gate-dry-run")
        result.stdout.re_match_lines([r"· to be made +200 +≈[\d,]+ +≈2,400 +≈2\.4\d +mean of adapter"])
        fresh = project.run("--gate-dry-run", "--gate-fresh")
        assert counted(fresh, "fruit/chat") == {"to be made": 200}
        assert server.count == 200
