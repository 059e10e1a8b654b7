"""Holdout cases that strategies know before they are judged, word for word.

Checked while tests are collected, so nothing heavy is imported here, and of 100,000 cases only numbers are held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.core.errors import FixtureError
from harness.core.folding import fingerprint, folded
from harness.core.prompting import inputs_text
from harness.fixtures_io.cards import TrainingCard, training_card
from harness.fixtures_io.declarations import shown
from harness.fixtures_io.suites import Suite
from harness.fixtures_io.tasks import Fixture
from harness.fixtures_io.texts import stored_inputs
from harness.reporting.escaping import plain_line

SHOWN = 5
TEXT = 70
WORDS = 6
"""A text of fewer words may stand in a prompt by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A holdout case and what strategies know of it.

    `source` says where, `other` is the id there ("" where it has none) and `other_text` the text there ("" where only
    its fingerprint is kept). `how` is exact, near or semantic; `similarity` 1, a Jaccard index or a cosine.
    """

    holdout: str
    text: str
    source: str
    other: str = ""
    other_text: str = ""
    how: str = "exact"
    similarity: float = 1.0

    @property
    def place(self) -> str:
        """The source and the id there."""
        return f"{self.source} {self.other}".rstrip()


def cards_of(suite: Suite) -> list[TrainingCard]:
    """The cards of all trained weights that a suite's strategies use."""
    return [card for adapter in suite.adapters.values() if (card := training_card(adapter)) is not None]


def prompts_of(suite: Suite) -> dict[str, str]:
    """The prompts of a suite by their path, as messages show it."""
    return {shown(suite.folder / name): text for name, text in suite.prompts.items()}


def exact_leaks(fixture: Fixture, cards: Sequence[TrainingCard], prompts: Mapping[str, str]) -> list[Leak]:
    """The holdout cases that stand in the pool, in the training data of a card, or within a prompt."""
    written = [_Written(name, text) for name, text in prompts.items()]
    held: set[int] = set()
    leaks: list[Leak] = []
    for case_id, inputs in stored_inputs(fixture.holdout_path):
        held.add(_number(fingerprint(inputs_text(inputs))))
        for text in inputs.values() if written else ():
            words = folded(text).split()
            leaks += [Leak(holdout=case_id, text=text, source=p.name) for p in written if p.holds(words)]
    known: dict[int, list[tuple[str, str, str]]] = {}
    for case_id, inputs in stored_inputs(fixture.pool_path):
        text = inputs_text(inputs)
        if (number := _number(fingerprint(text))) in held:
            known.setdefault(number, []).append(("pool", case_id, text))
    for card in cards:
        for case_id, given in (card.texts or {}).items():
            if (number := _number(given)) in held:
                known.setdefault(number, []).append((f"training data of {card.adapter}", case_id, ""))
    for case_id, inputs in stored_inputs(fixture.holdout_path) if known else ():
        text = inputs_text(inputs)
        for source, other, other_text in known.get(_number(fingerprint(text)), ()):
            leaks.append(Leak(holdout=case_id, text=text, source=source, other=other, other_text=other_text))
    return leaks


def refuse_leaks(suite: Suite) -> None:
    """Raises FixtureError if strategies of the suite know holdout cases word for word, unless the task accepts that."""
    fixture = suite.fixture
    if fixture.accept_leaks:
        return
    leaks = exact_leaks(fixture, cards_of(suite), prompts_of(suite))
    if leaks:
        raise FixtureError("\n  ".join(_lines(fixture, leaks)))


def by_case(leaks: Sequence[Leak]) -> list[list[Leak]]:
    """The leaks of each holdout case together."""
    found: dict[str, list[Leak]] = {}
    for leak in leaks:
        found.setdefault(leak.holdout, []).append(leak)
    return list(found.values())


def _lines(fixture: Fixture, leaks: Sequence[Leak]) -> Iterator[str]:
    cases = by_case(leaks)
    folder = shown(fixture.folder)
    yield f"{len(cases)} holdout cases of {folder} are known word for word before they are judged:"
    for same in cases[:SHOWN]:
        places = ", ".join(leak.place for leak in same)
        yield f"{same[0].holdout} = {places}: {plain_line(same[0].text, limit=TEXT)}"
    if len(cases) > SHOWN:
        yield f"and {len(cases) - SHOWN} more"
    yield f"remove them where they are known (all are shown by: harness check {folder}),"
    yield f"or say in {folder}/task.yaml why they may stay: `accept_leaks: REASON`"


def _number(given: str) -> int:
    """A fingerprint as a number, which takes a third of the memory."""
    try:
        return int(given, 16)
    except (TypeError, ValueError):
        return -1


class _Written:
    """A prompt in which texts are looked for, whose first words alone tell of nearly all that they are not in it."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        words = folded(text).split()
        self._text = f" {' '.join(words)} "
        self._starts = {" ".join(words[i : i + WORDS]) for i in range(len(words) - WORDS + 1)}

    def holds(self, words: Sequence[str]) -> bool:
        """Whether a folded text of WORDS words or more stands in it."""
        return " ".join(words[:WORDS]) in self._starts and f" {' '.join(words)} " in self._text
