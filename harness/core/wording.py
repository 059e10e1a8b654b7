"""Verdicts in the words of a developer: the plain statement first, the numbers of the statistics after it.

A printed bound never contradicts the verdict: it gets as many digits as it takes to stay on its side of what was asked.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable

from harness.core.kinds import Kind, Rule, VerdictStatus
from harness.core.verdicts import Verdict, known, some

_UNJUDGED = (Rule.INCOMPLETE, Rule.NOT_COMPARABLE)


def sentence(verdict: Verdict, *, subject: str = "") -> str:
    """What a verdict means, in one line without statistics: "lost 9 cases, gained 2 of 412; …".

    `subject` says what was measured ("accuracy of few_shot") and comes first, before a colon; left out where empty.
    """
    text = "; ".join([*_statement(verdict), *_next(verdict)])
    return f"{subject}: {text}" if subject else text


def measured(
    metric: str,
    *,
    field: str | None = None,
    slice: str | None = None,  # noqa: A002
    quantile: float | None = None,
    k: int | None = None,
    quote: str = "",
) -> str:
    """What a measure is of: "field accuracy of team on refunds", "latency p95", "pass^3", the names within `quote`s."""
    metric = metric if quantile is None else f"{metric} p{100 * quantile:g}"
    metric = metric if k is None else f"{metric.removesuffix('_hat')}^{k}"
    of = f" of {quote}{field}{quote}" if field else ""
    on = f" on {quote}{slice}{quote}" if slice else ""
    return f"{metric.replace('_', ' ')}{of}{on}"


def details(verdict: Verdict) -> str:
    """The numbers behind a verdict in one line, for whoever wants to check it: sizes, bounds, p-values, the rule."""
    entries = [
        ("cases", verdict.n),
        ("repeats", verdict.repeats if verdict.repeats > 1 else None),
        ("independent groups", verdict.n_clusters if verdict.n_clusters < verdict.n else None),
        ("design effect", verdict.deff if verdict.deff is not None and verdict.deff > 1 else None),
        ("baseline", verdict.baseline_estimate),
        ("candidate", verdict.candidate_estimate),
        ("estimate" if verdict.claim.baseline is None else "change", verdict.estimate),
        ("lower bound", verdict.lower),
        ("upper bound", verdict.upper),
        ("p", verdict.p),
        ("mid-p", verdict.p_mid),
        ("decided at", verdict.decided_at),
        ("smallest detectable difference", verdict.mde),
        ("budget", verdict.budget),
    ]
    shown = [f"{name} {number(value)}" for name, value in entries if value is not None]
    return ", ".join([*shown, f"rule {verdict.rule}"])


def budget(verdict: Verdict) -> str:
    """What the claim can stand on these cases and still PASS, so that thresholds are chosen knowingly.

    Empty where the cases could not be judged.
    """
    n, bearable = verdict.n, verdict.budget
    if verdict.estimate is None:
        return ""
    if bearable is None:
        return f"can't pass on {_count(n, 'case')}, however good the answers"
    unit = " cases" if verdict.repeats > 1 else ""  # the statement counts answers
    match verdict.claim.kind:
        case Kind.NEVER:
            return "allows no violation"
        case Kind.AT_LEAST:
            return f"allows {_count(bearable, 'failure', 'no')} in {n}{unit}"
        case Kind.AT_MOST:
            return f"allows {bearable or 'none'} of {n}{unit}"
        case Kind.COST_AT_MOST:
            return f"allows {_count(bearable, 'case', 'no')} of the largest cost in {n}"
        case Kind.QUANTILE_AT_MOST:
            return f"allows {_count(bearable, 'slower case', 'no')} in {n}"
        case Kind.NO_WORSE:
            return f"allows {_count(bearable, 'lost case', 'no')} besides the {_amount(verdict.gains)} gained of {n}"
        case Kind.COST_NO_WORSE:
            return f"allows {_count(bearable, 'case', 'no')} of {n} to become as dear as can be"


def flipped(verdict: Verdict, most: int = 10) -> str:
    """The ids of the cases that got worse and better: "lost: a, b and 3 more; gained: c"; empty where none did."""
    sides = (("lost", verdict.lost_ids), ("gained", verdict.gained_ids))
    return "; ".join(f"{side}: {some(ids, most)}" for side, ids in sides if ids)


def wrapped(text: str, *, width: int, indent: str = "") -> list[str]:
    """`text` in lines of at most `width` columns, those after the first indented further; words stay whole."""
    after = indent + "  "
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=after, break_long_words=False, break_on_hyphens=False
    )


def percent(rate: float, *, against: float | None = None) -> str:
    """A rate in percent with one decimal, or with as many as it takes to stay on its side of `against`."""
    digits = 1
    while digits < 9 and not _same_side(round(100 * rate, digits), 100 * rate, against and 100 * against):
        digits += 1
    return f"{100 * rate:.{digits}f}%"


def points(change: float) -> str:
    """The size of a difference of rates in percentage points: "1 point", "3 points", "0.27 points"."""
    size = abs(100 * change)
    text = f"{round(size, 1 if size >= 1 else 2):g}"
    return f"{text} point" if text == "1" else f"{text} points"


def number(value: float, *, against: float | None = None) -> str:
    """A number with four digits, or with as many as it takes to stay on its side of `against`."""
    if math.isinf(value):
        return "unbounded"
    digits = 4
    while digits < 15 and not _same_side(float(f"{value:.{digits}g}"), value, against):
        digits += 1
    return f"{value:.{max(digits, len(str(int(abs(value)))))}g}"


def dollars(usd: float) -> str:
    """US dollars without a sign: two decimals from a dollar on, four below, where single calls count."""
    if usd >= 1 or usd == 0:
        return f"{usd:,.2f}"
    return f"{usd:.4f}" if usd >= 0.0001 else "under 0.0001"


def money(amount: float, currency: str) -> str:
    """An amount with its currency: whole units from 100 on, cents from a cent on, else two digits: "EUR 1,234"."""
    size = abs(amount)
    digits = ",.0f" if round(size, 2) >= 100 else ".2f" if size >= 0.005 or size == 0 else ".2g"
    return f"{currency} {'-' if amount < 0 else ''}{size:{digits}}"


def _same_side(printed: float, value: float, against: float | None) -> bool:
    return against is None or (
        (printed >= against) == (value >= against) and (printed <= against) == (value <= against)
    )


def _statement(verdict: Verdict) -> list[str]:
    """What was seen, and what follows from it for the claim."""
    match verdict.rule:
        case Rule.INCOMPLETE:
            return [f"not judged: {verdict.reason}"]
        case Rule.NOT_COMPARABLE:
            return [f"not judged: {verdict.reason}", "accept a new baseline to compare with these cases"]
        case Rule.IDENTICAL:
            return ["nothing changed: the same strategy with the same stored answers"]
    match verdict.claim.kind:
        case Kind.AT_LEAST:
            asked = f"{_declared(verdict.claim.bound)} asked"
            return [f"{_share(verdict, ' right')}, {_shown(verdict, percent, at_least=True)}", asked]
        case Kind.AT_MOST:
            allowed = f"{_declared(verdict.claim.bound)} allowed"
            return [f"{_share(verdict, '')}, {_shown(verdict, percent, at_least=False)}", allowed]
        case Kind.COST_AT_MOST:
            seen = f"costs {number(known(verdict.estimate))} per decision"
            return [f"{seen}, {_shown(verdict, number, at_least=False)}", f"{number(verdict.claim.bound)} allowed"]
        case Kind.QUANTILE_AT_MOST:
            return [f"{_quantile(verdict)}, {_time_limit(verdict)}", f"{seconds(verdict.claim.bound)} allowed"]
        case Kind.NEVER:
            return _violations(verdict)
        case Kind.NO_WORSE:
            return [_flips(verdict), *_change(verdict, "loss", points)]
        case Kind.COST_NO_WORSE:
            return [_cost_change(verdict), *_change(verdict, "rise", number)]


def _share(verdict: Verdict, right: str) -> str:
    if verdict.claim.shares:
        return f"{percent(known(verdict.estimate))} of {_count(verdict.n, 'case')}"
    answers = verdict.n * verdict.repeats
    unit = "" if verdict.repeats == 1 else " answers"
    return f"{round(known(verdict.estimate) * answers)} of {answers}{unit}{right} ({percent(known(verdict.estimate))})"


def _shown(verdict: Verdict, written: Callable[..., str], *, at_least: bool) -> str:
    """The bound that decides: a FAIL shows the opposite of what was claimed."""
    if at_least is (verdict.status is not VerdictStatus.FAIL):
        shown = f"at least {written(known(verdict.lower), against=verdict.claim.bound)}"
    else:
        shown = f"at most {written(known(verdict.upper), against=verdict.claim.bound)}"
    return f"{shown} with {_confidence(verdict)} confidence"


def seconds(value: float, *, against: float | None = None) -> str:
    """A time with its unit, on its side of `against`."""
    return f"{number(value, against=against)} s"


def _quantile(verdict: Verdict) -> str:
    share, estimate = _declared(verdict.claim.quantile or 0.0), known(verdict.estimate)
    if math.isinf(estimate):
        return f"fewer than {share} of the requests were answered"
    return f"{share} were answered within {seconds(estimate)}"


def _time_limit(verdict: Verdict) -> str:
    """The limit that decides: a FAIL shows the opposite of what was claimed."""
    word, limit = ("at least", verdict.lower) if verdict.status is VerdictStatus.FAIL else ("at most", verdict.upper)
    if math.isinf(known(limit)):
        return "with no upper limit" if word == "at most" else "with no limit"
    return f"{word} {seconds(known(limit), against=verdict.claim.bound)} with {_confidence(verdict)} confidence"


def _violations(verdict: Verdict) -> list[str]:
    ids = verdict.violation_ids
    if ids:
        unanswered = len(verdict.missing_ids)
        gaps = [f"answers of {_count(unanswered, 'case')} are missing besides"] if unanswered else []
        seen = f"{len(ids)} of {_count(verdict.n, 'case')}{_each(verdict, ',')} with a violation ({some(ids)})"
        return [seen, "none is allowed", *gaps]
    assure = verdict.claim.assure
    unexcluded = f"that does not exclude a rate of up to {percent(known(verdict.upper), against=assure)}"
    asked = [f"{_declared(assure)} was to be excluded"] if assure and verdict.rule is Rule.TOO_FEW_TO_ASSURE else []
    return [f"no violation in {_count(verdict.n, 'case')}{_each(verdict)}", unexcluded, *asked]


def _flips(verdict: Verdict) -> str:
    averaged = "" if verdict.repeats == 1 else f" (means of {verdict.repeats} repeats)"
    lost, gained = _amount(verdict.losses), _amount(verdict.gains)
    if not verdict.lost_ids and not verdict.gained_ids:
        return f"no case lost or gained of {verdict.n}{averaged}"
    return f"lost {lost} {'case' if lost == '1' else 'cases'}, gained {gained} of {verdict.n}{averaged}"


def _cost_change(verdict: Verdict) -> str:
    change, now = known(verdict.estimate), number(known(verdict.candidate_estimate))
    if change == 0:
        return f"costs {now} per decision, as before"
    before = number(known(verdict.baseline_estimate))
    return f"costs {number(abs(change))} {'more' if change > 0 else 'less'} per decision ({now}, was {before})"


def _change(verdict: Verdict, worsening: str, size: Callable[[float], str]) -> list[str]:
    """What is known of a worsening (a loss of right answers, a rise in cost) against the margin."""
    margin = size(verdict.claim.bound)
    beyond = f"a {worsening} of {margin} or more" if verdict.claim.bound else f"a {worsening}"
    if verdict.status is VerdictStatus.PASS:
        real = [f"the {worsening} is real, but smaller than {margin}"] if verdict.drift else []
        return [f"{beyond} is excluded", *real]
    if verdict.status is VerdictStatus.INCONCLUSIVE:
        return [f"{beyond} can't be excluded"]
    least = known(verdict.lower) if worsening == "rise" else -known(verdict.upper)
    extent = f", at least {size(least)} with {_confidence(verdict)} confidence" if least > 0 else ""
    open_ended = [] if least >= verdict.claim.bound else [f"{beyond} can't be excluded"]
    return [f"the {worsening} is real{extent}", *open_ended]


def _next(verdict: Verdict) -> list[str]:
    """What would settle it."""
    if verdict.status is not VerdictStatus.INCONCLUSIVE or verdict.rule in _UNJUDGED:
        return []
    if verdict.more_cases is None:
        return ["not even a million more cases would settle it at these rates"]
    return [f"{_count(verdict.more_cases, 'more case')}{_each(verdict, ',')} would settle it"]


def _each(verdict: Verdict, end: str = "") -> str:
    """How often each case is asked; nothing to say where it is once."""
    return f", asked {verdict.repeats} times each{end}" if verdict.repeats > 1 else ""


def _confidence(verdict: Verdict) -> str:
    return _declared(1 - verdict.claim.alpha)


def _declared(rate: float) -> str:
    """A declared rate as it was declared: 80%, 99.5%."""
    return f"{round(100 * rate, 6):g}%"


def _count(amount: int, noun: str, none: str = "0") -> str:
    plural = noun if amount == 1 or (amount == 0 and none == "no") else f"{noun}s"
    return f"{amount or none} {plural}"


def _amount(value: float | None) -> str:
    """A number of cases, which repeats can make fractional."""
    return f"{round(value or 0.0, 1):g}"
