"""The cases whose replies are still to come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from harness.core.records import Case, Request


class UnderWay:
    """Passes cases on and holds those, inputs read, whose replies are still to come: only they are in memory whole."""

    def __init__(self, cases: Iterable[Case], repeats: int) -> None:
        self._cases = cases
        self._repeats = repeats
        self._held: dict[str, Case] = {}
        self._left: dict[str, int] = {}

    def __iter__(self) -> Iterator[Case]:
        for case in self._cases:
            held = replace(case, inputs=dict(case.inputs))
            self._held[case.id], self._left[case.id] = held, self._repeats
            yield held

    def __getitem__(self, case_id: str) -> Case:
        return self._held[case_id]

    def done(self, request: Request) -> Case:
        """The case that a reply is about; it is let go with its last reply."""
        case = self._held[request.case_id]
        self._left[case.id] -= 1
        if not self._left[case.id]:
            del self._held[case.id], self._left[case.id]
        return case
