"""Exports and imports: what comes back is what was there, and what comes from elsewhere is not trusted."""

import dataclasses
import json

import pytest

from harness.core.digests import digest
from harness.core.errors import LedgerError
from harness.core.records import Failure, Proof, Response, Usage, stored
from harness.execution.calls import Version, note_version, versions
from harness.execution.failures import get_failures, put_failures
from harness.execution.ledger import CHUNK, Key, Ledger
from harness.execution.ledger_files import entries, export, join
from harness.execution.recording import Recorder, Recording

FULL = Response(
    text='{"kind": "ä\u2028"}',
    finish_reason="length",
    usage=Usage(input_tokens=11, output_tokens=7),
    latency_s=0.1,
    confidence={"kind": 0.25},
    logprobs=(('{"kind"', 0.0), (': "', -9999.0), ('ä\u2028"}', -0.1)),
    provider_model="m-1",
    provider_fingerprint="fp",
)
FAILED = Failure(kind="timeout", message="too late", retryable=True, retry_after_s=1.5)


def key(name, *, repeat=0):
    return Key(identity=digest("i"), prompt=digest("p"), settings=digest("s"), inputs=digest(name), repeat=repeat)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.sqlite"


def filled(path, answers=(), failures=()):
    with Ledger(path) as ledger:
        ledger.put_dated((key(name), response, 5.0) for name, response in dict(answers).items())
        put_failures(ledger, [(key(name), failure) for name, failure in dict(failures).items()])
    return path


def held(path):
    return {entry.key: entry.reply for entry in entries(path)}


def exported(path, target):
    with Ledger(path) as ledger:
        export(ledger, target)
    return target


def line(**changes):
    made = key("a")
    row = {
        "key": made.digest,
        "parts": dataclasses.asdict(made),
        "response": stored(FULL),
        "answered_at": 5.0,
    }
    return row | changes


PROOFS = (
    Proof(name="LoRA changes the logits", status="proved", detail="by up to 0.5"),
    Proof(name="batches", status="reported", detail="1 of 8 differs", remedy="none"),
)


def test_proofs_survive_export_and_import_and_do_not_replace_what_is_there(path, tmp_path):
    with Ledger(path) as ledger:
        ledger.put_proofs(key("holdout"), PROOFS)
        ledger.put_proofs(key("other"), ())
    there = filled(tmp_path / "other.sqlite", {"a": FULL})
    with Ledger(there) as ledger:
        ledger.put_proofs(key("other"), PROOFS[1:])
        join(ledger, [exported(path, tmp_path / "all.jsonl")])
        assert ledger.get_proofs(key("holdout")) == PROOFS
        assert ledger.get_proofs(key("other")) == PROOFS[1:]
        assert ledger.get_proofs(key("none")) is None
        assert len(ledger) == 1
    lines = exported(there, tmp_path / "again.jsonl").read_text().rstrip("\n").split("\n")
    assert ["response" in row for row in map(json.loads, lines)] == [True, False, False]


@pytest.mark.parametrize(
    ("proofs", "why"),
    [
        ({}, "`proofs` is no list"),
        ([{"name": "a", "status": "proved"}], "an entry of `proofs` lacks 'detail'"),
        ([dataclasses.asdict(PROOFS[0]) | {"status": "sure"}], "`status` of a proof is 'sure'; expected proved"),
        ([dataclasses.asdict(PROOFS[0]) | {"detail": 1}], "`detail` of a proof is no text"),
    ],
)
def test_a_line_of_proofs_is_checked(path, tmp_path, proofs, why):
    row = line()
    del row["response"], row["answered_at"]
    with Ledger(path) as ledger, pytest.raises(LedgerError, match=why):
        join(ledger, [write(tmp_path / "bad.jsonl", row | {"proofs": proofs})])


def write(path, *lines):
    path.write_text("".join((text if isinstance(text, str) else json.dumps(text)) + "\n" for text in lines))
    return path


def test_every_field_of_an_answer_survives_ledger_export_import_and_recording(path, tmp_path):
    plain = Response(text="")
    kept = [f.name for f in dataclasses.fields(Response) if f.compare]
    differs = [name for name in kept if getattr(FULL, name) == getattr(plain, name)]
    assert not differs, "the answer of this test must differ from the default in every field"
    filled(path, {"a": FULL, "b": plain}, {"c": FAILED})
    there = filled(tmp_path / "other.sqlite")
    with Ledger(there) as ledger:
        join(ledger, [exported(path, tmp_path / "all.jsonl")])
    assert held(there) == held(path) == {key("a"): FULL, key("b"): plain, key("c"): FAILED}
    assert exported(there, tmp_path / "again.jsonl").read_bytes() == (tmp_path / "all.jsonl").read_bytes()
    recorder = Recorder()
    for name, reply in held(path).items():
        recorder.add(name, reply)
    recorder.write(tmp_path / "recording.jsonl")
    assert Recording(tmp_path / "recording.jsonl").replies == {k.digest: v for k, v in held(path).items()}


def test_lines_and_recordings_have_log_probabilities_only_where_there_are_any(path, tmp_path):
    """So those from before there were any are read, and stay the same bytes."""
    filled(path, {"a": Response(text="x")})
    lines = exported(path, tmp_path / "all.jsonl")
    recorder = Recorder()
    recorder.add(key("a"), Response(text="x"))
    recorder.write(tmp_path / "recording.jsonl")
    for file in (lines, tmp_path / "recording.jsonl"):
        assert "logprobs" not in file.read_text()
    assert held(lines) == {key("a"): Response(text="x")}


def test_an_answer_with_other_log_probabilities_is_another_answer(path, tmp_path):
    filled(path, {"a": FULL})
    source = filled(tmp_path / "b.sqlite", {"a": dataclasses.replace(FULL, logprobs=None)})
    with Ledger(path) as ledger:
        (joined,) = join(ledger, [source])
    assert (joined.known, joined.other) == (1, 1)


def test_lines_are_sorted_by_key_and_hold_parts_and_time(path, tmp_path):
    filled(path, {str(n): FULL for n in range(30)}, {"failed": FAILED})
    rows = [json.loads(text) for text in exported(path, tmp_path / "all.jsonl").read_text().split("\n")[:-1]]
    assert [row["key"] for row in rows] == sorted(row["key"] for row in rows)
    assert {tuple(sorted(row["parts"])) for row in rows} == {("identity", "inputs", "prompt", "repeat", "settings")}
    assert {row.get("answered_at") for row in rows} == {5.0, None}


def test_an_export_is_whole_or_not_there(path, tmp_path):
    filled(path, {"a": FULL})
    with Ledger(path) as ledger:
        ledger.change("UPDATE predictions SET confidence = 'no json'")
        target = tmp_path / "all.jsonl"
        target.write_text("old")
        with pytest.raises(ValueError, match="Expecting value"):
            export(ledger, target)
    assert target.read_text() == "old"


def test_what_is_there_is_never_replaced_and_is_counted(path, tmp_path):
    filled(path, {"same": FULL, "other": FULL})
    slower = dataclasses.replace(FULL, latency_s=9.0)
    source = filled(tmp_path / "b.sqlite", {"same": slower, "other": Response(text="x"), "new": FULL})
    with Ledger(path) as ledger:
        (joined,) = join(ledger, [source])
    assert str(joined) == "1 new answers, 2 known, 1 known with another answer, which was not taken"
    assert all(reply == FULL for reply in held(path).values())


def test_many_answers_are_joined(path, tmp_path):
    source = filled(tmp_path / "b.sqlite", {str(n): FULL for n in range(2 * CHUNK + 1)})
    with Ledger(path) as ledger:
        assert [joined.new for joined in join(ledger, [source, source])] == [2 * CHUNK + 1, 0]
        assert len(ledger) == 2 * CHUNK + 1


def test_an_answer_goes_before_a_failure_of_the_same_request(path, tmp_path):
    filled(path, {"a": FULL})
    failed = filled(tmp_path / "b.sqlite", {}, {"a": FAILED, "b": FAILED})
    with Ledger(path) as ledger:
        join(ledger, [failed])
        assert get_failures(ledger, [key("b").digest]) == {key("b").digest: FAILED}
    assert held(path) == {key("a"): FULL, key("b"): FAILED}


def test_versions_of_runs_come_along_with_a_ledger(path, tmp_path):
    source = filled(tmp_path / "b.sqlite", {"a": FULL})
    version = Version(key=dataclasses.replace(key("a"), inputs=""), repeats=2)
    with Ledger(source) as ledger:
        note_version(ledger, "suite/run", version)
    with Ledger(path) as ledger:
        join(ledger, [source])
        assert versions(ledger, "suite/run") == [version]


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("no json", "Expecting value"),
        ("[" * 100_000, "line 2: "),
        ("[]", "the line is no JSON object"),
        (line(key="0" * 64), "the key does not fit its parts"),
        (line(parts=line()["parts"] | {"repeat": 1}), "the key does not fit its parts"),
        (line(parts=line()["parts"] | {"repeat": -1}), "`repeat` is no whole number"),
        (line(parts=line()["parts"] | {"repeat": True}), "`repeat` is no whole number"),
        (line(parts=line()["parts"] | {"prompt": "\x1b[31m"}), "`prompt` is no digest"),
        (line(parts={}), "`parts` lacks 'identity'"),
        (line(extra=1), "the line has the unknown entry 'extra'"),
        (line(failure={}), "not just one of failure, proofs and response"),
        ({"key": "k", "parts": {}}, "not just one of failure, proofs and response"),
        (line(response=line()["response"] | {"text": 3}), "`text` is no text"),
        (line(response=line()["response"] | {"text": "\ud800"}), "half character"),
        (line(response=line()["response"] | {"latency_s": "1"}), "`latency_s` is no number"),
        (line(response=line()["response"] | {"usage": {"input_tokens": 1}}), "`usage` lacks 'output_tokens'"),
        (line(response=line()["response"] | {"confidence": {"a": None}}), "`confidence` is no number"),
        (line(response=line()["response"] | {"logprobs": {"x": -1}}), "`logprobs` is no list of pairs"),
        (line(response=line()["response"] | {"logprobs": ["ab"]}), "`logprobs` is no list of pairs"),
        (line(response=line()["response"] | {"logprobs": [["a", -1, 2]]}), "`logprobs` is no list of pairs"),
        (line(response=line()["response"] | {"logprobs": [[1, -1]]}), "a token in `logprobs` is no text"),
        (line(response=line()["response"] | {"logprobs": [["\ud800", -1]]}), "half character"),
        (line(response=line()["response"] | {"logprobs": [["a", "-1"]]}), "`logprobs` is no number"),
        (line(response=line()["response"] | {"logprobs": [["a", 0.5]]}), "`logprobs` has 0.5; expected the logarithm"),
        (line(response=line()["response"] | {"logprobs": [["a", -1e9]]}), "`logprobs` has -1e"),
        (line(answered_at=1e300), "`answered_at` is no number"),
        ('{"key": NaN}', "NaN is no JSON"),
        (b"\xff".decode("latin-1"), "line 2: "),
    ],
)
def test_a_line_that_does_not_fit_is_named_and_nothing_is_taken(path, tmp_path, bad, told):
    source = write(tmp_path / "bad.jsonl", line(), bad)
    with Ledger(path) as ledger:
        with pytest.raises(LedgerError, match=told) as caught:
            join(ledger, [source])
        assert f"{source} can't be taken, and nothing was:\n  line 2: " in str(caught.value)
        assert len(ledger) == 0


def test_the_first_problems_are_shown_and_the_others_counted(path, tmp_path):
    source = write(tmp_path / "bad.jsonl", *["x"] * 12)
    with Ledger(path) as ledger, pytest.raises(LedgerError, match=r"line 10: .*\n  and 2 more$"):
        join(ledger, [source])


def test_a_ledger_from_elsewhere_is_not_trusted_either(path, tmp_path):
    source = filled(tmp_path / "b.sqlite", {"a": FULL})
    with Ledger(source) as ledger:
        ledger.change("UPDATE predictions SET prompt = ?", (digest("another"),))
    with Ledger(path) as ledger, pytest.raises(LedgerError, match="entry 1: the key does not fit its parts"):
        join(ledger, [source])


def test_a_file_that_is_not_there_is_named(path, tmp_path):
    with Ledger(path) as ledger, pytest.raises(LedgerError, match=r"gone\.jsonl can't be read: No such file"):
        join(ledger, [tmp_path / "gone.jsonl"])
