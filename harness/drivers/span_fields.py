"""How each field of a schema is answered by heads on an encoder: by a label, by several, or by a piece of the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.records import Compare, Comparison, Scalar
from harness.core.schemas import AnswerSchema, label_text
from harness.drivers.span_values import READINGS, Kind, Reader

ONE, SEVERAL = "one", "several"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanField:
    """One field. `reader` is set for a piece of the text; else `labels` has its values, of which `choose` says how many
    are chosen."""

    name: str
    labels: tuple[Scalar, ...] = ()
    choose: str = ONE
    reader: Reader | None = None

    @property
    def readings(self) -> tuple[str, ...]:
        return READINGS[self.reader.kind] if self.reader else ()

    def as_card(self) -> dict[str, Any]:
        """What the card of trained heads says of this field."""
        if self.reader:
            return {"span": str(self.reader.kind), "prefix": self.reader.prefix}
        return {self.choose: [label_text(value) for value in self.labels]}


def span_fields(
    schema: AnswerSchema, comparisons: Mapping[str, Comparison], prefixes: Mapping[str, str]
) -> tuple[SpanField, ...]:
    """The fields of a schema as heads answer them. Raises ValueError naming a field that no head is made for."""
    return tuple(
        _field(schema, name, comparisons.get(name, Comparison()), prefixes.get(name, "")) for name in schema.fields
    )


def fields_of_card(schema: AnswerSchema, card: Mapping[str, Any]) -> tuple[SpanField, ...] | None:
    """The fields that heads were trained for, None if the schema has others than the card."""
    fields = []
    for name in schema.fields:
        said = card.get(name, {})
        if "span" in said:
            fields.append(SpanField(name=name, reader=Reader(kind=Kind(said["span"]), prefix=said["prefix"])))
        else:
            try:
                fields.append(_field(schema, name, Comparison(), ""))
            except ValueError:
                return None
    found = {one.name: one.as_card() for one in fields}
    return tuple(fields) if found == dict(card) else None


def _field(schema: AnswerSchema, name: str, comparison: Comparison, prefix: str) -> SpanField:
    if (values := schema.enumerated(name)) is not None:
        return SpanField(name=name, labels=values)
    declared = schema.schema["properties"][name]
    types = declared.get("type", []) if isinstance(declared, Mapping) else []
    types = {types} if isinstance(types, str) else set(types)
    items = AnswerSchema({"properties": {name: declared.get("items", {})}}) if "array" in types else None
    if items and (values := items.enumerated(name)) is not None:
        return SpanField(name=name, labels=values, choose=SEVERAL)
    if not types & {"string", "number", "integer"}:
        raise ValueError(f"field {name!r} is neither a text, a number, an enumeration nor a list of one")
    kind = Kind.TEXT
    if comparison.compare is Compare.DATE:
        kind = Kind.DATE
    elif not types & {"string"}:
        kind = Kind.NUMBER
    return SpanField(name=name, reader=Reader(kind=kind, prefix=prefix if kind is Kind.TEXT else ""))
