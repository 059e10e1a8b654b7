"""The driver of span heads, with heads trained on the spot: what it answers, how sure it is, and what it refuses."""

import json
import math
import random
import shutil
import subprocess
import sys

import pytest
from support.embedded import ROOT, SHA256
from support.orders import COMPARISONS, POOL, SCHEMA, order, spans_driver, train_orders

from harness.core.comparisons import EXACT, agrees
from harness.core.errors import DriverError
from harness.core.prompting import make_prompt
from harness.core.records import Request, Response, Settings
from harness.core.schemas import AnswerSchema

NEW = [order(number) for number in range(100, 140)]
PROMPT = make_prompt("Answer.", SCHEMA)


def request(text, *, received="2025-03-14", prompt=PROMPT):
    return Request(
        prompt=prompt, case_id="c", repeat=0, inputs={"received": received, "text": text}, settings=Settings()
    )


def asked(cases):
    return [Request(prompt=PROMPT, case_id=c.id, repeat=0, inputs=c.inputs, settings=Settings()) for c in cases]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of adapters with trained heads in it."""
    made = tmp_path_factory.mktemp("adapters")
    train_orders(made / "heads")
    return made


@pytest.fixture(scope="module")
def model(folder):
    return spans_driver(folder)


@pytest.fixture(scope="module")
def replies(model):
    found = model.answer(asked(NEW))
    assert all(isinstance(reply, Response) for reply in found)
    return found


def answered(replies):
    return [json.loads(reply.text) for reply in replies]


# ------------------------------------------------------------------------------------------------------- the answers


@pytest.mark.parametrize(
    ("name", "least"), [("order", 0.8), ("price", 0.8), ("day", 0.8), ("extras", 0.8), ("urgent", 0.9)]
)
def test_values_are_found_in_messages_that_were_not_trained_on(replies, name, least):
    comparison = COMPARISONS.get(name, EXACT)
    right = [
        agrees(comparison, case.expected[name], found[name]) for case, found in zip(NEW, answered(replies), strict=True)
    ]
    assert sum(right) / len(right) >= 0.8


def test_answers_fit_the_schema_and_stand_in_its_order(replies):
    for found in answered(replies):
        assert SCHEMA.first_error(found) is None
        assert list(found) == list(SCHEMA.fields)


def test_a_value_that_the_schema_forbids_is_never_pointed_at(model):
    (reply,) = model.answer([request("Send order 12345678, I pay 9 euros.")])
    assert json.loads(reply.text)["order"] is None


def test_days_count_from_the_input_that_says_when_it_came(model):
    text = "Quick please, it is urgent! Send or 421, I pay 12.50 euros, it is needed tomorrow."
    replies = model.answer([request(text), request(text, received="2024-12-31 (Tuesday)"), request(text, received="?")])
    assert [found["day"] for found in answered(replies)] == ["2025-03-15", "2025-01-01", None]


def test_the_confidence_is_a_probability_and_about_as_high_as_answers_are_right(replies):
    right, sure = [], []
    for case, reply in zip(NEW, replies, strict=True):
        assert set(reply.confidence) == set(SCHEMA.fields)
        found = json.loads(reply.text)
        for name, p in reply.confidence.items():
            assert 0 < p <= 1 + 1e-6
            right.append(agrees(COMPARISONS.get(name, EXACT), case.expected[name], found[name]))
            sure.append(p)
    assert abs(sum(sure) / len(sure) - sum(right) / len(right)) < 0.1


def test_of_two_values_one_is_answered(model):
    one, two = model.answer(
        [request("Send order 421, I pay 12.50 euros."), request("Send order 421 or order 422, I pay 12.50 euros.")]
    )
    assert json.loads(one.text)["order"] == "OR-421"
    assert json.loads(two.text)["order"] in ("OR-421", "OR-422")


def test_answers_do_not_depend_on_order_or_company(model, replies):
    shuffled = random.Random(1).sample(range(len(NEW)), len(NEW))
    mixed = {}
    for start in range(0, len(NEW), 9):
        part = shuffled[start : start + 9]
        mixed |= dict(zip(part, model.answer(asked([NEW[i] for i in part])), strict=True))
    for i, reply in enumerate(replies):
        assert mixed[i].text == reply.text
        assert all(math.isclose(mixed[i].confidence[name], p, rel_tol=0.02) for name, p in reply.confidence.items())


@pytest.mark.parametrize("text", ["", " ", "😀" * 300, "漢字", "a\n" * 2000, "1" * 3000, "\x00"])
def test_odd_texts_are_answered(model, text):
    (reply,) = model.answer([request(text)])
    assert SCHEMA.first_error(json.loads(reply.text)) is None


def test_no_requests_have_no_answers(model):
    assert list(model.answer([])) == []


# ------------------------------------------------------------------------------------------------ what is refused


def test_a_schema_of_other_fields_or_labels_is_refused_with_what_to_do(model):
    properties = SCHEMA.schema["properties"]
    others = (
        {name: one for name, one in properties.items() if name != "day"},
        properties | {"extras": {"type": "array", "items": {"enum": ["ribbon", "letter"]}}},
        properties | {"note": {"type": "string"}},
        properties | {"urgent": {"type": "object"}},
    )
    for other in others:
        prompt = make_prompt("Answer.", AnswerSchema({"properties": other}))
        with pytest.raises(
            DriverError, match=r"trained for other fields or labels .* harness train adapters/spans.yaml"
        ):
            model.answer([request("hello", prompt=prompt)])


def test_missing_heads_are_named_with_the_command_that_trains_them(tmp_path):
    with pytest.raises(DriverError, match=r"no heads in .*train them with: harness train adapters/spans.yaml"):
        spans_driver(tmp_path)


def test_heads_of_another_base_are_refused(folder, tmp_path):
    shutil.copytree(folder / "heads", tmp_path / "heads")
    path = tmp_path / "heads" / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_sha256": "f" * 64}))
    with pytest.raises(DriverError, match=f"the heads in .* were trained for a base with SHA-256 {'f' * 12}…"):
        spans_driver(tmp_path)


# ------------------------------------------------------------------------------------------------------- identity


def test_the_identity_holds_what_determines_answers_and_no_path(folder, tmp_path):
    identity = spans_driver(folder).identity()
    assert identity["weights"] == SHA256
    assert not any("/" in value for value in identity.values())
    assert spans_driver(folder, received="sent").identity() != identity
    shutil.copytree(folder / "heads", tmp_path / "heads")
    assert spans_driver(tmp_path).identity() == identity
    weights = tmp_path / "heads" / "heads.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    assert spans_driver(tmp_path).identity()["heads"] != identity["heads"]


def test_the_identity_needs_neither_the_model_nor_torch():
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from harness.drivers.registry import make_driver\nfrom harness.fixtures_io.suites import load_adapter\n"
        "found = make_driver(load_adapter(Path('adapters/payment_spans.yaml'))).identity()\n"
        "heavy = {'torch', 'transformers', 'safetensors', 'numpy', 'dateparser'}\n"
        "print(found['weights'], len(found['heads']), sorted(set(sys.modules) & heavy))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split(maxsplit=2) == [SHA256, "64", "[]\n"], done.stderr


def test_the_pool_of_these_tests_holds_none_of_the_new_cases():
    assert not {case.inputs["text"] for case in POOL} & {case.inputs["text"] for case in NEW}
