"""strategies.yaml and adapters/*.yaml → a Suite; the problems of all files involved come at once."""

import pytest

from harness.core.errors import DeclarationError
from harness.core.records import ANCHOR, BASELINE, Decoding, ExampleChoice, Limits, ParseMode, Price, Sampling, Stage
from harness.fixtures_io.suites import SUITE_FILE, FixtureMissing, Project, load_adapter, load_suite

SUITE = f"suites/tickets/{SUITE_FILE}"
BASE = "base: {stage: reference, prompt: prompts/base.md}"


@pytest.fixture
def load(root):
    def read(**options):
        return load_suite(root / SUITE, Project(root=root), **options)

    return read


@pytest.fixture
def problems(load):
    def read(**options):
        with pytest.raises(DeclarationError) as caught:
            load(**options)
        return [str(problem) for problem in caught.value.problems]

    return read


def test_a_suite_holds_its_task_strategies_adapters_and_prompts(load, root):
    suite = load()
    assert (suite.name, suite.folder, suite.shipped) == ("tickets", root / "suites/tickets", "tuned")
    assert suite.fixture.task.name == "tickets"
    assert list(suite.strategies) == ["base", "tuned"]
    assert list(suite.adapters) == ["rules"]
    assert suite.strategies["base"].repeats == 1
    assert suite.prompts == {"prompts/base.md": (root / "suites/tickets/prompts/base.md").read_text("utf-8")}


def test_a_strategy_has_the_defaults_of_the_suite_unless_it_says_otherwise(load, edit):
    edit(SUITE, "adapter: rules\n", "adapter: rules\nrepeats: 3\n")
    edit(SUITE, "thresholds: {accuracy: 0.9}}", "thresholds: {accuracy: 0.9}, repeats: 1, adapter: gpt}")
    base, tuned = load().strategies.values()
    assert (base.stage, base.adapter, base.repeats) == (Stage.REFERENCE, "rules", 3)
    assert base.thresholds == {"accuracy": 0.8, "format_validity": 0.98}
    assert (base.decoding, base.sampling, base.parse) == (Decoding.FREE, Sampling(), ParseMode.STRICT)
    assert (base.examples, base.validator, base.review_below) == (None, None, None)
    assert (tuned.stage, tuned.adapter, tuned.repeats) == (Stage.SHIPPED, "gpt", 1)
    assert tuned.thresholds == {"accuracy": 0.9, "format_validity": 0.98}


def test_every_key_of_a_strategy_arrives(load, edit):
    keys = (
        "decoding: json_schema, sampling: {temperature: 0.7, max_tokens: 64, seed: 5}, parse: last_json, "
        "examples: {select: diverse, k: 24, seed: 7}, validator: 'checks.tickets:two_teams', review_below: 0.5"
    )
    edit(SUITE, BASE, BASE[:-1] + f", {keys}}}")
    base = load().strategies["base"]
    assert base.decoding is Decoding.JSON_SCHEMA
    assert base.sampling == Sampling(temperature=0.7, max_tokens=64, seed=5)
    assert base.parse is ParseMode.LAST_JSON
    assert base.examples == ExampleChoice(select="diverse", k=24, seed=7)
    assert (base.validator, base.review_below) == ("checks.tickets:two_teams", 0.5)


def test_examples_may_be_named_by_their_ids(load, edit):
    edit(SUITE, BASE, BASE[:-1] + ", examples: {ids: [p2, p1]}}")
    assert load().strategies["base"].examples == ExampleChoice(select="ids", k=2, ids=("p2", "p1"))


def test_several_adapters_run_every_strategy_under_a_name_of_its_own(load, edit):
    edit(SUITE, "adapter: rules", "adapters: [rules, gpt]")
    edit(SUITE, "tuned: {stage", "tuned: {adapter: gpt, stage")
    suite = load()
    assert {name: strategy.adapter for name, strategy in suite.strategies.items()} == {
        "base@rules": "rules",
        "base@gpt": "gpt",
        "tuned": "gpt",
    }
    assert all(strategy.name == name for name, strategy in suite.strategies.items())
    assert list(suite.adapters) == ["gpt", "rules"]
    assert suite.shipped == "tuned"


def test_one_adapter_in_a_list_leaves_the_names_as_they_are(load, edit):
    edit(SUITE, "adapter: rules", "adapters: [gpt]")
    assert list(load().strategies) == ["base", "tuned"]


@pytest.mark.parametrize("default", ["adapter: rules", "adapters: [rules, other]"])
def test_an_override_replaces_the_default_adapter_and_no_other(load, edit, root, default):
    (root / "adapters/other.yaml").write_text("driver: encoder\nmodel: m\n", encoding="utf-8")
    edit(SUITE, "adapter: rules", default)
    edit(SUITE, "tuned: {stage", "tuned: {adapter: rules, stage")
    suite = load(adapter_override="gpt")
    assert {name: s.adapter for name, s in suite.strategies.items()} == {"base": "gpt", "tuned": "rules"}


def test_an_override_makes_up_for_a_missing_default(load, problems, edit):
    edit(SUITE, "adapter: rules\n", "")
    assert len(problems()) == 2
    assert load(adapter_override="gpt").strategies["base"].adapter == "gpt"


def test_an_unknown_override_is_named_as_the_option(problems):
    assert problems(adapter_override="rulez") == [
        f"{SUITE}:1: --gate-adapter: there is no adapters/rulez.yaml; expected 'rules'"
    ]


def test_a_strategy_without_an_adapter_is_named_with_its_other_problems(problems, edit):
    edit(SUITE, "adapter: rules\n", "")
    edit(SUITE, BASE, BASE.replace("base.md", "bas.md"))
    assert problems() == [
        f"{SUITE}:4: strategies.base: no adapter, and the suite has no default; expected `adapter: NAME`",
        f"{SUITE}:4: strategies.base.prompt: suites/tickets/prompts/bas.md can't be read; expected 'prompts/base.md'",
        f"{SUITE}:5: strategies.tuned: no adapter, and the suite has no default; expected `adapter: NAME`",
    ]


def test_an_unknown_default_adapter_is_named_with_its_line_and_the_nearest_name(problems, edit):
    edit(SUITE, "adapter: rules", "adapter: rule")
    assert problems() == [f"{SUITE}:2: adapter: there is no adapters/rule.yaml; expected 'rules'"]


def test_an_unknown_adapter_in_a_list_is_named_with_its_line(problems, edit):
    edit(SUITE, "adapter: rules", "adapters:\n  - rules\n  - claude")
    assert problems() == [f"{SUITE}:4: adapters.1: there is no adapters/claude.yaml; expected one of gpt, rules"]


def test_an_unknown_adapter_of_a_strategy_is_named_with_its_line(problems, edit):
    edit(SUITE, "tuned: {stage", "tuned: {adapter: gtp, stage")
    assert problems() == [f"{SUITE}:6: strategies.tuned.adapter: there is no adapters/gtp.yaml; expected 'gpt'"]


def test_one_default_and_several_defaults_exclude_each_other(problems, edit):
    edit(SUITE, "adapter: rules", "adapter: rules\nadapters: [gpt]")
    assert problems() == [f"{SUITE}:3: adapters: `adapter` and `adapters` both stand here; expected one of them"]


def test_a_suite_needs_a_shipped_strategy(problems, edit):
    edit(SUITE, "stage: shipped", "stage: candidate")
    assert problems() == [f"{SUITE}:4: strategies: no strategy is shipped; expected exactly one with `stage: shipped`"]


def test_a_suite_has_no_second_shipped_strategy(problems, edit):
    edit(SUITE, "stage: reference", "stage: shipped")
    assert problems() == [
        f"{SUITE}:6: strategies.tuned.stage: 'base' is shipped already; expected exactly one shipped strategy per suite"
    ]


@pytest.mark.parametrize("name", [BASELINE, ANCHOR])
def test_the_names_of_accepted_predictions_are_no_strategies(problems, edit, name):
    edit(SUITE, "base: {", f"{name}: {{")
    assert problems() == [
        f"{SUITE}:5: strategies.{name}: {name!r} does not fit; expected a name of lower-case letters, digits and _, "
        "other than `baseline` and `anchor`"
    ]


def test_an_unknown_task_is_named_with_the_nearest_name(problems, edit):
    edit(SUITE, "task: tickets", "task: ticket")
    assert problems() == [f"{SUITE}:1: task: there is no fixtures/ticket/task.yaml; expected 'tickets'"]


def test_a_task_may_be_a_path_beside_the_suite(load, edit, root):
    (root / "fixtures/tickets").rename(root / "suites/tickets/data")
    edit(SUITE, "task: tickets", "task: ./data")
    assert load().fixture.folder == root / "suites/tickets/data"
    edit(SUITE, "task: ./data", "task: ../tickets/data")
    assert load().fixture.folder == root / "suites/tickets/data"
    (root / "suites/tickets/data").rename(root / "suites/tickets/prompts/data")
    edit(SUITE, "task: ../tickets/data", "task: prompts/data")
    assert load().fixture.folder == root / "suites/tickets/prompts/data"


def test_a_fixture_that_is_not_imported_yet_is_missing_with_its_command(load, edit):
    edit(SUITE, "task: tickets", "task: ticket\nwhen_missing: harness import banking77")
    with pytest.raises(FixtureMissing, match=r"^harness import banking77$"):
        load()
    edit(SUITE, "task: ticket\n", "task: tickets\n")
    assert load().fixture.task.name == "tickets"


def test_an_unknown_prompt_is_named_with_the_nearest_file(problems, edit):
    edit(SUITE, BASE, BASE.replace("prompts/base.md", "prompt/base.md"))
    assert problems() == [
        f"{SUITE}:5: strategies.base.prompt: suites/tickets/prompt/base.md can't be read; expected 'prompts/base.md'"
    ]


def test_a_prompt_that_is_no_text_is_named(problems, root):
    (root / "suites/tickets/prompts/base.md").write_bytes(b"caf\xe9")
    (first, *_) = problems()
    assert first.startswith(f"{SUITE}:5: strategies.base.prompt: suites/tickets/prompts/base.md can't be read")


def test_a_misspelt_label_in_a_prompt_is_named_once_with_its_own_file_and_line(problems, edit):
    edit("suites/tickets/prompts/base.md", "- billing: invoices", "- biling: invoices")
    assert problems() == [
        "suites/tickets/prompts/base.md:4: category: 'biling' is not a label of this field; expected 'billing'"
    ]


def test_the_problems_of_all_files_come_at_once_in_the_order_of_files_and_lines(problems, edit):
    edit("adapters/rules.yaml", "model: rules.py:answer", "model: rules.py")
    edit("adapters/gpt.yaml", "${OPENAI_API_KEY}", "sk-secret")
    edit("fixtures/tickets/task.yaml", "[P1, P2, P3]", "[P1, P2, P4]")
    edit("suites/tickets/prompts/base.md", "- billing", "- biling")
    edit(SUITE, "stage: shipped", "adapter: gpt, stage: candidate")
    found = problems()
    assert [problem.split(": ")[0] for problem in found] == [
        "adapters/gpt.yaml:4",
        "adapters/rules.yaml:2",
        "fixtures/tickets/task.yaml:15",
        f"{SUITE}:4",
    ]
    assert "sk-secret" not in "\n".join(found)


def test_an_unknown_task_hides_no_other_problem_of_the_suite(problems, edit):
    edit(SUITE, "task: tickets", "task: ticket")
    edit(SUITE, "adapter: rules", "adapter: rule")
    edit(SUITE, BASE, BASE.replace("base.md", "bas.md"))
    edit(SUITE, "stage: shipped", "stage: candidate")
    assert [problem.split(": ")[1] for problem in problems()] == [
        "task",
        "adapter",
        "strategies",
        "strategies.base.prompt",
    ]


def test_a_broken_strategies_file_is_named(problems, root):
    (root / SUITE).write_text("task: tickets\nstrategies: ]\n", encoding="utf-8")
    (problem,) = problems()
    assert problem.startswith(f"{SUITE}:2: not YAML: ")


def test_a_remote_adapter_holds_its_options_limits_and_price(root):
    adapter = load_adapter(root / "adapters/gpt.yaml")
    assert (adapter.name, adapter.driver, adapter.model) == ("gpt", "openai_chat", "gpt-4.1-mini")
    assert adapter.external is True
    assert adapter.limits == Limits(concurrency=64, requests_per_minute=5000, timeout_s=30, retries=2)
    assert adapter.price == Price(input_per_million=0.4, output_per_million=1.6)
    assert adapter.file == str(root / "adapters/gpt.yaml")
    assert adapter.options == {
        "base_url": "${OPENAI_BASE_URL:-https://api.openai.com/v1}",
        "api_key": "${OPENAI_API_KEY}",
    }


def test_an_adapter_without_limits_and_price_has_the_defaults(root):
    adapter = load_adapter(root / "adapters/rules.yaml")
    assert (adapter.external, adapter.limits, adapter.price, adapter.options) == (False, Limits(), None, {})


def test_the_price_of_an_adapter_may_be_looked_up(root, edit):
    edit("adapters/gpt.yaml", "{input_per_million: 0.4, output_per_million: 1.6}", "auto")
    assert load_adapter(root / "adapters/gpt.yaml").price == "auto"


def test_a_project_knows_where_its_content_is(root):
    project = Project(root=root)
    assert project.adapter_names() == ["gpt", "rules"]
    assert project.adapter_file("gpt") == root / "adapters/gpt.yaml"
    assert project.fixture_folder("tickets", root / SUITE) == root / "fixtures/tickets"
    assert Project(root=root, fixtures="data", adapters="models").adapter_file("a") == root / "models/a.yaml"
    assert Project(root=root, adapters="nowhere").adapter_names() == []
