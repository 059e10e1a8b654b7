"""uses.jsonl: what was judged on a holdout, each version of a strategy once."""

import pytest

from harness.core.errors import FixtureError
from harness.fixtures_io.uses import Use, append_uses, read_uses, write_uses

USES = {Use("h1", "tickets", "good", "d2"), Use("h1", "tickets", "good", "d1"), Use("h0", "mail", "base", "d1")}


def test_uses_are_read_as_written_and_equal_uses_are_equal_bytes(tmp_path):
    path, other = tmp_path / "uses.jsonl", tmp_path / "other.jsonl"
    write_uses(path, USES)
    write_uses(other, sorted(USES, reverse=True))
    assert read_uses(path) == USES
    assert path.read_bytes() == other.read_bytes()
    assert path.read_text().splitlines()[0] == '{"holdout": "h0", "suite": "mail", "strategy": "base", "digest": "d1"}'


def test_uses_are_added_to_a_file_and_to_a_folder_that_is_not_there_yet(tmp_path):
    path = tmp_path / "new" / "judged.jsonl"
    assert read_uses(path) == set()
    for use in USES:
        append_uses(path, [use])
    assert read_uses(path) == USES


@pytest.mark.parametrize("line", ["{", "[]", "5", '{"holdout": "h1", "suite": "s", "strategy": "t"}'])
def test_a_line_that_is_no_use_is_named(tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "uses.jsonl"
    write_uses(path, USES)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(FixtureError, match=r"uses.jsonl:4 is no use of a holdout .*; restore it from git, or delete"):
        read_uses(path)
