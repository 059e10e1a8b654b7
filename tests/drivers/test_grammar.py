"""Constrained decoding with a real tokenizer and a chooser that knows nothing: random logits under the mask."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import llguidance.hf
import pytest
import torch
from jsonschema import Draft202012Validator
from support.tiny_gemma import byte_fallback_tokenizer
from support.tiny_tokenizer import tiny_tokenizer

from harness.core.errors import DriverError
from harness.core.options import SchemaNotLowered
from harness.core.parsing import parse
from harness.core.prompting import answer_text
from harness.core.records import ParseMode
from harness.core.schemas import AnswerSchema
from harness.drivers.grammar import Grammar, Matcher

TICKETS = json.loads((Path(__file__).parents[2] / "fixtures/support_tickets/schema.json").read_text(encoding="utf-8"))
MIXED = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "parts", "count"],
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "parts": {"type": "array", "maxItems": 3, "items": {"enum": ["é", 'a"b', "c\\d", 7]}},
        "count": {"type": "integer"},
        "share": {"type": "number", "minimum": 0, "maximum": 1},
        "child": {"$ref": "#"},
    },
    "if": {"properties": {"count": {"minimum": 10}}},
    "then": {"required": ["share"]},
    "else": {"not": {"required": ["child"]}},
}


@pytest.fixture(scope="module")
def tickets() -> Grammar:
    return Grammar(TICKETS, tiny_tokenizer())


def test_a_tokenizer_is_read_once_for_all_schemas(monkeypatch):
    tokenizer, read = copy.deepcopy(tiny_tokenizer()), []
    wrap = llguidance.hf.from_tokenizer
    monkeypatch.setattr(llguidance.hf, "from_tokenizer", lambda *a, **b: read.append(a) or wrap(*a, **b))
    for schema in (TICKETS, {"type": "integer"}):
        Grammar(schema, tokenizer)
    assert len(read) == 1
    Grammar(TICKETS, tokenizer, vocab_size=2100)
    assert len(read) == 2


@pytest.mark.parametrize("text", ["plain", "naïve", "🜁 and 𝔄", 'a"b\\c', "two  spaces"])
def test_a_tokenizer_that_writes_rare_characters_byte_by_byte_is_held_to_the_schema(text):
    tokenizer = byte_fallback_tokenizer()
    matcher = Grammar({"const": {"a": text}}, tokenizer).matcher()
    written = matcher.forced()
    matcher.consume(written)
    assert matcher.finished
    assert tokenizer.decode(written) == answer_text({"a": text}, {})


def test_what_is_drawn_from_bytes_is_text_within_the_bounds():
    tokenizer, schema = byte_fallback_tokenizer(), {"type": "string", "maxLength": 6}
    grammar = Grammar(schema, tokenizer)
    drawn = decode(grammar, count=40, limit=60, seed=1, tokenizer=tokenizer)
    finished = [json.loads(text) for text, done, _ in drawn if done]
    assert len(finished) > 20
    assert all(len(text) <= 6 for text in finished)
    assert any(ord(character) > 127 for text in finished for character in text)


def decode(
    grammar: Grammar, *, count: int, limit: int, seed: int, tokenizer: Any = None
) -> list[tuple[str, bool, int]]:
    """Random answers: their text, whether they were finished, and how many tokens were sampled."""
    chance = torch.Generator().manual_seed(seed)
    matchers, masks = [grammar.matcher() for _ in range(count)], grammar.masks(count)
    answers: list[list[int]] = [[] for _ in matchers]
    sampled = [0] * count
    while any(not m.finished and len(a) < limit for m, a in zip(matchers, answers, strict=True)):
        masks.fill(matchers)
        logits = torch.randn(count, grammar.vocab_size, generator=chance)
        masks.apply(logits)
        chosen = torch.multinomial(logits.softmax(dim=1), 1, generator=chance).flatten().tolist()
        for row, matcher in enumerate(matchers):
            if not matcher.finished and len(answers[row]) < limit:
                matcher.consume([chosen[row]])
                forced = matcher.forced()
                matcher.consume(forced)
                answers[row] += [chosen[row], *forced]
                sampled[row] += 1
    tokenizer = tokenizer or tiny_tokenizer()
    texts = [tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]
    return [(t, m.finished, n) for t, m, n in zip(texts, matchers, sampled, strict=True)]


def write(matcher: Matcher, text: str) -> bool:
    """Whether the engine takes the whole text as a whole answer."""
    try:
        matcher.consume(tiny_tokenizer()(text, add_special_tokens=False).input_ids)
    except DriverError:
        return False
    return matcher.accepting


def allowed(grammar: Grammar, matcher: Matcher) -> set[int]:
    masks = grammar.masks(1)
    masks.fill([matcher])
    logits = torch.zeros(1, grammar.vocab_size)
    masks.apply(logits)
    return set(logits[0].isfinite().nonzero().flatten().tolist())


@pytest.mark.parametrize(("schema", "limit"), [(TICKETS, 100), (MIXED, 120)], ids=["tickets", "mixed"])
def test_every_finished_answer_is_valid_and_written_in_the_one_way(schema: dict[str, Any], limit: int) -> None:
    grammar, whole = Grammar(schema, tiny_tokenizer()), AnswerSchema(schema)
    answers = decode(grammar, count=100, limit=limit, seed=3)
    finished = [text for text, done, _ in answers if done]
    assert len(finished) >= (100 if schema is TICKETS else 50)
    for text in finished:
        parsed = parse(text, ParseMode.STRICT)
        assert not parsed.problem, text
        assert whole.first_error(parsed.value) is None, text
        if "share" not in parsed.value and "child" not in parsed.value:
            assert text == answer_text(parsed.value, schema)
    for text, done, _ in answers:
        if not done:
            assert parse(text, ParseMode.STRICT, finish_reason="length").problem == "truncated"


def test_exactly_the_valid_tickets_can_be_written(tickets: Grammar) -> None:
    fields_alone = AnswerSchema({key: value for key, value in TICKETS.items() if key != "allOf"})
    whole = AnswerSchema(TICKETS)
    for answer in fields_alone.joint_answers():
        assert write(tickets.matcher(), answer_text(answer, TICKETS)) is (whole.first_error(dict(answer)) is None), (
            answer
        )


def test_what_is_forced_is_not_sampled(tickets: Grammar) -> None:
    for text, done, sampled in decode(tickets, count=20, limit=100, seed=1):
        assert done
        assert sampled <= 12 < len(tiny_tokenizer()(text).input_ids)


def test_forced_tokens_are_those_of_the_tokenizer(tickets: Grammar) -> None:
    tokenizer, matcher = tiny_tokenizer(), tickets.matcher()
    whole = tokenizer('{"category": "charge_dispute", "priority": "P2", "escalate": true, "team": "payments_risk"}')
    head = matcher.forced()
    assert head == whole.input_ids[: len(head)]
    assert tokenizer.decode(head) == '{"category": "'[: len(tokenizer.decode(head))]
    matcher.consume(head)
    matcher.consume(whole.input_ids[len(head) :][:1])
    ids = [*head, *whole.input_ids[len(head) :][:1]]
    while not matcher.finished:
        forced = matcher.forced()
        step = forced or whole.input_ids[len(ids) : len(ids) + 1]
        matcher.consume(step)
        ids += step
    assert ids == whole.input_ids


def test_the_end_needs_no_sampling_where_nothing_else_may_follow(tickets: Grammar) -> None:
    matcher = tickets.matcher()
    assert not matcher.finished
    text = '{"category": "outage", "priority": "P1", "escalate": true, "team": "platform"}'
    assert write(matcher, text)
    assert matcher.finished
    assert matcher.forced() == []
    assert allowed(tickets, matcher) == {tickets.end_token}
    matcher.consume([tickets.end_token])
    assert matcher.finished


def test_an_answer_that_could_go_on_ends_with_the_end_token() -> None:
    grammar = Grammar({"type": "integer", "minimum": 0}, tiny_tokenizer())
    matcher = grammar.matcher()
    assert grammar.end_token not in allowed(grammar, matcher)
    assert write(matcher, "12")
    assert not matcher.finished
    assert grammar.end_token in allowed(grammar, matcher)
    matcher.consume([grammar.end_token])
    assert matcher.finished
    assert allowed(grammar, matcher) == {grammar.end_token}


def test_matchers_of_one_grammar_go_their_own_ways(tickets: Grammar) -> None:
    one, other = tickets.matcher(), tickets.matcher()
    one.consume(one.forced())
    assert write(other, '{"category": "outage", "priority": "P1", "escalate": true, "team": "platform"}')
    assert not one.finished


def test_masks_of_a_batch_are_those_of_its_rows(tickets: Grammar) -> None:
    matchers = [tickets.matcher(), tickets.matcher(), tickets.matcher()]
    matchers[1].consume(matchers[1].forced())
    masks = tickets.masks(8)
    masks.fill([*matchers, None])
    logits = torch.zeros(4, tickets.vocab_size)
    masks.apply(logits)
    rows = [set(row.isfinite().nonzero().flatten().tolist()) for row in logits]
    assert rows[:3] == [allowed(tickets, matcher) for matcher in matchers]
    assert rows[3] == {tickets.end_token}
    assert rows[0] != rows[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_allowed_logits_stay_and_those_beyond_the_tokenizer_go(tickets: Grammar, dtype: torch.dtype) -> None:
    matcher = tickets.matcher()
    matcher.consume(matcher.forced())
    kept = sorted(allowed(tickets, matcher))
    masks = tickets.masks(1)
    masks.fill([matcher])
    before = torch.randn(1, tickets.vocab_size + 77).to(dtype)
    logits = before.clone()
    masks.apply(logits)
    assert torch.equal(logits[0, kept], before[0, kept])
    assert logits.isfinite().sum() == len(kept)


def test_a_model_may_have_more_logits_than_its_tokenizer_has_tokens() -> None:
    grammar = Grammar(TICKETS, tiny_tokenizer(), vocab_size=2100)
    assert grammar.vocab_size == 2100
    assert max(allowed(grammar, grammar.matcher())) < len(tiny_tokenizer())


def test_tokens_that_are_not_allowed_are_an_error(tickets: Grammar) -> None:
    matcher = tickets.matcher()
    with pytest.raises(DriverError, match="mask was not applied"):
        matcher.consume([tickets.end_token])
    with pytest.raises(DriverError, match="mask was not applied"):
        matcher.consume(tiny_tokenizer()("hello").input_ids)


def test_no_second_way_to_write_zero() -> None:
    grammar = Grammar({"type": "integer"}, tiny_tokenizer())
    assert write(grammar.matcher(), "0")
    assert not write(grammar.matcher(), "-0")


@pytest.mark.parametrize(
    "pattern", ['^[^"]$', r"^[^\\]$", r'^[^"\\]$', "^[^a]$", r"^[^\s]$", '^["é]$', "^.$", r"^\S$", "^[!-~]$"]
)
def test_a_pattern_holds_for_characters_that_json_escapes(pattern: str) -> None:
    schema = {"type": "string", "pattern": pattern}
    grammar, whole = Grammar(schema, tiny_tokenizer()), Draft202012Validator(schema)
    for character in 'a"\\\n\té ~/':
        assert write(grammar.matcher(), json.dumps(character, ensure_ascii=False)) is whole.is_valid(character), (
            character
        )


@pytest.mark.parametrize("word", ["", "ab", "<a>/b", "a\\-]^&", '~#"{1}', "é|\n$"])
def test_a_rule_about_one_text_holds_for_that_text_alone(word: str) -> None:
    schema = {
        "type": "object",
        "required": ["a", "b"],
        "properties": {"a": {"type": "string"}, "b": {"enum": ["x", "y"]}},
        "if": {"properties": {"a": {"const": word}}},
        "then": {"properties": {"b": {"const": "x"}}},
    }
    grammar = Grammar(schema, tiny_tokenizer())
    for text in (word, word + "a", word[:-1], word[:1], "q"):
        assert write(grammar.matcher(), answer_text({"a": text, "b": "x"}, schema))
        assert write(grammar.matcher(), answer_text({"a": text, "b": "y"}, schema)) is (text != word)


@pytest.mark.parametrize(
    ("schema", "error", "keyword"),
    [
        ({"type": "string", "pattern": "^(?!a)b$"}, DriverError, "pattern"),
        ({"type": "string", "pattern": "^a{400}$"}, DriverError, "pattern"),
        ({"type": "object", "patternProperties": {"^a": {}, "b$": {"type": "null"}}}, DriverError, "patternProperties"),
        ({"type": "array", "uniqueItems": True}, SchemaNotLowered, "uniqueItems"),
    ],
)
def test_a_refusal_names_the_keyword(schema: dict[str, Any], error: type[DriverError], keyword: str) -> None:
    with pytest.raises(error, match=f"`{keyword}`.*decoding: free"):
        Grammar(schema, tiny_tokenizer())


def test_a_tokenizer_without_an_end_is_refused() -> None:
    endless = copy.deepcopy(tiny_tokenizer())
    endless.eos_token = None
    with pytest.raises(DriverError, match="no end-of-text token"):
        Grammar(TICKETS, endless)
