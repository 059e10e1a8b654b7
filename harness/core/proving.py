"""Proofs that need no driver of their own: do the texts that a model reads hold the examples declared?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.core.prompting import answer_text, inputs_text
from harness.core.records import Case, Proof, Request

EXAMPLES = "examples shown"


def examples_shown(
    declared: Sequence[Case], probes: Sequence[Request], rendered: Callable[[Request], str] | None
) -> Proof:
    """Whether each probe holds the declared examples in their order, with their answers, before its own inputs.

    `rendered` gives the text that the model reads for a request, in which white space does not count. For a driver
    that renders none (None) the prompts alone are compared, which says little, and is `reported`.
    """
    count = "1 example" if len(declared) == 1 else f"{len(declared)} examples"
    for probe in probes:
        text = None if rendered is None else _plain(rendered(probe))
        lost = _not_in_prompt(declared, probe) if text is None else _not_in_text(declared, probe, text)
        if lost is not None:
            where = "the prompt" if text is None else f"the text of case {probe.case_id}"
            return Proof(
                name=EXAMPLES,
                status="failed",
                detail=f"{where} does not hold the {count} declared in their order: {lost} is not where it should be",
                remedy="correct the template that renders the examples, or declare fewer of them",
            )
    if rendered is None:
        detail = f"the prompt holds the {count} declared, in their order; the driver renders no text to look into"
        return Proof(name=EXAMPLES, status="reported", detail=detail)
    texts = "1 probe request" if len(probes) == 1 else f"{len(probes)} probe requests"
    detail = f"the texts of {texts} hold the {count} declared, in their order and before the case"
    return Proof(name=EXAMPLES, status="proved", detail=detail)


def _not_in_prompt(declared: Sequence[Case], probe: Request) -> str | None:
    shown = [(dict(inputs), dict(answer)) for inputs, answer in probe.prompt.examples]
    wanted = [(dict(case.inputs), dict(case.expected)) for case in declared]
    if shown == wanted:
        return None
    differ = (case.id for case, one, other in zip(declared, wanted, shown, strict=False) if one != other)
    return next(differ, f"one of {len(wanted)} declared and {len(shown)} shown")


def _not_in_text(declared: Sequence[Case], probe: Request, text: str) -> str | None:
    """The first example, or the case itself, that does not follow the one before it; None where all do."""
    at = 0
    for name, part in _parts(declared, probe):
        found = text.find(_plain(part), at)
        if found < 0:
            return name
        at = found + len(_plain(part))
    return None


def _parts(declared: Sequence[Case], probe: Request) -> Iterator[tuple[str, str]]:
    for case in declared:
        yield case.id, inputs_text(case.inputs)
        yield f"the answer of {case.id}", answer_text(case.expected, probe.prompt.schema)
    yield "the case", inputs_text(probe.inputs)


def _plain(text: str) -> str:
    """Chat templates trim what they are given."""
    return " ".join(text.split())
