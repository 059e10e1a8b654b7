"""What a verdict does to a build: the code is held against the table in docs/gate.md."""

import itertools
import re
from pathlib import Path

import pytest

from harness.core.kinds import Role, VerdictStatus
from harness.core.policy import PROFILES, Effect, effect

PAGE = (Path(__file__).parents[2] / "docs" / "gate.md").read_text(encoding="utf-8")
WORDS = {
    "passed": Effect.PASS,
    "passed, shown as `?`": Effect.WARN,
    "passed, shown as `m` (missed)": Effect.WARN,
    "**failed**": Effect.BLOCK,
}


def documented():
    """(role, verdict, profile) → the words of the table."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"]
    start = next(i for i, cells in enumerate(lines) if cells[:2] == ["role", "verdict"])
    profiles = [re.fullmatch(r"profile `(\w+)`", cell)[1] for cell in lines[start][2:]]
    found = {}
    for cells in itertools.takewhile(lambda row: len(row) == len(lines[start]), lines[start + 2 :]):
        role = re.match(r"`(\w+)`", cells[0])[1]
        found.update({(role, cells[1], profile): words for profile, words in zip(profiles, cells[2:], strict=True)})
    return found


TABLE = documented()


def test_the_table_has_every_role_verdict_and_profile_once():
    assert set(TABLE) == set(itertools.product(map(str, Role), map(str, VerdictStatus), PROFILES))


@pytest.mark.parametrize(("role", "status", "profile"), sorted(TABLE))
def test_the_effect_is_the_documented_one(role, status, profile):
    words = TABLE[role, status, profile]
    assert effect(role, status, profile) is WORDS[words]
    if "`m`" in words:
        assert status == "FAIL"
    if "`?`" in words:
        assert status == "INCONCLUSIVE"


def test_the_default_role_is_the_one_that_the_page_names():
    assert "| `gate` (default) |" in PAGE


@pytest.mark.parametrize(("role", "status", "profile"), sorted(TABLE))
def test_only_an_inconclusive_gate_can_be_set_to_do_otherwise(role, status, profile):
    swapped = {"pr": Effect.BLOCK, "release": Effect.WARN}
    settable = (role, status) == ("gate", "INCONCLUSIVE")
    expected = swapped[profile] if settable else effect(role, status, profile)
    assert effect(role, status, profile, inconclusive=swapped) is expected


@pytest.mark.parametrize("profile", ["", "PR", "nightly"])
def test_an_unknown_profile_is_an_error(profile):
    with pytest.raises(ValueError, match="expected one of pr, release"):
        effect("gate", "PASS", profile)
