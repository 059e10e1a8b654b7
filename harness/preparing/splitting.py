"""Pool, validation and holdout: clusters stay whole, labels keep their shares, and the row order does not matter."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.core.digests import digest
from harness.core.errors import ClaimError
from harness.core.folding import fingerprint
from harness.core.prompting import inputs_text
from harness.core.reach import supported_bound
from harness.core.records import Case, Slice
from harness.core.schemas import label_text
from harness.preparing.dates import moment
from harness.preparing.groups import Groups
from harness.preparing.needs import Need, SizeReach, size_reach
from harness.preparing.rows import Row, StepReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Rows in three parts, each in the order that they came in.

    `reach` says what the holdout could tell, overall under "" and for each label of the field that was stratified by;
    sizes are counted in clusters. `other_sizes` says it of half and of twice as large a holdout. `report` has the
    counts.
    """

    pool: tuple[Row, ...]
    validation: tuple[Row, ...]
    holdout: tuple[Row, ...]
    reach: dict[str, SizeReach]
    other_sizes: tuple[SizeReach, ...]
    report: StepReport


@dataclass(frozen=True, slots=True, eq=False)
class _Unit:
    """Rows that must stay together, by their places. `first` is the oldest date among them, `order` a seeded hash."""

    places: tuple[int, ...]
    labels: frozenset[str]
    first: datetime | None
    order: str


def split(
    rows: Sequence[Row],
    *,
    field: str | None,
    holdout: float = 0.3,
    validation: float = 0.1,
    needs: Sequence[Need] = (),
    seed: int = 7,
) -> Split:
    """Splits rows into shares of all rows: `holdout` first, then `validation`, the rest is the pool.

    Rows of one cluster stay together, and so do rows whose texts are exact copies, whether or not they were given a
    cluster. Where any row has a date, the holdout are the rows whose cluster first appeared last and validation those
    before them; rows without a date then go to the pool. Otherwise the labels of `field` keep their shares, and the
    order is that of seeded hashes of the contents. The holdout grows beyond its share until it carries each of
    `needs`. Shares are met up to a cluster. Raises ClaimError where the rows can't carry a need or none is left to the
    pool, FixtureError for a date that is none, ValueError for shares that make no sense.
    """
    if holdout <= 0 or validation < 0 or holdout + validation >= 1:
        raise ValueError(
            f"holdout must be above 0, validation at least 0, and both less than 1 together, "
            f"got {holdout!r} and {validation!r}"
        )
    labels = [_label(row, field) for row in rows]
    units = _units(rows, labels, seed)
    clustered = any(len(unit.places) > 1 for unit in units)
    by_time = any(unit.first is not None for unit in units)
    choose = _newest if by_time else _stratified(Counter(labels), labels)
    open_units = [unit for unit in units if unit.first is not None] if by_time else units
    held = choose(open_units, holdout * len(rows))
    held += _still_needed(rows, open_units, held, needs, clustered, by_time)
    taken = {id(unit) for unit in held}
    rest = [unit for unit in open_units if id(unit) not in taken]
    checked = choose(rest, validation * len(rows)) if validation else []
    if len(held) + len(checked) == len(units):
        raise ClaimError(f"nothing of the {len(rows)} rows is left to the pool: label more rows, or claim less")
    side = ["pool"] * len(rows)
    for name, chosen in (("validation", checked), ("holdout", held)):
        for unit in chosen:
            for place in unit.places:
                side[place] = name
    parts = {
        name: tuple(row for row, at in zip(rows, side, strict=True) if at == name)
        for name in ("pool", "validation", "holdout")
    }
    reach = {"": size_reach(len(held), clustered=clustered)} if held else {}
    in_label = Counter(label for unit in held for label in unit.labels)
    if field is not None:
        reach |= {label: size_reach(n, clustered=clustered) for label, n in sorted(in_label.items())}
    other_sizes = [size_reach(n, clustered=clustered) for n in (len(held) // 2, 2 * len(held)) if n]
    report = _report(parts, held, labels, field, by_time)
    return Split(**parts, reach=reach, other_sizes=tuple(other_sizes), report=report)


def _units(rows: Sequence[Row], labels: Sequence[str], seed: int) -> list[_Unit]:
    """What stays together, in the order of the seeded hashes of its texts."""
    groups = Groups(len(rows))
    prints = [fingerprint(inputs_text(row.inputs)) for row in rows]
    by_text: dict[str, int] = {}
    by_cluster: dict[str, int] = {}
    for place, row in enumerate(rows):
        groups.join(place, by_text.setdefault(prints[place], place))
        if row.cluster is not None:
            groups.join(place, by_cluster.setdefault(row.cluster, place))
    units = []
    for members in groups.members():
        dates = [when for place in members if (when := moment(rows[place])) is not None]
        units.append(
            _Unit(
                places=tuple(members),
                labels=frozenset(labels[place] for place in members),
                first=min(dates, default=None),
                order=digest([seed, sorted({prints[place] for place in members})]),
            )
        )
    return sorted(units, key=lambda unit: unit.order)


def _newest(units: Iterable[_Unit], wanted: float) -> list[_Unit]:
    """Units from the newest on, until they have `wanted` rows."""
    chosen: list[_Unit] = []
    size = 0
    for unit in sorted(units, key=_age):
        if size >= wanted:
            break
        chosen.append(unit)
        size += len(unit.places)
    return chosen


def _stratified(counts: Counter[str], labels: Sequence[str]) -> Callable[[Sequence[_Unit], float], list[_Unit]]:
    """Chooses units so that each label has the same share of its rows chosen; the rarest label of a unit decides."""

    def choose(units: Sequence[_Unit], wanted: float) -> list[_Unit]:
        strata: dict[str, list[_Unit]] = defaultdict(list)
        for unit in units:
            strata[min(unit.labels, key=lambda label: (counts[label], label))].append(unit)
        share = wanted / max(1, sum(len(unit.places) for unit in units))
        chosen: list[_Unit] = []
        owed = 0.0
        for label in sorted(strata, key=lambda label: (counts[label], label)):
            owed += share * sum(len(unit.places) for unit in strata[label])
            for unit in strata[label]:
                if len(unit.places) / 2 <= owed:
                    chosen.append(unit)
                    owed -= len(unit.places)
            owed = min(owed, 1.0)  # what a large cluster left open is not made up for with rows of other labels
        return chosen

    return choose


def _still_needed(
    rows: Sequence[Row],
    units: Sequence[_Unit],
    held: Sequence[_Unit],
    needs: Sequence[Need],
    clustered: bool,
    by_time: bool,
) -> list[_Unit]:
    """More units for the holdout, until it has as many as each need asks for: all from a newer date on, `by_time`."""
    taken = {id(unit) for unit in held}
    rest = sorted((unit for unit in units if id(unit) not in taken), key=_age if by_time else _hash)
    more: list[_Unit] = []
    for need in needs:
        least = need.units(clustered=clustered)
        missing = least - sum(_in(need.part, rows, unit) for unit in [*held, *more])
        fitting = [place for place, unit in enumerate(rest) if _in(need.part, rows, unit)]
        if missing > len(fitting):
            raise ClaimError(_too_few(need, least, least - missing + len(fitting), clustered))
        if missing > 0:
            last = fitting[missing - 1]
            moved = set(range(last + 1)) if by_time else set(fitting[:missing])
            more += [rest[place] for place in sorted(moved)]
            rest = [unit for place, unit in enumerate(rest) if place not in moved]
    return more


def _in(part: Slice | None, rows: Sequence[Row], unit: _Unit) -> bool:
    if part is None:
        return True
    return any(
        part.contains(Case(id=row.id, inputs=row.inputs, expected=row.expected, tags=row.tags))
        for row in (rows[place] for place in unit.places)
    )


def _too_few(need: Need, least: int, there: int, clustered: bool) -> str:
    what = "clusters" if clustered else "cases"
    if there and need.kind not in {"never", "quantile_at_most"}:
        best = supported_bound(need.kind, there, alpha=need.alpha, cost_max=need.cost_max, clustered=clustered)
        could = f"; all of them together could support {best:.4g}"
    else:
        could = ""
    return (
        f"{need} needs {least} {what} in the holdout, and the rows have {there}{could}: "
        f"label at least {least - there} more, or loosen the bound"
    )


def _report(
    parts: dict[str, tuple[Row, ...]], held: Sequence[_Unit], labels: Sequence[str], field: str | None, by_time: bool
) -> StepReport:
    counts = {name: len(part) for name, part in parts.items()}
    counts["clusters of the holdout"] = len(held)
    if by_time:
        counts["rows without a date, in the pool"] = sum(row.date is None for row in parts["pool"])
    if field is not None:
        for name in ("pool", "holdout"):
            missing = set(labels) - {_label(row, field) for row in parts[name]}
            counts[f"labels without a row in the {name}"] = len(missing)
    return StepReport(name="split", counts=counts)


def _label(row: Row, field: str | None) -> str:
    value = row.expected.get(field) if field is not None else None
    return "" if value is None else label_text(value)


def _hash(unit: _Unit) -> str:
    return unit.order


def _age(unit: _Unit) -> tuple[float, str]:
    """The newest first, those of one moment in the order of their hashes."""
    return (-unit.first.timestamp() if unit.first else float("inf")), unit.order
