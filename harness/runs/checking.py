"""`harness check`: what is wrong with fixtures before anything is judged on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.costs import CostModel
from harness.core.errors import ClaimError, DriverError, FixtureError, HoldfastError
from harness.core.prompting import inputs_text
from harness.core.reach import check_quantile_reachable, check_reachable
from harness.core.records import Case
from harness.core.schemas import AnswerSchema, label_text
from harness.fixtures_io.baselines import read_baseline
from harness.fixtures_io.declarations import shown
from harness.fixtures_io.example_locks import locked_examples
from harness.fixtures_io.suites import Project, Suite, suites_on
from harness.fixtures_io.tasks import TASK_FILE, Fixture, load_fixture
from harness.preparing.personal_data import find_personal_data
from harness.preparing.texts import texts_in
from harness.reporting.checks import Checked, Pair
from harness.runs.alike import Embed, near_leaks, semantic_leaks, untold_training
from harness.runs.leaks import Leak, by_case, cards_of, exact_leaks, prompts_of

NAMED = 5


def check_fixtures(folders: Sequence[Path], project: Project, *, embed: Embed | None) -> Iterator[Checked]:
    """The check of each folder, or of all fixtures of the project; without `embed`, semantic copies are not looked for.

    Raises FixtureError where there is no fixture.
    """
    found = folders or [file.parent for file in sorted((project.root / project.fixtures).glob(f"*/{TASK_FILE}"))]
    if not found:
        raise FixtureError(f"there is no {project.fixtures}/*/{TASK_FILE} here; name a fixture's folder")
    for folder in found:
        if not (folder / TASK_FILE).is_file():
            raise FixtureError(f"{shown(folder)} holds no {TASK_FILE}; name a fixture's folder")
        yield check_fixture(folder, project, embed=embed)


def check_fixture(folder: Path, project: Project, *, embed: Embed | None) -> Checked:
    """All that is wrong with one fixture; of one that can't be read, why."""
    errors: list[str] = []
    try:
        fixture = load_fixture(folder)
        holdout = fixture.unverified_holdout()
        pool: Sequence[Case] = fixture.pool() if fixture.pool_path.exists() else ()
    except HoldfastError as error:
        return Checked(name=shown(folder), errors=(str(error),))
    warnings: list[str] = []
    try:
        warnings += filter(None, [fixture.frozen().lock.outdated])
    except HoldfastError as error:
        errors.append(str(error))
    suites: Sequence[Suite] = ()
    try:
        suites = suites_on(folder, project)
    except HoldfastError as error:
        errors.append(str(error))
    cards = list({card.adapter: card for suite in suites for card in cards_of(suite)}.values())
    prompts = {name: text for suite in suites for name, text in prompts_of(suite).items()}
    leaks = exact_leaks(fixture, cards, prompts)
    leaks += _others(leaks, near_leaks(holdout, pool))
    if embed is not None:
        try:
            leaks += _others(leaks, semantic_leaks(holdout, pool, embed))
        except DriverError as error:
            embed = None
            warnings.append(f"semantic copies were not looked for: {error}")
    examples, stale = _examples(suites, pool, holdout)
    errors += stale
    warnings += untold_training(cards, pool)
    warnings += _personal_data(fixture, holdout, pool)
    warnings += _missing_labels(fixture, holdout)
    warnings += _empty_slices(fixture, holdout)
    for suite in suites:
        try:
            warnings += _unreachable(suite, holdout, project)
        except HoldfastError as error:
            errors.append(str(error))
    return Checked(
        name=shown(folder),
        holdout=len(holdout),
        pool=len(pool),
        leaks=tuple(_pair(same, examples) for same in by_case(leaks)),
        accepted=fixture.accept_leaks,
        errors=tuple(errors),
        warnings=tuple(warnings),
        semantic=embed is not None,
    )


def _others(leaks: Sequence[Leak], more: Sequence[Leak]) -> list[Leak]:
    """Those of `more` whose holdout case has no leak yet."""
    known = {leak.holdout for leak in leaks}
    return [leak for leak in more if leak.holdout not in known]


def _examples(
    suites: Sequence[Suite], pool: Sequence[Case], holdout: Sequence[Case]
) -> tuple[Mapping[str, list[str]], list[str]]:
    """Which strategies show which pool case as an example, and which of their locks are stale."""
    held = frozenset(case.id for case in holdout)
    shows: dict[str, list[str]] = {}
    stale = []
    for suite in suites:
        for run, strategy in suite.strategies.items():
            try:
                for case in locked_examples(suite.folder, strategy, pool, held):
                    shows.setdefault(case.id, []).append(f"{suite.name}/{run}")
            except HoldfastError as error:
                stale.append(str(error))
    return shows, list(dict.fromkeys(stale))


def _pair(same: Sequence[Leak], examples: Mapping[str, list[str]]) -> Pair:
    """One holdout case, and all places where it is known."""
    places = []
    for leak in same:
        shows = examples.get(leak.other, ()) if leak.source == "pool" else ()
        places.append(leak.place + (f" (an example of {', '.join(shows)})" if shows else ""))
    first = same[0]
    return Pair(
        how=first.how,
        similarity=first.similarity,
        holdout=first.holdout,
        text=first.text,
        place=", ".join(places),
        other_text=next((leak.other_text for leak in same if leak.other_text), first.text),
    )


def _personal_data(fixture: Fixture, holdout: Sequence[Case], pool: Sequence[Case]) -> Iterator[str]:
    for path, cases in ((fixture.holdout_path, holdout), (fixture.pool_path, pool)):
        kinds: Counter[str] = Counter()
        ids: dict[str, None] = {}
        try:
            for case in cases:
                texts = [inputs_text(case.inputs), *texts_in(case.expected)]
                spans = [span for text in texts for span in find_personal_data(text)]
                kinds.update(str(span.kind) for span in spans)
                ids.update(dict.fromkeys([case.id] if spans else []))
        except HoldfastError as error:
            yield f"personal data was not looked for: {error}"
            return
        if kinds:
            told = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
            masked = ", though task.yaml says that it is masked" if fixture.task.personal_data_masked else ""
            yield f"personal data in {len(ids)} cases of {shown(path)}{masked}: {told} ({_named(list(ids))})"


def _missing_labels(fixture: Fixture, holdout: Sequence[Case]) -> Iterator[str]:
    """Labels that no holdout case has: what is made of them is not judged."""
    schema = AnswerSchema(fixture.task.schema)
    for name in fixture.task.decision_fields:
        known = {label_text(value) for value in schema.enumerated(name) or ()}
        missing = sorted(known - {label_text(case.expected[name]) for case in holdout})
        if missing:
            yield f"no holdout case has {name} {_named(missing)}"


def _empty_slices(fixture: Fixture, holdout: Sequence[Case]) -> Iterator[str]:
    for part in fixture.task.slices:
        if not any(map(part.contains, holdout)):
            yield f"no holdout case is in the {'critical ' if part.critical else ''}slice {part.name}"


def _unreachable(suite: Suite, holdout: Sequence[Case], project: Project) -> Iterator[str]:
    """Accepted claims that so few cases could not show, whatever a strategy answers. Raises FixtureError."""
    folder = project.root / project.reports / "baselines" / suite.name
    baseline = read_baseline(folder / f"{suite.shipped}.jsonl")
    task = suite.fixture.task
    names = {part.name for part in task.slices}
    costs = CostModel(task, AnswerSchema(task.schema))
    for claim in baseline.claims if baseline else ():
        part = task.slice(claim["slice"]) if claim["slice"] in names else None
        cases = [case for case in holdout if (part.contains(case) if part else not case.supplement)]
        if claim["role"] == "report" or claim["metric"] == "flip_rate" or (claim["slice"] and part is None):
            continue
        try:
            _check_claim(claim, cases, costs.largest(case.expected for case in cases))
        except ClaimError as error:
            where = f" on slice {part.name}" if part else ""
            told = str(error).partition(" To fix it:")[0]
            yield f"{suite.name}: the {claim['role']} on {claim['metric']}{where} is out of reach: {told}"


def _check_claim(claim: Mapping[str, Any], cases: Sequence[Case], largest: float) -> None:
    """Raises ClaimError for a claim that these cases could not show."""
    units = len({case.cluster or (case.id,) for case in cases})
    alpha, clustered = claim["alpha"], units < len(cases)
    if claim["quantile"] is not None:
        check_quantile_reachable(claim["quantile"], claim["bound"], units, alpha=alpha, clustered=clustered)
        return
    costly = claim["metric"] == "cost"
    kind = {"at_most": "cost_at_most", "no_worse": "cost_no_worse"}.get(claim["kind"]) if costly else None
    check_reachable(
        kind or claim["kind"],
        claim["bound"] or 0.0,
        units,
        alpha=alpha,
        assure=claim["assure"],
        cost_max=largest if costly else None,
        clustered=clustered,
    )


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
