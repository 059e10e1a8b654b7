"""Strategy × case → request: definitions out of a prompt file, the stream of requests, and the messages."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.messages import chat_messages

from harness.core.errors import Problem
from harness.core.prompting import (
    answer_text,
    inputs_text,
    make_prompt,
    read_definitions,
    render,
    system_text,
)
from harness.core.records import Case, Decoding, Request, Sampling, Settings, Stage, Strategy
from harness.core.schemas import AnswerSchema

SCHEMA = AnswerSchema(
    {
        "properties": {
            "category": {"enum": ["billing", "outage", "data_loss"]},
            "team": {"enum": ["billing", "platform"]},
            "escalate": {"type": "boolean"},
            "note": {"type": "string"},
        }
    }
)
EXAMPLES = (
    ({"text": "server down"}, {"escalate": True, "category": "outage", "team": "platform"}),
    ({"text": "invoice?"}, {"category": "billing", "team": "billing", "escalate": False}),
)


def definitions(text):
    found, problems = read_definitions(text, SCHEMA, file="prompts/base.md")
    assert problems == []
    return found


def problems(text):
    return read_definitions(text, SCHEMA, file="prompts/base.md")[1]


def test_a_label_under_the_heading_of_its_field_is_defined():
    text = "# category\n- billing: prices\n- `outage`: nothing works\n\n## `team` ##\n* billing: does invoices\n"
    assert definitions(text) == {
        "category": {"billing": "prices", "outage": "nothing works"},
        "team": {"billing": "does invoices"},
    }


def test_without_a_heading_a_label_belongs_to_the_only_field_that_has_it():
    text = "Decide.\n- data_loss: something is gone\n- platform: runs the servers\n- true: a person must look\n"
    assert definitions(text) == {
        "category": {"data_loss": "something is gone"},
        "team": {"platform": "runs the servers"},
        "escalate": {"true": "a person must look"},
    }


def test_indented_lines_continue_a_definition_until_another_line_stands_between():
    outage = "- outage: nothing works,\n  for many\n    people: at once\n\n  not this\n"
    text = outage + "- data_loss: gone\nnor this\n  or this\n"
    assert definitions(text) == {"category": {"outage": "nothing works, for many people: at once", "data_loss": "gone"}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Be brief: answer with JSON.",
        "- answer in JSON: nothing else\n- note: be kind",
        "- outage nothing works",
        "- outage:",
        "- outage:down",
        "outage: nothing works",
        "# Steps\n- first: read the ticket\n  and read it again",
        "# note\n- short: one sentence",
    ],
)
def test_prose_is_no_definition(text):
    assert definitions(text) == {}


def test_a_misspelt_label_under_a_heading_is_a_problem_with_file_line_and_the_nearest_label():
    assert problems("Intro\n\n## category\n- biling: invoices\n- outage: down\n") == [
        Problem(
            file="prompts/base.md",
            line=4,
            key="category",
            message="'biling' is not a label of this field",
            expected="'billing'",
        )
    ]


def test_a_label_like_no_other_under_a_heading_gets_the_list_of_labels():
    (problem,) = problems("## category\n- zebra: stripes\n")
    assert str(problem) == (
        "prompts/base.md:2: category: 'zebra' is not a label of this field; expected one of billing, data_loss, outage"
    )


def test_the_label_of_another_field_under_a_heading_is_a_problem():
    (problem,) = problems("## team\n- outage: nothing works\n")
    assert (problem.line, problem.key, problem.expected) == (2, "team", "one of billing, platform")


def test_a_label_of_several_fields_without_a_heading_is_ambiguous():
    (problem,) = problems("\n- billing: invoices\n")
    assert (problem.line, problem.key) == (2, "billing")
    assert problem.message == "'billing' is a label of several fields: category, team"
    assert problem.expected == "the line under a heading `## category`"


def test_a_heading_that_is_no_field_ends_the_section_of_the_one_before():
    (problem,) = problems("## category\n- billing: a\n## Hints\n- billing: b\n- bilin: only prose here\n")
    assert (problem.line, problem.message) == (4, "'billing' is a label of several fields: category, team")


def test_a_label_that_is_defined_twice_is_a_problem():
    (problem,) = problems("- outage: a\n- outage: b\n")
    assert (problem.line, problem.message) == (2, "'outage' is defined twice")


def test_all_problems_of_a_file_are_found_at_once():
    text = "## category\n- bilin: a\n- outag: b\n## Other\n- billing: c\n"
    assert [(p.line, p.key) for p in problems(text)] == [(2, "category"), (3, "category"), (5, "billing")]


@given(text=st.text() | st.lists(st.sampled_from("# -*:`\n a") | st.sampled_from(["billing", "category"])).map("".join))
def test_no_prompt_text_raises_and_only_labels_are_defined(text):
    found, _ = read_definitions(text, SCHEMA)
    assert all(
        set(labels) <= {"billing", "outage", "data_loss", "platform", "true", "false"} for labels in found.values()
    )


def test_a_prompt_holds_instructions_definitions_examples_and_schema():
    prompt = make_prompt("\n\nDecide.\n- outage: down\n\n", SCHEMA, EXAMPLES)
    assert prompt.instructions == "Decide.\n- outage: down"
    assert prompt.definitions == {"category": {"outage": "down"}}
    assert prompt.examples == EXAMPLES
    assert prompt.schema == SCHEMA.schema


def other_order(schema):
    return AnswerSchema({"properties": dict(reversed(schema.schema["properties"].items()))})


@pytest.mark.parametrize(
    "changed",
    [
        make_prompt("Decide!", SCHEMA, EXAMPLES),
        make_prompt("Decide.", SCHEMA, EXAMPLES[::-1]),
        make_prompt("Decide.", SCHEMA, EXAMPLES[:1]),
        make_prompt("Decide.", SCHEMA, [(EXAMPLES[0][0], EXAMPLES[1][1]), EXAMPLES[1]]),
        make_prompt("Decide.", AnswerSchema({"properties": {}}), EXAMPLES),
        make_prompt("Decide.", other_order(SCHEMA), EXAMPLES),  # the model reads, and answers, in another order
    ],
)
def test_the_digest_of_a_prompt_changes_with_all_that_a_model_reads(changed):
    assert changed.digest != make_prompt("Decide.", SCHEMA, EXAMPLES).digest


def test_the_digest_of_a_prompt_changes_with_the_order_in_which_an_example_shows_its_inputs():
    inputs = {"subject": "Help", "text": "server down"}
    one, other = (
        make_prompt("Decide.", SCHEMA, [(shown, EXAMPLES[0][1])]) for shown in (inputs, dict(reversed(inputs.items())))
    )
    assert system_and_examples(one) != system_and_examples(other)
    assert one.digest != other.digest


def system_and_examples(prompt):
    request = Request(prompt=prompt, case_id="", repeat=0, inputs={"text": "x"}, settings=Settings())
    return chat_messages(request)[:-1]


def test_equal_prompts_have_equal_digests_and_equal_texts():
    answer_in_other_order = (EXAMPLES[0][0], dict(reversed(EXAMPLES[0][1].items())))
    one = make_prompt("Decide.", SCHEMA, EXAMPLES)
    other = make_prompt("  Decide.\n", SCHEMA, [answer_in_other_order, EXAMPLES[1]])
    assert system_and_examples(one) == system_and_examples(other)
    assert one.digest == other.digest


STRATEGY = Strategy(
    name="few_shot",
    stage=Stage.CANDIDATE,
    adapter="a",
    prompt="p.md",
    decoding=Decoding.JSON_SCHEMA,
    sampling=Sampling(temperature=0.5, max_tokens=64, seed=9),
    repeats=3,
)


def case(name, text="server down"):
    return Case(id=name, inputs={"text": text}, expected={"category": "outage"})


def test_every_case_has_one_request_per_repeat_next_to_each_other():
    prompt = make_prompt("Decide.", SCHEMA)
    requests = list(render(STRATEGY, prompt, [case("a"), case("b", "invoice?")]))
    assert [(r.case_id, r.repeat) for r in requests] == [(name, i) for name in "ab" for i in range(3)]
    assert {r.inputs["text"] for r in requests[3:]} == {"invoice?"}
    assert all(r.prompt is prompt for r in requests)
    settings = Settings(decoding=Decoding.JSON_SCHEMA, temperature=0.5, max_tokens=64, seed=9)
    assert {r.settings for r in requests} == {settings}
    assert settings.as_dict() == {"decoding": "json_schema", "temperature": 0.5, "max_tokens": 64, "seed": 9}


def test_requests_are_rendered_as_a_lazy_stream():
    taken = []

    def endless():
        for number in itertools.count():
            taken.append(number)
            yield case(str(number))

    stream = render(STRATEGY, make_prompt("Decide.", SCHEMA), endless())
    assert taken == []
    first = list(itertools.islice(stream, 4))
    assert [r.case_id for r in first] == ["0", "0", "0", "1"]
    assert taken == [0, 1]


def test_the_id_of_a_case_reaches_neither_the_digest_nor_the_messages():
    prompt = make_prompt("Decide.", SCHEMA, EXAMPLES)
    one, other = (next(render(STRATEGY, prompt, [case(name)])) for name in ("lp-1", "lp-2"))
    assert (one.case_id, other.case_id) == ("lp-1", "lp-2")
    assert chat_messages(one) == chat_messages(other)
    assert one.prompt.digest == other.prompt.digest == make_prompt("Decide.", SCHEMA, EXAMPLES).digest
    assert "lp-1" not in json.dumps(chat_messages(one))


def test_a_single_input_is_shown_as_it_is_and_several_behind_their_names():
    assert inputs_text({"text": "a: b\nc"}) == "a: b\nc"
    assert inputs_text({"subject": "Help", "text": "a\nb"}) == "subject: Help\ntext: a\nb"


def test_an_answer_is_shown_in_the_order_of_the_schema_with_unknown_keys_last():
    answer = {"note": "größer", "extra": None, "escalate": False, "category": "outage"}
    text = '{"category": "outage", "escalate": false, "note": "größer", "extra": null}'
    assert answer_text(answer, SCHEMA.schema) == text
    assert answer_text({"b": 1, "a": 2}, {}) == '{"b": 1, "a": 2}'


def test_chat_messages_are_system_then_pairs_of_examples_then_the_case():
    request = next(render(STRATEGY, make_prompt("Decide.", SCHEMA, EXAMPLES), [case("a", "all is lost")]))
    messages = chat_messages(request)
    assert [m["role"] for m in messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [m["content"] for m in messages[1:]] == [
        "server down",
        '{"category": "outage", "team": "platform", "escalate": true}',
        "invoice?",
        '{"category": "billing", "team": "billing", "escalate": false}',
        "all is lost",
    ]
    assert all(set(m) == {"role", "content"} for m in messages)


def test_letters_of_any_language_reach_the_model_as_they_are():
    schema = AnswerSchema({"properties": {"größe": {"enum": ["groß", "小"]}}})
    prompt = make_prompt("Wähle.", schema, [({"text": "café"}, {"größe": "小"})])
    request = Request(prompt=prompt, case_id="a", repeat=0, inputs={"text": "naïve"}, settings=Settings())
    texts = [message["content"] for message in chat_messages(request)]
    assert '"größe": {"enum": ["groß", "小"]}' in texts[0]
    assert "café" not in texts[0]  # by default, examples are messages of their own
    assert texts[1:] == ["café", '{"größe": "小"}', "naïve"]


def test_the_system_message_is_the_instructions_then_the_schema():
    prompt = make_prompt("Decide.\n", SCHEMA)
    text = system_text(prompt)
    assert text.startswith("Decide.\n\nAnswer with one JSON object and nothing else.")
    assert json.loads(text.splitlines()[-1]) == SCHEMA.schema
    (system, user) = chat_messages(next(render(STRATEGY, prompt, [case("a")])))
    assert system == {"role": "system", "content": text}
    assert user == {"role": "user", "content": "server down"}
