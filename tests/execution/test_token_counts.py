"""How many tokens a request is about to take."""

from harness.core.prompting import make_prompt
from harness.core.records import Request, Settings, Usage
from harness.core.schemas import AnswerSchema
from harness.execution.token_counts import TokenCounts

SCHEMA = AnswerSchema({"type": "object", "properties": {"n": {"type": "integer"}}})


def request(text, instructions="x" * 400, examples=()):
    prompt = make_prompt(instructions, SCHEMA, examples)
    return Request(prompt=prompt, case_id="c", repeat=0, inputs={"text": text}, settings=Settings(max_tokens=100))


def test_the_first_estimate_is_by_length_and_the_longest_answer():
    assert TokenCounts().estimate(request("y" * 80)) == 400 / 4 + 80 / 4 + 100


def test_answers_are_then_as_long_as_they_were_on_average():
    counts = TokenCounts()
    assert counts.note(Usage(input_tokens=500, output_tokens=10)) == 510
    assert counts.note(Usage(input_tokens=500, output_tokens=30)) == 530
    assert counts.estimate(request("y" * 80)) == 100 + 20 + 20
    assert counts.mean == 520


def test_a_provider_that_does_not_say_teaches_nothing():
    counts = TokenCounts()
    assert counts.note(Usage()) == 0
    assert counts.mean == 0
    assert counts.estimate(request("")) == 200


def test_examples_count():
    one = ({"text": "z" * 90}, {"n": 12345678})
    more = TokenCounts().estimate(request("", examples=[one])) - TokenCounts().estimate(request(""))
    assert more == (90 + 1 + 8) / 4
