"""`harness ledger …`: what each command prints, does and refuses."""

import itertools
import time
from pathlib import Path

import pytest

from harness.cli import main
from harness.core.digests import digest
from harness.core.records import Failure, Proof, Response, Usage
from harness.execution.failures import put_failures
from harness.execution.ledger import Key, Ledger

LEDGER = Path(".holdfast/ledger.sqlite")
DAY = 86400


def key(name, *, prompt="p", identity="i", repeat=0):
    return Key(
        identity=digest(identity), prompt=digest(prompt), settings=digest("s"), inputs=digest(name), repeat=repeat
    )


def response(model="m-1", text="x"):
    return Response(text=text, provider_model=model, usage=Usage(input_tokens=10, output_tokens=2), latency_s=0.25)


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """A ledger of two models and prompts, a week apart, in the current folder."""
    monkeypatch.chdir(tmp_path)
    now = time.time()
    with Ledger(LEDGER) as opened:
        opened.put_dated((key(f"c{n}"), response(), now - 7 * DAY) for n in range(30))
        opened.put_dated((key(f"c{n}", prompt="q"), response("m-2"), now) for n in range(12))
    return LEDGER


@pytest.fixture
def said(capsys):
    def run(*arguments, code=0):
        assert main(["ledger", *map(str, arguments)]) == code
        captured = capsys.readouterr()
        return captured.err if code else captured.out

    return run


def held():
    with Ledger(LEDGER) as opened:
        return len(opened)


def test_stats_tell_what_there_is(ledger, said):
    with Ledger(ledger) as opened:
        put_failures(
            opened,
            [(key("failed"), Failure(kind="timeout", message="late")), (key("c1"), Failure(kind="x", message=""))],
        )
    lines = said("stats").splitlines()
    assert lines[0].startswith(".holdfast/ledger.sqlite: 42 answers, 1 failed requests, ")
    assert lines[0].endswith(" MB")
    week_ago = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 7 * DAY))
    first, second = lines[3].split(), lines[4].split()
    assert first[:6] == ["m-1", digest("i")[:12], digest("p")[:12], "30", "300", "60"]
    assert first[6] == week_ago
    assert second[:4] == ["m-2", digest("i")[:12], digest("q")[:12], "12"]


def test_stats_of_an_empty_ledger(tmp_path, monkeypatch, said):
    monkeypatch.chdir(tmp_path)
    Ledger(LEDGER).close()
    assert said("stats").startswith(".holdfast/ledger.sqlite: 0 answers, 0.0 MB")


@pytest.mark.parametrize(
    "command", [["stats"], ["export", "x"], ["explain", "ab"], ["prune", "--all"]], ids=lambda words: words[0]
)
def test_a_ledger_that_is_not_there_is_named_and_not_made(tmp_path, monkeypatch, said, command):
    monkeypatch.chdir(tmp_path)
    told = said(*command, "--ledger", "gone.sqlite", code=2)
    assert (
        told == "harness: there is no ledger gone.sqlite; `pytest suites/` makes one, or name another with --ledger\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_imported_elsewhere(ledger, said):
    assert said("export", "all.jsonl") == "all.jsonl: 42 lines\n"
    told = said("import", "all.jsonl", "--ledger", "new/ledger.sqlite")
    assert told == "all.jsonl: 42 new answers, 0 known\nnew/ledger.sqlite: 42 answers\n"
    assert said("import", "all.jsonl") == "all.jsonl: 0 new answers, 42 known\n.holdfast/ledger.sqlite: 42 answers\n"


def test_a_ledger_is_not_imported_into_itself(ledger, said):
    assert "is the ledger that is added to" in said("import", LEDGER, code=2)


@pytest.mark.parametrize(
    ("choice", "gone"),
    [
        (["--all"], 42),
        (["--older-than", "3"], 30),
        (["--older-than", "8"], 0),
        (["--model", "m-2"], 12),
        (["--model", "m"], 0),
        (["--prompt", digest("q")[:8]], 12),
        (["--identity", digest("i")], 42),
        (["--identity", digest("i")[:6], "--older-than", "1"], 30),
    ],
)
def test_prune_says_what_would_go_and_does_it_with_yes(ledger, said, choice, gone):
    told = said("prune", *choice)
    assert told.startswith(f"{gone} of 42 answers would go; to remove them, add --yes\n")
    assert held() == 42
    assert said("prune", *choice, "--yes").startswith(
        f".holdfast/ledger.sqlite: {gone} answers removed, {42 - gone} left; "
    )
    assert held() == 42 - gone


def test_pruning_gives_the_room_back(ledger, said):
    with Ledger(ledger) as opened:
        opened.put((key(f"long {n}"), response(text="long " * 1000)) for n in range(300))
    before = ledger.stat().st_size
    said("prune", "--all", "--yes")
    assert ledger.stat().st_size < before / 10


def test_proofs_go_with_the_last_answers_that_they_are_about(ledger, said):
    kept, gone = key("holdout"), key("holdout", prompt="q")
    with Ledger(ledger) as opened:
        for one in (kept, gone):
            opened.put_proofs(one, [Proof(name="a", status="proved", detail="b")])
    said("prune", "--model", "m-2", "--yes")
    with Ledger(ledger) as opened:
        assert opened.get_proofs(kept)
        assert opened.get_proofs(gone) is None


@pytest.mark.parametrize("choice", [[], ["--all", "--model", "m-1"]])
def test_prune_wants_to_know_what(ledger, said, choice):
    assert "say which answers are to go: --older-than, --model, --prompt" in said("prune", *choice, "--yes", code=2)
    assert held() == 42


def test_prune_takes_no_text_for_a_digest(ledger, said):
    assert "--prompt is 'p.md'; expected the start of a digest" in said("prune", "--prompt", "p.md", code=2)


def test_explain_shows_the_parts_and_the_answer(ledger, said):
    made = key("c3")
    told = said("explain", made.digest[:16])
    assert told.splitlines()[:3] == [
        f"key {made.digest}",
        f"  identity {made.identity} (the model or adapter)",
        f"  prompt {made.prompt} (the prompt, its examples or the schema)",
    ]
    assert f"  inputs {made.inputs} (the case's inputs)\n  repeat 0 (the number of repeats)\n" in told
    assert " UTC by m-1\n10 + 2 tokens, 0.250 s, ended by stop\nanswer: x\n" in told


def test_explain_takes_the_parts(ledger, said):
    made = key("c3")
    parts = "/".join([made.identity[:8], made.prompt[:8], made.settings[:8], made.inputs[:8], "0"])
    assert said("explain", parts).startswith(f"key {made.digest}\n")


def test_explain_names_what_is_nearest_to_a_key_that_is_not_there(ledger, said):
    made = key("c20", prompt="q")
    parts = "/".join([made.identity, made.prompt, made.settings, made.inputs, "0"])
    lines = said("explain", parts).splitlines()
    assert lines[0] == "not in the ledger; the nearest entries:"
    assert lines[1].startswith(f"  key {key('c20').digest[:12]}: {made.identity[:12]}/{digest('p')[:12]}/")
    assert lines[2::2] == [
        "    differs in prompt (the prompt, its examples or the schema)",
        "    differs in inputs (the case's inputs)",
        "    differs in inputs (the case's inputs)",
    ]


def test_explain_of_a_failed_request(ledger, said):
    made = key("failed")
    with Ledger(ledger) as opened:
        put_failures(opened, [(made, Failure(kind="timeout", message="too \x1b[31mlate"))])
    assert said("explain", made.digest) == f"key {made.digest}\nfailed, timeout: too [31mlate\n"


def test_explain_shows_no_control_characters(ledger, said):
    made = key("hostile")
    with Ledger(ledger) as opened:
        opened.put([(made, response(model="\x1b]0;title\x07", text="\x1b[2J\n{}"))])
    assert "\x1b" not in said("explain", made.digest)
    assert "\x1b" not in said("stats")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0000", "no key in .holdfast/ledger.sqlite begins with 0000"),
        ("xyz", "KEY is 'xyz'; expected the start of a digest"),
        ("a/b/c", "KEY is 'a/b/c'; expected the start of a digest, or IDENTITY/PROMPT/SETTINGS/INPUTS/REPEAT"),
        ("a/b/c/d/e", "expected the start of a digest, or IDENTITY"),
        ("a/b/c/x/0", "INPUTS in KEY is 'x'"),
    ],
)
def test_explain_says_what_a_key_is(ledger, said, text, told):
    assert told in said("explain", text, code=2)


def test_explain_wants_one_key(ledger, said):
    digests = sorted(key(f"c{n}").digest for n in range(30))
    start = next(one[0] for one, other in itertools.pairwise(digests) if one[0] == other[0])
    assert f" keys begin with {start}, such as " in said("explain", start, code=2)
