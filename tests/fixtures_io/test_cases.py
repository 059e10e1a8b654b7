"""Holdout and pool files: what is wrong is named by line, and writing then reading changes nothing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.errors import FixtureError
from harness.core.records import Case
from harness.core.schemas import AnswerSchema
from harness.fixtures_io.cases import SHOWN_PROBLEMS, CaseFile, case_row, write_cases, write_jsonl

SCHEMA = AnswerSchema(
    {
        "additionalProperties": False,
        "required": ["category"],
        "properties": {
            "category": {"enum": ["billing", "outage"]},
            "amount": {"type": "number"},
            "sure": {"type": "boolean"},
        },
    }
)
GOOD = {"id": "c1", "inputs": {"text": "hello"}, "expected": {"category": "billing"}}


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "holdout.jsonl"


def read(file, *lines, fields=("category",)):
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    file.write_text("\n".join(texts), encoding="utf-8")
    return CaseFile(file, SCHEMA, fields)


def refusal(file, *lines, fields=("category",)):
    with pytest.raises(FixtureError) as caught:
        read(file, *lines, fields=fields)
    return str(caught.value)


def test_cases_are_read_in_the_order_of_the_file(file):
    full = {
        "id": "c2",
        "inputs": {"subject": "hi", "text": "  hello é\n "},
        "expected": {"category": "outage", "amount": 1.5},
        "tags": ["imminent", "non_native"],
        "cluster": "thread-1",
        "supplement": True,
    }
    assert tuple(read(file, full, "", "   ", GOOD)) == (
        Case(
            id="c2",
            inputs={"subject": "hi", "text": "  hello é\n "},
            expected={"category": "outage", "amount": 1.5},
            tags=("imminent", "non_native"),
            cluster="thread-1",
            supplement=True,
        ),
        Case(id="c1", inputs={"text": "hello"}, expected={"category": "billing"}),
    )


def test_line_ends_of_windows_are_read_alike(file):
    file.write_bytes(json.dumps(GOOD).encode() + b"\r\n\r\n" + json.dumps(GOOD | {"id": "c2"}).encode() + b"\r\n")
    assert [case.id for case in CaseFile(file, SCHEMA, ())] == ["c1", "c2"]


def test_a_file_that_cannot_be_read_is_named(file, tmp_path):
    with pytest.raises(FixtureError, match=r"^holdout\.jsonl can't be read: .*No such file"):
        CaseFile(file, SCHEMA, ())
    with pytest.raises(FixtureError, match="can't be read"):
        CaseFile(tmp_path, SCHEMA, ())
    file.write_bytes(b'{"id": "caf\xe9"}')
    with pytest.raises(FixtureError, match=r"^holdout\.jsonl has 1 bad lines:\n  holdout.jsonl:1: not UTF-8: "):
        CaseFile(file, SCHEMA, ())


@pytest.mark.parametrize("lines", [(), ("",), ("", "  ", "\t")])
def test_a_file_without_cases_is_refused(file, lines):
    assert refusal(file, *lines) == "holdout.jsonl holds no cases; a holdout or pool needs at least one"


def without(key):
    return {k: v for k, v in GOOD.items() if k != key}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'id': 1}", "not JSON: Expecting property name"),
        ('{"id": "c2"', "not JSON: "),
        ("[" * 100_000, "not JSON: "),
        ("id,text", "not JSON: "),
        ("[1]", "not a JSON object"),
        ("null", "not a JSON object"),
        (GOOD | {"label": "x"}, "unknown key 'label'; known are cluster, expected, id, inputs, supplement, tags"),
        (without("id"), "`id` must be a text"),
        (GOOD | {"id": 7}, "`id` must be a text"),
        (GOOD | {"id": ""}, "`id` must be a text"),
        (without("inputs"), "`inputs` must map one or more names to texts"),
        (GOOD | {"inputs": {}}, "`inputs` must map one or more names to texts"),
        (GOOD | {"inputs": "hello"}, "`inputs` must map one or more names to texts"),
        (GOOD | {"inputs": {"text": 5}}, "`inputs` must map one or more names to texts"),
        (GOOD | {"inputs": {"text": ""}}, "the inputs are blank"),
        (GOOD | {"inputs": {"text": " \n", "subject": "\u00a0"}}, "the inputs are blank"),
        (without("expected"), "`expected` must be an object"),
        (GOOD | {"expected": "billing"}, "`expected` must be an object"),
        (GOOD | {"tags": "imminent"}, "`tags` must be a list of texts"),
        (GOOD | {"tags": [1]}, "`tags` must be a list of texts"),
        (GOOD | {"cluster": 3}, "`cluster` must be a text"),
        (GOOD | {"supplement": 1}, "`supplement` must be true or false"),
        (
            GOOD | {"expected": {"category": "bills"}},
            "case 'c1': expected answer outside the schema: category: 'bills' is",
        ),
        (GOOD | {"expected": {}}, "case 'c1': expected answer outside the schema: 'category' is a required property"),
        (GOOD | {"expected": {"category": "billing", "mood": 1}}, "'mood' was unexpected"),
        (GOOD | {"expected": {"category": "billing", "sure": 1}}, "sure: 1 is not of type 'boolean'"),
        (
            '{"id": "c2", "id": "c3", "inputs": {"text": "a"}, "expected": {}}',
            "not JSON: the key 'id' stands there twice",
        ),
        (
            '{"id": "c2", "inputs": {"text": "a"}, "expected": {"category": "billing", "category": "outage"}}',
            "not JSON: the key 'category' stands there twice",
        ),
        (
            '{"id": "c2", "inputs": {"text": "a"}, "expected": {"category": "billing", "amount": NaN}}',
            "not JSON: NaN is not a number of JSON",
        ),
        (
            '{"id": "c2", "inputs": {"text": "a"}, "expected": {"category": "billing", "amount": 1e999}}',
            "not JSON: 1e999 is not a number of JSON",
        ),
        (GOOD | {"inputs": {"text": "half \ud83d"}}, "half of a character pair (a lone surrogate) is not text"),
    ],
)
def test_a_bad_line_is_named_with_its_number(file, line, message):
    text = refusal(file, GOOD | {"id": "c0"}, "", line)
    assert text.startswith("holdout.jsonl has 1 bad lines:\n  holdout.jsonl:3: ")
    assert message in text


def test_a_whole_character_pair_is_text(file):
    (case,) = read(file, json.dumps(GOOD | {"inputs": {"text": "😀"}}))
    assert case.inputs == {"text": "😀"}


def test_an_id_that_stands_twice_names_both_lines(file):
    assert "holdout.jsonl:3: the id 'c1' stands in line 1 too" in refusal(file, GOOD, "", GOOD | {"tags": ["x"]})


def test_a_decision_field_that_the_schema_leaves_optional_needs_a_value(file):
    text = refusal(file, GOOD, fields=("category", "sure"))
    assert "holdout.jsonl:1: case 'c1': expected answer outside the schema: no value for 'sure'" in text


def test_all_bad_lines_are_named_at_once(file):
    text = refusal(file, "oops", GOOD, GOOD, GOOD | {"id": "c2", "expected": {"category": "x"}})
    assert text.splitlines()[0] == "holdout.jsonl has 3 bad lines:"
    assert [line.split(":")[1] for line in text.splitlines()[1:]] == ["1", "3", "4"]


def test_a_long_list_of_bad_lines_is_cut_with_their_number(file):
    text = refusal(file, *["oops"] * (SHOWN_PROBLEMS + 5))
    assert text.splitlines()[0] == "holdout.jsonl has 25 bad lines:"
    assert text.splitlines()[-1] == "  … and 5 more"
    assert len(text.splitlines()) == SHOWN_PROBLEMS + 2


def test_equal_expected_answers_are_each_checked(file):
    bad = {"expected": {"category": "x"}}
    assert refusal(file, GOOD | bad, GOOD | bad | {"id": "c2"}).startswith("holdout.jsonl has 2 bad lines")
    like_true = [GOOD | {"id": str(v), "expected": {"category": "billing", "sure": v}} for v in (True, 1)]
    assert "has 1 bad lines:\n  holdout.jsonl:2:" in refusal(file, *like_true)


def test_each_alternative_of_a_field_is_checked(file):
    def case(values):
        return {"id": "c1", "inputs": {"text": "a"}, "expected": {"category": values}}

    def cases(values):
        file.write_text(json.dumps(case(values)), encoding="utf-8")
        return CaseFile(file, SCHEMA, ("category",), one_of=frozenset({"category"}))

    assert cases(["outage", "billing"])[0].expected == {"category": ["outage", "billing"]}
    assert cases("outage")[0].expected == {"category": "outage"}
    with pytest.raises(FixtureError, match="'outtage' is not one of"):
        cases(["outage", "outtage"])
    with pytest.raises(FixtureError, match=r"holdout.jsonl:1: 'category' has an empty list of alternatives"):
        cases([])
    with pytest.raises(FixtureError, match=r"\['outage'\] is not one of"):
        read(file, case(["outage"]))


def test_a_row_leaves_out_what_has_its_default():
    assert case_row(Case(id="a", inputs={"t": "x"}, expected={})) == {"id": "a", "inputs": {"t": "x"}, "expected": {}}
    full = Case(id="a", inputs={"t": "x"}, expected={}, tags=("b", "a"), cluster="", supplement=True)
    assert list(case_row(full)) == ["id", "inputs", "expected", "tags", "cluster", "supplement"]
    assert case_row(full)["tags"] == ["b", "a"]


TEXTS = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
CASES = st.builds(
    Case,
    id=TEXTS,
    inputs=st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=3),
    expected=st.fixed_dictionaries(
        {"category": st.sampled_from(["billing", "outage"])},
        optional={"amount": st.floats(allow_nan=False, allow_infinity=False) | st.integers()},
    ),
    tags=st.lists(TEXTS, max_size=2).map(tuple),
    cluster=st.none() | st.text(st.characters(codec="utf-8")),
    supplement=st.booleans(),
)


@given(cases=st.lists(CASES, min_size=1, max_size=5, unique_by=lambda case: case.id))
@settings(deadline=None, max_examples=60)
def test_cases_read_back_as_they_were_written(tmp_path_factory, cases):
    path = tmp_path_factory.mktemp("written") / "cases.jsonl"
    write_cases(path, cases)
    assert tuple(CaseFile(path, SCHEMA, ("category",))) == tuple(cases)
    assert len(path.read_bytes().split(b"\n")) == len(cases) + 1


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    write_jsonl(path, [{"a": "é"}])
    assert path.read_bytes() == b'{"a": "\xc3\xa9"}\n'

    def rows():
        yield {"a": 1}
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_jsonl(path, rows())
    assert path.read_bytes() == b'{"a": "\xc3\xa9"}\n'
