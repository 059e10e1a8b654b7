"""`${NAME}` and `${NAME:-default}` in the values of a declaration."""

from __future__ import annotations

import re
from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\}")


def expand(text: str, environment: Mapping[str, str]) -> str:
    """`text` with its variables replaced; raises KeyError with the name of an unset one that has no default.

    An empty variable counts as unset, as in a shell.
    """

    def value(match: re.Match[str]) -> str:
        found = environment.get(match["name"])
        if found:
            return found
        if match["default"] is None:
            raise KeyError(match["name"])
        return match["default"]

    return _VARIABLE.sub(value, text)


def variables(text: str) -> tuple[str, ...]:
    """The names of the variables in `text`, in their order."""
    return tuple(match["name"] for match in _VARIABLE.finditer(text))
