"""One family per suite: how tests are ordered, spread or stopped changes no verdict."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

SUITE = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), 0.9)

def test_usable(run, gate):
    gate.at_least(run.format_validity(), 0.9)
"""
SHUFFLED = """
import os
import random

def pytest_collection_modifyitems(items):
    if seed := os.environ.get("SHUFFLE"):
        random.Random(int(seed)).shuffle(items)
"""


@pytest.fixture
def family(project):
    """`edge` is below its floor by p = 0.04: a FAIL if it stood alone, INCONCLUSIVE beside the other claims."""
    project.adapter("edge", wrong=28)
    project.strategies(bad="candidate", edge="candidate", good="shipped")
    project.adapter("bad", wrong=60)
    project.suite(SUITE)
    project.write("conftest.py", SHUFFLED)
    return project


def judged(project, result, xml):
    """What a run decided: node ids with outcomes and claim properties out of JUnit, and the bytes of verdicts.json."""
    cases = {}
    for case in ET.parse(project.root / xml).iter("testcase"):
        properties = tuple((p.get("name"), p.get("value")) for p in case.iter("property"))
        failure = case.find("failure")
        told = None if failure is None else failure.get("message").splitlines()[0]
        cases[case.get("classname"), case.get("name")] = (properties, told)
    return cases, project.report("verdicts.json"), result.ret


def status(project, run, metric="accuracy"):
    return next(c["status"] for c in project.claims if c["run"] == run and c["metric"] == metric)


def test_the_verdict_really_depends_on_the_family(family):
    family.run()
    assert (status(family, "edge"), status(family, "bad")) == ("INCONCLUSIVE", "FAIL")
    family.run("-k", "test_accuracy and edge")
    assert status(family, "edge") == "FAIL"


def test_order_workers_and_stopping_change_nothing(family, monkeypatch):
    serial = judged(family, family.run_apart("--junitxml", "a.xml"), "a.xml")
    assert (status(family, "edge"), status(family, "bad")) == ("INCONCLUSIVE", "FAIL")
    spread = judged(family, family.run_apart("--junitxml", "b.xml", "-n", "2"), "b.xml")
    assert spread == serial
    stopped = judged(family, family.run_apart("--junitxml", "c.xml", "-x"), "c.xml")
    assert stopped[1:] == serial[1:]
    assert stopped[0].items() < serial[0].items()
    for seed in ("1", "2"):
        monkeypatch.setenv("SHUFFLE", seed)
        shuffled = judged(family, family.run_apart("--junitxml", "d.xml"), "d.xml")
        assert list(shuffled[0]) != list(serial[0])
        assert shuffled == serial
    spread = judged(family, family.run_apart("--junitxml", "e.xml", "-n", "2"), "e.xml")
    assert spread == serial


def test_running_the_failed_ones_again_lifts_no_failure(family):
    cases, _, code = judged(family, family.run_apart("--junitxml", "a.xml"), "a.xml")
    before = {(c["test"], c["index"]): c["status"] for c in family.claims}
    again, _, code_again = judged(family, family.run_apart("--junitxml", "b.xml", "--lf"), "b.xml")
    assert again == {name: found for name, found in cases.items() if found[1] is not None}
    assert code_again == code == 1
    after = {(c["test"], c["index"]): c["status"] for c in family.claims}
    assert set(after.values()) == {"FAIL"}
    assert after.items() <= before.items()
    assert json.loads(family.report("verdicts.json"))["suites"][0]["incomplete"]
