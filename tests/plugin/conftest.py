"""A small project whose model is a Python function, for running pytest inside pytest."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path

import hypothesis
import jinja2.ext
import markdown_it
import matplotlib.backends.backend_agg
import matplotlib.backends.backend_svg
import pytest
import scipy.special
import scipy.stats

from harness.reporting.html.page import report_html
from harness.runs.early import EarlyStop
from harness.runs.ending import end_run
from harness.runs.freezing import freeze
from harness.runs.gating import Gating
from harness.runs.planting import suite_self_test

PRELOADED = (
    *(scipy.special, scipy.stats, hypothesis, jinja2.ext, markdown_it),
    *(freeze, Gating, suite_self_test, end_run, EarlyStop, report_html),
    *(matplotlib.backends.backend_agg, matplotlib.backends.backend_svg),
)
"""pytester forgets modules that a run inside it imports: they would be read again each time, and NumPy can't be."""

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["kind"],
    "properties": {"kind": {"enum": ["apple", "pear", "quince"]}},
}
TASK = """
name: fruit
schema: schema.json
decision_fields: [kind]
personal_data: masked
slices:
  rare: {where: {kind: quince}, critical: true}
  marked: {tag: marked}
costs:
  invalid: 25
  kind: {default: 4, from: {quince: {any: 40}}}
costly: {at_least: 20}
"""
MODEL = '''
"""Answers right unless the text's number is below `wrong`; writes down each call."""
from pathlib import Path

CALLS = Path(__file__).with_name("calls.log")


def answer(inputs, wrong=0, broken=0, stop_at=None):
    with CALLS.open("a") as log:
        log.write(inputs["text"] + "\\n")
    kind, number = inputs["text"].split()[:2]
    if stop_at is not None and int(number) == stop_at:
        raise KeyboardInterrupt
    if int(number) < broken:
        return "no idea"
    if int(number) < wrong:
        return {"kind": "pear" if kind == "apple" else "apple"}
    return {"kind": kind}
'''


class Project:
    """A project on disk: `suite`, `adapter` and `holdout` change it, `run` runs pytest on it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.root: Path = pytester.path
        self.holdout([("apple", 100), ("pear", 80), ("quince", 20)])
        self.write("fixtures/fruit/task.yaml", TASK)
        self.write("fixtures/fruit/schema.json", json.dumps(SCHEMA))
        self.write("adapters/model.py", MODEL)
        for name, wrong in (("good", 0), ("fair", 20), ("bad", 100)):
            self.adapter(name, wrong=wrong)
        self.write("suites/fruit/prompts/p.md", "Name the fruit.\n")
        self.strategies(good="shipped")
        self.freeze()

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def holdout(self, counts: Sequence[tuple[str, int]]) -> None:
        rows, number = [], 0
        for kind, count in counts:
            for _ in range(count):
                rows.append(
                    {"id": f"c{number:04d}", "inputs": {"text": f"{kind} {number}"}, "expected": {"kind": kind}}
                )
                number += 1
        self.write("fixtures/fruit/holdout.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    def adapter(self, name: str, **options: object) -> None:
        self.write(f"adapters/{name}.yaml", f"driver: python\nmodel: model.py:answer\noptions: {json.dumps(options)}\n")

    def strategies(self, thresholds: str = "{accuracy: 0.9}", **stages: str) -> None:
        lines = ["task: fruit", "adapter: good", f"thresholds: {thresholds}", "strategies:"]
        lines += [f"  {n}: {{stage: {stage}, prompt: prompts/p.md, adapter: {n}}}" for n, stage in stages.items()]
        self.write("suites/fruit/strategies.yaml", "\n".join(lines) + "\n")

    def suite(self, body: str, name: str = "test_fruit.py") -> None:
        self.write(f"suites/fruit/{name}", body)

    def freeze(self) -> None:
        assert list(freeze(self.root / "fixtures" / "fruit"))

    def run(self, *options: str) -> pytest.RunResult:
        return self.pytester.runpytest_inprocess("suites", "-p", "no:randomly", *options)

    def run_apart(self, *options: str) -> pytest.RunResult:
        """In a process of its own, for runs that are interrupted or start workers."""
        return self.pytester.runpytest_subprocess("suites", "-p", "no:randomly", *options)

    @property
    def calls(self) -> int:
        log = self.root / "adapters" / "calls.log"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def report(self, name: str = "report.md") -> str:
        return (self.root / "reports" / "latest" / name).read_text(encoding="utf-8")

    @property
    def claims(self) -> list[dict[str, object]]:
        suites = json.loads(self.report("verdicts.json"))["suites"]
        return [claim for suite in suites for claim in suite["claims"]]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Away from GitHub, wherever the tests themselves run."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE"):
        monkeypatch.delenv(name, raising=False)
    return Project(pytester)
