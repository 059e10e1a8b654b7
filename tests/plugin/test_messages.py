"""What a person reads at the terminal: the message of a blocked test, and the end of a run."""

from __future__ import annotations

COLUMNS = 100
PAIRED = """
def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), 0.5)

def test_no_regression(run, baseline, gate):
    gate.no_worse(run.accuracy(), baseline.accuracy(), margin=0.05)
"""


def message(result):
    """The lines of the only failure, without pytest's margin."""
    lines = [line for line in result.outlines if line.startswith("E  ")]
    assert all(len(line) <= COLUMNS for line in lines)
    return [line[8:] for line in lines]


def test_a_message_says_what_flipped_then_ends_with_the_numbers_and_the_budget(project):
    project.suite(PAIRED)
    project.run("--gate-accept", "first")
    project.adapter("good", wrong=30, broken=2)
    assert message(project.run()) == [
        "Failed: FAIL: good, accuracy",
        "accuracy: lost 30 cases, gained 0 of 200; the loss is real, at least 11.3 points with 95%",
        "  confidence",
        "",
        "lost since the baseline (30), dearest first:",
        "  c0000 (cost 25): apple 0",
        "    kind: expected apple, before apple",
        "    no usable answer: not_json",
        "  c0001 (cost 25): apple 1",
        "    kind: expected apple, before apple",
        "    no usable answer: not_json",
        "  c0002 (cost 4): apple 2",
        "    kind: expected apple, before apple, now answered pear",
        "  lost: c0000, c0001, c0002, c0003, c0004, c0005, c0006, c0007, c0008, c0009 and 20 more",
        "",
        "in numbers: cases 200, baseline 1, candidate 0.85, change -0.15, lower bound -0.1962, upper",
        "  bound -0.1132, p 9.313e-10, mid-p 4.657e-10, decided at 0.025, smallest detectable",
        "  difference 0.06809, budget 4, rule exact_p",
        "this claim allows 4 lost cases besides the 0 gained of 200",
    ]


def test_a_message_shows_the_repeat_that_was_lost(project):
    project.suite(PAIRED)
    project.strategies(good="shipped")
    assert project.run("--gate-repeats", "2", "--gate-accept", "first").ret == 0
    counting = """
    from collections import Counter

    SEEN = Counter()

    def answer(inputs, **options):
        SEEN[inputs["text"]] += 1
        kind, number = inputs["text"].split()
        return {"kind": "pear" if SEEN[inputs["text"]] == 2 and int(number) < 60 else kind}
    """
    project.write("adapters/model.py", counting)
    lines = message(project.run("--gate-repeats", "2"))
    assert "    kind: expected apple, before apple, now answered pear" in lines
    assert lines[1].startswith("accuracy: lost 30 cases, gained 0 of 200 (means of 2 repeats); the loss is real")


def test_the_field_is_named_and_long_tickets_are_cut_and_wrapped_without_control_characters(project):
    project.strategies(bad="shipped")
    text = "apple 0 " + "the \x1b[31mred fruit of an old tree " * 12
    rows = (project.root / "fixtures/fruit/holdout.jsonl").read_text().splitlines()
    rows[0] = rows[0].replace('"apple 0"', '"' + text.replace("\x1b", "\\u001b") + '"')
    project.write("fixtures/fruit/holdout.jsonl", "\n".join(rows) + "\n")
    project.freeze()
    project.suite("def test_kind(run, gate):\n    gate.at_least(run.field_accuracy('kind'), 0.9)\n")
    result = project.run()
    lines = message(result)
    assert lines[0] == "Failed: FAIL: bad, field accuracy of kind"
    first = lines.index("worst cases by cost:") + 1
    case = lines[first : lines.index("    kind: expected apple, answered pear")]
    assert len(case) == 2
    assert case[0].startswith("  c0000 (cost 4): apple 0 the [31mred fruit")
    assert case[1].endswith("…")
    assert "\x1b" not in result.stdout.str()


def test_an_unsettled_claim_says_how_many_cases_would_settle_it(project):
    project.strategies(fair="shipped")
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.88)\n")
    lines = message(project.run("--gate-profile", "release", "--gate-repeats", "2"))
    said = " ".join(line.strip() for line in lines)
    assert "360 of 400 answers right (90.0%)" in said
    assert "more cases, asked 2 times each, would settle it" in said


def test_the_end_of_a_run_lists_gates_and_guards_that_are_not_met(project):
    project.strategies(bad="reference", fair="candidate", good="shipped")
    project.suite(
        """
        def test_accuracy(run, gate):
            gate.at_least(run.accuracy(), 0.88)
        def test_critical(run, gate, critical_slice):
            gate.at_least(run.accuracy(slice=critical_slice), 0.9, role="guard")
        def test_told(run, gate):
            gate.at_least(run.accuracy(), 0.99, role="report")
        """
    )
    result = project.run()
    lines = result.outlines[result.outlines.index(next(x for x in result.outlines if "= holdfast =" in x)) + 1 :]
    assert lines[0] == "INCONCLUSIVE: no claim blocks, but 1 gate not settled; 1 claim met."
    assert lines[1] == "fruit: 1 PASS, 5 INCONCLUSIVE, 3 FAIL; none blocking"
    told = lines[2 : next(i for i, line in enumerate(lines) if line.startswith("report:"))]
    assert [line for line in told if line.startswith("  INC")] == [
        "  INCONCLUSIVE: fair, accuracy: 180 of 200 right (90.0%), at least 85.8% with 95% confidence; 88%",
        "  INCONCLUSIVE: fair, accuracy on rare: 20 of 20 right (100.0%), at least 86.1% with 95% confidence;",
        "  INCONCLUSIVE: good, accuracy on rare: 20 of 20 right (100.0%), at least 86.1% with 95% confidence;",
    ]
    assert not any("bad" in line for line in told if line.startswith("  "))
    assert all(len(line) <= COLUMNS for line in told)


def test_the_end_of_a_run_spread_over_workers_lists_them_too(project):
    project.strategies(bad="shipped")
    project.suite("def test_accuracy(run, gate):\n    gate.at_least(run.accuracy(), 0.9)\n")
    result = project.run_apart("-n", "2")
    result.stdout.fnmatch_lines(
        [
            "BLOCKED: 1 claim not met.",
            "  FAIL: bad, accuracy: 100 of 200 right*",
            "    cases, dearest first: c0000 (cost 4), c0001 (cost 4), c0002 (cost 4), c0003 (cost 4), c0004*",
            "fruit: 1 FAIL; 1 blocking",
            "report: reports/latest/report.md",
        ],
        consecutive=False,
    )
