"""What the parts of report.md share: tables, and the names of what was measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from tabulate import tabulate

from harness.core.wording import measured
from harness.reporting.model import JudgedClaim

ALIGNED = 4_000
"""A table of more characters is not aligned: half of it would be spaces."""
_PADDING = re.compile(r" {2,}")
_RULE = re.compile(r"-{4,}")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A markdown table, with an empty line behind it."""
    text = tabulate(list(rows), headers=list(head), tablefmt="pipe", disable_numparse=True)
    yield text if len(text) <= ALIGNED else _RULE.sub("---", _PADDING.sub(" ", text))
    yield ""


def subject(claim: JudgedClaim) -> str:
    """What a claim is about: "accuracy on `refunds`", "accuracy since the anchor"."""
    measure = claim.measure
    name = measured(
        measure.metric, field=measure.field, slice=measure.slice, quantile=measure.quantile, k=measure.k, quote="`"
    )
    return name if claim.against is None else f"{name} since the {claim.against}"


def share(k: int, n: int) -> str:
    return f"{100 * k / n:.1f}%" if n else "–"


def many(n: int, one: str, more: str | None = None) -> str:
    return f"{n} {one if n == 1 else more or one + 's'}"
