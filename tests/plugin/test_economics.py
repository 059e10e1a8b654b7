"""`economics:` in task.yaml, from a run of pytest to the report and verdicts.json."""

from __future__ import annotations

import json

import pytest
from support.chat_server import ChatServer, answer

SUITE = "def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), run.threshold('accuracy'))\n"
ECONOMICS = """
economics:
  currency: EUR
  decisions: {per_month: 10000}
  errors: costs
  machine_per_hour: 36
  strategies:
    good: {hosting_per_month: 50}
"""


@pytest.fixture
def declare(project):
    """Writes `economics` behind what was frozen before."""

    def write(text):
        file = project.root / "fixtures" / "fruit" / "task.yaml"
        file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")

    return write


def economics_of(project):
    (suite,) = json.loads(project.report("verdicts.json"))["suites"]
    return suite["economics"]


def rows(project):
    return [json.loads(line) for line in project.report("outcomes.jsonl").splitlines()]


def served(project, server, more=""):
    project.write(
        "adapters/good.yaml",
        f"driver: openai_chat\nmodel: m\nbase_url: {server.base_url}\nlimits: {{concurrency: 4, retries: 0}}\n{more}",
    )


def test_a_run_ends_with_costs_and_a_recommendation_and_keeps_its_lock(project, declare):
    project.strategies(good="shipped", fair="candidate", bad="reference")
    project.suite(SUITE)
    project.write(
        "fixtures/fruit/pool.jsonl",
        "".join(
            json.dumps({"id": f"p{i}", "inputs": {"text": f"apple {i + 1000}"}, "expected": {"kind": "apple"}}) + "\n"
            for i in range(60)
        ),
    )
    declare(ECONOMICS)
    assert project.run().ret == 0
    first = project.report("verdicts.json")
    found = economics_of(project)
    times = [row["latency_s"] for row in rows(project) if row["strategy"] == "good"]
    assert found["strategies"]["good"]["per_1000"]["inference"] == pytest.approx(10 * sum(times) / 200, rel=0.05)
    assert found["recommendation"]["strategy"] == "good"
    assert found["strategies"]["fair"]["per_1000"]["errors"] == 400
    assert found["strategies"]["good"]["fixed_per_month"] == 50
    report = project.report()
    assert "**Keep `good`: " in report
    assert "`bad` is dominated by `good`" in report
    assert "2 of 3 labels of `kind` have fewer: `pear` 0, `quince` 0." in report
    project.run()
    assert project.report("verdicts.json") == first


def test_a_server_of_ones_own_answers_several_requests_at_once(project, declare):
    with ChatServer(lambda call: answer(json.dumps({"kind": call.messages[-1]["content"].split()[0]}))) as server:
        served(project, server)
        project.suite(SUITE)
        declare(ECONOMICS)
        project.run()
    mean = sum(row["latency_s"] for row in rows(project)) / 200
    found = economics_of(project)["strategies"]["good"]
    assert found["per_1000"]["inference"] == pytest.approx(10 * mean / 4, rel=1e-3)
    assert "An answer took, when it was made: `good` " in project.report()


@pytest.mark.parametrize("rate", ["", "  currency_per_usd: 0.5\n"])
def test_tokens_cost_their_price_in_the_declared_currency(project, declare, rate):
    with ChatServer(lambda call: answer(json.dumps({"kind": call.messages[-1]["content"].split()[0]}))) as server:
        served(project, server, "price: {input_per_million: 100, output_per_million: 1000}\n")
        project.suite(SUITE)
        declare(ECONOMICS + rate)
        project.run()
    dollars = sum(100 * row["input_tokens"] + 1000 * row["output_tokens"] for row in rows(project)) / 200 / 1000
    found = economics_of(project)["strategies"]["good"]
    assert dollars > 0
    if rate:
        assert found["per_1000"]["inference"] == pytest.approx(dollars * 0.5)
    else:
        assert found["per_1000"]["inference"] is None
        assert found["monthly"] is None
        assert "or no `currency_per_usd` is declared" in project.report()
