"""Which part of the requests one of several machines asks: by hashes, so that none has to know of the others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.core.digests import digest
from harness.core.errors import ClaimError
from harness.core.records import Case

_FORM = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """Part `number` (from 1) of `of` parts."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"shard {self.number} of {self.of}"

    def cases(self, cases: Sequence[Case]) -> list[Case]:
        """Its cases, in their order. Shards are of the same size, as far as groups of cases allow.

        A case stays with the cases of its cluster, or with those that ask the same.
        """
        groups: dict[str, list[Case]] = defaultdict(list)
        for case in cases:
            groups[digest(["cluster", case.cluster]) if case.cluster else inputs_digest(case.inputs)].append(case)
        sizes = [0] * self.of
        mine: set[str] = set()
        for _, members in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0])):
            place = sizes.index(min(sizes))
            sizes[place] += len(members)
            if place == self.number - 1:
                mine.update(case.id for case in members)
        return [case for case in cases if case.id in mine]

    def asks(self, inputs: Mapping[str, str]) -> bool:
        """Whether inputs that are no case's are its own to ask."""
        return int(inputs_digest(inputs)[:16], 16) % self.of == self.number - 1


def inputs_digest(inputs: Mapping[str, str]) -> str:
    """A hash of inputs in their order."""
    return digest(list(inputs.items()))


def read_shard(text: str) -> Shard:
    """`I/N` as a shard. Raises ClaimError for anything else."""
    found = _FORM.fullmatch(text)
    shard = Shard(number=int(found[1]), of=int(found[2])) if found else None
    if shard is None or not 1 <= shard.number <= shard.of:
        raise ClaimError(f"{text!r} is no shard; expected I/N with I from 1 to N, such as 2/5")
    return shard
