"""Where a report comes from, and what the run took."""

import os
import re
import subprocess
from dataclasses import replace

from support.small_report import report, right, suite_report, table

from harness.reporting.markdown import report_markdown
from harness.reporting.model import Effort
from harness.runs.provenance import effort, git_revision, hardware, provenance, versions


def test_the_machine_is_named_with_its_cores():
    assert re.fullmatch(rf".+, {os.cpu_count()} cores?(; .+)?", hardware())


def test_outside_git_there_is_no_revision_and_inside_it_says_whether_files_differ(tmp_path):
    assert git_revision(tmp_path) == ""
    for command in ("init -q", "-c user.name=a -c user.email=a@b.c commit -q --allow-empty -m one"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    clean = git_revision(tmp_path)
    assert re.fullmatch("[0-9a-f]{12}", clean)
    (tmp_path / "new").write_text("x")
    subprocess.run(["git", "add", "new"], cwd=tmp_path, check=True)
    assert git_revision(tmp_path) == f"{clean}+changes"


def test_the_effort_adds_up_all_strategies():
    assert effort({"a/one": [3, 4, 10, 1], "a/two": [0, 5, 0, 1]}, 2.5) == Effort(seconds=2.5, calls=3, stored=9)


def test_the_page_says_what_the_run_took_and_how_it_is_made_again(tmp_path):
    made = report(suite_report({"good": table(right)}))
    command = "pytest suites/ -k 'a`b'"
    source = provenance(tmp_path, profile="pr", command=command, effort=Effort(seconds=1.25, calls=1, stored=1200))
    text = report_markdown(replace(made, provenance=source))
    assert "The run took 1.2 s: 1 call, 1,200 answers from the ledger; all answers together are " in text
    assert "440 tokens read and 220 written." in text
    assert "Judged on " in text
    assert "To reproduce: `pytest suites/ -k 'a'b'`" in text
    assert "The run took" not in report_markdown(made)
    assert source.versions == versions()
