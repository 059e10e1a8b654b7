"""The JSON Schema that a table's answers fit, guessed from all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from harness.core.schemas import label_text

MOST_LABELS = 300
"""More different texts are free text, and so are texts that stand in fewer than two rows each on average."""


def infer_schema(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """An object schema with one property per field, in the order of their first appearance.

    Texts that repeat are an enumeration; booleans, numbers, nulls and lists get their types.
    """
    names = list(dict.fromkeys(name for answer in answers for name in answer))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "required": [name for name in names if all(name in answer for answer in answers)],
        "properties": {name: _property([a[name] for a in answers if name in a]) for name in names},
    }


def label_counts(answers: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> dict[str, Counter[str]]:
    """How often each label of each enumerated field stands there."""
    fields = [name for name, found in schema["properties"].items() if "enum" in found]
    return {name: Counter(label_text(answer[name]) for answer in answers if name in answer) for name in fields}


def _property(values: Sequence[Any]) -> dict[str, Any]:
    kinds = {_kind(value) for value in values}
    texts = sorted({value for value in values if isinstance(value, str)})
    if kinds <= {"string", "null"} and "string" in kinds and _is_enumeration(texts, len(values)):
        return {"enum": [*texts, None] if "null" in kinds else texts}
    if "integer" in kinds and "number" in kinds:
        kinds.discard("integer")
    found: dict[str, Any] = {"type": kinds.pop()} if len(kinds) == 1 else {"type": sorted(kinds)}
    if "array" in (found["type"] if isinstance(found["type"], list) else [found["type"]]):
        elements = [element for value in values if isinstance(value, list) for element in value]
        found["items"] = _property(elements) if elements else {}
    return found


def _is_enumeration(texts: Sequence[str], rows: int) -> bool:
    return len(texts) <= MOST_LABELS and (2 * len(texts) <= rows or len(texts) <= 2)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}.get(type(value), "object")
