"""`$ref` within one schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from harness.core.options import Place, SchemaNotLowered


class References:
    """What the references of a schema lead to, and which of them lead back to themselves."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._recursive: dict[str, bool] = {}

    def resolve(self, place: Place, *, recursive: bool = True) -> Place:
        """What the `$ref` at `place` leads to, one level of depth less if it leads back to itself; raises
        SchemaNotLowered if nothing is there, or if that is recursive and must not be."""
        said = place.schema["$ref"]
        pointer = unquote(said)
        if not (pointer == "#" or pointer.startswith("#/")):
            raise SchemaNotLowered(place.pointer, "$ref", f"{said!r} does not begin with `#/`")
        try:
            again = self.is_recursive(pointer)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise SchemaNotLowered(place.pointer, "$ref", f"{said!r} leads nowhere") from error
        if again and not recursive:
            raise SchemaNotLowered(place.pointer, "$ref", "what breaks a recursive schema can't be written as a schema")
        return self.place(pointer, place.depth - again)

    def place(self, pointer: str, depth: int) -> Place:
        """What stands at `pointer`."""
        found: Any = self._root
        for step in pointer.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            found = found[int(key)] if isinstance(found, list) else found[key]
        return Place(schema=found, pointer=pointer, depth=depth)

    def is_recursive(self, pointer: str) -> bool:
        """Whether what stands at `pointer` leads back to it; raises LookupError, TypeError or ValueError if nothing
        does."""
        if pointer not in self._recursive:
            seen: set[str] = set()
            waiting = [pointer]
            while waiting:
                for one in map(unquote, _named(self.place(waiting.pop(), 0).schema)):
                    if one not in seen and (one == "#" or one.startswith("#/")):
                        seen.add(one)
                        waiting.append(one)
            self._recursive[pointer] = any(one == pointer or pointer.startswith(f"{one}/") for one in seen)
        return self._recursive[pointer]


def _named(schema: Any) -> Iterator[str]:
    """All references within a schema."""
    if isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for value in schema.values():
            yield from _named(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _named(value)
