"""A model's text is untrusted: it is read strictly, never repaired, and no text may raise."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.parsing import MAX_ANSWER_CHARS, MAX_DEPTH, Parsed, parse
from harness.core.prompting import answer_text
from harness.core.records import ParseMode

STRICT, LENIENT, LAST = ParseMode.STRICT, ParseMode.LENIENT, ParseMode.LAST_JSON
ANSWER = {"category": "outage", "escalate": True}
TEXT = '{"category": "outage", "escalate": true}'
SCHEMA = {"properties": {"category": {}, "escalate": {}}}

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
# Texts made of the pieces that a JSON reader stumbles over are far likelier to break it than random letters.
PIECES = st.sampled_from(
    [
        *("{", "}", "[", "]", '"', "\\", ":", ",", '{"a":', '"a": 1', "NaN", "-Infinity", "1e999", "null", "tru"),
        *("```json\n", "```", " ", "\n", "9" * 20, "{}", TEXT, "é", "\\ud800", "\ud83d", "\x00", "words"),
    ]
)
ANY_TEXT = st.text() | st.lists(PIECES, max_size=25).map("".join)


def outcome(text, mode, finish_reason="stop"):
    """The value found, or the kind of the problem as a plain text."""
    parsed = parse(text, mode, finish_reason=finish_reason)
    return parsed.problem or parsed.value


def in_all_modes(text, finish_reason="stop"):
    return tuple(outcome(text, mode, finish_reason) for mode in (STRICT, LENIENT, LAST))


@pytest.mark.parametrize("text", [TEXT, f"\n\t {TEXT} \r\n", '{"escalate":true,"category":"outage"}'])
def test_where_the_value_begins_is_told(text):
    for said in (text, f" Sure: {text}", f"```\n{text}\n```", f'{{"no": 1}}, {text}'):
        parsed = parse(said, LAST)
        assert json.JSONDecoder().raw_decode(said, parsed.start)[0] == parsed.value == ANSWER


@pytest.mark.parametrize("text", [TEXT, f"\n\t {TEXT} \r\n", '{"escalate":true,"category":"outage"}'])
def test_a_bare_object_is_read_in_every_mode_whatever_the_white_space_and_key_order(text):
    assert in_all_modes(text) == (ANSWER, ANSWER, ANSWER)


@pytest.mark.parametrize(
    ("text", "strict", "lenient", "last"),
    [
        (f"```json\n{TEXT}\n```", "fence", ANSWER, ANSWER),
        (f"```\n{TEXT}\n```", "fence", ANSWER, ANSWER),
        (f"Sure! {TEXT}", "prose", ANSWER, ANSWER),
        (f"{TEXT} I hope that helps.", "prose", ANSWER, ANSWER),
        (f"So {{maybe}} it is {TEXT}", "prose", ANSWER, ANSWER),
        (f'An answer like {{"category": …}} then: {TEXT}', "prose", ANSWER, ANSWER),
        (f'{{"category": "login"}}\n{TEXT}', "prose", "several_objects", ANSWER),
        (f'First {{"category": "login"}}, no: {TEXT}', "prose", "several_objects", ANSWER),
        (f"[{TEXT}]", [ANSWER], [ANSWER], [ANSWER]),
        ("", "empty", "empty", "empty"),
        (" \n\t ", "empty", "empty", "empty"),
        ("I can't help with that.", "not_json", "not_json", "not_json"),
        ("5 apples", "not_json", "not_json", "not_json"),
        ("{'category': 'outage'}", "not_json", "not_json", "not_json"),
        ('{"category": "outage",}', "not_json", "not_json", "not_json"),
        ('{"category": True}', "not_json", "not_json", "not_json"),
        ('{"category": "outage" // sure\n}', "not_json", "not_json", "not_json"),
        ('{"category": "out\nage"}', "not_json", "not_json", "not_json"),
        ("{}", {}, {}, {}),
        ('"outage"', "outage", "outage", "outage"),
    ],
)
def test_what_each_mode_makes_of_a_text(text, strict, lenient, last):
    assert in_all_modes(text) == (strict, lenient, last)


def test_null_is_a_value_and_not_a_problem():
    assert parse("null", STRICT) == Parsed(value=None, problem="")


@pytest.mark.parametrize("mode", list(ParseMode))
@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 1}', '{"x": {"a": 1, "a": 2}}', '[{"a": 1, "a": 2}]', '{"a": 1, "a": {"category": "x"}}']
)
def test_a_key_that_stands_twice_makes_the_answer_unusable(text, mode):
    assert outcome(text, mode) == "duplicate_key"


@pytest.mark.parametrize("mode", list(ParseMode))
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000])
def test_numbers_that_json_or_a_double_lacks_are_refused(number, mode):
    assert outcome(f'{{"a": {number}}}', mode) == "not_json"


@pytest.mark.parametrize("mode", [LENIENT, LAST])
@pytest.mark.parametrize(
    ("refused", "problem"),
    [
        (f'{{"a": 1, "a": {TEXT}}}', "duplicate_key"),
        (f'{{"a": NaN, "b": {TEXT}}}', "not_json"),
        (f'{{"a": {"[" * 300}{"]" * 300}, "b": {TEXT}}}', "not_json"),
        (f'{{"a": {"[" * 5000}{"]" * 5000}, "b": {TEXT}}}', "not_json"),
        (f'{{"a": {TEXT},}}', "not_json"),
    ],
)
def test_an_object_inside_a_refused_one_is_never_taken_for_the_answer(refused, problem, mode):
    assert outcome(f"The answer: {refused}", mode) == problem


@pytest.mark.parametrize(
    ("before", "lenient", "last"),
    [
        ('{"a": NaN, "b": {"c": {"d": [1]}}}', "several_objects", ANSWER),
        ('{"a": 1, "a": {"c": "}"}}', "several_objects", ANSWER),
        ('{"a": {"b": {"c": {}}},}', ANSWER, ANSWER),
        ('{"a": "never finished, so … ', ANSWER, ANSWER),
        ('{"never finished", so: ', ANSWER, ANSWER),
    ],
)
def test_an_answer_after_an_object_that_is_no_json_is_found(before, lenient, last):
    assert in_all_modes(f"Maybe {before} or rather {TEXT}") == ("prose", lenient, last)


def test_the_last_object_is_not_replaced_by_an_earlier_one_when_it_is_refused():
    assert outcome(f'{TEXT} no, {{"a": 1, "a": 2}}', LAST) == "duplicate_key"


@pytest.mark.parametrize("mode", list(ParseMode))
@pytest.mark.parametrize(
    "text",
    [
        '{"category": "out',
        '{"category": "outage"',
        '{"category": "outage", "escalate": tr',
        '{"answer": {"category": "outage"}, "team": ',
        'Thinking about {"category": "login"} … so {"category": "outage", "tea',
        'Thinking about {"category": "login"} … so {"category": "out } age',
        "```json\n{",
        "I would say that",
        "",
    ],
)
def test_an_answer_cut_off_at_the_token_limit_is_truncated(text, mode):
    assert outcome(text, mode, "length") == "truncated"


def test_a_whole_answer_counts_although_the_token_limit_was_reached_after_it():
    assert in_all_modes(f" {TEXT}\n", "length") == (ANSWER, ANSWER, ANSWER)
    assert in_all_modes(f"{TEXT} And so I", "length") == ("prose", ANSWER, ANSWER)


def test_an_unfinished_text_without_a_token_limit_is_plainly_not_json():
    assert outcome('{"answer": {"category": "outage"}, "team": ', STRICT) == "not_json"


@pytest.mark.parametrize("mode", list(ParseMode))
def test_nesting_is_allowed_up_to_a_fixed_depth_whatever_the_depth_of_the_caller(mode):
    def nested(depth):
        return '{"a":' * depth + "1" + "}" * depth

    def parse_from_a_deep_stack(levels):
        return parse(nested(MAX_DEPTH), mode) if levels == 0 else parse_from_a_deep_stack(levels - 1)

    assert parse(nested(MAX_DEPTH), mode).problem == ""
    assert parse_from_a_deep_stack(300).problem == ""
    assert parse(nested(MAX_DEPTH + 1), mode).problem == "not_json"
    assert parse(nested(MAX_DEPTH * 100), mode).problem == "not_json"
    for depth, siblings in ((0, 5 * MAX_DEPTH), (MAX_DEPTH - 2, 2)):
        wide = '{"a":' * depth + json.dumps([{}] * siblings) + "}" * depth
        assert parse(wide, mode).problem == ""


@pytest.mark.parametrize("mode", list(ParseMode))
@pytest.mark.parametrize("text", [r'{"a": "\ud83d"}', '{"a": "\ud83d"}', r'{"\ud83d": 1}', r'{"a": [["\udc00"]]}'])
def test_half_of_a_surrogate_pair_is_refused_because_it_could_not_be_stored(text, mode):
    assert outcome(text, mode) == "not_json"


def test_a_whole_surrogate_pair_is_one_character():
    assert outcome(r'{"a": "\ud83d\ude00 é"}', STRICT) == {"a": "😀 é"}


@pytest.mark.parametrize("mode", list(ParseMode))
def test_a_huge_text_is_refused_by_its_length_alone(mode):
    filler = "x" * (MAX_ANSWER_CHARS - len('{"a": ""}'))
    assert outcome(f'  {{"a": "{filler}"}}  ', mode) == {"a": filler}
    assert outcome(f'{{"a": "{filler}x"}}', mode) == "too_long"


HOSTILE = [
    *("{", "[", '{"a":', '{"a":[', 'x {"a":', '{"', '{""', '"', '{"a":"'),
    *('{"a":NaN}', "{}{", '{} "', '{"\\u00e9":1} x'),
]


@pytest.mark.parametrize("mode", list(ParseMode))
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_texts_of_the_largest_size_take_no_seconds(piece, mode):
    text = (piece * MAX_ANSWER_CHARS)[:MAX_ANSWER_CHARS]
    start = time.process_time()
    parsed = parse(text, mode)
    assert time.process_time() - start < 2.0  # quadratic reading took 10 s
    assert parsed.problem or mode is LAST


def test_when_reading_gives_up_no_earlier_object_is_taken_for_the_last_one():
    assert outcome(TEXT + ' x {"a":' * (MAX_ANSWER_CHARS // 10), LAST) == "not_json"


@given(text=ANY_TEXT, mode=st.sampled_from(list(ParseMode)), finish=st.sampled_from(["stop", "length", "", "tool"]))
@settings(deadline=None, max_examples=300)
def test_no_text_raises_and_every_value_found_can_be_stored(text, mode, finish):
    parsed = parse(text, mode, finish_reason=finish)
    assert parsed.problem in {
        *("", "empty", "truncated", "fence", "prose", "duplicate_key", "not_json", "several_objects", "too_long")
    }
    if parsed.problem:
        assert parsed.value is None
    else:
        assert json.loads(json.dumps(parsed.value, allow_nan=False, ensure_ascii=False).encode()) == parsed.value


@given(text=ANY_TEXT)
@settings(deadline=None, max_examples=200)
def test_what_strict_mode_reads_the_other_modes_read_alike(text):
    strict = parse(text, STRICT)
    if not strict.problem:
        assert parse(text, LENIENT) == parse(text, LAST) == strict
    lenient = parse(text, LENIENT)
    if not lenient.problem:
        assert parse(text, LAST) == lenient


@given(answer=st.dictionaries(st.sampled_from(["category", "escalate", "team", "é"]) | st.text(), JSON_VALUES))
@settings(deadline=None, max_examples=80)
def test_an_answer_as_it_is_shown_to_models_parses_back_in_every_mode(answer):
    text = answer_text(answer, SCHEMA)
    assert in_all_modes(text) == (answer, answer, answer)
    fenced = f"Here you are:\n```json\n{text}\n```"
    assert in_all_modes(fenced) == ("fence", answer, answer)
