"""What README and docs show works: declarations validate, commands parse, code compiles, links lead somewhere."""

import ast
import itertools
import re
import shlex
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from harness.cli import _parser
from harness.core.metrics import METRICS
from harness.fixtures_io.declarations import published_schema
from harness.fixtures_io.suites import Project, load_adapter, load_suite
from harness.fixtures_io.tasks import load_fixture
from harness.pytest_plugin import Gate
from harness.runs.run import Run

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
KINDS = {"driver": "adapter", "strategies": "strategies", "decision_fields": "task"}
MADE_BY_A_RUN = ("reports/latest", "reports/compare", ".holdfast", ".venv")
CONTENT = ("suites", "adapters", "fixtures", "docs", "benchmarks", "reports", "harness", "tests")


def name(value):
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else None


def blocks(language):
    """(page, number of the block on it, its text) of every fenced block in a language."""
    return [
        (page, number, text)
        for page in PAGES
        for number, text in enumerate(re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S))
    ]


def commands():
    """(page, command line) of everything in the pages that begins with `harness `, alternatives spelt out."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fenced = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
        lines = [line.partition("#")[0].strip() for block in fenced for line in block.splitlines()]
        lines += re.findall(r"`(harness [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
        for line in lines:
            if line.startswith("harness "):
                words = [word.split("|") for word in line.split(" ")]
                found += [(page, " ".join(chosen)) for chosen in itertools.product(*words)]
    return found


def test_the_pages_are_found():
    names = [page.name for page in PAGES]
    assert names == [
        "README.md",
        "ceiling.md",
        "ci.md",
        "decisions.md",
        "declarations.md",
        "economics.md",
        "fixed_threshold.md",
        "fixtures.md",
        "gate.md",
        "report.md",
    ]
    assert len(blocks("yaml")) >= 3
    assert len(blocks("python")) >= 1
    assert len(commands()) >= 8


@pytest.mark.parametrize(("page", "number", "text"), blocks("yaml"), ids=name)
def test_a_declaration_that_is_shown_validates(page, number, text):
    data = yaml.safe_load(text)
    kinds = [kind for key, kind in KINDS.items() if key in data]
    assert len(kinds) == 1, f"block {number} is no whole declaration"
    Draft202012Validator(published_schema(kinds[0])).validate(data)


@pytest.mark.parametrize(("page", "line"), commands(), ids=name)
def test_a_command_that_is_shown_parses(page, line):
    options = _parser().parse_args(shlex.split(line)[1:])
    assert callable(options.command)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_an_option_that_is_named_exists(page, pytestconfig):
    for option in set(re.findall(r"--gate-[a-z]+(?:-[a-z]+)*", page.read_text(encoding="utf-8"))):
        assert pytestconfig.getoption(option, default="not there") != "not there", option


@pytest.mark.parametrize(("page", "number", "text"), blocks("python"), ids=name)
def test_code_that_is_shown_compiles_and_calls_what_there_is(page, number, text):
    tree = ast.parse(text, filename=str(page))
    compile(tree, str(page), "exec")
    tests = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert tests
    for node in tests:
        assert node.name.startswith("test_")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("run", "gate"):
            assert hasattr({"run": Run, "gate": Gate}[node.value.id], node.attr)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_claims_in_the_text_call_what_there_is(page):
    for holder, method in re.findall(r"\b(gate|run)\.(\w+)\(", page.read_text(encoding="utf-8")):
        assert hasattr({"run": Run, "gate": Gate}[holder], method), f"{holder}.{method}"


def test_every_metric_has_a_measure():
    measures = {metric for metric in METRICS if hasattr(Run, metric)}
    assert measures == set(METRICS)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_paths_in_the_text_exist(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    paths = [
        path
        for path in re.findall(r"`([\w.-]+/[\w./-]*)`", text)
        if path.split("/")[0] in CONTENT and not path.startswith(MADE_BY_A_RUN)
    ]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_make_targets_that_are_named_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(\w+):", makefile, re.M))
    named = {word for page in PAGES for word in re.findall(r"^make (\w+)", page.read_text(encoding="utf-8"), re.M)}
    assert named
    assert named <= targets


def test_the_extras_that_are_named_exist():
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = set(re.findall(r"'\.\[(\w+)\]'", PAGES[0].read_text(encoding="utf-8")))
    assert extras == {"charts", "local", "openai"}
    assert all(re.search(rf"^{extra} = \[", declared, re.M) for extra in extras)


# ------------------------------------------------------------------------------------------- what this project holds


@pytest.mark.parametrize("path", sorted((ROOT / "adapters").glob("*.yaml")), ids=name)
def test_an_adapter_of_this_project_is_valid(path):
    assert load_adapter(path).name == path.stem


@pytest.mark.parametrize("path", sorted((ROOT / "fixtures").glob("*/task.yaml")), ids=name)
def test_a_task_of_this_project_is_valid(path):
    assert load_fixture(path.parent).task.name == path.parent.name


@pytest.mark.parametrize(
    "path", [p for p in sorted((ROOT / "suites").glob("*/strategies.yaml")) if p.parent.name != "banking77"], ids=name
)
def test_a_suite_of_this_project_is_valid(path):
    suite = load_suite(path, Project(root=ROOT))
    assert suite.shipped is not None
