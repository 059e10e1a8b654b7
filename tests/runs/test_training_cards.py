"""Cards of trained weights: read for the report, ignored where they say nothing."""

import json

import pytest
from support.embedded import ROOT

from harness.core.records import Adapter
from harness.fixtures_io.suites import load_adapter
from harness.runs.training_cards import trained_weights


def adapter(folder, **options):
    return Adapter(name="local", driver="encoder", model="m", options=options, file=str(folder / "local.yaml"))


@pytest.mark.parametrize("name", ["embedded_lora", "banking77_lora"])
def test_the_cards_of_this_repository_are_read(name):
    tuned, plain = load_adapter(ROOT / f"adapters/{name}.yaml"), load_adapter(ROOT / "adapters/embedded.yaml")
    found = trained_weights([("base", plain), ("one", tuned), ("two", tuned)])
    assert list(found) == [name]
    weights = found[name]
    assert weights.runs == ["one", "two"]
    assert weights.training_cases > weights.validation_cases > 0
    assert min(weights.curve, key=lambda e: e.validation_loss).number == weights.kept_epoch


@pytest.mark.parametrize(
    "card",
    [
        None,
        "{",
        "[]",
        "{}",
        json.dumps({"cases": {"training": 1, "validation": 1}, "curve": [], "kept_epoch": 1}),
        json.dumps({"cases": {"training": 1, "validation": 1}, "curve": [{"number": 1}], "kept_epoch": 1}),
    ],
)
def test_a_card_that_says_nothing_is_left_out(tmp_path, card):
    (tmp_path / "lora").mkdir()
    if card is not None:
        (tmp_path / "lora" / "card.json").write_text(card)
    assert trained_weights([("run", adapter(tmp_path, lora="lora"))]) == {}
