"""Whether a prompt is at its ceiling: a section of the page, and the table of `harness ceiling` for a terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from harness.core.ceiling import Arm, Ceiling, Change, Clusters, answered, arm, curve, token_slope
from harness.core.overlap import Overlap, SharedErrors, overlap, wrong_cases
from harness.core.tables import MISSING
from harness.core.wording import wrapped
from harness.reporting.blocks import many, share, table
from harness.reporting.escaping import markdown_code
from harness.reporting.fragility import FRAGILITY_HEAD, FRAGILITY_NOTE, fragility_notes, fragility_summary
from harness.reporting.model import SuiteReport

IDS = 10
MOST_PAIRED = 12
MOST = 0.5
TABLES = 3
WIDTH = 100
_CURVE = ("examples", "input tokens", "accuracy", "change to the line above")
_NOTE = "In points of accuracy, with 95% intervals, on the same cases in each line; the slope takes all lines together."
_TRAINED = "The model has LoRA weights that may have been trained on these cases: read the changes only."


def prompt_ceilings(suite: SuiteReport, natural: NDArray[np.bool_]) -> dict[str, Ceiling]:
    """What is known of the ceiling of each run that shows examples: run → its curve.

    That is the one which `harness ceiling` measured; else that of the suite's own strategies which differ from it in
    nothing but their number of examples.
    """
    found = dict(suite.ceilings)
    for arms, clusters in _groups(suite, natural):
        by_prompt: dict[str, list[Arm]] = defaultdict(list)
        for one in arms:
            by_prompt[suite.runs[one.name].strategy.prompt].append(one)
        for alike in by_prompt.values():
            last = max(alike, key=lambda one: one.examples)
            if last.name not in found and len({one.examples for one in alike}) > 1:
                found[last.name] = curve(f"{suite.name}/{last.name}", alike, clusters, source="holdout")
    return found


def ceiling_section(suite: SuiteReport, natural: NDArray[np.bool_]) -> Iterator[str]:
    """What more examples or tokens bring, which errors all strategies share, and what moves with an example.

    Nothing where none of that is known.
    """
    parts = [*_curves(suite, natural), *_tokens(suite, natural), *_shared(suite, natural), *_fragile(suite)]
    if parts:
        yield "### Is the prompt at its ceiling?"
        yield ""
        yield from parts


def ceiling_lines(found: Ceiling, *, trained: bool) -> Iterator[str]:
    """The curve and its conclusion for a terminal. `trained`: the model's weights may have seen these cases."""
    yield from tabulate(_rows(found), headers=list(_CURVE), disable_numparse=True).splitlines()
    yield ""
    failed = [f"{many(found.failed, 'request')} failed and count as wrong; the same command asks them again."]
    notes = [*_slopes(found), _NOTE, *(failed if found.failed else ()), *([_TRAINED] if trained else ())]
    for line in (f"{found.sentence}.", *notes):
        yield from wrapped(line, width=WIDTH)


def _curves(suite: SuiteReport, natural: NDArray[np.bool_]) -> Iterator[str]:
    """The conclusion of each run, with its table for the first ones."""
    known = prompt_ceilings(suite, natural)
    for number, (run, found) in enumerate(known.items()):
        yield f"**`{run}`: {found.sentence}.**"
        yield ""
        if number >= TABLES:
            continue
        yield from table(_CURVE, _rows(found))
        failed = [f"{many(found.failed, 'request')} failed and count as wrong."] if found.failed else []
        trained = found.source == "pool" and any(run in weights.runs for weights in suite.trained.values())
        yield " ".join((*_slopes(found), *failed, *([_TRAINED] if trained else ())))
        yield ""
    if known:
        yield _NOTE
        yield ""
    unknown = [n for n, run in suite.runs.items() if run.example_count and n not in suite.ceilings]
    if unknown:
        names = ", ".join(f"`{name}`" for name in unknown)
        yield f"How {names} would do with fewer examples was not measured; on pool cases it is by"
        yield f"`harness ceiling {suite.name}/{unknown[0]}`."
        yield ""


def _rows(found: Ceiling) -> list[list[str]]:
    return [
        [
            str(point.examples),
            "–" if point.tokens is None else f"{point.tokens:,.0f}",
            f"{100 * point.accuracy.estimate:.1f}% ({100 * point.accuracy.lower:.1f}–{100 * point.accuracy.upper:.1f})",
            "" if point.change is None else _points(point.change),
        ]
        for point in found.points
    ]


def _slopes(found: Ceiling) -> Iterator[str]:
    step = 8 if found.last >= 8 else 1
    yield f"{many(step, 'more example').capitalize()} on average: {_points(found.per_example, step)}."
    if found.per_token is not None:
        yield f"1,000 more tokens of the prompt: {_points(found.per_token, 1000)}."


def _points(change: Change, times: int = 1) -> str:
    low, high = 100 * times * change.lower, 100 * times * change.upper
    return f"{100 * times * change.estimate:+.1f} ({low:+.1f} to {high:+.1f})"


def _tokens(suite: SuiteReport, natural: NDArray[np.bool_]) -> Iterator[str]:
    lines = []
    for arms, clusters in _groups(suite, natural):
        change = token_slope(arms, clusters)
        if change is not None:
            tokens = [one.tokens for one in arms if one.tokens is not None]
            lines.append(
                f"- {_named([one.name for one in arms])}: {_points(change, 1000)}, from {min(tokens):,.0f} to "
                f"{max(tokens):,.0f} tokens"
            )
    if lines:
        yield "By how many points of accuracy 1,000 more tokens of the prompt change strategies that share model and"
        yield "decoding, on the holdout, with 95% intervals:"
        yield ""
        yield from lines
        yield ""


def _groups(suite: SuiteReport, natural: NDArray[np.bool_]) -> Iterator[tuple[list[Arm], Clusters]]:
    """Runs that differ in nothing but prompt and examples, on the cases that all of them answered."""
    alike: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for name, run in suite.runs.items():
        one = run.strategy
        key = (one.adapter, one.decoding, one.sampling, one.parse, one.validator, one.review_below)
        if (run.table.status != MISSING).any():
            alike[key].append(name)
    for names in alike.values():
        tables = [suite.runs[name].table for name in names]
        keep = answered(tables, natural)
        if len(names) > 1 and keep.any():
            clusters = [cluster for cluster, kept in zip(tables[0].clusters, keep, strict=True) if kept]
            arms = [
                arm(name, suite.runs[name].example_count, outcomes, keep)
                for name, outcomes in zip(names, tables, strict=True)
            ]
            yield arms, clusters


def _shared(suite: SuiteReport, natural: NDArray[np.bool_]) -> Iterator[str]:
    """The errors that strategies have in common."""
    tables = {name: run.table for name, run in suite.runs.items() if (run.table.status != MISSING).any()}
    keep = answered(list(tables.values()), natural)
    if len(tables) < 2 or not keep.any():
        return
    ids = [case.id for case, kept in zip(suite.cases, keep, strict=True) if kept]
    found = overlap({name: wrong_cases(outcomes, keep) for name, outcomes in tables.items()}, ids)
    if not found.wrong[found.fewest]:
        return
    yield _told(found)
    yield ""
    if found.all_wrong:
        yield from _hardest(suite, found)
    yield from _pairs(found)


def _told(found: Overlap) -> str:
    everywhere, fewest, best = len(found.all_wrong), found.wrong[found.fewest], found.fewest
    corrected = 100 * max(0.0, found.beyond_chance)
    told = (
        f"All {len(found.wrong)} strategies get the same {everywhere} of {found.cases:,} cases wrong; it would be "
        f"{found.expected:.0f} if their errors had nothing to do with each other. Of the {fewest} errors of `{best}`, "
        f"which makes the fewest, {share(everywhere, fewest)} are everyone's, {corrected:.0f}% "
        "when chance is taken out:"
    )
    if found.beyond_chance < MOST:
        return f"{told} no sign that labels or missing knowledge keep them all from being better."
    return f"{told} what keeps them from being better are these cases, their labels or what they leave out."


def _hardest(suite: SuiteReport, found: Overlap) -> Iterator[str]:
    by_id = {case.id: case for case in suite.cases}
    listed = []
    for case_id in found.all_wrong[:IDS]:
        slices = [f"`{part.name}`" for part in suite.task.slices if part.contains(by_id[case_id])]
        listed.append(markdown_code(case_id) + (f" ({', '.join(slices)})" if slices else ""))
    more = f" and {len(found.all_wrong) - IDS} more" if len(found.all_wrong) > IDS else ""
    yield f"Wrong in every strategy: {', '.join(listed)}{more}."
    yield ""


def _pairs(found: Overlap) -> Iterator[str]:
    """A triangle of the strategies, those with the fewest errors first where there are too many."""
    names = sorted(found.wrong, key=lambda run: found.wrong[run])[:MOST_PAIRED]
    names = [name for name in found.wrong if name in names]
    pairs = {frozenset(pair.runs): pair for pair in found.pairs}
    rows = [
        [f"`{name}`", str(found.wrong[name]), *(_pair(pairs[frozenset((name, other))]) for other in names[:i])]
        for i, name in enumerate(names)
    ]
    yield from table(["strategy", "wrong", *(f"`{name}`" for name in names[:-1])], _even(rows))
    yield (
        "Cases that both get wrong, as a share of those that either does; in brackets their number, and the number if "
        "their errors had nothing to do with each other."
    )
    yield ""


def _pair(pair: SharedErrors) -> str:
    return f"{100 * pair.jaccard:.0f}% ({pair.both}, {pair.expected:.0f})"


def _even(rows: Sequence[list[str]]) -> list[list[str]]:
    width = max(map(len, rows))
    return [[*row, *[""] * (width - len(row))] for row in rows]


def _fragile(suite: SuiteReport) -> Iterator[str]:
    for run, found in list(suite.fragilities.items())[:TABLES]:
        most = max(moved.moved for moved in found.drops.variants)
        yield (
            f"Without one of its {found.examples} examples, `{run}` decides {found.drops.mean_moved:.1f} of "
            f"{found.cases:,} pool cases differently on average, and {most} at most; "
            f"{found.again.moved} when the same is asked again."
        )
        yield ""
        yield from table(FRAGILITY_HEAD, fragility_summary(found))
        yield from fragility_notes(found)
    if suite.fragilities:
        yield FRAGILITY_NOTE
        yield ""


def _named(names: Sequence[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"
