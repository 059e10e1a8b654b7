"""task.yaml → Task: what is declared arrives, and labels, fields and files that do not exist are named."""

import json
import re
from pathlib import Path

import pytest

from harness.core.errors import DeclarationError, FixtureError
from harness.core.records import Case, Compare, Comparison, Costs, FieldCost, Slice
from harness.fixtures_io.locks import make_lock, write_lock
from harness.fixtures_io.tasks import load_fixture

TASK = "fixtures/tickets/task.yaml"
SUPPORT_TICKETS = Path(__file__).parents[2] / "fixtures" / "support_tickets"


@pytest.fixture
def folder(root):
    return root / "fixtures" / "tickets"


@pytest.fixture
def problems(folder):
    def read():
        with pytest.raises(DeclarationError) as caught:
            load_fixture(folder)
        return [str(problem) for problem in caught.value.problems]

    return read


def test_a_task_holds_what_its_file_declares(folder):
    fixture = load_fixture(folder)
    task = fixture.task
    assert (task.name, task.decision_fields) == ("tickets", ("category", "priority", "escalate"))
    assert (task.guide, task.personal_data_masked) == ("Label what is written.\n", True)
    assert fixture.attribution == "made up for tests"
    assert fixture.holdout_path == folder / "holdout.jsonl"
    assert fixture.pool_path == folder / "pool.jsonl"
    assert fixture.lock_path == folder / "lock.json"
    assert list(task.schema["properties"]) == ["category", "priority", "escalate", "note"]


def test_slices_hold_their_values_tags_and_importance(folder):
    task = load_fixture(folder).task
    assert task.slices == (
        Slice(name="outage", where={"category": ("outage",)}, critical=True),
        Slice(name="money", where={"category": ("billing",), "escalate": (False,)}),
        Slice(name="imminent", tag="imminent"),
    )
    assert task.slice("money") is task.slices[1]
    with pytest.raises(KeyError, match="tickets has no slice 'mony'; it has: outage, money, imminent"):
        task.slice("mony")


@pytest.mark.parametrize(
    ("slice_name", "expected", "tags", "inside"),
    [
        ("outage", {"category": "outage"}, (), True),
        ("outage", {"category": "billing"}, ("outage",), False),
        ("outage", {}, (), False),
        ("money", {"category": "billing", "escalate": False}, (), True),
        ("money", {"category": "billing", "escalate": True}, (), False),
        ("imminent", {"category": "billing"}, ("other", "imminent"), True),
        ("imminent", {"category": "billing"}, (), False),
    ],
)
def test_a_case_is_in_a_slice_by_all_its_values_and_its_tag(folder, slice_name, expected, tags, inside):
    case = Case(id="c", inputs={"text": "x"}, expected=expected, tags=tags)
    assert load_fixture(folder).task.slice(slice_name).contains(case) is inside


def test_costs_of_every_form_arrive(folder):
    assert load_fixture(folder).task.costs == Costs(
        invalid=25,
        review=3,
        costly_at_least=20,
        fields={
            "category": FieldCost(default=4, pairs={"outage": {"any": 60, "billing": 70}}),
            "priority": FieldCost(ordinal=("P1", "P2", "P3"), under=8, over=1),
            "escalate": FieldCost(missed=50, needless=2),
        },
    )


def test_what_is_left_out_has_its_default(folder):
    (folder / "task.yaml").write_text("name: t\nschema: schema.json\ndecision_fields: [note]\n", encoding="utf-8")
    fixture = load_fixture(folder)
    assert fixture.task.costs == Costs(invalid=0, review=0, fields={}, costly_at_least=float("inf"))
    assert (fixture.task.slices, fixture.task.guide, fixture.attribution) == ((), "", "")
    assert fixture.task.personal_data_masked is False


def test_labels_that_yaml_reads_as_booleans_are_written_as_they_are(folder, edit):
    edit(TASK, "{missed: 50, needless: 2}", "{from: {true: {false: 50}, false: {any: 2}}}")
    edit(TASK, "escalate: false}}", "escalate: [true, false]}}")
    task = load_fixture(folder).task
    assert task.costs.fields["escalate"].pairs == {"true": {"false": 50}, "false": {"any": 2}}
    assert task.slice("money").where["escalate"] == (True, False)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "decision_fields: [category, priority, escalate]",
            "decision_fields:\n- category\n- prioriti",
            f"{TASK}:8: decision_fields.1: the schema has no field 'prioriti'; expected 'priority'",
        ),
        (
            "{category: outage}",
            "{category: outtage}",
            f"{TASK}:8: slices.outage.where.category: 'outtage' is not a label of 'category'; expected 'outage'",
        ),
        (
            "[billing]",
            "[billing, zebra]",
            f"{TASK}:9: slices.money.where.category.1: 'zebra' is not a label of 'category'; "
            "expected one of billing, outage, data_loss",
        ),
        (
            "{category: outage}",
            "{categori: outage}",
            f"{TASK}:8: slices.outage.where.categori: the schema has no field 'categori'; expected 'category'",
        ),
        (
            "escalate: false}}",
            "escalate: 'false'}}",
            f"{TASK}:9: slices.money.where.escalate: 'false' is not a label of 'escalate'; "
            "expected false without quotes",
        ),
        (
            "escalate: false}}",
            "escalate: 0}}",
            f"{TASK}:9: slices.money.where.escalate: 0 is not a label of 'escalate'",
        ),
        ("  category: {default", "  categry: {default", f"{TASK}:14: costs.categry: the schema has no field 'categry'"),
        (
            "{default: 4, from: {outage: {any: 60, billing: 70}}}",
            "\n    from:\n      outage: {any: 60}\n      data_los: {any: 3}",
            f"{TASK}:17: costs.category.from.data_los: 'data_los' is not a label of 'category'; expected 'data_loss'",
        ),
        (
            "{any: 60, billing: 70}",
            "{any: 60, biling: 70}",
            f"{TASK}:14: costs.category.from.outage.biling: 'biling' is not a label of 'category'; expected 'billing'",
        ),
        ("[P1, P2, P3]", "[P1, P2, P4]", f"{TASK}:15: costs.priority.ordinal.2: 'P4' is not a label of 'priority'"),
        (
            "priority: {ordinal: [P1, P2, P3], under: 8, over: 1}",
            "priority: {missed: 3}",
            f"{TASK}:15: costs.priority: `missed` and `needless` are for booleans; expected default and from",
        ),
        ("guide: guide.md", "guide: guid.md", f"{TASK}:3: guide: fixtures/tickets/guid.md can't be read: "),
    ],
)
def test_an_unknown_field_label_or_file_is_named_with_line_and_nearest_name(edit, problems, old, new, message):
    edit(TASK, old, new)
    (problem,) = problems()
    assert problem.startswith(message)


@pytest.mark.parametrize("name", ['"a|b"', '"a`b"', '"<img src=x>"', '"two\\nlines"'])
def test_a_slice_name_that_would_break_a_table_is_refused(edit, problems, name):
    edit(TASK, "outage: {where", f"{name}: {{where")
    (problem,) = problems()
    assert problem.startswith(f"{TASK}:8: slices.")
    assert "a name on one line without" in problem


def test_comparisons_arrive_in_their_short_and_their_long_form(folder, edit):
    edit(
        TASK,
        "slices:",
        "compare:\n  category: normalized\n  note: {as: set_f1, at_least: 0.5, one_of: true}\n"
        "  priority: {as: number, within: 1, relative: 0.1}\nslices:",
    )
    assert load_fixture(folder).task.comparisons == {
        "category": Comparison(compare=Compare.NORMALIZED),
        "note": Comparison(compare=Compare.SET_F1, least_f1=0.5, one_of=True),
        "priority": Comparison(compare=Compare.NUMBER, within=1, relative=0.1),
    }


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("categry: date", "categry: the schema has no field 'categry'; expected 'category'"),
        ("note: {as: date, within: 2}", "note.within: 'within' is for `as: number`, not date"),
        ("note: {as: number, at_least: 0.5}", "note.at_least: 'at_least' is for `as: set_f1`, not number"),
        ("note: {within: 2}", "note: "),
        ("note: fuzzy", "note: "),
    ],
)
def test_a_comparison_that_cannot_be_is_named_with_its_line(edit, problems, row, message):
    edit(TASK, "slices:", f"compare:\n  {row}\nslices:")
    (problem,) = problems()
    assert problem.startswith(f"{TASK}:8: compare.{message}")


def test_all_problems_of_a_task_are_named_at_once(edit, problems):
    edit(TASK, "decision_fields: [category, ", "decision_fields: [categry, ")
    edit(TASK, "{category: outage}", "{category: outtage}")
    edit(TASK, "[P1, P2, P3]", "[P1, P2, P4]")
    edit(TASK, "guide: guide.md", "guide: guid.md")
    assert [problem.split(": ")[1] for problem in problems()] == [
        "guide",
        "decision_fields.0",
        "slices.outage.where.category",
        "costs.priority.ordinal.2",
    ]


def test_a_number_does_not_do_where_the_labels_are_texts(folder, edit, problems):
    edit("fixtures/tickets/schema.json", '["P1", "P2", "P3"]', '["1", "2", "3"]')
    edit(TASK, "[P1, P2, P3]", "[1, '2', '3']")
    edit(TASK, "{category: outage}", "{priority: 1}")
    assert problems() == [
        f"{TASK}:8: slices.outage.where.priority: 1 is not a label of 'priority'; expected '1'",
        f"{TASK}:15: costs.priority.ordinal.0: 1 is not a label of 'priority'; expected '1'",
    ]
    edit(TASK, "[1, '2', '3']", "['1', '2', '3']")
    edit(TASK, "{priority: 1}", "{priority: '1'}")
    assert load_fixture(folder).task.slice("outage").where == {"priority": ("1",)}


def test_a_boolean_may_be_declared_as_an_enumeration_in_any_order(folder, edit):
    edit("fixtures/tickets/schema.json", '{"type": "boolean"}', '{"enum": [false, true]}')
    assert load_fixture(folder).task.costs.fields["escalate"].missed == 50


def test_values_of_a_field_that_is_no_enumeration_are_not_checked(folder, edit):
    edit(TASK, "{category: outage}", "{note: anything}")
    assert load_fixture(folder).task.slice("outage").where == {"note": ("anything",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "fixtures/tickets/schema.json:1: not JSON: "),
        (b'{\n"type": oops}', "fixtures/tickets/schema.json:2: not JSON: "),
        (b"\xff", "fixtures/tickets/schema.json:1: not JSON: "),
        (b"[]", "fixtures/tickets/schema.json:1: not an object"),
        (b"true", "fixtures/tickets/schema.json:1: not an object"),
        (b"{}", "fixtures/tickets/schema.json:1: no `properties`; expected an object's schema"),
        (
            b'{"properties": {"a": {"type": "sentence"}}}',
            "fixtures/tickets/schema.json:1: properties.a.type: 'sentence' is not valid",
        ),
    ],
)
def test_a_broken_schema_is_named_with_its_file(folder, problems, text, message):
    (folder / "schema.json").write_bytes(text)
    (problem,) = problems()
    assert problem.startswith(message)


def test_a_missing_schema_is_named_where_it_is_declared(folder, problems):
    (folder / "schema.json").unlink()
    (problem,) = problems()
    assert problem.startswith(f"{TASK}:2: schema: fixtures/tickets/schema.json can't be read: ")


def test_a_missing_task_file_is_named(folder, problems):
    (folder / "task.yaml").unlink()
    (problem,) = problems()
    assert problem.startswith(f"{TASK}:1: can't be read: ")


def test_a_guide_that_is_no_text_is_named(folder, problems):
    (folder / "guide.md").write_bytes(b"caf\xe9")
    (problem,) = problems()
    assert problem.startswith(f"{TASK}:3: guide: fixtures/tickets/guide.md can't be read: 'utf-8'")


def freeze(fixture):
    write_lock(fixture.lock_path, make_lock(fixture.unverified_holdout(), fixture.parts))


def test_a_holdout_is_given_only_while_it_is_the_frozen_one(folder, edit):
    fixture = load_fixture(folder)
    with pytest.raises(FixtureError, match="run: harness freeze fixtures/tickets"):
        fixture.holdout()
    freeze(fixture)
    assert [case.id for case in fixture.holdout()] == ["c1", "c2"]
    edit("fixtures/tickets/holdout.jsonl", '"P3"', '"P2"')
    with pytest.raises(FixtureError, match="1 changed: c2"):
        fixture.holdout()
    assert fixture.unverified_holdout()[1].expected["priority"] == "P2"


def test_a_changed_schema_breaks_the_lock_too(folder, edit):
    freeze(load_fixture(folder))
    edit("fixtures/tickets/schema.json", '"data_loss"', '"data_loss", "login"')
    with pytest.raises(FixtureError, match="fixtures/tickets/schema.json: schema changed"):
        load_fixture(folder).holdout()


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("guide.md", "what is written", "what is meant", "fixtures/tickets/guide.md: guide changed"),
        ("task.yaml", "missed: 50", "missed: 51", "fixtures/tickets/task.yaml: costs changed"),
        ("task.yaml", "costly: {at_least: 20}", "costly: {at_least: 30}", "task.yaml: costs changed"),
        ("task.yaml", "tag: imminent}", "tag: imminent, critical: true}", "task.yaml: slices changed"),
        ("task.yaml", "[category, priority, escalate]", "[category, priority]", "task.yaml: decision_fields changed"),
        ("task.yaml", "costly:", "compare: {priority: normalized}\ncostly:", "task.yaml: compare changed"),
    ],
)
def test_what_the_cases_mean_is_frozen_too(folder, edit, file, old, new, told):
    freeze(load_fixture(folder))
    edit(f"fixtures/tickets/{file}", old, new)
    with pytest.raises(FixtureError, match=re.escape(told)):
        load_fixture(folder).holdout()


def test_what_no_verdict_depends_on_is_not_frozen(folder, edit):
    freeze(load_fixture(folder))
    edit(TASK, "attribution: made up for tests", "attribution: another\n# a remark")
    edit(TASK, "invalid: 25", "invalid:    25")
    assert len(load_fixture(folder).holdout()) == 2


def test_the_pool_is_read_from_its_own_file_and_needs_no_lock(folder, edit):
    assert [case.id for case in load_fixture(folder).pool()] == ["p1"]
    edit("fixtures/tickets/pool.jsonl", '"P1"', '"P9"')
    with pytest.raises(
        FixtureError, match=r"pool\.jsonl:1: case 'p1': expected answer outside the schema: priority: 'P9'"
    ):
        load_fixture(folder).pool()


def test_holdout_and_pool_may_have_other_names(folder, edit):
    edit(TASK, "guide: guide.md", "guide: guide.md\nholdout: pool.jsonl\npool: holdout.jsonl")
    fixture = load_fixture(folder)
    assert [case.id for case in fixture.unverified_holdout()] == ["p1"]
    assert [case.id for case in fixture.pool()] == ["c1", "c2"]


def test_a_holdout_must_have_a_value_for_every_decision_field(folder, edit):
    edit("fixtures/tickets/schema.json", '"required": ["category", "priority", "escalate"]', '"required": ["category"]')
    edit("fixtures/tickets/holdout.jsonl", ', "escalate": false', "")
    with pytest.raises(FixtureError, match=r"holdout\.jsonl:2: case 'c2': .* no value for 'escalate'"):
        load_fixture(folder).unverified_holdout()


def test_the_fixture_of_this_repository_is_sound_and_frozen():
    fixture = load_fixture(SUPPORT_TICKETS)
    holdout, pool = fixture.holdout(), fixture.pool()
    assert fixture.task.name == "support_tickets"
    assert not {case.id for case in holdout} & {case.id for case in pool}
    assert len(json.loads(fixture.lock_path.read_text("utf-8"))["cases"]) == len(holdout)
    empty = [part.name for part in fixture.task.slices if not any(map(part.contains, holdout))]
    assert empty == []
