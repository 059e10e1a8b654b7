"""`--gate-fresh`: what a provider answers today, beside what the ledger holds, which stays as it is."""

from __future__ import annotations

import json

import pytest
from support.chat_server import ChatServer, answer, error

from harness.drivers import openai_transport
from harness.execution.ledger import Ledger

PRELOADED = openai_transport
"""pytester forgets what a run inside it imports, and the client's compiled parts can't be imported twice."""

ACCURACY = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))
"""
PAIRED = """
def test_no_regression(run, baseline, gate):
    gate.no_worse(run.accuracy(), baseline.accuracy(), margin=0.05)
"""


class Provider:
    """Names the fruit of the text; one of `broken` is answered as a pear, `spaced` puts more into every text."""

    def __init__(self):
        self.fingerprint = "fp_old"
        self.broken: range = range(0)
        self.spaced = False
        self.refuses: range = range(0)

    def __call__(self, call):
        kind, number = call.messages[-1]["content"].split()[:2]
        if int(number) in self.refuses:
            return error(400, "not today")
        kind = "pear" if int(number) in self.broken else kind
        text = json.dumps({"kind": kind}) + (" " if self.spaced else "")
        return answer(text, system_fingerprint=self.fingerprint)


@pytest.fixture
def provider():
    return Provider()


@pytest.fixture
def server(provider):
    with ChatServer(provider) as running:
        yield running


@pytest.fixture
def asked(project, server):
    """A project whose ledger holds what the provider answered at first."""
    adapter = f"driver: openai_chat\nmodel: scripted\nbase_url: {server.base_url}\nlimits: {{retries: 0}}\n"
    project.write("adapters/good.yaml", adapter)
    project.suite(ACCURACY)
    project.run().assert_outcomes(passed=1)
    assert server.count == 200
    return project


def stored(project):
    with Ledger(project.root / ".holdfast" / "ledger.sqlite") as ledger:
        return dict(ledger._db.execute("SELECT key, text || provider_fingerprint FROM predictions"))


def section(project):
    return project.report().partition("### Asked again\n")[2].partition("\n### ")[0]


def test_fresh_answers_are_judged_and_the_ledger_keeps_the_old_ones(asked, provider, server):
    before, verdicts = stored(asked), asked.report("verdicts.json")
    provider.fingerprint, provider.broken = "fp_new", range(60)
    result = asked.run("--gate-fresh")
    result.assert_outcomes(failed=1)
    assert server.count == 400
    assert asked.claims[0]["estimate"] == 0.7
    result.stdout.fnmatch_lines(
        [
            "asked again, fruit/good: 200 asked, all in the ledger; 60 texts and 60 decisions changed "
            "(60 right → wrong, 0 wrong → right); provider scripted-1 fp_old (200) → scripted-1 fp_new (200)"
        ]
    )
    assert stored(asked) == before
    asked.run().assert_outcomes(passed=1)
    assert server.count == 400
    assert asked.report("verdicts.json") == verdicts
    assert "Asked again" not in asked.report()


def test_the_report_shows_who_answered_and_the_first_moved_cases(asked, provider):
    provider.fingerprint, provider.broken = "fp_`new`|", range(5, 65)
    asked.run("--gate-fresh")
    text = section(asked)
    assert "- answered then: `scripted-1 fp_old` (200)" in text
    assert "- answered now: `scripted-1 fp_'new'¦` (200)" in text
    assert "Decisions of `good` that changed, the first 10 of 60:" in text
    cases = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "`c0" in line]
    assert cases == [[f"`c{n:04d}`", "`apple`", "`apple`", "`pear`"] for n in range(5, 15)]
    assert "asked_again" not in asked.report("verdicts.json")


def test_it_says_where_nothing_moved_and_where_only_the_fingerprint_or_the_spelling_did(asked, provider):
    result = asked.run("--gate-fresh")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*200 asked, all in the ledger; nothing moved; provider scripted-1 fp_old (200)"])
    assert "- `good`: nothing moved; `scripted-1 fp_old` (200) answered." in section(asked)
    provider.fingerprint = "fp_new"
    result = asked.run("--gate-fresh")
    result.stdout.fnmatch_lines(["*no answer changed; provider scripted-1 fp_old (200) → scripted-1 fp_new (200)"])
    provider.spaced = True
    result = asked.run("--gate-fresh")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*200 texts and 0 decisions changed; provider*"])
    assert "Decisions of" not in section(asked)


def test_an_answer_that_comes_right_is_shown_as_such(asked, provider):
    asked.write("suites/fruit/prompts/p.md", "Name it.\n")
    provider.broken = range(4)
    asked.run()
    provider.broken = range(3, 5)
    result = asked.run("--gate-fresh")
    result.stdout.fnmatch_lines(["*4 texts and 4 decisions changed (1 right → wrong, 3 wrong → right)*"])
    order = [line.split("`")[1] for line in section(asked).splitlines() if line.startswith("| `c0")]
    assert order == ["c0004", "c0000", "c0001", "c0002"]


def test_a_fresh_answer_never_replaces_a_stored_one_and_a_new_one_is_stored(asked, provider, server):
    provider.broken = range(100)
    asked.holdout([("apple", 100), ("pear", 80), ("quince", 30)])
    asked.freeze()
    result = asked.run("--gate-fresh")
    result.stdout.fnmatch_lines(["*210 asked, 200 of them in the ledger; 100 texts and 100 decisions changed*"])
    assert server.count == 410
    asked.run().assert_outcomes(passed=1)
    assert server.count == 410
    assert len(stored(asked)) == 210


def test_a_run_that_was_never_asked_has_nothing_to_compare_with(asked, server):
    asked.write("suites/fruit/prompts/p.md", "Name it.\n")
    result = asked.run("--gate-fresh")
    result.stdout.fnmatch_lines(["*200 asked, none of them in the ledger, so nothing to compare with"])
    assert "nothing to compare with" in section(asked)
    asked.run()
    assert server.count == 400


def test_a_request_that_fails_is_counted_apart(asked, provider):
    provider.refuses = range(3)
    result = asked.run("--gate-fresh")
    result.stdout.fnmatch_lines(["*200 asked, all in the ledger; 3 not answered now; nothing moved; *(197)"])
    assert asked.claims[0]["estimate"] == 0.985


def test_strategies_that_ask_the_same_are_judged_on_one_fresh_answer(asked, provider, server):
    asked.strategies(good="shipped", other="candidate")
    text = (asked.root / "suites/fruit/strategies.yaml").read_text()
    asked.write("suites/fruit/strategies.yaml", text.replace("adapter: other", "adapter: good"))
    provider.broken = range(60)
    result = asked.run("--gate-fresh")
    assert server.count == 400
    assert {claim["run"]: claim["estimate"] for claim in asked.claims} == {"good": 0.7, "other": 0.7}
    result.stdout.fnmatch_lines(["*fruit/good: *60 decisions changed*", "*fruit/other: *60 decisions changed*"])


def test_the_shipped_strategy_is_compared_with_its_baseline_on_fresh_answers(asked, provider):
    asked.suite(ACCURACY + PAIRED)
    assert asked.run("--gate-accept", "first").ret == 0
    asked.strategies(good="shipped", other="candidate")
    text = (asked.root / "suites/fruit/strategies.yaml").read_text()
    asked.write("suites/fruit/strategies.yaml", text.replace("adapter: other", "adapter: good"))
    asked.run()
    assert {c["rule"] for c in asked.claims if c["kind"] == "no_worse"} == {"identical"}
    provider.broken = range(60)
    asked.run("--gate-fresh").assert_outcomes(failed=4)
    assert [c["losses"] for c in asked.claims if c["kind"] == "no_worse"] == [60, 60]


def test_a_recording_of_fresh_answers_is_judged_again(asked, provider, server):
    provider.broken = range(60)
    asked.run("--gate-fresh", "--gate-record", "fresh.jsonl")
    verdicts = asked.report("verdicts.json")
    provider.broken = range(0)
    asked.run("--gate-replay", "fresh.jsonl").assert_outcomes(failed=1)
    assert asked.report("verdicts.json") == verdicts
    assert server.count == 400


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--gate-accept", "why"), "*--gate-fresh can't be used with --gate-accept: *accept an ordinary run*"),
        (("--gate-replay", "run.jsonl"), "*--gate-fresh can't be used with --gate-replay: *--gate-record FILE*"),
        (("-n", "2"), "*--gate-fresh can't be used with -n: *leave -n out*"),
    ],
)
def test_what_contradicts_it_is_refused_before_anything_is_asked(project, options, told):
    project.suite(ACCURACY)
    result = project.run_apart("--gate-fresh", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([told])
    assert project.calls == 0
