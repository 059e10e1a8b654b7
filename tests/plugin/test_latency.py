"""`run.latency(quantile=…)` as a claim, from the server to the report."""

from __future__ import annotations

import json

import pytest
from support.chat_server import ChatServer, Reply, answer

LATENCY = "def test_latency(run, gate):\n    gate.at_most(run.latency(quantile={quantile}), {ceiling})\n"


def served(project, server, body):
    project.write(
        "adapters/good.yaml",
        f"driver: openai_chat\nmodel: m\nbase_url: {server.base_url}\nlimits: {{concurrency: 32, retries: 0}}\n",
    )
    project.suite(body)


def slow_quinces(call):
    """A tenth of the cases takes longer."""
    kind = call.messages[-1]["content"].split()[0]
    return answer(json.dumps({"kind": kind}), delay_s=0.6 if kind == "quince" else 0.0)


def claim_of(project):
    (claim,) = project.claims
    return claim


def test_an_endpoint_that_is_fast_enough_passes(project):
    with ChatServer(slow_quinces) as server:
        served(project, server, LATENCY.format(quantile=0.8, ceiling=0.55))
        assert project.run().ret == 0
    claim = claim_of(project)
    assert (claim["status"], claim["metric"], claim["quantile"], claim["bound"]) == ("PASS", "latency", 0.8, 0.55)
    assert 0 < claim["lower"] <= claim["estimate"] <= claim["upper"] <= 0.55
    assert claim["sentence"].startswith("80% were answered within 0.")
    assert claim["sentence"].endswith("with 95% confidence; 0.55 s allowed")


def test_one_that_is_too_slow_blocks_with_the_slowest_answers(project):
    with ChatServer(slow_quinces) as server:
        served(project, server, LATENCY.format(quantile=0.95, ceiling=0.5))
        result = project.run()
        assert result.ret == 1
        first, asked = project.report("verdicts.json"), server.count
        assert project.run().ret == 1
        assert server.count == asked == 200
    assert project.report("verdicts.json") == first  # the ledger has the latencies
    result.stdout.fnmatch_lines(
        [
            "*FAIL: good, latency p95",
            "*latency p95: 95% were answered within 0.6* s, at least 0.6* s with 95% confidence; 0.5 s",
            "*slowest answers:",
            "*c01*: 0.6* s",
            "*this claim allows * slower cases in 200",
        ]
    )
    assert "| `good`     | latency p95 | ≤ 0.5 s | FAIL" in project.report()


def test_requests_without_an_answer_are_slower_than_any(project):
    def broken(call):
        return Reply(status=500) if call.messages[-1]["content"].startswith("quince") else slow_quinces(call)

    with ChatServer(broken) as server:
        served(project, server, LATENCY.format(quantile=0.95, ceiling=30))
        assert project.run().ret == 1
    claim = claim_of(project)
    assert (claim["status"], claim["estimate"], claim["upper"]) == ("FAIL", None, None)
    assert claim["sentence"].startswith("fewer than 95% of the requests were answered")


def test_a_recording_holds_the_latencies(project):
    with ChatServer(slow_quinces) as server:
        served(project, server, LATENCY.format(quantile=0.8, ceiling=0.55))
        assert project.run("--gate-record", "run.jsonl").ret == 0
    judged = project.report("verdicts.json")
    assert project.run("--gate-replay", "run.jsonl").ret == 0
    assert project.report("verdicts.json") == judged
    assert "headroom" not in (project.root / "run.jsonl").read_text()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (LATENCY.format(quantile=0.999, ceiling=1), "*the quantile 0.999 of latency is a floor of answers in time*"),
        (LATENCY.format(quantile=95, ceiling=1), "*quantile is 95; expected a share between 0 and 1, such as 0.95*"),
        (LATENCY.format(quantile=0.5, ceiling=-1), "*needs a ceiling above 0 seconds*"),
        (
            "def test_latency(run, gate):\n    gate.at_least(run.latency(quantile=0.5), 1.0)\n",
            "*can only be claimed as gate.at_most(*, seconds), not as at_least*",
        ),
        (
            "def test_latency(run, baseline, gate):\n"
            "    gate.no_worse(run.latency(quantile=0.5), baseline.latency(quantile=0.5), margin=0.1)\n",
            "*can only be claimed as gate.at_most(*, seconds), not as no_worse*",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_model_is_asked(project, body, told):
    project.suite(body)
    result = project.run()
    assert result.ret == 1
    result.stdout.fnmatch_lines([told])
    assert project.calls == 0


def test_an_accepted_claim_is_known_by_its_quantile(project):
    project.strategies(good="shipped")
    both = "def test_latency(run, gate):\n    gate.at_most(run.latency(quantile=0.5), 5)\n    {}\n"
    project.suite(both.format("gate.at_most(run.latency(quantile=0.9), 9)"))
    assert project.run("--gate-accept", "first").ret == 0
    project.suite(both.format("gate.at_most(run.latency(quantile=0.8), 9)"))
    result = project.run("--gate-profile", "release")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*at_most latency p90: accepted, and not made now*"])


def test_the_self_test_leaves_times_out(project):
    project.suite(
        "def test_both(run, gate):\n"
        "    gate.at_most(run.latency(quantile=0.5), 5)\n    gate.at_least(run.accuracy(), 0.9)\n"
    )
    result = project.run("--gate-selftest")
    assert result.ret == 0
    assert "times are not simulated" in project.report()


def test_a_run_that_stops_early_waits_for_all_times(project):
    project.suite(
        "def test_both(run, gate):\n"
        "    gate.at_most(run.latency(quantile=0.5), 5)\n    gate.at_least(run.accuracy(), 0.5)\n"
    )
    assert project.run("--gate-early-stop").ret == 0
    assert project.calls == 200
    assert {claim["status"] for claim in project.claims} == {"PASS"}
