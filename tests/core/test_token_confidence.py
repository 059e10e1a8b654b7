"""Log-probabilities of tokens → the probability of each field's value."""

import json
import math
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.parsing import parse
from harness.core.records import ParseMode
from harness.core.token_confidence import field_confidence

TICKET = '{"kind": "refund", "days": 12, "loud": true, "team": null}'
TOKENS = (
    ('{"', -0.01),
    ("kind", -0.02),
    ('":', -0.03),
    (' "', -0.1),
    ("ref", -0.2),
    ("und", -0.4),
    ('",', -0.8),
    (' "days": ', -1.6),
    ("1", -0.5),
    ("2", -0.25),
    (",", -0.125),
    (' "loud":', -0.3),
    (" true", -0.7),
    (',"team": null}'.replace(",", ", "), -0.9),
)
FIELDS = ("kind", "days", "loud", "team")


def confidence(tokens, text=None, *, fields=FIELDS, mode=ParseMode.STRICT):
    text = "".join(token for token, _ in tokens) if text is None else text
    parsed = parse(text, mode)
    assert not parsed.problem
    return field_confidence(text, tokens, start=parsed.start, fields=fields)


def test_a_value_is_as_probable_as_all_the_tokens_that_reach_into_it():
    assert "".join(token for token, _ in TOKENS) == TICKET
    assert confidence(TOKENS) == {
        "kind": pytest.approx(math.exp(-0.1 - 0.2 - 0.4 - 0.8)),
        "days": pytest.approx(math.exp(-0.5 - 0.25 - 0.125)),
        "loud": pytest.approx(math.exp(-0.7)),
        "team": pytest.approx(math.exp(-0.9)),
    }


def test_the_token_that_ends_a_label_tells_it_from_a_longer_one():
    def ended(closing):
        return confidence((('{"kind": "', 0.0), ("refund", 0.0), (closing, -2.0)))["kind"]

    assert ended('"}') == pytest.approx(math.exp(-2))
    assert confidence((('{"days": ', 0.0), ("1", 0.0), ("}", -2.0)))["days"] == pytest.approx(math.exp(-2))
    assert confidence((('{"loud": ', 0.0), ("true", 0.0), ("}", -2.0)))["loud"] == 1.0


def test_only_the_fields_that_were_asked_for_are_told():
    assert set(confidence(TOKENS, fields=("loud", "gone"))) == {"loud"}


@pytest.mark.parametrize("value", ["[1, 2]", "{}", '{"kind": "inner"}', '["kind"]'])
def test_a_value_that_is_no_scalar_has_no_confidence(value):
    assert confidence(((f'{{"kind": {value}, ', -1.0), ('"loud": false}', 0.0))) == {"loud": 1.0}


@pytest.mark.parametrize("text", [TICKET[:-1], " " + TICKET, TICKET.replace("refund", "refunds"), TICKET[1:], TICKET])
def test_tokens_that_do_not_spell_the_text_tell_nothing(text):
    assert field_confidence(text, TOKENS[1:], start=0, fields=FIELDS) is None


def test_tokens_after_the_end_of_the_text_do_not_matter():
    assert confidence((*TOKENS, ("<|im_end|>", -5.0)), TICKET) == confidence(TOKENS)


def test_an_object_inside_prose_is_found_where_the_parser_took_it():
    example = (('Like {"loud": false}? No:\n', -3.0),)
    tokens = (*example, *TOKENS, (" Done.", -3.0))
    assert confidence(tokens, mode=ParseMode.LAST_JSON) == confidence(TOKENS)
    fenced = ((" \n```json\n", -3.0), *TOKENS, ("\n```", -3.0))
    assert confidence(fenced, mode=ParseMode.LENIENT) == confidence(TOKENS)


def test_a_first_part_of_a_character_counts_with_it():
    tokens = (('{"kind": "', 0.0), ("", -1.0), ("漢", -2.0), ('", "loud":', 0.0), ("", -4.0), (" true}", 0.0))
    assert confidence(tokens) == {"kind": pytest.approx(math.exp(-3)), "loud": 1.0}


def test_names_and_values_that_look_like_members_mislead_nobody():
    text = '{"a\\"kind": "x\\", \\"kind\\": 1", "\\u006bind": "y"}'
    at = text.index('"y"')
    tokens = tuple((letter, -1.0 if at <= i < at + 3 else 0.0) for i, letter in enumerate(text))
    assert confidence(tokens, fields=("kind",)) == {"kind": pytest.approx(math.exp(-3))}


@pytest.mark.parametrize("total", [-1e308, -math.inf])
def test_what_is_next_to_impossible_has_the_probability_0(total):
    assert confidence((('{"loud": ', 0.0), ("tr", total), ("ue}", total))) == {"loud": 0.0}


def test_what_is_no_log_probability_is_no_certainty():
    assert math.isnan(confidence((('{"loud": true}', math.nan),))["loud"])
    assert confidence((('{"loud": true}', 1000.0),)) == {"loud": 1.0}


SPACE = st.text(" \t\r\n", max_size=2)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NAMES = st.sampled_from(["kind", "loud", 'a"b', "漢", ""]) | st.text(st.characters(exclude_categories=["Cs"]))
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(NAMES, SCALARS, max_size=2)


@st.composite
def written(draw):
    """A text with an object somewhere in it, and where each scalar member's value stands in it."""
    answer = draw(st.dictionaries(NAMES, VALUES, max_size=5))
    text, spans = draw(st.sampled_from(["", "So: ", "\n ", "```\n"])) + "{", {}
    for number, (name, value) in enumerate(answer.items()):
        text += "," if number else ""
        text += draw(SPACE) + json.dumps(name, ensure_ascii=draw(st.booleans())) + draw(SPACE) + ":" + draw(SPACE)
        begin = len(text)
        text += json.dumps(value, ensure_ascii=draw(st.booleans()))
        if not isinstance(value, list | dict):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            spans[name] = (begin, len(text) + is_number)
        text += draw(SPACE)
    return text + draw(SPACE) + "}" + draw(SPACE), spans


@given(made=written(), data=st.data())
def test_each_value_has_the_tokens_of_its_place_however_the_text_is_written_and_cut(made, data):
    text, spans = made
    parsed = parse(text, ParseMode.LENIENT)
    if parsed.problem:  # half a surrogate pair
        return
    cuts = data.draw(st.sets(st.integers(1, len(text) - 1), max_size=len(text)))
    tokens = tuple((text[a:b], data.draw(st.floats(-3, 0))) for a, b in pairwise([0, *sorted(cuts), len(text)]))
    ends = list(accumulate(len(token) for token, _ in tokens))
    found = field_confidence(text, tokens, start=parsed.start, fields=set(spans))
    assert set(found) == set(spans)
    for name, (begin, end) in spans.items():
        letters = set(range(begin, end))
        touched = [p for (token, p), to in zip(tokens, ends, strict=True) if letters & set(range(to - len(token), to))]
        assert found[name] == pytest.approx(math.exp(sum(touched)))
