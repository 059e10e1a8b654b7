"""Banking77, whole: imported from the public CSV files, five strategies on all 3,080 holdout queries."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.core.errors import FixtureError

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "banking77"
AT_LEAST = {"base": 0.62, "few_shot": 0.76, "fine_tuned": 0.937}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    if not (DATA / "train.csv").is_file():
        pytest.skip(f"the Banking77 files are not in {DATA.relative_to(ROOT.parent)} beside this checkout")
    folder = tmp_path_factory.mktemp("banking77")
    shutil.copytree(ROOT / "adapters", folder / "adapters")
    shutil.copytree(ROOT / "suites" / "banking77", folder / "suites" / "banking77")
    (folder / "pytest.ini").write_text("[pytest]\n")
    out = str(folder / "fixtures" / "banking77")
    columns = ["--text", "text", "--label", "category", "--out", out, "--accept-leaks", "published split"]
    assert main(["import", "csv", str(DATA / "train.csv"), "--holdout", str(DATA / "test.csv"), *columns]) == 0
    return folder


@pytest.fixture(scope="module")
def claims(project):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "suites", "-q", "-p", "no:randomly"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    suites = json.loads((project / "reports" / "latest" / "verdicts.json").read_text())["suites"]
    return {(claim["run"], claim["metric"]): claim for claim in suites[0]["claims"]}


def test_the_import_keeps_every_row(project):
    folder = project / "fixtures" / "banking77"
    lines = {name: (folder / f"{name}.jsonl").read_text().count("\n") for name in ("pool", "holdout")}
    assert lines == {"pool": 10003, "holdout": 3080}


def test_the_copies_that_the_published_split_holds_stop_a_run_unless_they_are_accepted(project):
    from dataclasses import replace

    from harness.fixtures_io.suites import Project, load_suite
    from harness.runs.leaks import cards_of, exact_leaks, prompts_of, refuse_leaks

    suite = load_suite(project / "suites/banking77/strategies.yaml", Project(root=project))
    refuse_leaks(suite)
    leaks = exact_leaks(suite.fixture, cards_of(suite), prompts_of(suite))
    for source in ("pool", "training data of banking77_lora"):
        assert len({leak.holdout for leak in leaks if leak.source == source}) == 25
    assert len({leak.holdout for leak in leaks if leak.source.endswith("prompts/definitions.md")}) == 12
    with pytest.raises(FixtureError, match="37 holdout cases of .*banking77 are known word for word"):
        refuse_leaks(replace(suite, fixture=replace(suite.fixture, accept_leaks="")))


def test_the_weights_were_trained_on_this_pool(project):
    from harness.core.digests import digest
    from harness.fixtures_io.tasks import load_fixture

    pool = sorted(load_fixture(project / "fixtures" / "banking77").pool(), key=lambda case: case.id)
    card = json.loads((ROOT / "adapters/lora/banking77/card.json").read_text())
    assert card["data_sha256"] == digest([[c.id, dict(c.inputs), dict(c.expected)] for c in pool])


@pytest.mark.parametrize("run", sorted(AT_LEAST))
def test_accuracy_reaches_what_was_promised(claims, run):
    claim = claims[run, "accuracy"]
    assert claim["n"] == 3080
    assert claim["estimate"] >= AT_LEAST[run]


def test_every_constrained_answer_is_usable(claims):
    assert {claims[run, "format_validity"]["estimate"] for run in ("constrained", "fine_tuned")} == {1.0}
