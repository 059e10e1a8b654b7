"""`harness fragility`: what is asked, what it costs, and what it finds, on real drivers."""

import json
import re
import shutil

import pytest
from support.chat_server import ChatServer, answer
from support.embedded import ROOT
from support.fruit_pool import PYTHON, fruit_pool

from harness.cli import main


def needs_its_first_example(call):
    """Right, but says pear in every fourth case unless "apple 900" (e0) is shown, in every tenth unless it is first."""
    shown = [message["content"] for message in call.messages[1:-1:2]]
    kind, number = call.messages[-1]["content"].split()
    every = 4 if "apple 900" not in shown else 10 if shown[0] != "apple 900" else 10**6
    return answer(json.dumps({"kind": "pear" if int(number) % every == 0 else kind}))


@pytest.fixture
def server():
    with ChatServer(needs_its_first_example) as running:
        yield running


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return fruit_pool(tmp_path)


@pytest.fixture
def served(root, server):
    text = f"driver: openai_chat\nmodel: m\nbase_url: {server.base_url}\n"
    (root / "adapters" / "model.yaml").write_text(text)
    return root


@pytest.fixture
def said(capsys):
    def run(*arguments, code=0):
        assert main(["fragility", *map(str, arguments)]) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    return run


def cells(text, name):
    """The cells of the row that begins with `name`, in a table of a terminal."""
    line = next(line for line in text.splitlines() if line.startswith(name))
    return re.split(r"  +", line)


def test_what_moves_when_examples_are_dropped_and_reordered(served, server, said):
    told = said("fruit/few", "--cases", 40, "--permutations", 23)
    assert told.splitlines()[:2] == [
        "fruit/few: 40 pool cases, seed 0; 4 examples, each dropped in turn, and 23 other orders",
        "1,160 requests: 0 answers in the ledger, 1,160 calls to be made",
    ]
    assert server.count == 1160
    assert cells(told, "as declared")[1].startswith("100.0% (")
    assert cells(told, "asked again") == ["asked again", "100.0%", "none", "none", "0.0", "0", "0"]
    dropped = cells(told, "one of 4 dropped")
    assert dropped[1] == "75.0% to 100.0%"
    assert re.fullmatch(r"-25\.0 \(-\d+\.\d to -\d+\.\d\)", dropped[2])
    assert dropped[3:] == ["none", "2.5", "10", "10"]
    orders = cells(told, "23 other orders")
    assert orders[1] == "90.0% to 100.0%"
    assert orders[5:] == ["4", "4"]
    heaviest = told.partition("the examples that move most")[2].splitlines()[4:]
    assert re.split("  +", heaviest[0])[:2] == ["e0", "75.0%"]
    assert heaviest[1] == ""


def test_only_pool_cases_are_asked_and_none_that_an_example_gives_away(served, server, said):
    said("fruit/few", "--cases", 1000, "--permutations", 0)
    asked = {call.messages[-1]["content"] for call in server.calls}
    assert asked == {f"apple {i}" for i in range(1, 41)}


def test_nothing_is_paid_twice_and_the_page_is_the_same(served, server, said):
    said("fruit/few", "--cases", 10, "--out", "first.md")
    assert server.count == 10 * (2 + 4 + 10)
    told = said("suites/fruit/few", "--cases", 10, "--out", "pages/again.md")
    assert "160 requests: 160 answers in the ledger, 0 calls to be made" in told
    assert "report: pages/again.md" in told
    first = (served / "first.md").read_text()
    assert (served / "pages" / "again.md").read_text() == first
    assert server.count == 160
    said("fruit/few", "--cases", 10, "--permutations", 12)
    assert server.count > 160
    said("fruit/few", "--cases", 10, "--seed", 1, "--out", "other.md")
    assert (served / "other.md").read_text() != first


def test_the_page_lists_every_variant(served, said):
    said("fruit/few", "--cases", 40, "--permutations", 3, "--out", "page.md")
    page = (served / "page.md").read_text()
    assert page.startswith("# Fragility of `fruit/few`\n\n4 examples; 40 pool cases that are none of them, seed 0.\n")
    assert re.findall(r"^\| `(e\d)` +\| (\S+) ", page, re.M) == [
        ("e0", "75.0%"),
        ("e1", "100.0%"),
        ("e2", "100.0%"),
        ("e3", "100.0%"),
    ]
    orders = re.findall(r"^\| order \d+ .*\| (`e\d` `e\d` `e\d` `e\d`) +\|$", page, re.M)
    assert len(set(orders)) == 3
    assert "`e0` `e1` `e2` `e3`" not in orders


def test_there_are_no_more_orders_than_there_are(served, said):
    assert "4 examples, each dropped in turn, and 23 other orders" in said(
        "fruit/few", "--cases", 1, "--permutations", 99
    )


def test_a_single_example_is_dropped_and_has_no_order(served, server, said):
    told = said("fruit/single", "--cases", 20)
    assert "1 example, each dropped in turn, and 0 other orders\n60 requests" in told
    assert "\n0 other orders" not in told
    assert "no answer moves when an example is dropped" in told
    assert min(len(call.messages) for call in server.calls) == 2


def test_a_python_callable_sees_no_examples_and_nothing_moves(root, said):
    told = said("fruit/few", "--cases", 20, "--permutations", 2)
    assert cells(told, "one of 4 dropped") == ["one of 4 dropped", "100.0%", "none", "none", "0.0", "0", "0"]


def test_the_embedded_encoder_moves_with_its_examples_and_not_with_their_order(tmp_path, monkeypatch, said):
    for folder in ("suites/support_tickets", "fixtures/support_tickets", "adapters"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    told = said("support_tickets/few_shot", "--cases", 10, "--permutations", 2)
    assert told.splitlines()[1] == "520 requests: 0 answers in the ledger, 520 calls to be made"
    assert int(cells(told, "one of 48 dropped")[-1]) > 0
    assert cells(told, "2 other orders")[2:] == ["none", "none", "0.0", "0", "0"]


def test_the_numbers_are_kept_where_reports_look_for_them_and_the_same_each_time(served, said):
    told = said("fruit/few", "--cases", 10, "--permutations", 2)
    assert told.splitlines()[-1] == "numbers: reports/fragility/fruit/few.json"
    first = (served / "reports/fragility/fruit/few.json").read_bytes()
    said("fruit/few", "--cases", 10, "--permutations", 2, "--json", "elsewhere.json")
    assert (served / "elsewhere.json").read_bytes() == first
    row = json.loads(first)["fragility"]
    assert [moved["variant"]["dropped"] for moved in row["drops"]["variants"]] == ["e0", "e1", "e2", "e3"]
    assert row["cases"] == 10


def test_failed_requests_count_as_wrong_and_are_told(root, said):
    source = PYTHON.replace("return", "assert inputs['text'] != 'apple 3'\n    return")
    (root / "adapters" / "model.py").write_text(source)
    told = said("fruit/few", "--cases", 40, "--permutations", 1)
    assert cells(told, "as declared")[1].startswith("97.5% (")
    assert "7 requests failed and count as wrong; the same command asks them again." in told


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["fruit/plain"], "fruit/plain shows no examples; expected a strategy with `examples`"),
        (["fruit/fev"], "has no strategy 'fev'; expected 'few'"),
        (["friut/few"], "'friut/few' names no suite; expected 'fruit'"),
        (["few"], "'few' names no suite; expected SUITE/STRATEGY, SUITE one of fruit"),
        (["fruit/few", "--cases", "0"], "--cases is 0, --permutations 10; expected 1 or more, and 0 or more"),
        (["fruit/few", "--permutations", "-1"], "--cases is 100, --permutations -1; expected 1 or more"),
    ],
)
def test_what_leaves_nothing_to_measure_is_refused(served, server, said, arguments, why):
    assert why in said(*arguments, code=2)
    assert server.count == 0


def test_a_pool_of_examples_alone_is_refused(root, said):
    path = root / "fixtures" / "fruit" / "pool.jsonl"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines() if '"template"' in line))
    assert "the pool has no case besides the examples and their clusters" in said("fruit/few", code=2)
