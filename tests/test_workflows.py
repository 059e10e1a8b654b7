"""The workflow files of `harness init`: they parse, name options that exist, may do little, and do what they say."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

import harness
from harness.cli import _parser
from harness.reporting.comment import MARKER

FOLDER = Path(harness.__file__).parent / "templates/both/github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
WRITES = {"gate.yml": {"pull-requests"}, "nightly.yml": {"issues"}, "release.yml": {"contents"}}


def content(path):
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    data["on"] = data.pop(True)  # YAML 1.1 takes `on` for a truth value
    return data


def steps(path):
    return [step for job in content(path)["jobs"].values() for step in job["steps"]]


def commands(path):
    """Every simple command of every step."""
    return [
        line.strip()
        for step in steps(path)
        for line in step.get("run", "").replace("\\\n", " ").splitlines()
        if line.strip()
    ]


def test_there_is_one_for_pull_requests_one_for_releases_and_one_for_the_night():
    assert [path.name for path in FILES] == ["gate.yml", "nightly.yml", "release.yml"]
    assert "pull_request" in content(FOLDER / "gate.yml")["on"]
    assert content(FOLDER / "release.yml")["on"]["push"] == {"tags": ["v*"]}
    assert "schedule" in content(FOLDER / "nightly.yml")["on"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_job_declares_what_it_may_do_and_how_long(path):
    data = content(path)
    assert data["permissions"] == {}
    writing = set()
    for job in data["jobs"].values():
        assert job["timeout-minutes"] <= 120
        rights = job["permissions"]
        written = {name for name, right in rights.items() if right == "write"}
        writing |= written
        uses = [step.get("uses", "") for step in job["steps"]]
        if written:
            assert not any("checkout" in name for name in uses), "what may write runs no code of the repository"
        else:
            assert rights == {"contents": "read"}
    assert writing == WRITES[path.name]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_actions_are_pinned_by_major_version(path):
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z/-]+@v\d+", name) for name in used)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_nothing_of_an_event_is_put_into_a_script(path):
    assert "pull_request_target" not in path.read_text(encoding="utf-8")
    assert not any("${{" in command for command in commands(path))
    for step in steps(path):
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_code_of_a_pull_request_sees_no_secret():
    assert "secrets." not in (FOLDER / "gate.yml").read_text(encoding="utf-8")
    (step,) = [step for step in steps(FOLDER / "nightly.yml") if "secrets." in str(step)]
    assert step["run"].startswith("pytest ")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_option_exists(path, pytestconfig):
    run = [shlex.split(line) for line in commands(path) if line.split()[0] in ("pytest", "harness")]
    assert run
    for name, *words in run:
        if name == "harness":
            assert callable(_parser().parse_args(words).command)
        else:
            options, unknown = pytestconfig._parser.parse_known_and_unknown_args(words)
            assert not unknown
            assert options.file_or_dir == ["suites/"]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_scripts_are_shell(path):
    for step in steps(path):
        if "run" in step:
            subprocess.run(["bash", "-n", "-c", step["run"]], check=True)


# ------------------------------------------------------------------------------------- the scripts, with another `gh`


def ran(tmp_path, path, job, *, known, report=True):
    """What the last script of a job asks of `gh`, which finds the comment or issue `known`."""
    (step,) = [step for step in content(path)["jobs"][job]["steps"] if "run" in step]
    fake = tmp_path / "gh"
    finds = "case \"$*\" in *'--jq'*) printf '%s' \"$KNOWN\";; esac"
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> asked\n{finds}\n')
    fake.chmod(0o755)
    if report:
        (tmp_path / "comment.md").write_text(f"{MARKER}\nreport\n")
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "KNOWN": known,
        **{name: value for name, value in step["env"].items() if "${{" not in value},
        "REPOSITORY": "me/mine",
        "NUMBER": "7",
        "TAG": "v1.2",
    }
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", step["run"]], cwd=tmp_path, env=environment, check=True)
    return (tmp_path / "asked").read_text().splitlines()


def test_a_pull_request_gets_one_comment_which_is_updated(tmp_path):
    first = ran(tmp_path, FOLDER / "gate.yml", "comment", known="")
    assert first[0].startswith("api --paginate repos/me/mine/issues/7/comments --jq ")
    assert f'startswith("{MARKER}")' in first[0]
    assert 'select(.user.login == "github-actions[bot]"' in first[0]
    assert first[1:] == ["api --silent repos/me/mine/issues/7/comments -F body=@comment.md"]
    (tmp_path / "asked").unlink()
    second = ran(tmp_path, FOLDER / "gate.yml", "comment", known="31\n30\n")
    assert second[1:] == ["api --silent -X PATCH repos/me/mine/issues/comments/31 -F body=@comment.md"]


def test_a_run_without_a_report_is_told_in_the_same_comment(tmp_path):
    ran(tmp_path, FOLDER / "gate.yml", "comment", known="", report=False)
    assert (tmp_path / "comment.md").read_text().startswith(f"{MARKER}\nHoldfast: the run ended before")


def test_the_night_has_one_issue_which_is_updated(tmp_path):
    first = ran(tmp_path, FOLDER / "nightly.yml", "issue", known="")
    assert first[1:] == ["issue create --title The nightly gate blocks --body-file comment.md"]
    (tmp_path / "asked").unlink()
    second = ran(tmp_path, FOLDER / "nightly.yml", "issue", known="12")
    assert second[1:] == ["issue edit 12 --body-file comment.md"]


def test_a_release_is_published_with_the_report_only_behind_the_gate(tmp_path):
    assert content(FOLDER / "release.yml")["jobs"]["release"]["needs"] == "gate"
    asked = ran(tmp_path, FOLDER / "release.yml", "release", known="")
    assert asked == ["release create v1.2 --repo me/mine --verify-tag --notes-file comment.md"]
