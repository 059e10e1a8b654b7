"""`harness fragility`: ask a few-shot strategy with each of its examples dropped and with their order permuted."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

from harness.core.errors import ClaimError
from harness.core.fragility import Variant, fragility
from harness.core.records import Case
from harness.fixtures_io.declarations import shown
from harness.reporting.blocks import many
from harness.reporting.files import write_text
from harness.reporting.fragility import fragility_lines, fragility_markdown
from harness.runs.pool_study import PoolStudy
from harness.runs.studies import FRAGILITY, study_file, write_fragility


def measure_fragility(
    name: str, *, root: Path, cases: int, orders: int, seed: int, out: Path | None = None, json: Path | None = None
) -> Iterator[str]:
    """The lines to show of the strategy `name`, SUITE/STRATEGY; the number of calls comes before they are made.

    At most `cases` pool cases are asked, and at most `orders` other orders of the examples; `seed` chooses both. `out`
    takes the whole report as markdown, `json` the numbers instead of the file in which reports look for them. Raises
    ClaimError for what leaves nothing to measure, and DriverError where requests were not sent.
    """
    if cases < 1 or orders < 0:
        raise ClaimError(f"--cases is {cases}, --permutations {orders}; expected 1 or more, and 0 or more")
    study = PoolStudy(name, root=root, what="fragility", cases=cases, seed=seed, repeats=2)
    drops, permuted = _drops(study.examples), _orders(study.examples, orders, seed)
    counted = study.prepare({variant.name: variant.examples for variant in (*drops, *permuted)})
    yield (
        f"{study.name}: {len(study.cases)} pool cases, seed {seed}; {many(len(study.examples), 'example')}, each "
        f"dropped in turn, and {many(len(permuted), 'other order')}"
    )
    yield counted
    declared, arms = study.ask()
    found = fragility(
        study.name,
        declared,
        [(variant, arms[variant.name]) for variant in drops],
        [(variant, arms[variant.name]) for variant in permuted],
        examples=tuple(case.id for case in study.examples),
    )
    yield ""
    yield from fragility_lines(found)
    if out is not None:
        write_text(out, fragility_markdown(found, seed=seed, trained=study.trained))
        yield f"report: {shown(out)}"
    numbers = json or study_file(study.project, FRAGILITY, study.suite.name, study.run)
    write_fragility(numbers, found, digest=study.digest, seed=seed)
    yield f"numbers: {shown(numbers)}"


def _drops(examples: Sequence[Case]) -> list[Variant]:
    ids = [case.id for case in examples]
    return [
        Variant(name=f"without {dropped}", examples=tuple(i for i in ids if i != dropped), dropped=dropped)
        for dropped in ids
    ]


def _orders(examples: Sequence[Case], most: int, seed: int) -> list[Variant]:
    """Different orders of the examples, none of them the declared one: all there are, or `most` that are drawn."""
    ids = tuple(case.id for case in examples)
    if math.factorial(len(ids)) - 1 <= most:
        found = [order for order in permutations(ids) if order != ids]
    else:
        shuffler, seen = random.Random(seed), {ids}
        while len(seen) <= most:
            seen.add(tuple(shuffler.sample(ids, len(ids))))
        found = sorted(seen - {ids})
    return [Variant(name=f"order {number}", examples=order) for number, order in enumerate(found, 1)]
