"""From raw rows to a task that can be frozen: every step is reported, nothing is lost unseen, and twice is the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.cli import main
from harness.fixtures_io.tasks import load_fixture

WORDS = ("card", "transfer", "top up", "fee", "limit", "exchange", "refund", "account", "statement", "passcode")
ASKED = ("where is", "why was", "how do I change", "when comes", "who can see")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def bank(tmp_path):
    """An imported task of 60 rows: 50 different ones, a mail, personal data, exact and near copies, one conflict."""
    rows = [(f"{asked} my {word}?", word) for word in WORDS for asked in ASKED]
    rows += [
        ("<p>Hello,<br>my <b>card</b> is gone</p>", "card"),
        ("please write to anna.berg@example.org about the fee", "fee"),
        ("where is my card?", "card"),
        ("Where is my CARD", "card"),
        ("where is my card??", "transfer"),
        ("it is about the transfer of two hundred to my sister in Leeds", "transfer"),
        ("it is about the transfer of two hundred to my sister in Leads", "transfer"),
        ("the limit", "limit"),
        ("a refund", "refund"),
        ("the exchange", "exchange"),
    ]
    content = "".join(json.dumps({"text": text, "label": label.replace(" ", "_")}) + "\n" for text, label in rows)
    (tmp_path / "rows.jsonl").write_text(content, encoding="utf-8")
    folder = tmp_path / "fixtures" / "bank"
    assert main(["import", "jsonl", "rows.jsonl", "--text", "text", "--label", "label", "--out", str(folder)]) == 0
    return folder


def prepare(*options: str) -> int:
    return main(["prepare", "fixtures/bank", "--no-semantic", *options])


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "raw.jsonl"}


def cases(folder: Path) -> dict[str, dict[str, object]]:
    """All rows of the three parts by id, each with the part that it is in."""
    return {
        row["id"]: {**row, "part": part}
        for part in ("pool", "validation", "holdout")
        for row in map(json.loads, (folder / f"{part}.jsonl").read_text(encoding="utf-8").splitlines())
    }


def test_every_row_is_in_one_part_or_told_to_be_left_out(bank, capsys):
    assert prepare() == 0
    told = capsys.readouterr().out
    assert "fixtures/bank/raw.jsonl: 60 rows" in told
    found = cases(bank)
    assert len(found) == 58
    assert "2 rows left out" in told
    assert {row["part"] for row in found.values()} == {"pool", "validation", "holdout"}
    sizes = [int(size) for size in re.findall(r"(?:could tell|another size): (\d+) cases: floors up to", told)]
    assert sizes == [sizes[0], sizes[0] // 2, 2 * sizes[0]]
    assert f"Of another size: {2 * sizes[0]} cases" in (bank / "CARD.md").read_text(encoding="utf-8")


def test_texts_are_cleaned_and_masked_and_the_task_says_so(bank, capsys):
    assert prepare() == 0
    found = cases(bank)
    assert found["row-00051"]["inputs"]["text"] == "Hello,\nmy card is gone"
    assert found["row-00052"]["inputs"]["text"] == "please write to <EMAIL> about the fee"
    assert load_fixture(bank).task.personal_data_masked
    everything = b"".join(written(bank).values()) + capsys.readouterr().out.encode()
    assert b"anna.berg" not in everything


def test_copies_stay_in_one_part_and_conflicts_are_ranked(bank):
    assert prepare() == 0
    found = cases(bank)
    assert found["row-00056"]["part"] == found["row-00057"]["part"]
    assert found["row-00001"]["part"] == found["row-00055"]["part"]
    ranked = [json.loads(line) for line in (bank / "suspects.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["id"] for row in ranked} == {"row-00001", "row-00055"}
    assert "| html | 1 rows" in (bank / "CARD.md").read_text(encoding="utf-8")


def test_preparing_again_gives_the_same_bytes_and_another_seed_another_split(bank):
    assert prepare() == 0
    first = written(bank)
    assert prepare() == 0
    assert written(bank) == first
    assert prepare("--seed", "8") == 0
    assert written(bank)["holdout.jsonl"] != first["holdout.jsonl"]


def test_many_rows_are_not_compared_by_meaning_unless_it_is_asked_for(bank, capsys, monkeypatch):
    def refuse(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("harness.runs.embedding.Embedder.__call__", refuse)
    monkeypatch.setattr("harness.runs.preparing.SEMANTIC_UP_TO", 59)
    assert main(["prepare", "fixtures/bank"]) == 0
    assert "more than 59 rows: nothing is compared by meaning" in capsys.readouterr().out
    assert "semantic False" in (bank / "CARD.md").read_text(encoding="utf-8")
    with pytest.raises(AssertionError, match="the model was loaded"):
        main(["prepare", "fixtures/bank", "--semantic"])
    monkeypatch.setattr("harness.runs.preparing.SEMANTIC_UP_TO", 60)
    with pytest.raises(AssertionError, match="the model was loaded"):
        main(["prepare", "fixtures/bank"])


def test_a_frozen_holdout_is_not_prepared_away(bank, capsys):
    assert prepare() == 0
    assert main(["freeze", "fixtures/bank"]) == 0
    before = written(bank)
    assert prepare() == 2
    assert "fixtures/bank is frozen, and preparing it again would change its holdout" in capsys.readouterr().err
    assert written(bank) == before


def test_steps_that_are_left_out_do_nothing(bank):
    assert prepare("--leave-out", "html", "--no-masking") == 0
    found = cases(bank)
    assert found["row-00051"]["inputs"]["text"].startswith("<p>")
    assert "anna.berg@example.org" in found["row-00052"]["inputs"]["text"]
    assert not load_fixture(bank).task.personal_data_masked


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--holdout", "1.3"], "a holdout of 1.3 and a validation of 0.1 are no shares"),
        (["--holdout", "0.6", "--validation", "0.4"], "less than 1 together, such as 0.3 and 0.1"),
        (["--accuracy", "95"], "accuracy is a rate above 0 and below 1, such as 0.9; got 95"),
        (["--margin", "-0.1"], "margin is a rate"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_before_anything_is_read(bank, capsys, options, told):
    assert prepare(*options) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert "60 rows" not in said.out


def test_a_claim_that_the_rows_cannot_carry_is_refused_with_what_they_could(bank, capsys):
    assert prepare("--accuracy", "0.99") == 2
    assert "at_least 0.99 needs" in capsys.readouterr().err


def imported(rows: list[tuple[str, str]]) -> None:
    content = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    Path("more.jsonl").write_text(content, encoding="utf-8")
    assert main(["import", "jsonl", "more.jsonl", "--text", "text", "--label", "label", "--out", "fixtures/more"]) == 0


def test_labels_stay_those_of_the_schema_however_they_are_spaced(tmp_path):
    imported([(f"{asked} my {word}", f"{asked}\u00a0 {word}") for word in WORDS for asked in ASKED])
    assert main(["prepare", "fixtures/more", "--no-semantic"]) == 0
    fixture = load_fixture(tmp_path / "fixtures" / "more")
    labels = {case.expected["label"] for case in (*fixture.unverified_holdout(), *fixture.pool())}
    assert all("\u00a0 " in label for label in labels)


def test_labels_with_personal_data_are_refused(capsys):
    imported([(f"{asked} my {word}", f"{word.split()[0]}@example.org") for word in WORDS for asked in ASKED])
    assert main(["prepare", "fixtures/more", "--no-semantic"]) == 2
    assert "10 of 10 labels of 'label' hold personal data" in capsys.readouterr().err
    assert main(["prepare", "fixtures/more", "--no-semantic", "--no-masking"]) == 0


def test_a_folder_without_a_task_is_told_how_to_make_one(capsys):
    assert main(["prepare", "fixtures/none"]) == 2
    told = "harness: fixtures/none holds no task.yaml; write one with: harness import csv … --out fixtures/none\n"
    assert capsys.readouterr().err == told


def test_a_task_without_raw_rows_is_told_how_to_import_them(bank, capsys):
    (bank / "raw.jsonl").unlink()
    assert prepare() == 2
    assert "fixtures/bank/raw.jsonl is missing; write it with: harness import" in capsys.readouterr().err


def test_a_damaged_raw_file_is_named_with_its_line(bank, capsys):
    lines = (bank / "raw.jsonl").read_text(encoding="utf-8").splitlines()
    (bank / "raw.jsonl").write_text("\n".join([lines[0], "{", *lines[2:]]), encoding="utf-8")
    assert prepare() == 2
    assert "fixtures/bank/raw.jsonl:2: not JSON" in capsys.readouterr().err
