"""How long the report takes from stored outcomes, and how quickly report.html answers in a browser.

    python benchmarks/reporting.py            # writes benchmarks/results/reporting.md

The tickets of `fixtures/support_tickets` are repeated as often as it takes, answered by five made-up strategies that
get a share of them wrong or unusable, really scored, and judged. Every shape is measured in a process of its own, so
that its peak memory is its own; what it takes to score and judge is not counted. Times are CPU seconds of that process,
which has one thread, so that other work on the machine does not count; the clock's are in brackets.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.costs import field_cost
from harness.core.metrics import members, outcomes_of
from harness.core.policy import effect
from harness.core.records import BASELINE, Case, FieldCost, Measure, Response, Stage, Strategy, Task, Usage
from harness.core.schemas import AnswerSchema
from harness.core.scoring import SCORING_VERSION, Scorer
from harness.core.tables import OutcomeTable, TableBuilder
from harness.fixtures_io.cases import CaseFile, write_cases
from harness.fixtures_io.tasks import load_fixture
from harness.reporting.files import verdicts_json, write_files
from harness.reporting.html.fingerprint import digest_in, digest_of
from harness.reporting.html.page import report_html
from harness.reporting.markdown import report_markdown
from harness.reporting.model import Provenance, Report, RunReport, SuiteReport
from harness.runs.declared import DeclaredClaim
from harness.runs.reports import judged_claims
from harness.runs.settling import settle

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "reporting.md"
SEED = 11
MARKDOWN_ALLOWED = 1.0
STRATEGIES = {
    "base": (Stage.REFERENCE, 0.55, 0.08),
    "few_shot": (Stage.REFERENCE, 0.70, 0.03),
    "constrained": (Stage.CANDIDATE, 0.78, 0.0),
    "small_model": (Stage.CANDIDATE, 0.82, 0.01),
    "fine_tuned": (Stage.SHIPPED, 0.90, 0.0),
}
"""Stage, share right, share unusable."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """So many cases, and the seconds that the page may take."""

    cases: int
    allowed: float | None

    @property
    def name(self) -> str:
        return f"{self.cases:,} × {len(STRATEGIES)}"


SHAPES = (Shape(cases=2_000, allowed=3.0), Shape(cases=5_000, allowed=None), Shape(cases=100_000, allowed=20.0))
BROWSED = Shape(cases=5_000, allowed=None)


def made_report(cases: int, folder: Path) -> Report:
    """A suite of that size: scored, judged, with a baseline that the shipped strategy changed a little."""
    task = load_fixture(ROOT / "fixtures" / "support_tickets").task
    rows = _holdout(task, cases, folder)
    tables = {name: _table(task, rows, right, unusable, name) for name, (_, right, unusable) in STRATEGIES.items()}
    tables[BASELINE] = _table(task, rows, 0.9, 0.0, "fine_tuned", other=0.02)
    runs = {
        name: RunReport(
            strategy=Strategy(name=name, stage=stage, adapter="made_up", prompt="prompts/instructions.md"),
            driver="python",
            model="made_up.py:answer",
            identity={"source": "0" * 64},
            digest="1" * 64,
            table=tables[name],
            usd_per_1000=0.12,
        )
        for name, (stage, *_) in STRATEGIES.items()
    }
    suite = SuiteReport(
        name="support_tickets",
        task=task,
        cases=rows,
        holdout_digest="2" * 64,
        schema_digest="3" * 64,
        scoring_version=SCORING_VERSION,
        runs=runs,
        claims=_judged(task, rows, tables),
        broken={},
        unjudged=(),
        incomplete=(),
        baseline=tables[BASELINE],
        cost_of=lambda name, right, given: field_cost(task.costs.fields.get(name, FieldCost()), right, given),  # type: ignore[arg-type]
    )
    return Report(suites=[suite], provenance=Provenance(revision="", versions={"holdfast": "benchmark"}))


def _holdout(task: Task, cases: int, folder: Path) -> CaseFile:
    """The tickets, repeated under new ids, in a file as runs read them."""
    schema = AnswerSchema(task.schema)
    known = CaseFile(ROOT / "fixtures" / "support_tickets" / "holdout.jsonl", schema, task.decision_fields)
    file = folder / "holdout.jsonl"
    write_cases(
        file, (replace(known[n % len(known)], id=f"t{n:06d}", supplement=False, cluster=None) for n in range(cases))
    )
    return CaseFile(file, schema, task.decision_fields)


def _table(
    task: Task, cases: Sequence[Case], right: float, unusable: float, name: str, other: float = 0.0
) -> OutcomeTable:
    """Outcomes of one strategy; with `other` that share of its answers is drawn anew."""
    draw, again = random.Random(f"{SEED} {name}"), random.Random(f"{SEED} {name} again")
    answers = [dict(case.expected) for case in cases[:500]]
    scorer = Scorer(task)
    builder = TableBuilder(cases=cases, repeats=1, decision_fields=task.decision_fields, largest_cost=100.0)
    for case in cases:
        chances = [draw.random() for _ in range(3)]
        if other and again.random() < other:
            chances = [again.random() for _ in range(3)]
        given = dict(case.expected) if chances[0] < right else answers[int(chances[1] * len(answers))]
        text = json.dumps(given) if chances[2] >= unusable else f"Sure! The ticket is about {given['category']}."
        sure = min(0.999, 0.35 + 0.6 * chances[1] ** 0.5)
        reply = Response(
            text=text,
            latency_s=0.2 + 0.1 * chances[1],
            usage=Usage(input_tokens=400, output_tokens=30),
            confidence=dict.fromkeys(task.decision_fields, sure),
        )
        builder.add(scorer.score(case, 0, reply), reply)
    return builder.finish()


def _judged(task: Task, cases: Sequence[Case], tables: dict[str, OutcomeTable]) -> Any:
    def claim(kind: str, run: str, bound: float | None, **measure: Any) -> DeclaredClaim:
        metric = {"metric": "accuracy"} | measure
        paired = Measure(run=BASELINE, **metric) if kind == "no_worse" else None
        found = Measure(run=run, **metric)
        return DeclaredClaim(test="suites/t.py::t", index=0, kind=kind, measure=found, baseline=paired, bound=bound)

    kept = {part.name: members(cases, part) for part in task.slices} | {None: members(cases, None)}
    claims = [
        made
        for run, (stage, *_) in STRATEGIES.items()
        if stage is not Stage.REFERENCE
        for made in (
            claim("at_least", run, 0.85),
            claim("at_least", run, 0.97, metric="format_validity"),
            claim("no_worse", run, 0.05),
            *(claim("no_worse", run, 0.15, slice=part.name) for part in task.slices if part.critical),
        )
    ]
    verdicts = settle(claims, lambda m: outcomes_of(tables[m.run], task, kept[m.slice], m), lambda _: 100.0)
    return judged_claims([(c, v, effect(c.role, str(v.status), "pr")) for c, v in zip(claims, verdicts, strict=True)])


@dataclass(frozen=True, kw_only=True)
class Took:
    """Seconds of this process, and of the clock."""

    cpu: float
    wall: float

    def __str__(self) -> str:
        return f"{self.cpu:.2f} s ({self.wall:.2f} s)"


def timed(action: Callable[[], Any]) -> tuple[Any, Took]:
    cpu, wall = time.process_time(), time.perf_counter()
    found = action()
    return found, Took(cpu=time.process_time() - cpu, wall=time.perf_counter() - wall)


def measure(shape: Shape) -> str:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = made_report(shape.cases, folder)
        before = _peak_gib()
        markdown, wrote = timed(lambda: report_markdown(report))
        _, stored = timed(lambda: write_files(folder, report))
        verdicts = verdicts_json(report)
        file = folder / "report.html"

        def make() -> None:
            digest = digest_of(report, markdown, verdicts)
            file.write_text(report_html(report, digest=digest), encoding="utf-8")

        _, made = timed(make)
        same, looked = timed(lambda: digest_in(file) == digest_of(report, markdown, verdicts))
        size = file.stat().st_size / 1e6
    met = wrote.cpu <= MARKDOWN_ALLOWED or shape.cases > 2_000
    met = met and (shape.allowed is None or made.cpu <= shape.allowed) and same
    allowed = "–" if shape.allowed is None else f"{shape.allowed:g} s"
    return (
        f"| {shape.name} | {wrote} | {len(markdown.encode()) / 1e3:.0f} kB | {stored} | {made} "
        f"| {allowed} | {size:.1f} MB | {looked} | {before:.2f} GiB | {_peak_gib():.2f} GiB "
        f"| {'yes' if met else 'NO'} |"
    )


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


_AFTER_PAINT = """async ([action, value]) => {
  const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const set = (id, value) => {
    const input = document.getElementById(id);
    input.value = value;
    input.dispatchEvent(new Event("input", {bubbles: true}));
    if (id === "f-q") input.dispatchEvent(new KeyboardEvent("keydown", {key: "Escape", bubbles: true}));
  };
  await painted();
  const start = performance.now();
  if (action === "open") document.querySelector("#rows tbody a").click();
  else if (action === "page") document.getElementById("on").click();
  else set(action, value);
  await painted();
  return performance.now() - start;
}"""
_ACTIONS = (
    ("filter: not right by any strategy", "f-status", "bad"),
    ("filter: broken since the baseline", "f-flip", "broken"),
    ("all cases again", "f-flip", ""),
    ("first search, a word of the text", "f-q", "invoice"),
    ("next search", "f-q", "campaign"),
    ("search for nothing", "f-q", ""),
    ("dearest first", "f-order", "cost"),
    ("next page", "page", ""),
    ("open a case", "open", ""),
)


def browse() -> list[str]:
    """How long the page of BROWSED takes to be ready, and to answer; rows of a table."""
    from playwright.sync_api import sync_playwright

    sys.path.insert(0, str(ROOT / "tests"))
    from support.browser import ARGUMENTS, chromium_path

    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        file = Path(name) / "report.html"
        file.write_text(report_html(made_report(BROWSED.cases, Path(name))), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.goto(file.as_uri())
        ready = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
        rows = [f"| open the page, until its cases are listed | {ready:.0f} ms |"]
        rows += [
            f"| {told} | {page.evaluate(_AFTER_PAINT, [action, value]):.0f} ms |" for told, action, value in _ACTIONS
        ]
        browser.close()
    return rows


def main() -> None:
    if len(sys.argv) > 1:
        print("\n".join(browse()) if sys.argv[1] == "browse" else measure(SHAPES[int(sys.argv[1])]))
        return
    parts = [_apart(str(index)) for index in range(len(SHAPES))]
    report = "\n".join(
        [
            "# Building the report",
            "",
            "`python benchmarks/reporting.py`: stored outcomes of made-up strategies on the support tickets, scored",
            "and judged before the clock starts. Allowed: markdown in 1 s and the page in 3 s for 2,000 cases; the",
            "page in 20 s for 100,000, of which it holds flips and errors up to 20,000, and a sample of the rest.",
            "The page is made in a fresh process: the import of matplotlib and the drawing of charts are in its time.",
            "Times are CPU seconds of one thread, with those of the clock in brackets: the machine had other work.",
            "",
            "| cases × strategies | report.md | size | outcomes.jsonl, verdicts.json | report.html | allowed | size "
            "| unchanged, not made again | memory before | peak memory | met? |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|",
            *parts,
            "",
            f"In Chromium, {BROWSED.name}, from the action to the painted result:",
            "",
            "| action | time |",
            "|---|---:|",
            _apart("browse"),
            "",
        ]
    )
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(report, encoding="utf-8")
    print(report)


def _apart(argument: str) -> str:
    done = subprocess.run([sys.executable, __file__, argument], check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
