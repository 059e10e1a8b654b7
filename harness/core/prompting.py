"""Strategy × case → request: definitions out of a prompt file, and the messages that chat models get."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches

from harness.core.errors import Problem
from harness.core.records import Answer, Case, Prompt, Request, Settings, Strategy
from harness.core.schemas import AnswerSchema, label_text

TEMPLATE_VERSION = "1"

_HEADING = re.compile(r"^#{1,6}\s+(?P<title>.+?)\s*#*\s*$")
_DEFINITION = re.compile(r"^\s*[-*]\s+`?(?P<label>[^`:]+?)`?\s*:\s+(?P<text>\S.*)$")
_CONTINUATION = re.compile(r"^\s{2,}(?P<text>[^\s*-].*)$")


def read_definitions(
    text: str, schema: AnswerSchema, *, file: str = "prompt"
) -> tuple[dict[str, dict[str, str]], list[Problem]]:
    """The definitions of labels in a prompt file: field → label → text, and what is wrong with them.

    A definition is a line `- label: what it means`, which indented lines may continue. Under a heading that is a
    field's name, its label must be one of that field's; elsewhere it belongs to the only field that has such a label,
    and a line that names no label is ordinary prose.
    """
    labels = {
        name: {label_text(value) for value in values} for name in schema.fields if (values := schema.enumerated(name))
    }
    found: dict[str, dict[str, str]] = {}
    problems: list[Problem] = []
    section: str | None = None
    current: tuple[str, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if heading := _HEADING.match(line):
            title = heading["title"].strip("` ")
            section = title if title in labels else None
            current = None
        elif definition := _DEFINITION.match(line):
            label = definition["label"].strip()
            homes = [section] if section else [name for name, known in labels.items() if label in known]
            current = None
            if section and label not in labels[section]:
                near = get_close_matches(label, sorted(labels[section]), n=1)
                problems.append(
                    Problem(
                        file=file,
                        line=number,
                        key=section,
                        message=f"{label!r} is not a label of this field",
                        expected=f"{near[0]!r}" if near else "one of " + ", ".join(sorted(labels[section])),
                    )
                )
            elif len(homes) > 1:
                problems.append(
                    Problem(
                        file=file,
                        line=number,
                        key=label,
                        message=f"{label!r} is a label of several fields: {', '.join(homes)}",
                        expected=f"the line under a heading `## {homes[0]}`",
                    )
                )
            elif homes:
                field = homes[0]
                if label in found.setdefault(field, {}):
                    problems.append(Problem(file=file, line=number, key=field, message=f"{label!r} is defined twice"))
                found[field][label] = definition["text"].strip()
                current = (field, label)
        elif current and (more := _CONTINUATION.match(line)):
            found[current[0]][current[1]] += " " + more["text"].strip()
        else:
            current = None
    return found, problems


def make_prompt(
    instructions: str, schema: AnswerSchema, examples: Iterable[tuple[Mapping[str, str], Answer]] = ()
) -> Prompt:
    """The shared part of all requests of one strategy. Problems in definitions are found when declarations are read."""
    definitions, _ = read_definitions(instructions, schema)
    return Prompt(
        instructions=instructions.strip(),
        definitions=definitions,
        examples=tuple(examples),
        schema=schema.schema,
    )


def render(strategy: Strategy, prompt: Prompt, cases: Iterable[Case]) -> Iterator[Request]:
    """One request per case and repeat, as a stream, repeats of one case next to each other."""
    settings = Settings(
        decoding=strategy.decoding,
        temperature=strategy.sampling.temperature,
        max_tokens=strategy.sampling.max_tokens,
        seed=strategy.sampling.seed,
    )
    for case in cases:
        for repeat in range(strategy.repeats):
            yield Request(prompt=prompt, case_id=case.id, repeat=repeat, inputs=case.inputs, settings=settings)


def inputs_text(inputs: Mapping[str, str]) -> str:
    """The inputs of a case as one text: a single input as it is, several each behind its name."""
    if len(inputs) == 1:
        return next(iter(inputs.values()))
    return "\n".join(f"{name}: {text}" for name, text in inputs.items())


def answer_text(answer: Answer, schema: Mapping[str, object]) -> str:
    """An answer as the one JSON text that is asked for: fields in the schema's order, one space after `:` and `,`."""
    properties = schema.get("properties", {})
    order: Sequence[str] = list(properties) if isinstance(properties, Mapping) else []
    known = {name: answer[name] for name in order if name in answer}
    return json.dumps(known | {k: v for k, v in answer.items() if k not in known}, ensure_ascii=False)


def system_text(prompt: Prompt, *, examples_in_prompt: bool = False) -> str:
    """The instructions, the examples if they are wanted here, and the schema that the answer must fit."""
    schema = json.dumps(prompt.schema, ensure_ascii=False)
    rule = "Answer with one JSON object and nothing else. It must fit this JSON Schema:"
    examples = ""
    if examples_in_prompt and prompt.examples:
        shown = (
            f"Input:\n{inputs_text(inputs)}\nAnswer:\n{answer_text(answer, prompt.schema)}"
            for inputs, answer in prompt.examples
        )
        examples = "Examples:\n\n" + "\n\n".join(shown) + "\n\n"
    return f"{prompt.instructions}\n\n{examples}{rule}\n{schema}"


def shared_messages(prompt: Prompt, *, examples_in_prompt: bool = False) -> list[dict[str, str]]:
    """The chat messages that all requests of a prompt begin with: the system message, then each example as a user and
    an assistant message, or the examples inside the system message with `examples_in_prompt`."""
    messages = [{"role": "system", "content": system_text(prompt, examples_in_prompt=examples_in_prompt)}]
    if not examples_in_prompt:
        for inputs, answer in prompt.examples:
            messages.append(inputs_message(inputs))
            messages.append({"role": "assistant", "content": answer_text(answer, prompt.schema)})
    return messages


def inputs_message(inputs: Mapping[str, str]) -> dict[str, str]:
    """The inputs of a case, or of an example, as the message of a user."""
    return {"role": "user", "content": inputs_text(inputs)}
