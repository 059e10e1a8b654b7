"""The `harness` command: every command does what it says, or says in one message why not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.embedded import MODEL, SHA256, driver, request
from support.tiny_llama import tiny_llama

from harness import __version__
from harness.cli import main
from harness.core.prompting import make_prompt
from harness.core.schemas import AnswerSchema
from harness.fixtures_io.tasks import load_fixture

TRAIN = "text,label\nwhere is my card?,card\nit was charged twice,charge\nmy card is late,card\n"
TEST = "text,label\nthe card has not come,card\n"
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["kind"],
    "properties": {"kind": {"enum": ["soup", "car"]}},
}
ENCODER = f"driver: encoder\nmodel: {MODEL}\nsha256: {SHA256}\nmax_tokens: 16\n"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A small project with a task, a suite and adapters, and the current folder."""
    pool = [
        {"id": f"p{i}", "inputs": {"text": f"{kind} number {i}"}, "expected": {"kind": kind}}
        for i, kind in enumerate(["soup", "car"] * 12)
    ]
    holdout = [{"id": "h1", "inputs": {"text": "a hot soup"}, "expected": {"kind": "soup"}}]
    files = {
        "train.csv": TRAIN,
        "test.csv": TEST,
        "fixtures/food/task.yaml": "name: food\nschema: schema.json\ndecision_fields: [kind]\n",
        "fixtures/food/schema.json": json.dumps(SCHEMA),
        "fixtures/food/pool.jsonl": "".join(json.dumps(row) + "\n" for row in pool),
        "fixtures/food/holdout.jsonl": "".join(json.dumps(row) + "\n" for row in holdout),
        "suites/food/prompts/p.md": "Name it.\n",
        "suites/food/strategies.yaml": (
            "task: food\nadapter: plain\nstrategies:\n"
            "  base: {stage: reference, prompt: prompts/p.md}\n"
            "  few: {stage: candidate, prompt: prompts/p.md, examples: {select: balanced, k: 4, seed: 7}}\n"
            "  own: {stage: candidate, prompt: prompts/p.md, examples: {ids: [p1, p2]}}\n"
            "  best: {stage: shipped, prompt: prompts/p.md, examples: {select: random, k: 3}}\n"
        ),
        "suites/later/strategies.yaml": (
            "task: elsewhere\nwhen_missing: harness import csv a.csv\nadapter: plain\n"
            "strategies:\n  one: {stage: shipped, prompt: p.md}\n"
        ),
        "adapters/plain.yaml": ENCODER,
        "adapters/tuned.yaml": ENCODER
        + "lora: lora/food\ntraining: {task: food, epochs: 1, rank: 2, batch_size: 8, max_tokens: 16}\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def importing(*more):
    return ["import", "csv", "train.csv", "--holdout", "test.csv", "--text", "text", "--label", "label", *more]


def refused(capsys, *arguments):
    """What a command that can't do its work says on standard error, in one message and without a traceback."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("harness: ")
    assert "Traceback" not in captured.err
    return captured.err


# --------------------------------------------------------------------------------------------------------- import


def test_import_makes_a_task_named_after_its_folder(root, capsys):
    assert main(importing("--out", "fixtures/bank")) == 0
    assert capsys.readouterr().out.splitlines() == [
        "fixtures/bank: 3 pool and 1 holdout cases, 2 labels of label",
        "rarest of label: charge (1), card (2)",
        "1 labels stand in the pool only: charge",
    ]
    assert load_fixture(root / "fixtures" / "bank").task.name == "bank"


def test_import_takes_a_name_and_an_attribution(root):
    assert main(importing("--out", "fixtures/My-Bank", "--name", "bank", "--attribution", "me, CC0")) == 0
    fixture = load_fixture(root / "fixtures" / "My-Bank")
    assert (fixture.task.name, fixture.attribution) == ("bank", "me, CC0")


def test_import_lists_bad_rows_and_writes_nothing(root, capsys):
    (root / "train.csv").write_text("text,label\n,card\nx,\n", encoding="utf-8")
    message = refused(capsys, *importing("--out", "fixtures/bank"))
    assert "train.csv has 2 bad rows; nothing was written:" in message
    assert "line 2: the text is blank" in message
    assert not (root / "fixtures" / "bank").exists()


def test_import_of_a_folder_that_names_no_task_asks_for_a_name(root, capsys):
    assert "'My-Bank' can't name a task" in refused(capsys, *importing("--out", "fixtures/My-Bank"))


# --------------------------------------------------------------------------------------------------------- freeze


def test_freeze_locks_a_holdout(root, capsys):
    assert main(["freeze", "fixtures/food"]) == 0
    assert capsys.readouterr().out.startswith("fixtures/food/lock.json: 1 cases, holdout ")
    assert [case.id for case in load_fixture(root / "fixtures" / "food").holdout()] == ["h1"]


def test_freeze_chooses_and_locks_examples(root, capsys):
    assert main(["freeze", "suites/food"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "few: 4 examples, balanced",
        "best: 3 examples, random",
        "suites/food/examples.lock.json: 2 strategies",
    ]
    path = root / "suites" / "food" / "examples.lock.json"
    before = path.read_bytes()
    assert {name: len(entry["ids"]) for name, entry in json.loads(before).items()} == {"few": 4, "best": 3}
    assert main(["freeze", "suites/food"]) == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize("folder", ["fixtures", "nowhere", "adapters/plain.yaml"])
def test_freeze_of_another_folder_says_what_it_takes(root, capsys, folder):
    message = refused(capsys, "freeze", folder)
    assert message == f"harness: {folder} holds neither a task.yaml nor a strategies.yaml\n"


def test_freeze_of_a_suite_whose_fixture_is_not_imported_says_how_to_import_it(root, capsys):
    assert "import it with: harness import csv a.csv" in refused(capsys, "freeze", "suites/later")


def test_freeze_lists_every_mistake_of_a_suite(root, capsys):
    path = root / "suites" / "food" / "strategies.yaml"
    path.write_text(path.read_text().replace("stage: shipped", "stage: shiped").replace("adapter:", "adaptor:"))
    message = refused(capsys, "freeze", "suites/food")
    assert "2 problems in the declarations" in message
    assert "suites/food/strategies.yaml:2: adaptor: unknown key 'adaptor'; expected 'adapter'" in message


def test_freeze_of_a_broken_holdout_names_the_line(root, capsys):
    (root / "fixtures" / "food" / "holdout.jsonl").write_text('{"id": "h1"}\n')
    assert "fixtures/food/holdout.jsonl:1: `inputs` must map" in refused(capsys, "freeze", "fixtures/food")


# ---------------------------------------------------------------------------------------------------------- train


def test_train_writes_weights_that_the_adapter_then_loads(root, capsys):
    assert main(["freeze", "fixtures/food"]) == 0
    assert main(["train", "adapters/tuned.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("epoch 1: loss ")
    assert lines[-1].startswith("adapters/lora/food: epoch 1 kept, ")
    made = driver(root / "adapters", lora="lora/food", max_tokens=16)
    (reply,) = made.answer([request("soup number 90", AnswerSchema(SCHEMA))])
    assert json.loads(reply.text) == {"kind": "soup"}


def test_train_on_an_adapter_without_training_says_what_it_takes(root, capsys):
    assert refused(capsys, "train", "adapters/plain.yaml") == (
        "harness: adapters/plain.yaml declares no training; expected `training` and `lora` with driver encoder, "
        "`heads` with driver encoder_spans, `lora` with driver transformers_local\n"
    )


def test_train_refuses_a_pool_that_holds_holdout_texts(root, capsys):
    path = root / "fixtures" / "food" / "pool.jsonl"
    leak = {"id": "p99", "inputs": {"text": "A hot  SOUP"}, "expected": {"kind": "soup"}}
    path.write_text(path.read_text() + json.dumps(leak) + "\n")
    assert main(["freeze", "fixtures/food"]) == 0
    capsys.readouterr()
    message = refused(capsys, "train", "adapters/tuned.yaml")
    assert (
        "1 pool cases are copies of holdout cases: p99 of h1 (100%); remove them from fixtures/food/pool.js" in message
    )
    assert "or declare `holdout_copies: leave_out`" in message
    assert not (root / "adapters" / "lora").exists()


def test_train_leaves_copies_of_holdout_cases_out_where_that_is_declared(root, capsys):
    pool, adapter = root / "fixtures" / "food" / "pool.jsonl", root / "adapters" / "tuned.yaml"
    near = {
        "id": "h2",
        "inputs": {"text": "a bowl of very hot soup with a lot of bread please"},
        "expected": {"kind": "soup"},
    }
    copy = {"id": "p99", "inputs": {"text": near["inputs"]["text"] + " now"}, "expected": {"kind": "soup"}}
    with (root / "fixtures" / "food" / "holdout.jsonl").open("a") as file:
        file.write(json.dumps(near) + "\n")
    pool.write_text(pool.read_text() + json.dumps(copy) + "\n")
    adapter.write_text(adapter.read_text().replace("epochs: 1", "holdout_copies: leave_out, epochs: 1"))
    assert main(["freeze", "fixtures/food"]) == 0
    assert main(["train", "adapters/tuned.yaml"]) == 0
    assert "1 pool cases are copies of holdout cases: p99 of h2 (92%); left out" in capsys.readouterr().out
    card = json.loads((root / "adapters" / "lora" / "food" / "card.json").read_text())
    assert sorted(card["texts"]) == sorted(f"p{i}" for i in range(24))


def test_train_needs_a_frozen_holdout(root, capsys):
    assert "fixtures/food is not frozen" in refused(capsys, "train", "adapters/tuned.yaml")


@pytest.fixture
def causal(root, capsys):
    """Makes adapters/local.yaml, a causal model with this `training`, in a project that is frozen."""
    tiny_llama(root / "model", hidden=32)
    assert main(["freeze", "fixtures/food"]) == 0
    assert main(["freeze", "suites/food"]) == 0
    capsys.readouterr()

    def make(training):
        text = f"driver: transformers_local\nmodel: {root / 'model'}\ndtype: float32\nlora: lora/local\n"
        (root / "adapters" / "local.yaml").write_text(f"{text}training: {training}\n")

    return make


def test_train_gives_a_causal_model_the_prompt_of_the_strategy_it_is_for(root, causal, capsys):
    causal("{strategy: food/own, epochs: 1, rank: 2, validation: 0.2}")
    assert main(["train", "adapters/local.yaml"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("epoch 1: loss ")
    assert lines[-1].startswith("adapters/lora/local: epoch 1 kept, ")
    card = json.loads((root / "adapters" / "lora" / "local" / "card.json").read_text())
    shown = [({"text": "car number 1"}, {"kind": "car"}), ({"text": "soup number 2"}, {"kind": "soup"})]
    prompt = make_prompt("Name it.\n", AnswerSchema(SCHEMA), shown)
    assert (card["strategy"], card["prompt_sha256"]) == ("food/own", prompt.digest)
    assert sorted(card["texts"]) == sorted({f"p{i}" for i in range(24)} - {"p1", "p2"})


@pytest.mark.parametrize(
    ("training", "said"),
    [
        (
            "{strategy: fool/own}",
            "local.yaml:5: training.strategy: there is no suites/fool/strategies.yaml; expected",
        ),
        ("{strategy: food/onw}", "suites/food/strategies.yaml has no strategy 'onw'; expected 'own'"),
        ("{strategy: later/one}", "suites/later/strategies.yaml: no fixture yet; import it with: harness import csv a"),
        ("{strategy: own}", "'own' does not fit; expected SUITE/STRATEGY"),
        ("{task: food}", "the key 'strategy' is missing"),
    ],
)
def test_train_says_which_strategy_is_not_there(root, causal, capsys, training, said):
    causal(training)
    assert said in refused(capsys, "train", "adapters/local.yaml")
    assert not (root / "adapters" / "lora").exists()


@pytest.mark.parametrize(("file", "said"), [("adapters/none.yaml", "can't be read"), ("train.csv", "the file has no")])
def test_train_on_a_file_that_is_no_adapter_is_refused(root, capsys, file, said):
    assert said in refused(capsys, "train", file)


# --------------------------------------------------------------------------------------------------- schema, help


@pytest.mark.parametrize("name", ["adapter", "strategies", "task"])
def test_schema_prints_a_json_schema(capsys, name):
    assert main(["schema", name]) == 0
    schema = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"holdfast/{name}.json"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["import", "freeze", "train", "schema", "--version"]),
        (["import", "--help"], ["csv"]),
        (["import", "csv", "--help"], ["--holdout", "--text", "--label", "--out", "--name", "--attribution"]),
        (["freeze", "--help"], ["fixtures/NAME or suites/NAME"]),
        (["train", "--help"], ["ADAPTER.YAML", "`training`"]),
        (["schema", "--help"], ["adapter", "strategies", "task"]),
    ],
    ids=" ".join,
)
def test_help_tells_what_a_command_takes(capsys, arguments, words):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert [word for word in words if word not in shown] == []


@pytest.mark.parametrize(
    "arguments", [[], ["import"], ["frieze", "x"], ["schema", "suite"], ["import", "csv", "a.csv"]], ids=str
)
def test_a_wrong_call_is_a_usage_error(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: harness" in capsys.readouterr().err


def harness(*arguments, cwd):
    script = Path(sys.executable).with_name("harness")
    return subprocess.run([script, *arguments], cwd=cwd, capture_output=True, text=True, check=False)


def test_the_installed_command_works_and_ends_with_the_right_status(root):
    done = harness(*importing("--out", "fixtures/bank"), cwd=root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("fixtures/bank: 3 pool and 1 holdout cases")
    again = harness(*importing("--out", "fixtures/bank"), cwd=root)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith("harness: fixtures/bank holds a task already")
    assert harness("--version", cwd=root).stdout == f"holdfast {__version__}\n"


def test_help_imports_nothing_heavy():
    program = (
        "import sys\nfrom harness.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('HEAVY', sorted(set(sys.modules) & {'torch', 'numpy', 'scipy', 'pandas', 'openai', 'pytest'}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "HEAVY []", done.stderr
