"""Whether the text that a model reads holds the examples declared."""

import dataclasses

from harness.core.prompting import inputs_message, make_prompt, shared_messages
from harness.core.proving import examples_shown
from harness.core.records import Case, Request, Settings
from harness.core.schemas import AnswerSchema

SCHEMA = AnswerSchema({"properties": {"kind": {"enum": ["alpha", "beta"]}}})
DECLARED = [
    Case(id=f"p{i}", inputs={"text": f"an  example\nof number {i}."}, expected={"kind": kind})
    for i, kind in enumerate(("alpha", "beta", "alpha"))
]


def probes(cases=DECLARED):
    prompt = make_prompt("Sort.", SCHEMA, [(case.inputs, case.expected) for case in cases])
    return [
        Request(prompt=prompt, case_id=f"c{i}", repeat=0, inputs={"text": f"case {i}"}, settings=Settings())
        for i in range(4)
    ]


def chat(request, **options):
    messages = [*shared_messages(request.prompt, **options), inputs_message(request.inputs)]
    return "".join(f"<{message['role']}> {message['content'].strip()} <end>" for message in messages)


def test_examples_in_their_order_are_proved_wherever_they_stand():
    for options in ({}, {"examples_in_prompt": True}):
        proof = examples_shown(DECLARED, probes(), lambda request, options=options: chat(request, **options))
        assert proof.status == "proved"
        assert proof.detail == (
            "the texts of 4 probe requests hold the 3 examples declared, in their order and before the case"
        )


def test_white_space_that_a_template_drops_does_not_count():
    assert examples_shown(DECLARED, probes(), lambda request: " ".join(chat(request).split())).status == "proved"


def test_what_is_missing_out_of_order_or_behind_the_case_fails_with_its_name():
    for texts, named in (
        (lambda request: chat(probes(DECLARED[:2])[0]), "p2"),
        (lambda request: chat(probes(DECLARED[::-1])[0]), "p1"),
        (lambda request: chat(request).replace('{"kind": "beta"}', '{"kind": "alpha"}'), "the answer of p1"),
        (lambda request: chat(dataclasses.replace(request, inputs={"text": "another"})), "the case"),
    ):
        proof = examples_shown(DECLARED, probes(), texts)
        assert (proof.status, bool(proof.remedy)) == ("failed", True)
        assert proof.detail == (
            f"the text of case c0 does not hold the 3 examples declared in their order: {named} is not where it "
            "should be"
        )


def test_a_driver_without_text_is_told_by_its_prompt():
    proof = examples_shown(DECLARED, probes(), None)
    assert proof.status == "reported"
    assert proof.detail.startswith("the prompt holds the 3 examples declared, in their order; the driver renders no")
    for shown in (DECLARED[::-1], DECLARED[:2]):
        assert examples_shown(DECLARED, probes(shown), None).status == "failed"
