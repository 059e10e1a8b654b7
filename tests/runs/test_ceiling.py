"""`harness ceiling`: what is asked with how many examples, what it costs, and what it concludes."""

import json
import re

import pytest
from support.chat_server import ChatServer, answer
from support.fruit_pool import STRATEGIES, fruit_pool

from harness.cli import main


def shown_by(call):
    """The examples that a call shows."""
    return tuple(message["content"] for message in call.messages[1:-1:2])


def right_in_more_with_examples(call):
    """Right in 5 of the apples 1 to 40, and in 10 more with each example; a token for each letter."""
    kind, number = call.messages[-1]["content"].split()
    right = int(number) <= 5 + 10 * len(shown_by(call))
    said = json.dumps({"kind": kind if right else "pear"})
    length = sum(len(message["content"]) for message in call.messages)
    return answer(said, usage={"prompt_tokens": length, "completion_tokens": 7, "total_tokens": length + 7})


@pytest.fixture
def server():
    with ChatServer(right_in_more_with_examples) as running:
        yield running


@pytest.fixture
def root(tmp_path, monkeypatch, server):
    monkeypatch.chdir(tmp_path)
    fruit_pool(tmp_path)
    text = f"driver: openai_chat\nmodel: m\nbase_url: {server.base_url}\n"
    (tmp_path / "adapters" / "model.yaml").write_text(text)
    return tmp_path


@pytest.fixture
def said(root, capsys):
    def run(*arguments, code=0):
        assert main(["ceiling", *map(str, arguments)]) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    return run


def points(told):
    """(examples, accuracy) of each line of the table."""
    return re.findall(r"^(\d+) .*?(\S+%) \(", told, re.M)


def test_the_first_examples_are_shown_in_their_order_and_the_curve_is_told(server, said):
    told = said("fruit/few")
    assert told.splitlines()[:2] == [
        "fruit/few: 40 pool cases, seed 0; the first 0, 1, 2 and all 4 of its examples",
        "160 requests: 0 answers in the ledger, 160 calls to be made",
    ]
    asked = {shown_by(call) for call in server.calls}
    assert asked == {(), *(tuple(["apple 900", "pear 901", "apple 902", "pear 903"][:k]) for k in (1, 2, 4))}
    assert {call.messages[-1]["content"] for call in server.calls} == {f"apple {i}" for i in range(1, 41)}
    assert points(told) == [("0", "12.5%"), ("1", "37.5%"), ("2", "62.5%"), ("4", "100.0%")]
    assert "4 examples instead of 2 gained 37.5 points of accuracy (+" in told
    assert "still rising, so more examples are worth trying." in " ".join(told.split())
    assert re.search(r"^1,000 more tokens of the prompt: \+\d+", told, re.M)


def test_numbers_of_examples_can_be_chosen_and_all_are_always_among_them(server, said):
    told = said("fruit/few", "--examples", 3, 1, 3, 4, "--cases", 8)
    assert "8 pool cases, seed 0; the first 1, 3 and all 4 of its examples" in told
    assert {len(shown_by(call)) for call in server.calls} == {1, 3, 4}
    assert "4 examples instead of 1" in told


def test_nothing_is_paid_twice_and_the_numbers_are_the_same(root, server, said):
    assert said("fruit/few").splitlines()[-1] == "numbers: reports/ceiling/fruit/few.json"
    first = (root / "reports/ceiling/fruit/few.json").read_bytes()
    assert "160 requests: 160 answers in the ledger, 0 calls" in said("fruit/few", "--json", "again.json")
    assert server.count == 160
    assert (root / "again.json").read_bytes() == first
    assert json.loads(first)["ceiling"]["cases"] == 40


def test_a_larger_number_of_examples_is_doubled_from_four(root, said):
    ids = ", ".join(["e0", "e1", "e2", "e3", *(f"p{i}" for i in range(9))])
    (root / "suites/fruit/strategies.yaml").write_text(STRATEGIES.replace("e0, e1, e2, e3", ids))
    told = said("fruit/few")
    assert "31 pool cases, seed 0; the first 0, 4, 8 and all 13 of its examples" in told


def test_weights_that_may_know_the_cases_are_mentioned_only_where_there_are_any(said):
    assert "LoRA" not in said("fruit/single", "--cases", 5)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["fruit/plain"], "fruit/plain shows no examples; expected a strategy with `examples`"),
        (["fruit/fev"], "has no strategy 'fev'; expected 'few'"),
        (["friut/few"], "'friut/few' names no suite; expected 'fruit'"),
        (["fruit/few", "--cases", "0"], "--cases is 0; expected 1 or more"),
        (["fruit/few", "--examples", "5"], "--examples is 5; expected numbers from 0 to 3, for the strategy has 4 exa"),
        (["fruit/few", "--examples", "4"], "--examples is 4; expected numbers from 0 to 3"),
        (["fruit/few", "--examples", "-1"], "--examples is -1; expected numbers from 0 to 3"),
    ],
)
def test_what_leaves_nothing_to_measure_is_refused(server, said, arguments, why):
    assert why in said(*arguments, code=2)
    assert server.count == 0
