"""Labelling rules that changed over time, seen in texts that are alike and were answered at different times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations

from harness.core.schemas import label_text
from harness.core.statistics import holm, mcnemar_exact_worse
from harness.preparing.dates import moment
from harness.preparing.duplicates import Pair
from harness.preparing.groups import Groups
from harness.preparing.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Texts that were labelled `before` are labelled `after` from `since` on (the date of a row).

    `groups` of alike texts say so, `against` say the reverse; `p` is corrected for all pairs of labels looked at.
    """

    field: str
    before: str
    after: str
    since: str
    groups: int
    against: int
    p: float


def changed_rules(rows: Sequence[Row], pairs: Sequence[Pair], field: str, *, alpha: float = 0.05) -> tuple[Change, ...]:
    """Changes of a label into another, over the groups of alike rows that `pairs` make, the surest first.

    Each group that has two labels votes for the order in which most of its rows had them. If labels were only noisy,
    both orders would be as likely: the exact two-sided sign test (Dixon and Mood 1946, JASA 41), Holm-corrected.
    Rows without a date or the field are left out. Raises FixtureError for a date that is none.
    """
    dated = [(row, when) for row in rows if (when := moment(row)) and row.expected.get(field) is not None]
    places = {row.id: place for place, (row, _) in enumerate(dated)}
    groups = Groups(len(dated))
    for pair in pairs:
        if pair.one in places and pair.other in places:
            groups.join(places[pair.one], places[pair.other])
    votes: dict[tuple[str, str], list[int]] = defaultdict(list)
    seen: dict[tuple[str, str], list[tuple[datetime, str, str]]] = defaultdict(list)
    for members in groups.members():
        times: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
        for place in members:
            row, when = dated[place]
            times[label_text(row.expected[field])].append((when, row.date or ""))
        for one, other in combinations(sorted(times), 2):
            order = sum((a < b) - (a > b) for a, _ in times[one] for b, _ in times[other])
            if order:
                votes[one, other].append(1 if order > 0 else -1)
                seen[one, other] += [(when, label, date) for label in (one, other) for when, date in times[label]]
    changes = []
    for (one, other), cast in votes.items():
        forward, backward = cast.count(1), cast.count(-1)
        before, after = (one, other) if forward >= backward else (other, one)
        most, least = max(forward, backward), min(forward, backward)
        changes.append((before, after, most, least, min(1.0, 2 * mcnemar_exact_worse(most, least))))
    corrected = holm([change[-1] for change in changes]) if changes else []
    found = [
        Change(
            field=field,
            before=before,
            after=after,
            since=_turn(seen[min(before, after), max(before, after)], after),
            groups=most,
            against=least,
            p=float(p),
        )
        for (before, after, most, least, _), p in zip(changes, corrected, strict=True)
        if p <= alpha
    ]
    return tuple(sorted(found, key=lambda change: (change.p, change.before, change.after)))


def _turn(seen: Sequence[tuple[datetime, str, str]], after: str) -> str:
    """The date of the row from which on calling rows `after`, and those before it not, is wrong least often."""
    ordered = sorted(seen)
    wrong = sum(label != after for _, label, _ in ordered)
    best, since = len(ordered) + 1, ""
    for _, label, date in ordered:
        if label == after and wrong < best:
            best, since = wrong, date
        wrong += 1 if label == after else -1
    return since
