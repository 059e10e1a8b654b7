"""`harness report --from`: the files of a run again, from what other machines answered, and from nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from harness.runs import LEDGER

FILES = ("report.md", "report.html", "verdicts.json", "outcomes.jsonl", "comment.md")


@pytest.fixture
def judged(project):
    """A project that was run: its report files, a recording, and two shards' ledgers, one of them exported."""
    project.strategies(fair="candidate", good="shipped")
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.5)\n")
    assert project.run("--gate-record", "run.jsonl").ret == 0
    project.wanted = {name: project.report(name) for name in FILES}
    (project.root / "parts").mkdir()
    for number in (1, 2):
        shutil.rmtree(project.root / ".holdfast")
        assert project.run("--gate-shard", f"{number}/2").ret == 0
        shutil.copy(project.root / LEDGER, project.root / f"parts/{number}.sqlite")
    assert harness(project, "ledger", "export", "--ledger", "parts/2.sqlite", "parts/2.jsonl").returncode == 0
    shutil.rmtree(project.root / ".holdfast")
    shutil.rmtree(project.root / "reports")
    shutil.rmtree(project.root / ".pytest_cache", ignore_errors=True)
    (project.root / "adapters/calls.log").unlink()
    return project


def harness(project, *arguments):
    command = [sys.executable, "-m", "harness.cli", *arguments]
    return subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("sources", "same"),
    [(("parts/1.sqlite", "parts/2.jsonl"), ("verdicts.json",)), (("run.jsonl",), ("verdicts.json", "outcomes.jsonl"))],
)
def test_the_files_are_those_of_the_run(judged, sources, same):
    """Shards measure latencies of their own; all else is the same."""
    done = harness(judged, "report", "--from", *sources)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name: judged.report(name) for name in same} == {name: judged.wanted[name] for name in same}
    assert all((judged.root / "reports/latest" / name).is_file() for name in FILES)
    assert f"To reproduce: `harness report --from {' '.join(sources)}`" in judged.report()
    assert judged.calls == 0
    assert not (judged.root / LEDGER).exists()
    assert not (judged.root / ".pytest_cache").exists()


def test_it_is_written_elsewhere_and_judged_as_a_release(judged):
    judged.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.88)\n")
    done = harness(judged, "report", "--from", "run.jsonl", "--out", "again", "--profile", "release")
    assert done.returncode == 1
    assert "**BLOCKED: 1 claim not met.** Profile `release`." in (judged.root / "again/report.md").read_text()
    assert not (judged.root / "reports").exists()


def test_a_missing_answer_is_an_error_that_says_what_is_missing(judged):
    done = harness(judged, "report", "--from", "parts/1.sqlite")
    assert done.returncode == 1
    assert "BLOCKED: 2 strategies could not be run." in done.stdout
    assert "100 of 200 answers of fruit/good are not in 1.sqlite" in " ".join(done.stdout.split())
    done = harness(judged, "report", "--from", "parts/2.jsonl", "parts/2.sqlite")
    assert "100 of 200 answers of fruit/good are not in joined.sqlite" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        (("run.jsonl", "parts/1.sqlite"), "run.jsonl is a recording, which is a whole run and is judged alone"),
        (("nowhere.sqlite",), "nowhere.sqlite can't be read: No such file or directory"),
        (("suites/fruit/prompts/p.md",), "p.md can't be taken, and nothing was:"),
    ],
)
def test_files_of_no_use_are_named(judged, sources, told):
    done = harness(judged, "report", "--from", *sources)
    assert done.returncode == 2
    assert told in done.stderr
    assert not (judged.root / "reports").exists()
