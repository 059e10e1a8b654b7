"""What `harness check` found, for a terminal: leaked pairs side by side, then what else is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

from harness.core.wording import wrapped
from harness.reporting.escaping import plain_line

SHOWN = 10
TEXT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A holdout case, and the place and text where strategies know it from."""

    how: str
    similarity: float
    holdout: str
    text: str
    place: str
    other_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What was found in one fixture. `accepted` is why its leaks may stay, "" where they block."""

    name: str
    holdout: int = 0
    pool: int = 0
    leaks: tuple[Pair, ...] = ()
    accepted: str = ""
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    semantic: bool = True

    @property
    def blocks(self) -> bool:
        return bool(self.errors) or bool(self.leaks and not self.accepted)


def check_lines(checked: Checked, *, width: int) -> Iterator[str]:
    """The whole of one fixture, in lines of at most `width` columns."""
    yield f"{checked.name}: {checked.holdout} holdout and {checked.pool} pool cases"
    for error in checked.errors:
        yield from _told("error", error, width)
    if checked.leaks:
        label = f"accepted ({checked.accepted})" if checked.accepted else "LEAK"
        yield from _told(label, f"{len(checked.leaks)} holdout cases are known before they are judged", width)
    for pair in checked.leaks[:SHOWN]:
        yield from _pair(pair, width)
    if len(checked.leaks) > SHOWN:
        yield f"  and {len(checked.leaks) - SHOWN} more; all of them: harness check --json {checked.name}"
    for warning in checked.warnings:
        yield from _told("warning", warning, width)
    if not (checked.errors or checked.leaks):
        looked = "exact, near and semantic" if checked.semantic else "exact and near"
        yield f"  no leaks ({looked})" + ("" if checked.warnings else ", nothing to warn of")


def _told(label: str, text: str, width: int) -> Iterator[str]:
    first, *rest = text.split("\n")
    yield from wrapped(plain_line(f"{label}: {first}", limit=1000), width=width, indent="  ")
    for line in rest:
        yield from wrapped(plain_line(line, limit=1000), width=width, indent="    ")


def _pair(pair: Pair, width: int) -> Iterator[str]:
    """Two columns: the holdout case, and what is known of it."""
    column = max(20, (width - 7) // 2)
    kind = "exact" if pair.how == "exact" else f"{pair.how} {pair.similarity:.2f}"
    heads = f"holdout {pair.holdout} ({kind})", pair.place
    texts = (plain_line(text, limit=TEXT) for text in (pair.text, pair.other_text))
    sides = [[*wrap(head, column), *wrap(text, column)] for head, text in zip(heads, texts, strict=True)]
    for left, right in zip_longest(*sides, fillvalue=""):
        yield f"    {left:<{column}} │ {right}".rstrip()
