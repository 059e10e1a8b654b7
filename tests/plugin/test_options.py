"""One test per command-line option, and what collection says of wrong declarations."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

ACCURACY = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))
"""

ONE = """\
task: fruit
{adapters}
thresholds: {{accuracy: 0.8}}
strategies:
  one: {{stage: shipped, prompt: prompts/p.md}}
"""


def test_strategies_are_chosen_by_a_pattern(project):
    project.strategies(bad="reference", fair="candidate", good="shipped")
    project.suite(ACCURACY)
    project.run("--gate-strategies", "g*").assert_outcomes(passed=1)
    assert [claim["run"] for claim in project.claims] == ["good"]


def test_the_default_adapter_can_be_replaced(project):
    project.suite(ACCURACY)
    project.write("suites/fruit/strategies.yaml", ONE.format(adapters="adapter: good"))
    project.run("--gate-adapter", "bad").assert_outcomes(failed=1)
    result = project.run("--gate-adapter", "goood")
    result.stdout.fnmatch_lines(["*--gate-adapter: there is no adapters/goood.yaml*'good'*"])


def test_several_adapters_run_side_by_side(project):
    project.suite(ACCURACY)
    project.write("suites/fruit/strategies.yaml", ONE.format(adapters="adapters: [good, fair]"))
    project.run().assert_outcomes(passed=2)
    assert [claim["run"] for claim in project.claims] == ["one@fair", "one@good"]


def test_repeats_ask_each_case_again(project):
    project.suite(ACCURACY)
    project.run("--gate-repeats", "3").assert_outcomes(passed=1)
    assert project.calls == 600
    (claim,) = project.claims
    assert (claim["n"], claim["repeats"]) == (200, 3)
    result = project.run("--gate-repeats", "0")
    assert "expected 1 or more" in result.stdout.str() + result.stderr.str()


def test_the_report_goes_where_it_is_asked_to(project):
    project.suite(ACCURACY)
    result = project.run("--gate-report", "elsewhere")
    assert (project.root / "elsewhere" / "verdicts.json").is_file()
    result.stdout.fnmatch_lines(["*report: elsewhere/report.md*"])


def test_every_mistake_in_the_declarations_is_shown_at_once(project):
    project.suite(ACCURACY)
    project.write(
        "suites/fruit/strategies.yaml",
        """\
        task: fruit
        adaptor: good
        strategies:
          one: {stage: shiped, prompt: prompts/p.md}
          two: {prompt: prompts/p.md, stage: candidate, decoding: jsonschema}
        """,
    )
    result = project.run()
    assert result.ret == 2
    result.stdout.fnmatch_lines(
        [
            "*3 problems in the declarations*",
            "*strategies.yaml:2: adaptor: unknown key 'adaptor'; expected 'adapter'*",
            "*strategies.yaml:4: strategies.one.stage: 'shiped' is not known; expected 'shipped'*",
            "*strategies.yaml:5: strategies.two.decoding: 'jsonschema' is not known; expected 'json_schema'*",
        ]
    )


def test_a_changed_holdout_stops_the_run_and_names_the_case(project):
    project.suite(ACCURACY)
    file = project.root / "fixtures" / "fruit" / "holdout.jsonl"
    file.write_text(file.read_text().replace('"pear 100"', '"pear 100!"'))
    result = project.run()
    result.assert_outcomes(failed=1)
    assert project.calls == 0
    result.stdout.fnmatch_lines(["*1 changed: c0100*harness freeze fixtures/fruit*"])


def test_an_example_from_the_holdout_is_refused(project):
    project.suite(ACCURACY)
    row = {"id": "c0003", "inputs": {"text": "apple of the pool"}, "expected": {"kind": "apple"}}
    project.write("fixtures/fruit/pool.jsonl", json.dumps(row) + "\n")
    project.write(
        "suites/fruit/strategies.yaml",
        """\
        task: fruit
        adapter: good
        thresholds: {accuracy: 0.9}
        strategies:
          one: {stage: shipped, prompt: prompts/p.md, examples: {ids: [c0003]}}
        """,
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*shows holdout cases as examples: c0003*"])


def test_an_external_adapter_refuses_unmasked_personal_data(project):
    project.suite(ACCURACY)
    file = project.root / "fixtures" / "fruit" / "task.yaml"
    file.write_text(file.read_text().replace("personal_data: masked\n", ""))
    adapter = project.root / "adapters" / "good.yaml"
    adapter.write_text(adapter.read_text() + "external: true\n")
    result = project.run()
    result.assert_outcomes(failed=1)
    assert project.calls == 0
    result.stdout.fnmatch_lines(["*unmasked personal data*"])


def test_a_suite_whose_fixture_is_not_imported_is_skipped_with_the_command(project):
    project.suite(ACCURACY)
    project.write(
        "suites/fruit/strategies.yaml",
        "task: other\nwhen_missing: harness import csv …\nadapter: good\n"
        "strategies:\n  one: {stage: shipped, prompt: prompts/p.md}\n",
    )
    result = project.run("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*import it with: harness import csv*"])


def test_collecting_imports_no_heavy_library(project):
    project.suite(ACCURACY)
    heavy = ("torch", "transformers", "openai", "pandas", "numpy", "scipy", "statsmodels", "peft", "sklearn", "rich")
    program = (
        "import sys, pytest\n"
        "code = pytest.main(['suites', '--collect-only', '-q', '-p', 'no:randomly'])\n"
        f"print('HEAVY', sorted(set(sys.modules) & set({heavy!r})))\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_accuracy[good]" in done.stdout
    assert "HEAVY []" in done.stdout


def test_an_unrelated_project_is_left_alone(pytester):
    pytester.makepyfile(
        "import pytest\n@pytest.fixture\ndef run():\n    return 3\n\ndef test_own(run):\n    assert run == 3\n"
    )
    program = (
        "import sys, pytest\n"
        "code = pytest.main(['-q', '-p', 'no:randomly'])\n"
        "print('HARNESS', sorted(m for m in sys.modules if m.startswith('harness.')))\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=pytester.path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "HARNESS ['harness.options', 'harness.pytest_plugin']" in done.stdout


def test_the_fixtures_say_what_they_need_outside_a_suite(pytester):
    pytester.makepyfile("def test_a(run): pass\ndef test_b(gate): pass\n")
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*`run` needs a strategies.yaml beside*", "*`gate` needs a strategies.yaml beside*"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gate-accept", "x", "--gate-early-stop"), "--gate-accept can't be used with --gate-early-stop*every case*"),
        (("--gate-selftest", "-n", "2"), "--gate-selftest can't be used with -n*"),
        (("--gate-selftest", "--gate-early-stop"), "--gate-selftest can't be used with --gate-early-stop*"),
        (("--gate-dry-run", "--gate-accept", "x"), "--gate-dry-run can't be used with --gate-accept*"),
        (("--gate-dry-run", "--gate-record", "x"), "--gate-dry-run can't be used with --gate-record*"),
        (("--gate-dry-run", "--gate-replay", "x"), "--gate-dry-run can't be used with --gate-replay*"),
        (("--gate-dry-run", "--gate-selftest"), "--gate-dry-run can't be used with --gate-selftest*"),
        (("--gate-dry-run", "--gate-early-stop"), "--gate-dry-run can't be used with --gate-early-stop*"),
        (("--gate-dry-run", "-n", "2"), "--gate-dry-run can't be used with -n*"),
        (("--gate-max-cost", "1", "--gate-replay", "x"), "--gate-max-cost can't be used with --gate-replay*"),
        (("--gate-max-cost", "1", "-n", "2"), "--gate-max-cost can't be used with -n*two workers*"),
    ],
)
def test_options_that_contradict_each_other_are_refused_before_anything_is_asked(project, options, message):
    project.suite(ACCURACY)
    result = project.run_apart(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}*"])
    assert project.calls == 0


def test_the_report_names_the_command_that_was_typed(project):
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.9)\n")
    project.run("--gate-profile", "pr")
    text = project.report()
    assert "To reproduce: `pytest suites -p no:randomly --gate-profile pr`" in text
    assert "200 calls, 0 answers from the ledger" in text


def test_a_second_run_that_finds_the_same_keeps_the_page(project):
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.9)\n")
    project.run()
    page = project.root / "reports/latest/report.html"
    first = page.read_bytes(), page.stat().st_mtime_ns
    project.run()
    assert (page.read_bytes(), page.stat().st_mtime_ns) == first
    assert "0 calls, 200 answers from the ledger" in project.report()
