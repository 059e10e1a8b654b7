"""YAML files that people write: every mistake at once, with its file, line and what would be right."""

import json

import pytest
from jsonschema import Draft202012Validator

from harness.core.errors import DeclarationError, HoldfastError, Problem
from harness.fixtures_io.declarations import SCHEMA_NAMES, published_schema, read_declaration, shown, suggestion

TASK = "name: t\nschema: s.json\ndecision_fields: [a]\n"
ENCODER = "driver: encoder\nmodel: m\n"
LOCAL = "driver: transformers_local\nmodel: m\n"
CHAT = "driver: openai_chat\nmodel: m\nbase_url: http://localhost:8000\n"
STRATEGIES = "task: t\nadapter: a\nstrategies:\n  base: {stage: shipped, prompt: p.md}\n"


@pytest.fixture
def problems(tmp_path, monkeypatch):
    """problems(text, schema name) → the messages about a file `x.yaml` with that text."""
    monkeypatch.chdir(tmp_path)

    def read(text, name="task"):
        path = tmp_path / "x.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(DeclarationError) as caught:
            read_declaration(path, name)
        return [str(problem) for problem in caught.value.problems]

    return read


@pytest.fixture
def read(tmp_path):
    def good(text, name="task"):
        path = tmp_path / "x.yaml"
        path.write_text(text, encoding="utf-8")
        return read_declaration(path, name)

    return good


def test_a_good_file_is_read_with_the_line_of_every_key(read):
    declaration = read("# comment\nname: t\nschema: s.json\ndecision_fields:\n  - a\n  - b\nslices:\n  x: {tag: y}\n")
    assert declaration.data["decision_fields"] == ["a", "b"]
    assert declaration.lines[("name",)] == 2
    assert declaration.lines[("decision_fields", 1)] == 6
    assert declaration.lines[("slices", "x", "tag")] == 8


def test_a_problem_stands_at_the_nearest_enclosing_key_that_has_a_line(read):
    declaration = read(TASK + "slices:\n  x: {tag: y}\n")
    assert declaration.problem(("slices", "x", "where", "z"), "m").line == 5
    assert declaration.problem(("nowhere",), "m").line == 1
    assert declaration.problem(("slices", "x", "tag"), "m").key == "slices.x.tag"


@pytest.mark.parametrize("text", [TASK.replace("[a]", "\n- a"), "\ufeff" + TASK, "---\n" + TASK + "...\n"])
def test_other_ways_to_write_the_same_yaml_are_read_alike(read, text):
    assert read(text).data == read(TASK).data


def test_yaml_values_that_look_like_booleans_keep_their_spelling_as_keys(read):
    declaration = read(TASK + "costs:\n  a: {from: {yes: {no: 1, 1: 2, null: 3}}}\n")
    assert declaration.data["costs"]["a"]["from"] == {"yes": {"no": 1, "1": 2, "null": 3}}


def test_every_problem_of_a_file_is_found_at_once_in_the_order_of_lines(problems):
    text = (
        "name: T\nschma: s.json\ndecision_fields: []\npersonal_data: maskd\ncosts:\n  invalid: -1\n  a:\n    undr: 2\n"
    )
    assert problems(text) == [
        "x.yaml:1: the key 'schema' is missing",
        "x.yaml:1: name: 'T' does not fit; expected a name of lower-case letters, digits and _",
        "x.yaml:2: schma: unknown key 'schma'; expected 'schema'",
        "x.yaml:3: decision_fields: [] does not fit; expected the fields that must all be right for a correct answer",
        "x.yaml:4: personal_data: 'maskd' is not known; expected 'masked'",
        "x.yaml:6: costs.invalid: -1 does not fit; expected a cost of 0 or more",
        "x.yaml:8: costs.a.undr: unknown key 'undr'; expected 'under'",
    ]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("task", TASK + "zebra: 1\n", "x.yaml:4: zebra: unknown key 'zebra'; expected one of name, schema, guide, "),
        ("strategies", STRATEGIES + "adaptor: b\n", "x.yaml:5: adaptor: unknown key 'adaptor'; expected 'adapter'"),
        ("adapter", ENCODER + "lorra: x\n", "x.yaml:3: lorra: unknown key 'lorra'; expected 'lora'"),
        ("adapter", CHAT + "lora: x\n", "x.yaml:4: lora: unknown key 'lora'; expected one of driver, model, "),
        ("adapter", "driver: encodr\nmodel: m\n", "x.yaml:1: driver: 'encodr' is not known; expected 'encoder'"),
        ("adapter", "driver: [encoder]\nmodel: m\n", "x.yaml:1: driver: ['encoder'] is not known; expected 'encoder'"),
        ("adapter", "driver: openai_chat\nmodel: m\n", "x.yaml:1: the key 'base_url' is missing"),
        ("adapter", "model: m\n", "x.yaml:1: the key 'driver' is missing"),
        (
            "adapter",
            ENCODER + "limits: {retries: -1}\n",
            "x.yaml:3: limits.retries: -1 does not fit; expected 0 or more",
        ),
        (
            "adapter",
            ENCODER + "limits: {timeout_s: 0}\n",
            "x.yaml:3: limits.timeout_s: 0 does not fit; expected more than 0",
        ),
        (
            "adapter",
            ENCODER + "limits: {concurrency: lots}\n",
            "limits.concurrency: 'lots' does not fit; expected integer",
        ),
        ("adapter", LOCAL + "device: gpu\n", "x.yaml:3: device: 'gpu' does not fit; expected auto (a GPU where there"),
        ("adapter", LOCAL + "batch: {row: 2}\n", "x.yaml:3: batch.row: unknown key 'row'; expected 'rows'"),
        ("adapter", LOCAL + "sha256: x\n", "x.yaml:3: sha256: unknown key 'sha256'; expected one of driver, model, "),
        ("adapter", ENCODER + "price: free\n", "x.yaml:3: price: 'free' does not fit; expected auto, or {input_per"),
        ("adapter", "driver: python\nmodel: rules.py\n", "x.yaml:2: model: 'rules.py' does not fit; expected module:"),
        (
            "strategies",
            STRATEGIES.replace("base", "Base-1"),
            "x.yaml:4: strategies.Base-1: 'Base-1' does not fit; expected a name of lower-case letters",
        ),
        (
            "strategies",
            STRATEGIES.replace("shipped", "ship"),
            "strategies.base.stage: 'ship' is not known; expected 'shipp",
        ),
        ("strategies", "task: t\nstrategies: {}\n", "x.yaml:2: strategies: {} does not fit; expected at least 1 keys"),
        ("strategies", STRATEGIES + "repeats: 0\n", "x.yaml:5: repeats: 0 does not fit; expected answers per case"),
        ("strategies", STRATEGIES + "repeats: true\n", "x.yaml:5: repeats: True does not fit"),
        ("strategies", STRATEGIES + "thresholds: {accuracy: high}\n", "thresholds.accuracy: 'high' does not fit"),
        (
            "strategies",
            STRATEGIES.replace("p.md", "p.md, examples: {select: all, k: 0}"),
            "strategies.base.examples.select: 'all' is not known",
        ),
        (
            "strategies",
            STRATEGIES.replace("p.md", "p.md, examples: {ids: [a], k: 3}"),
            "strategies.base.examples.k: unknown key 'k'; expected one of ids",
        ),
        (
            "strategies",
            STRATEGIES.replace("p.md", "p.md, examples: {select: random}"),
            "strategies.base.examples: the key 'k' is missing",
        ),
        (
            "strategies",
            STRATEGIES.replace("p.md", "p.md, sampling: {temperature: 3}"),
            "strategies.base.sampling.temperature: 3 does not fit; expected 2 or less",
        ),
        (
            "strategies",
            STRATEGIES.replace("p.md", "p.md, validator: check"),
            "validator: 'check' does not fit; expected",
        ),
        ("strategies", STRATEGIES.replace("p.md", "p.md, review_below: 2"), "review_below: 2 does not fit; expected"),
    ],
)
def test_a_mistake_names_its_line_its_key_and_what_would_be_right(problems, name, text, expected):
    assert any(expected in problem for problem in problems(text, name))


@pytest.mark.parametrize(
    "key", ["sk-proj-abc123", "$OPENAI_API_KEY", "${OPENAI_API_KEY", "${1KEY}", "Bearer ${KEY}", 5]
)
def test_an_api_key_in_clear_is_refused_and_not_repeated(problems, key):
    (problem,) = problems(CHAT + f"api_key: {json.dumps(key)}\n", "adapter")
    assert problem == (
        "x.yaml:4: api_key: the value does not fit; expected ${NAME}: the key itself never stands in a file"
        if isinstance(key, str)
        else problem
    )
    assert str(key) not in problem.removeprefix("x.yaml:4")


@pytest.mark.parametrize("key", ["${OPENAI_API_KEY}", "${KEY_2:-none}"])
def test_an_api_key_is_the_name_of_a_variable(read, key):
    assert read(CHAT + f"api_key: {key}\n", "adapter").data["api_key"] == key


@pytest.mark.parametrize(
    ("text", "line"),
    [("name: a\nschema: b\nname: c\n", 3), ("slices:\n  x: {tag: a}\n  x: {tag: b}\n", 3), ("a:\n- b: 1\n  b: 1\n", 3)],
)
def test_a_key_that_stands_twice_is_refused_at_its_second_line(problems, text, line):
    (problem,) = problems(text)
    assert problem.startswith(f"x.yaml:{line}: ")
    assert problem.endswith("the key stands here twice")


def test_every_key_that_stands_twice_is_named(problems):
    assert len(problems("a: 1\na: 2\nb: {c: 1, c: 2}\n")) == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("name: t\nslices: {a: 1\n", 3),
        ("name: t\n\tschema: x\n", 2),
        ("name: t\n---\nname: u\n", 2),
        ("name: t\nguide: *nowhere\n", 2),
        ("name: 'open\n", 2),
        ("name: t\nguide: !!python/object:os.system x\n", 2),
        ("name: a\x00b\n", 1),
    ],
)
def test_what_is_not_yaml_is_named_with_its_line(problems, text, line):
    (problem,) = problems(text)
    assert problem.startswith(f"x.yaml:{line}: not YAML: ")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "just words\n", "- a\n- b\n", "5\n", "null\n"])
def test_a_file_without_keys_is_refused(problems, text):
    assert problems(text) == ["x.yaml:1: the file has no keys; expected a mapping of keys"]


@pytest.mark.parametrize(
    "value", [".nan", ".inf", "-.inf", "2024-13-45", "!!int x", "!!float x", "!!timestamp x", "!!bool x"]
)
def test_a_value_that_no_program_can_use_is_named_with_its_line(problems, value):
    (problem,) = problems(STRATEGIES + f"thresholds:\n  accuracy: {value}\n", "strategies")
    assert problem.startswith("x.yaml:6: thresholds.accuracy: ")
    assert problem.endswith("is not a value that can be used")


@pytest.mark.parametrize("text", ["a: &x {b: *x}\n", "a: &x [*x]\n", "a: " + "[" * 3000 + "]" * 3000])
def test_endless_or_very_deep_nesting_is_refused(problems, text):
    (problem,) = problems(text)
    assert problem == "x.yaml:1: nested too deeply, or an alias that holds itself"


def test_an_alias_repeats_a_value(read):
    declaration = read(TASK + "slices:\n  a: &one {tag: x}\n  b: *one\n")
    assert declaration.data["slices"]["b"] == {"tag": "x"}


def test_a_file_that_cannot_be_read_is_named(problems, tmp_path):
    with pytest.raises(DeclarationError, match=r"nowhere\.yaml:1: can't be read: .*No such file"):
        read_declaration(tmp_path / "nowhere.yaml", "task")
    with pytest.raises(DeclarationError, match="can't be read"):
        read_declaration(tmp_path, "task")
    (problem,) = problems(b"name: caf\xe9\n")
    assert problem.startswith("x.yaml:1: can't be read: 'utf-8' codec can't decode")


@pytest.mark.parametrize("text", ["name: 2024-01-01\nschema: [s]\ndecision_fields: a\nguide: 5\nslices: []\n"])
def test_wrong_types_are_named_one_by_one(problems, text):
    assert [problem.split(" ")[1] for problem in problems(text)] == [
        "name:",
        "schema:",
        "decision_fields:",
        "guide:",
        "slices:",
    ]


def test_a_long_value_is_cut_in_messages(problems):
    (problem,) = problems(TASK + f"slices: {'x' * 500}\n")
    assert len(problem) < 150


def test_the_error_counts_its_problems_and_lists_them_by_file_and_line():
    one = Problem(file="b.yaml", line=2, key="k", message="m", expected="e")
    two = Problem(file="a.yaml", line=10, key="", message="m")
    three = Problem(file="a.yaml", line=9, key="", message="m")
    error = DeclarationError([one, two, three])
    assert str(error) == "3 problems in the declarations:\n  a.yaml:9: m\n  a.yaml:10: m\n  b.yaml:2: k: m; expected e"
    assert str(DeclarationError([one])).startswith("1 problem in the declarations:\n")
    assert isinstance(error, HoldfastError)


@pytest.mark.parametrize("name", SCHEMA_NAMES)
def test_the_published_schemas_are_valid_json_schemas(name):
    schema = published_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"holdfast/{name}.json"


def test_an_unknown_schema_has_no_text():
    with pytest.raises(KeyError, match="suites"):
        published_schema("suites")


@pytest.mark.parametrize(
    ("name", "known", "text"),
    [
        ("bilin", ["outage", "billing"], "'billing'"),
        ("zebra", ["outage", "billing"], "one of outage, billing"),
        ("zebra", [], ""),
    ],
)
def test_a_suggestion_is_the_nearest_name_or_all_of_them(name, known, text):
    assert suggestion(name, known) == text


def test_paths_are_shown_from_the_project_or_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "..")
    assert shown(tmp_path / "a" / "b.yaml", tmp_path) == "a/b.yaml"
    assert shown(tmp_path / "b.yaml") == f"{tmp_path.name}/b.yaml"
    monkeypatch.chdir("/")
    assert shown(tmp_path / "b.yaml") == str(tmp_path / "b.yaml").removeprefix("/")
