"""Which strategy to use: a sentence with its reasons and numbers, or what it would take to know.

A difference counts only where its paired interval shows it. To be called the cheapest, a strategy has to be shown to
cost less than every other that meets its gates, at a level divided by their number (Bonferroni): however many are
compared, one that is not the cheapest is recommended in at most 1 of 40 holdouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.core.costing import LEVEL, Accounts, Estimate
from harness.core.kinds import Role, VerdictStatus
from harness.core.readiness import Check, named
from harness.core.verdicts import Verdict
from harness.core.wording import money, points

MARGIN = 0.01
"""A loss of accuracy of this size has to be excluded before a cheaper strategy is called no worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a strategy stands with its gates, in words: what FAILed, and what is not settled with the cases it takes.

    A gate has to PASS, a guard must not FAIL. `gates` is how many gates there are; `open_guards` are not settled.
    """

    gates: int = 0
    failed: tuple[str, ...] = ()
    open: tuple[tuple[str, int | None], ...] = ()
    open_guards: tuple[tuple[str, int | None], ...] = ()

    @property
    def met(self) -> bool:
        return bool(self.gates) and not self.failed and not self.open


def standing(claims: Sequence[tuple[str, Role, Verdict]]) -> Standing:
    """From what each claim of one strategy is about, the role it counts in, and its verdict."""

    def unsettled(role: Role) -> tuple[tuple[str, int | None], ...]:
        return tuple(
            (subject, verdict.more_cases)
            for subject, counts, verdict in claims
            if counts is role and verdict.status is VerdictStatus.INCONCLUSIVE
        )

    return Standing(
        gates=sum(counts is Role.GATE for _, counts, _ in claims),
        failed=tuple(
            subject
            for subject, counts, verdict in claims
            if counts is not Role.REPORT and verdict.status is VerdictStatus.FAIL
        ),
        open=unsettled(Role.GATE),
        open_guards=unsettled(Role.GUARD),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dominated:
    """A strategy that another beats: shown to cost less in total, and not to lose MARGIN of accuracy.

    It is `dearer` by so much a month, and `at_least` by that; `accuracy` is what the other gets right more often.
    """

    name: str
    by: str
    dearer: float
    at_least: float
    accuracy: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """`strategy` None: no recommendation. `more_cases` would settle it, None where that is not the matter.

    `sentence` says it in words; `reasons` are more of them; names stand between backticks.
    """

    strategy: str | None
    sentence: str
    reasons: tuple[str, ...]
    more_cases: int | None
    dominated: tuple[Dominated, ...]
    checks: tuple[Check, ...]


def dominated(accounts: Accounts) -> list[Dominated]:
    """Every strategy that another dominates, with the cheapest of those."""
    priced = accounts.priced
    level = LEVEL / max(1, len(priced) - 1)
    found = []
    for name in priced:
        for by in sorted((other for other in priced if other != name), key=accounts.monthly):
            dearer = accounts.total_difference(name, by, level)
            accuracy = accounts.accuracy_difference(by, name, level)
            if dearer.lower > 0 and accuracy.lower > -MARGIN:
                found.append(
                    Dominated(name=name, by=by, dearer=dearer.estimate, at_least=dearer.lower, accuracy=accuracy)
                )
                break
    return found


def recommend(
    accounts: Accounts, standings: Mapping[str, Standing], checks: Sequence[Check] = (), *, withheld: str = ""
) -> Recommendation | None:
    """None where no strategy has known costs. `standings` by strategy; one that is not there has no gates.

    `withheld` is why nothing can be recommended whatever the costs, "" where nothing stands against it.
    """
    if not accounts.priced:
        return None
    meeting = [name for name in accounts.priced if standings.get(name, Standing()).met]
    strategy, sentence, more = (
        (None, f"No recommendation: {withheld}.", None) if withheld else _decided(accounts, standings, meeting)
    )
    return Recommendation(
        strategy=strategy,
        sentence=sentence,
        reasons=tuple(_reasons(accounts, standings, strategy, meeting)),
        more_cases=more,
        dominated=tuple(dominated(accounts)),
        checks=tuple(checks),
    )


def _decided(
    accounts: Accounts, standings: Mapping[str, Standing], meeting: Sequence[str]
) -> tuple[str | None, str, int | None]:
    if not meeting:
        return _none_meets(accounts, standings)
    level = LEVEL / max(1, len(meeting) - 1)
    best = _best(accounts, meeting, level)
    rivals = [name for name in meeting if name != best]
    rest = {name: accounts.total_difference(name, best, level) for name in rivals}
    overlapping = [name for name in rivals if rest[name].lower <= 0]
    if not overlapping:
        return best, _recommended(accounts, best, rivals, level), None
    needed = [accounts.more_cases(name, best, level) for name in overlapping]
    known = [n for n in needed if n is not None]
    more = max(known) if len(known) == len(needed) else None
    settle = (
        f"{more:,} more cases would settle it"
        if more is not None
        else "not even a million more cases would tell them apart: choose by what the costs leave out"
    )
    stay = accounts.today
    until = (
        f"; until then, nothing is shown against {named(stay)}, which is in use" if stay in (best, *overlapping) else ""
    )
    names = " and ".join([", ".join(map(named, (best, *overlapping)[:-1])), named(overlapping[-1])])
    return (
        None,
        f"No recommendation: the intervals overlap. {names} meet every gate, and which costs less is not shown "
        f"({_spread(accounts, best, overlapping, level)}); {settle}{until}.",
        more,
    )


def _best(accounts: Accounts, meeting: Sequence[str], level: float) -> str:
    """The cheapest by its total, unless another is shown to cost less on the cases that both answered."""
    best = accounts.cheapest(meeting)
    for name in meeting:
        if name != best and accounts.total_difference(name, best, level).upper < 0:
            best = name
    return best


def _spread(accounts: Accounts, best: str, overlapping: Sequence[str], level: float) -> str:
    """How much dearer the others may be, at the level that decides."""
    currency = accounts.economics.currency
    told = []
    for name in overlapping[:3]:
        found = accounts.total_difference(name, best, level)
        told.append(
            f"{named(name)} {money(found.estimate, currency)} more a month than {named(best)}, "
            f"{money(found.lower, currency)} to {money(found.upper, currency)}"
        )
    return "; ".join(told)


def _recommended(accounts: Accounts, best: str, rivals: Sequence[str], level: float) -> str:
    currency = accounts.economics.currency
    monthly = accounts.costings[best].monthly(accounts.volume)
    assert monthly is not None
    total = (
        f"{money(monthly.estimate, currency)} a month at {accounts.volume:,.0f} decisions "
        f"({money(monthly.lower, currency)} to {money(monthly.upper, currency)})"
    )
    keep = "Keep" if best == accounts.today else "Use"
    if not rivals:
        priced = len(accounts.priced)
        known = "" if priced == len(accounts.costings) else " with known costs"
        only = (
            f"the only one of {priced} strategies{known} that meets every gate" if priced > 1 else "it meets every gate"
        )
        return f"{keep} {named(best)}: {only}; it costs {total}."
    nearest = min(rivals, key=lambda name: accounts.total_difference(name, best, level).lower)
    dearer = accounts.total_difference(nearest, best, level)
    return (
        f"{keep} {named(best)}: of the {len(rivals) + 1} strategies that meet every gate it costs least, {total}; "
        f"{named(nearest)} costs {money(dearer.estimate, currency)} more, at least {money(dearer.lower, currency)}."
    )


def _none_meets(accounts: Accounts, standings: Mapping[str, Standing]) -> tuple[None, str, int | None]:
    judged = {name: standings[name] for name in accounts.priced if standings.get(name, Standing()).gates}
    if not judged:
        return None, "No recommendation: no strategy with known costs has a gate to meet.", None
    undecided = [name for name, found in judged.items() if not found.failed]
    if undecided:
        near = accounts.cheapest(undecided)
        needed = [more for _, more in judged[near].open]
        known = [more for more in needed if more is not None]
        more = max(known) if len(known) == len(needed) else None
        settle = (
            f"{more:,} more cases would settle it"
            if more is not None
            else "not even a million more cases would settle it at these rates"
        )
        told = _list([subject for subject, _ in judged[near].open])
        return (
            None,
            f"No recommendation: no strategy meets every gate yet. {named(near)} fails none, but {told} is not "
            f"settled; {settle}.",
            more,
        )
    near = min(judged, key=lambda name: (len(judged[name].failed), accounts.monthly(name)))
    failed = judged[near].failed
    return (
        None,
        f"No recommendation: no strategy meets every gate. {named(near)} comes nearest; it fails {_list(failed)}.",
        None,
    )


def _list(subjects: Sequence[str], most: int = 3) -> str:
    rest = len(subjects) - most
    return ", ".join(subjects[:most]) + (f" and {rest} more" if rest > 0 else "")


def _reasons(
    accounts: Accounts, standings: Mapping[str, Standing], strategy: str | None, meeting: Sequence[str]
) -> list[str]:
    reasons = []
    currency, months = accounts.economics.currency, accounts.economics.horizon_months
    benefit = accounts.benefit(strategy) if strategy is not None and strategy != accounts.today else None
    if benefit is not None and accounts.today is not None:
        shown = "brings" if benefit.net.lower > 0 else "is not shown to bring more than it costs:"
        reasons.append(
            f"Against {named(accounts.today)}, in use today, it {shown} {money(benefit.net.estimate, currency)} over "
            f"{months:g} months ({money(benefit.net.lower, currency)} to {money(benefit.net.upper, currency)})."
        )
    if strategy is not None:
        limit = accounts.monthly(strategy)
        others = [name for name in accounts.priced if name != strategy]
        if meeting == [strategy] and others:
            near = accounts.cheapest(others)
            dearer = accounts.total_difference(near, strategy)
            if dearer.estimate >= 0:
                reasons.append(
                    f"{named(near)}, the cheapest of the others, costs {money(dearer.estimate, currency)} more a month "
                    f"({money(dearer.lower, currency)} to {money(dearer.upper, currency)}), and "
                    f"{_why_not(standings.get(near, Standing()))}."
                )
        for subject, more in standings[strategy].open_guards:
            settle = "" if more is None else f"; {more:,} more cases would settle it"
            reasons.append(f"A guard of {named(strategy)} is not settled, which blocks nothing: {subject}{settle}.")
        for name in accounts.priced:
            less = limit - accounts.monthly(name)
            if name not in meeting and less > 0:
                why = _why_not(standings.get(name, Standing()))
                reasons.append(f"{named(name)} would cost {money(less, currency)} a month less, but {why}.")
    unknown = [name for name, costing in accounts.costings.items() if costing.inference is None]
    if unknown:
        reasons.append(f"Not compared, since the cost of inference is not known: {', '.join(map(named, unknown))}.")
    return reasons


def _why_not(found: Standing) -> str:
    if found.failed:
        return f"fails {_list(found.failed)}"
    if not found.gates:
        return "has no gate to meet"
    subject, more = found.open[0]
    settle = f"; {more:,} more cases would settle it" if more is not None else ""
    return f"{subject} is not settled{settle}"


def dominated_sentence(found: Dominated, currency: str) -> str:
    """One dominated strategy in words."""
    return (
        f"{named(found.name)} is dominated by {named(found.by)}, which costs {money(found.dearer, currency)} less a "
        f"month, at least {money(found.at_least, currency)}, and {_accuracy(found.accuracy)}."
    )


def _accuracy(gain: Estimate) -> str:
    if gain.lower > 0:
        return f"gets {points(gain.estimate)} more right, at least {points(gain.lower)}"
    return f"does not lose {points(MARGIN)} of accuracy"
