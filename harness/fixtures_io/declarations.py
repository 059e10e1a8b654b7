"""Files that people write, read whole: every problem at once, each with its file, line and the nearest valid name."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from harness.core.errors import DeclarationError, Problem

if TYPE_CHECKING:
    from jsonschema import ValidationError

SCHEMA_NAMES = ("adapter", "strategies", "task")

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Declaration:
    """A parsed YAML file with the line of every key."""

    file: str
    data: dict[str, Any]
    lines: Mapping[KeyPath, int]

    def problem(self, path: KeyPath, message: str, expected: str = "") -> Problem:
        """A problem at `path`, or at the nearest enclosing key that has a line."""
        place = path
        while place and place not in self.lines:
            place = place[:-1]
        return Problem(
            file=self.file,
            line=self.lines.get(place, 1),
            key=".".join(map(str, path)),
            message=message,
            expected=expected,
        )


def published_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of a kind of declaration: adapter, strategies or task. Raises KeyError for any other name."""
    if name not in SCHEMA_NAMES:
        raise KeyError(name)
    text = resources.files("harness.fixtures_io").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def shown(path: Path, root: Path | None = None) -> str:
    """A path as messages show it: relative to the project where that is possible."""
    for base in (root, Path.cwd()):
        if base is not None and path.is_relative_to(base):
            return str(path.relative_to(base))
    return str(path)


def read_declaration(path: Path, schema_name: str) -> Declaration:
    """The file checked against its published schema; raises DeclarationError with all problems in it."""
    declaration = _parse(path)
    problems = [
        p for error in _validator(schema_name).iter_errors(declaration.data) for p in _explain(declaration, error)
    ]
    if problems:
        raise DeclarationError(list(dict.fromkeys(problems)))
    return declaration


def suggestion(name: str, known: list[str]) -> str:
    """What to write instead of `name`: the nearest known name, or all of them."""
    near = get_close_matches(name, known, n=1)
    if near:
        return f"{near[0]!r}"
    return "one of " + ", ".join(known) if known else ""


@lru_cache(maxsize=8)
def _validator(name: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(published_schema(name))


def _parse(path: Path) -> Declaration:
    file = shown(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError([Problem(file=file, line=1, key="", message=f"can't be read: {error}")]) from error
    loader = yaml.CSafeLoader(text)
    try:
        node = loader.get_single_node()
        lines: dict[KeyPath, int] = {(): 1}
        problems: list[Problem] = []
        data = None if node is None else _build(loader, node, (), lines, problems, file)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error)
        line = mark.line + 1 if mark else 1
        raise DeclarationError([Problem(file=file, line=line, key="", message=f"not YAML: {reason}")]) from error
    except RecursionError as error:
        message = "nested too deeply, or an alias that holds itself"
        raise DeclarationError([Problem(file=file, line=1, key="", message=message)]) from error
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        problems.append(
            Problem(file=file, line=1, key="", message="the file has no keys", expected="a mapping of keys")
        )
    if problems:
        raise DeclarationError(problems)
    assert isinstance(data, dict)
    return Declaration(file=file, data=data, lines=lines)


def _build(
    loader: Any, node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], problems: list[Problem], file: str
) -> Any:
    if isinstance(node, yaml.MappingNode):
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = loader.construct_object(key_node, deep=True)
            key = key if isinstance(key, str) else str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in found:
                problems.append(
                    Problem(
                        file=file, line=line, key=".".join(map(str, (*path, key))), message="the key stands here twice"
                    )
                )
            lines[(*path, key)] = line
            found[key] = _build(loader, value_node, (*path, key), lines, problems, file)
        return found
    if isinstance(node, yaml.SequenceNode):
        items = []
        for position, item in enumerate(node.value):
            lines[(*path, position)] = item.start_mark.line + 1
            items.append(_build(loader, item, (*path, position), lines, problems, file))
        return items
    try:
        value = loader.construct_object(node, deep=True)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError("infinite or not a number")
    except (ValueError, KeyError, AttributeError):  # PyYAML's constructors raise these for `2024-13-45` and `!!int x`
        message = f"{_short(node.value)} is not a value that can be used"
        problems.append(
            Problem(file=file, line=node.start_mark.line + 1, key=".".join(map(str, path)), message=message)
        )
        return None
    return value


def _explain(declaration: Declaration, error: ValidationError) -> Iterator[Problem]:
    path: KeyPath = tuple(error.absolute_path)
    schema: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    kind = str(error.validator)
    value: Any = error.validator_value
    instance: Any = error.instance
    if kind == "additionalProperties":
        known = list(schema.get("properties", {}))
        for name in instance:
            if name not in known:
                yield declaration.problem((*path, name), f"unknown key {name!r}", suggestion(name, known))
    elif kind == "required":
        for name in value:
            if name not in instance:
                yield declaration.problem(path, f"the key {name!r} is missing")
    elif kind in ("enum", "const"):
        allowed = value if kind == "enum" else [value]
        yield declaration.problem(path, f"{instance!r} is not known", suggestion(str(instance), allowed))
    else:
        name_of_key = bool(error.schema_path) and "propertyNames" in error.schema_path
        where = (*path, instance) if name_of_key else path
        expected = schema.get("description") or _type_text(kind, value)
        given = "the value" if "api_key" in path else _short(instance)  # a key must not reach a log
        yield declaration.problem(where, f"{given} does not fit", str(expected))


def _type_text(kind: str, value: Any) -> str:
    words = {
        "type": f"{value}",
        "minimum": f"{value} or more",
        "maximum": f"{value} or less",
        "exclusiveMinimum": f"more than {value}",
        "exclusiveMaximum": f"less than {value}",
        "minItems": f"at least {value} entries",
        "minProperties": f"at least {value} keys",
        "uniqueItems": "each entry once",
    }
    return words.get(kind, f"{kind} {value}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
