"""`harness ceiling`: ask a few-shot strategy with fewer and fewer of its examples, on cases of the pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from harness.core.ceiling import arm, curve
from harness.core.errors import ClaimError
from harness.core.records import Status
from harness.fixtures_io.declarations import shown
from harness.reporting.blocks import many
from harness.reporting.ceiling import ceiling_lines
from harness.runs.pool_study import PoolStudy
from harness.runs.studies import CEILING, study_file, write_ceiling

FIRST = 4


def measure_ceiling(
    name: str, *, root: Path, cases: int, seed: int, numbers: Sequence[int] = (), out: Path | None = None
) -> Iterator[str]:
    """The lines to show of the strategy `name`, SUITE/STRATEGY; the number of calls comes before they are made.

    At most `cases` pool cases are asked, chosen by `seed`, with the first of the strategy's examples in their declared
    order: as many as `numbers` say, or else none, then 4 and doubled, and all. `out` is where the numbers are kept
    instead of where reports look for them. Raises ClaimError for what leaves nothing to measure, and DriverError where
    requests were not sent.
    """
    if cases < 1:
        raise ClaimError(f"--cases is {cases}; expected 1 or more")
    study = PoolStudy(name, root=root, what="ceiling", cases=cases, seed=seed)
    ids = [case.id for case in study.examples]
    fewer = _fewer(len(ids), numbers)
    variants = {many(number, "example"): ids[:number] for number in fewer}
    counted = study.prepare(variants)
    yield (
        f"{study.name}: {many(len(study.cases), 'pool case')}, seed {seed}; the first "
        f"{', '.join(map(str, fewer))} and all {len(ids)} of its examples"
    )
    yield counted
    declared, asked = study.ask()
    tables, every = [*asked.values(), declared], np.ones(len(study.cases), dtype=np.bool_)
    names = [*variants, many(len(ids), "example")]
    found = curve(
        study.name,
        [arm(*described, every) for described in zip(names, [*fewer, len(ids)], tables, strict=True)],
        declared.clusters,
        source="pool",
        failed=sum(table.count(Status.ERROR) for table in tables),
    )
    yield ""
    yield from ceiling_lines(found, trained=study.trained)
    path = out or study_file(study.project, CEILING, study.suite.name, study.run)
    write_ceiling(path, found, digest=study.digest, seed=seed)
    yield f"numbers: {shown(path)}"


def _fewer(examples: int, numbers: Sequence[int]) -> list[int]:
    """How many examples the variants show, all of them fewer than the strategy does."""
    if numbers:
        wrong = [number for number in numbers if not 0 <= number <= examples]
        if wrong or set(numbers) == {examples}:
            raise ClaimError(
                f"--examples is {' '.join(map(str, numbers))}; expected numbers from 0 to {examples - 1}, for the "
                f"strategy has {many(examples, 'example')}"
            )
        return sorted(set(numbers) - {examples})
    found, number = [0], FIRST if examples > FIRST else 1
    while number < examples:
        found.append(number)
        number *= 2
    return found
