"""How large a request is before it is sent."""

from support.messages import chat_messages

from harness.core.estimating import RequestSize
from harness.core.prompting import make_prompt
from harness.core.records import Request, Settings
from harness.core.schemas import AnswerSchema

SCHEMA = AnswerSchema({"type": "object", "properties": {"kind": {"enum": ["apple", "pear"]}}})
EXAMPLES = [({"text": "rund und rot"}, {"kind": "apple"})]


def request(text, *, examples=()):
    prompt = make_prompt("Name the fruit.", SCHEMA, examples)
    return Request(prompt=prompt, case_id="c", repeat=0, inputs={"text": text}, settings=Settings())


def test_a_chat_model_reads_all_messages():
    asked = request("what is this?", examples=EXAMPLES)
    assert RequestSize(messages=True)(asked) == sum(len(message["content"]) for message in chat_messages(asked))


def test_other_models_read_the_inputs():
    assert RequestSize(messages=False)(request("what is this?", examples=EXAMPLES)) == 13


def test_the_parts_of_one_prompt_are_not_taken_for_those_of_another():
    size = RequestSize(messages=True)
    plain, shown = request("what?"), request("what?", examples=EXAMPLES)
    assert size(shown) > size(plain) == size(plain)


def test_bytes_are_counted_whatever_the_script():
    size = RequestSize(messages=False)
    assert size(request("梨")) == 3
    assert size(request("\ud800")) == 1
