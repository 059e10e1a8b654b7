"""Tables of labelled texts become a task that loads, verifies and is the same every time."""

import csv
import json
import re
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import FixtureError
from harness.fixtures_io.cases import SHOWN_PROBLEMS
from harness.fixtures_io.importing import RAW, Columns, Source, import_tables
from harness.fixtures_io.tasks import load_fixture

TRAIN = "text,label\nwhere is my card?,card\nit was charged twice,charge\nmy card is late,card\n"
TEST = "text,label\nthe card has not come,card\n"
FILES = ("task.yaml", "schema.json", "pool.jsonl", "holdout.jsonl", "lock.json")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def load(tmp_path):
    """load(train, test) imports two texts of CSV into fixtures/bank."""

    def run(train=TRAIN, test=TEST, *, out="fixtures/bank", name="bank", text="text", label="label", **changes):
        for file, content in (("train.csv", train), ("test.csv", test)):
            path = tmp_path / file
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return import_tables(
            rows=Source(path=tmp_path / "train.csv", kind="csv"),
            holdout=Source(path=tmp_path / "test.csv", kind="csv"),
            columns=Columns(texts=(text,), labels=(label,)),
            out=tmp_path / out,
            name=name,
            **changes,
        )

    return run


def refusal(load, *args, **kwargs):
    with pytest.raises(FixtureError) as caught:
        load(*args, **kwargs)
    return str(caught.value)


def test_an_import_is_a_task_whose_holdout_is_frozen(load, tmp_path):
    load(attribution="made up, CC0")
    fixture = load_fixture(tmp_path / "fixtures" / "bank")
    assert (fixture.task.name, fixture.task.decision_fields) == ("bank", ("label",))
    assert fixture.attribution == "made up, CC0"
    assert fixture.task.schema["properties"] == {"label": {"enum": ["card", "charge"]}}
    assert [(c.id, c.inputs, c.expected) for c in fixture.holdout()] == [
        ("holdout-00001", {"text": "the card has not come"}, {"label": "card"})
    ]
    assert [c.id for c in fixture.pool()] == ["pool-00001", "pool-00002", "pool-00003"]
    assert not fixture.task.personal_data_masked


def test_equal_files_give_equal_bytes(load, tmp_path):
    load()
    load(out="fixtures/again")
    one, other = ({name: (tmp_path / "fixtures" / f / name).read_bytes() for name in FILES} for f in ("bank", "again"))
    assert one == other


def test_what_a_person_should_know_is_told(load):
    imported = load(TRAIN + "where is my PIN?,pin\n", TEST + "where is my card?,card\n")
    assert list(imported.lines()) == [
        "fixtures/bank: 4 pool and 2 holdout cases, 3 labels of label",
        "rarest of label: charge (1), pin (1), card (2)",
        "2 labels stand in the pool only: charge, pin",
        "1 holdout texts stand in the pool as well, word for word: see them with: harness check",
    ]
    assert imported.only_in_pool == ("charge", "pin")
    assert imported.in_both == 1


def test_other_columns_are_ignored_and_columns_may_have_any_name(load, tmp_path):
    load(
        "id,utterance,intent\n1,hello,greet\n2,bye,leave\n",
        "intent,utterance,id\ngreet,good day,3\n",
        text="utterance",
        label="intent",
    )
    fixture = load_fixture(tmp_path / "fixtures" / "bank")
    assert fixture.task.decision_fields == ("intent",)
    assert [(c.inputs["text"], c.expected["intent"]) for c in fixture.holdout()] == [("good day", "greet")]


def test_a_byte_order_mark_and_windows_line_ends_are_read(load, tmp_path):
    load(b"\xef\xbb\xbf" + TRAIN.replace("\n", "\r\n").encode())
    pool = load_fixture(tmp_path / "fixtures" / "bank").pool()
    assert [c.inputs["text"] for c in pool] == ["where is my card?", "it was charged twice", "my card is late"]


FIELD = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\n",;\t'), min_size=1).filter(
    lambda text: text.strip()
)


@given(rows=st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=8))
def test_every_text_comes_back_as_it_was_written(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("csv")
    with (folder / "t.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    out = folder / "out"
    source = Source(path=folder / "t.csv", kind="csv")
    import_tables(rows=source, holdout=source, columns=Columns(texts=("text",), labels=("label",)), out=out, name="x")
    fixture = load_fixture(out)
    for cases in (fixture.pool(), fixture.holdout()):
        assert [(c.inputs["text"], c.expected["label"]) for c in cases] == [(t, label.strip()) for t, label in rows]


def test_every_bad_row_is_listed_by_line_and_nothing_is_written(load, tmp_path):
    rows = "text,label\n,card\nfine,card\n  ,card\nno label,\ntoo,many,fields\nshort\nfine too,charge\n"
    assert refusal(load, rows) == (
        "train.csv has 5 bad rows; nothing was written:\n"
        "  line 2: the text is blank\n"
        "  line 4: the text is blank\n"
        "  line 5: the label is blank\n"
        "  line 6: another number of fields than the header\n"
        "  line 7: another number of fields than the header\n"
        "correct them, or leave them out with --skip-bad-rows"
    )
    assert not (tmp_path / "fixtures").exists()


def test_lines_are_counted_in_the_file_not_in_rows(load):
    assert "line 4: the label is blank" in refusal(load, 'text,label\n"two\nlines",card\nx,\n')


def test_bad_rows_beyond_a_page_are_counted(load):
    message = refusal(load, "text,label\n" + ",x\n" * (SHOWN_PROBLEMS + 7))
    assert f"{SHOWN_PROBLEMS + 7} bad rows" in message
    assert message.splitlines()[-2] == "  … and 7 more"
    assert len(message.splitlines()) == SHOWN_PROBLEMS + 3


def test_bad_rows_of_the_holdout_are_listed_too(load):
    assert refusal(load, test="text,label\n,card\n").startswith("test.csv has 1 bad rows")


def test_a_missing_column_is_named_with_the_nearest_one(load):
    assert refusal(load, label="lable") == "train.csv has no column 'lable'; expected 'label'"
    assert refusal(load, text="x") == "train.csv has no column 'x'; expected one of text, label"


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_file_has_no_column(load, content):
    assert "train.csv has no column 'text'" in refusal(load, content)


def test_a_file_with_only_a_header_is_refused(load):
    assert refusal(load, "text,label\n") == "train.csv holds no rows"


def test_a_quote_that_is_never_closed_is_refused(load):
    told = refusal(load, b'text,label\n"two\nlines",card\n"open,card\nmore,card\n')
    assert "train.csv:4: the row that begins here can't be read as CSV" in told
    assert "a quotation mark that is not closed" in told


def test_two_columns_of_one_name_are_refused(load):
    message = "train.csv has two columns 'text'; rename one of them in its header line"
    assert refusal(load, "text,text,label\na,b,card\n") == message


def test_bytes_that_are_no_text_are_refused(load):
    assert "train.csv is no text" in refusal(load, b"text,label\n\xff\x00\xfe,card\n")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    source = Source(path=tmp_path / "none.csv", kind="csv")
    with pytest.raises(FixtureError, match=r"none\.csv can't be read: .*No such file"):
        import_tables(rows=source, holdout=None, columns=Columns(texts=("a",), labels=("b",)), out=tmp_path, name="x")


def test_a_holdout_label_that_the_pool_lacks_is_refused(load, tmp_path):
    message = refusal(load, test=TEST + "my PIN,pin\n")
    assert message.startswith("test.csv has labels that train.csv has not: pin; ")
    assert not (tmp_path / "fixtures").exists()


@pytest.mark.parametrize("name", ["", "Bank", "77bank", "my-bank", "bänk", "a b"])
def test_a_name_that_no_task_may_have_is_refused_before_reading(load, name):
    assert "can't name a task; expected lower-case letters, digits and _: give --name" in refusal(load, name=name)


def test_a_folder_with_a_task_is_left_as_it_is(load, tmp_path):
    load()
    before = (tmp_path / "fixtures" / "bank" / "pool.jsonl").read_bytes()
    message = refusal(load, TRAIN + "more,card\n")
    assert message == "fixtures/bank holds a task already; delete the folder first, or give another --out"
    assert (tmp_path / "fixtures" / "bank" / "pool.jsonl").read_bytes() == before


@pytest.mark.parametrize("label", ["true", "1", "null", "no", "P1: high", "reverted?", "émigré"])
def test_labels_stay_texts_whatever_they_look_like(load, tmp_path, label):
    load(f"text,label\nx,{label}\n", f"text,label\ny,{label}\n", attribution=f"a {label}: b")
    fixture = load_fixture(tmp_path / "fixtures" / "bank")
    assert [c.expected for c in fixture.holdout()] == [{"label": label}]
    assert yaml.safe_load((tmp_path / "fixtures/bank/task.yaml").read_text())["attribution"] == f"a {label}: b"


def imported_rows(tmp_path, kind, content, *, at="", skip_bad_rows=False, **columns):
    """The raw rows of an import without a holdout, what it told, and the schema."""
    path = tmp_path / f"rows.{kind}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    out = tmp_path / "out"
    made = import_tables(
        rows=Source(path=path, kind=kind, at=at),
        holdout=None,
        columns=Columns(**{"texts": ("text",), **columns}),
        out=out,
        name="x",
        skip_bad_rows=skip_bad_rows,
    )
    rows = [json.loads(line) for line in (out / RAW).read_text(encoding="utf-8").splitlines()]
    return rows, list(made.lines()), json.loads((out / "schema.json").read_text(encoding="utf-8"))


def test_rows_without_a_holdout_are_kept_raw_with_their_lines_dates_and_clusters(tmp_path):
    text = "text;kind;day;thread\na;one;2025-01-02;t1\nb;two;;\n"
    columns = {"labels": ("kind",), "date": "day", "cluster": "thread"}
    rows, told, _ = imported_rows(tmp_path, "csv", text, **columns)
    assert rows == [
        {"id": "row-00001", "inputs": {"text": "a"}, "expected": {"kind": "one"}, "cluster": "t1", "date": "2025-01-02",
         "line": 2},
        {"id": "row-00002", "inputs": {"text": "b"}, "expected": {"kind": "two"}, "line": 3},
    ]  # fmt: skip
    assert told[-1] == "next: harness prepare out"


def test_nested_answers_are_read_and_their_types_found(tmp_path):
    def line(number):
        answer = {"kind": "ab"[number % 2], "sum": number / 2, "sure": number > 3, "files": ["x"] if number else []}
        return {"ticket": {"body": f"text {number}"}, "answer": json.dumps(answer) if number == 2 else answer}

    content = "".join(json.dumps(line(number)) + "\n" for number in range(8))
    rows, _, schema = imported_rows(tmp_path, "jsonl", content, texts=("ticket.body",), answer="answer")
    assert rows[2]["inputs"] == {"text": "text 2"}
    assert rows[2]["expected"] == {"kind": "a", "sum": 1.0, "sure": False, "files": ["x"]}
    assert schema["required"] == ["kind", "sum", "sure", "files"]
    assert schema["properties"] == {
        "kind": {"enum": ["a", "b"]},
        "sum": {"type": "number"},
        "sure": {"type": "boolean"},
        "files": {"type": "array", "items": {"enum": ["x"]}},
    }


def test_a_list_inside_a_json_document_is_found_by_its_path(tmp_path):
    content = json.dumps({"data": {"train": [["hello", "greet"], ["bye", "leave"]]}, "test": []})
    rows, _, schema = imported_rows(tmp_path, "json", content, at="data.train", texts=("0",), labels=("intent=1",))
    assert [(row["inputs"], row["expected"]) for row in rows] == [
        ({"text": "hello"}, {"intent": "greet"}),
        ({"text": "bye"}, {"intent": "leave"}),
    ]
    assert schema["properties"] == {"intent": {"enum": ["greet", "leave"]}}


@pytest.mark.parametrize(
    ("at", "message"),
    [("dat.train", "no 'dat' in 'dat.train'; expected 'data'"), ("", "give --at test"), ("data", "give --at train")],
)
def test_a_path_that_leads_to_no_list_is_refused(tmp_path, at, message):
    content = json.dumps({"data": {"train": [["hello", "greet"]]}, "test": []})
    with pytest.raises(FixtureError, match=re.escape(message)):
        imported_rows(tmp_path, "json", content, at=at, texts=("0",), labels=("1",))


def test_parquet_comes_with_its_types_and_missing_values(tmp_path):
    path = tmp_path / "made.parquet"
    columns = {
        "text": ["a", "b"],
        "sum": pa.array([1.5, None]),
        "day": pa.array([date(2025, 3, 4), None]),
        "answer": [{"n": 1}, {"n": 2}],
    }
    pq.write_table(pa.table(columns), path)
    rows, _, schema = imported_rows(
        tmp_path, "parquet", path.read_bytes(), values=("sum",), answer="answer", date="day"
    )
    assert [row["expected"] for row in rows] == [{"n": 1, "sum": 1.5}, {"n": 2, "sum": None}]
    assert [row.get("date") for row in rows] == ["2025-03-04", None]
    assert schema["properties"]["sum"] == {"type": ["null", "number"]}


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "iso8859-15"])
def test_other_encodings_are_found_and_told(tmp_path, encoding):
    words = "Die Rechnung über 30 € für März wäre schön, größere Beträge überweise ich später. Grüße aus Köln"
    if encoding == "iso8859-15":
        words = words.replace("€", "Euro")
    rows, told, _ = imported_rows(tmp_path, "csv", f"text|kind\n{words}|a\n".encode(encoding), labels=("kind",))
    assert rows[0]["inputs"]["text"] == words
    assert "was read as" in told[0]


def test_bad_rows_are_left_out_only_when_asked_and_listed(tmp_path):
    content = '{"text": "a", "kind": "x"}\n{"text": 3, "kind": "x"}\n[1]\n{"text": "b"}\n{"text": "c", "kind": "x"}\n'
    with pytest.raises(FixtureError, match="has 3 bad rows; nothing was written"):
        imported_rows(tmp_path, "jsonl", content, labels=("kind",))
    rows, told, _ = imported_rows(tmp_path, "jsonl", content, labels=("kind",), skip_bad_rows=True)
    assert [row["line"] for row in rows] == [1, 5]
    assert told[0].splitlines() == [
        "rows.jsonl: 3 bad rows are left out:",
        "  line 2: the text is no text",
        "  line 3: not a JSON object",
        "  line 4: the label is blank",
    ]


def test_lines_are_those_in_which_rows_begin(tmp_path):
    rows, *_ = imported_rows(tmp_path, "csv", 'text,kind\n\n"a\nb",x\nc,y\n', labels=("kind",))
    assert [row["line"] for row in rows] == [3, 5]


def test_a_file_of_another_kind_is_refused_with_what_its_lines_are(tmp_path):
    with pytest.raises(FixtureError, match=r"rows\.jsonl has no row that can be read:\n  line 1: not JSON"):
        imported_rows(tmp_path, "jsonl", "text,kind\na,x\n", labels=("kind",))


def test_dates_that_are_none_are_bad_rows(tmp_path):
    content = "text,kind,day\na,x,2024-13-01\nb,x,03.04.2025\nc,x,2025-04-03 10:00\nd,x,\n"
    with pytest.raises(FixtureError) as caught:
        imported_rows(tmp_path, "csv", content, labels=("kind",), date="day")
    assert "has 2 bad rows" in str(caught.value)
    assert "line 3: '03.04.2025' is no date; expected ISO 8601, such as 2026-03-01" in str(caught.value)


def test_a_label_of_nearly_every_row_is_told(tmp_path):
    content = "text,kind,name\n" + "".join(f"a {n},{'xy'[n % 2]},name {n}\n" for n in range(30))
    _, told, _ = imported_rows(tmp_path, "csv", content, labels=("kind", "name"))
    free = "name has a label for nearly every row; if its values are free, import it with --value name"
    assert [line for line in told if "nearly every row" in line] == [free]


def test_an_id_that_stands_twice_is_a_bad_row(tmp_path):
    with pytest.raises(FixtureError, match="line 3: the id '7' stands in line 2 too"):
        imported_rows(tmp_path, "csv", "text,kind,n\na,x,7\nb,x,7\n", labels=("kind",), id="n")


def test_an_import_without_anything_that_is_right_is_refused(tmp_path):
    with pytest.raises(FixtureError, match="give --label, --value or --answer"):
        imported_rows(tmp_path, "csv", "text\na\n")
