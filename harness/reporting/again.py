"""What moved where a provider was asked again: a part of report.md, and a line for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.core.records import Answer
from harness.core.schemas import label_text
from harness.reporting.blocks import table
from harness.reporting.escaping import markdown_code, plain_line
from harness.reporting.model import AskedAgain, Provider, SuiteReport

CASES = 10
PROVIDERS = 20
PROVIDERS_ON_A_LINE = 3


def asked_again_line(run: str, found: AskedAgain) -> str:
    """One run in one line: how much was asked, what changed, and who answered then and now."""
    parts = [f"{found.asked} asked, {_known(found)}"]
    if found.failed:
        parts.append(f"{found.failed} not answered now")
    if found.compared:
        parts += [_what_moved(found), f"provider {_providers_moved(found)}"]
    return f"asked again, {run}: {'; '.join(parts)}"


def asked_again_section(suite: SuiteReport) -> Iterator[str]:
    """The part of one suite; nothing where no run was asked again."""
    if not suite.asked_again:
        return
    yield "#### Asked again"
    yield ""
    yield "This run is judged on fresh answers; the ledger keeps those that it held, with which they are compared here."
    yield ""
    yield from table(
        ["strategy", "asked", "in the ledger", "not answered", "texts changed", "decisions changed", *_SIDES],
        [_counts(run, found) for run, found in suite.asked_again.items()],
    )
    for run, found in suite.asked_again.items():
        if found.compared and not _moved(found):
            yield f"- `{run}`: nothing moved; {_providers(found.now, PROVIDERS)} answered."
        elif found.compared:
            yield f"- `{run}`: {_what_moved(found)}."
            yield f"  - answered then: {_providers(found.then, PROVIDERS)}"
            yield f"  - answered now: {_providers(found.now, PROVIDERS)}"
        else:
            yield f"- `{run}`: nothing to compare with."
    yield ""
    yield from _moved_cases(suite)


_SIDES = ("right → wrong", "wrong → right")


def _counts(run: str, found: AskedAgain) -> list[str]:
    numbers = (found.asked, found.known, found.failed, found.texts, len(found.moved), found.lost, found.gained)
    return [f"`{run}`", *map(str, numbers)]


def _moved_cases(suite: SuiteReport) -> Iterator[str]:
    fields = suite.task.decision_fields
    for run, found in suite.asked_again.items():
        if not found.moved:
            continue
        shown = found.moved[:CASES]
        more = f", the first {CASES} of {len(found.moved)}" if len(found.moved) > CASES else ""
        yield f"Decisions of `{run}` that changed{more}:"
        yield ""
        repeated = any(case.repeat for case in found.moved)
        yield from table(
            ["case", *(["repeat"] if repeated else []), "expected", "before", "now"],
            [
                [
                    markdown_code(case.case_id),
                    *([str(case.repeat)] if repeated else []),
                    *(_decision(answer, fields) for answer in (case.expected, case.before, case.now)),
                ]
                for case in shown
            ],
        )


def _decision(answer: Answer | None, fields: Sequence[str]) -> str:
    if answer is None:
        return "no usable answer"
    values = [markdown_code(label_text(answer.get(name))) for name in fields]
    return values[0] if len(fields) == 1 else ", ".join(f"{n} {v}" for n, v in zip(fields, values, strict=True))


def _moved(found: AskedAgain) -> bool:
    return bool(found.texts or found.moved or _names(found.then) != _names(found.now))


def _known(found: AskedAgain) -> str:
    if not found.known:
        return "none of them in the ledger, so nothing to compare with"
    return "all in the ledger" if found.known == found.asked else f"{found.known} of them in the ledger"


def _what_moved(found: AskedAgain) -> str:
    if not _moved(found):
        return "nothing moved"
    if not (found.texts or found.moved):
        return "no answer changed"
    decisions = f"{len(found.moved)} {'decision' if len(found.moved) == 1 else 'decisions'}"
    sides = f" ({found.lost} right → wrong, {found.gained} wrong → right)" if found.moved else ""
    return f"{found.texts} {'text' if found.texts == 1 else 'texts'} and {decisions} changed{sides}"


def _providers_moved(found: AskedAgain) -> str:
    now = _plain_providers(found.now)
    return now if _names(found.then) == _names(found.now) else f"{_plain_providers(found.then)} → {now}"


def _names(counted: Sequence[tuple[Provider, int]]) -> set[Provider]:
    return {provider for provider, _ in counted}


def _plain_providers(counted: Sequence[tuple[Provider, int]]) -> str:
    listed = [f"{plain_line(_provider(provider), limit=60)} ({n})" for provider, n in counted[:PROVIDERS_ON_A_LINE]]
    return ", ".join(listed) + _rest(counted, PROVIDERS_ON_A_LINE)


def _providers(counted: Sequence[tuple[Provider, int]], most: int) -> str:
    listed = [f"{markdown_code(_provider(provider))} ({n})" for provider, n in counted[:most]]
    return ", ".join(listed) + _rest(counted, most)


def _rest(counted: Sequence[tuple[Provider, int]], most: int) -> str:
    return f" and {len(counted) - most} more" if len(counted) > most else ""


def _provider(provider: Provider) -> str:
    return " ".join(filter(None, provider)) or "not named"
