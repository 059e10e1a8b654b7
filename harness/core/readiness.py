"""What the field checks before it trains a model: answered from outcomes where they can tell, else as declared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.core.costing import Accounts
from harness.core.economics import Readiness
from harness.core.kinds import VerdictStatus
from harness.core.records import Case, Decoding, Status, Strategy
from harness.core.schemas import label_text
from harness.core.tables import MISSING, STATUSES, OutcomeTable
from harness.core.verdicts import Verdict
from harness.core.wording import money, percent

ENOUGH = 50
"""Labelled examples per label from which fine-tuning is worth a try: guides of providers say 50 to 100."""
ROLLBACK_MINUTES = 60
HALF = 0.5
CONCENTRATED = 1.5
"""Errors are concentrated in labels that hold half of them, and so many times their share of the cases."""
_ASK = "declare `economics.readiness.{}` in task.yaml"


class Basis(StrEnum):
    """Where an answer comes from; OPEN is none."""

    MEASURED = "measured"
    DECLARED = "declared"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question with its answer, a sentence. Names and labels stand between backticks."""

    key: str
    question: str
    answer: str
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """One strategy that was run. `trained`: its weights were trained for this task; `prompted`: a model reads a prompt.

    `target` is the verdict on its floor of overall accuracy, None where it has none.
    """

    strategy: Strategy
    table: OutcomeTable
    trained: bool
    prompted: bool
    target: Verdict | None = None


def named(text: str) -> str:
    """A name or label between backticks, without what would end them, a cell of a table or the line."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"`{line.replace('`', chr(39)).replace('|', '¦').strip() or ' '}`"


def checks(
    subjects: Mapping[str, Subject],
    cases: Sequence[Case],
    keep: NDArray[np.bool_],
    accounts: Accounts,
    pool: Mapping[str, Mapping[str, int]],
    *,
    ceiling: str | None = None,
) -> list[Check]:
    """The checklist in its order. `pool` counts labelled examples: field → label → how many.

    `ceiling` says in a sentence whether prompting is at its ceiling; the question is left out where it is None.
    """
    declared = accounts.economics.readiness
    untrained = {name: s for name, s in subjects.items() if s.prompted and not s.trained}
    best = max(untrained, key=lambda name: _right(untrained[name].table, keep), default=None)
    return [
        _target(best, untrained, keep),
        *(
            [Check(key="ceiling", question="Is prompting at its ceiling?", answer=ceiling, basis=Basis.MEASURED)]
            if ceiling
            else []
        ),
        _knowledge(best, untrained, cases, keep, declared),
        _format(untrained, keep),
        _examples(pool),
        _stable(declared),
        _volume(subjects, accounts),
        _retraining(declared),
        _rollback(declared),
    ]


def _right(table: OutcomeTable, keep: NDArray[np.bool_]) -> float:
    status = table.status[keep]
    return float((status == STATUSES.index(Status.CORRECT)).sum() / max(1, (status != MISSING).sum()))


def _target(best: str | None, untrained: Mapping[str, Subject], keep: NDArray[np.bool_]) -> Check:
    question = "Do prompt and few-shot fall short of the target?"

    def check(answer: str, basis: Basis = Basis.MEASURED) -> Check:
        return Check(key="target", question=question, answer=answer, basis=basis)

    if best is None:
        return check("Not known: no strategy that only prompts a model was run.", Basis.OPEN)
    right = percent(_right(untrained[best].table, keep))
    verdict = untrained[best].target
    if verdict is None or verdict.lower is None or verdict.upper is None:
        return check(f"Not known: {named(best)} gets {right} right, and no claim asks for an accuracy.", Basis.OPEN)
    asked = f"{100 * verdict.claim.bound:g}% are asked"
    if verdict.status is VerdictStatus.PASS:
        return check(
            f"No: {named(best)} gets {right} right, at least {percent(verdict.lower, against=verdict.claim.bound)}; "
            f"{asked}. Training has to pay by its costs alone."
        )
    if verdict.status is VerdictStatus.FAIL:
        return check(
            f"Yes: {named(best)}, the best without training, gets {right} right, "
            f"at most {percent(verdict.upper, against=verdict.claim.bound)}; {asked}."
        )
    more = "" if verdict.more_cases is None else f" {verdict.more_cases} more cases would settle it."
    return check(f"Not settled: {named(best)} gets {right} right; {asked}.{more}", Basis.OPEN)


def _knowledge(
    best: str | None,
    untrained: Mapping[str, Subject],
    cases: Sequence[Case],
    keep: NDArray[np.bool_],
    declared: Readiness,
) -> Check:
    seen = "" if best is None else _where_wrong(best, untrained[best].table, cases, keep)
    known = declared.knowledge_in_prompt
    if known is None:
        answer = f"{seen} Whether all that is needed to decide stands in the prompt is for people to say: "
        answer += _ASK.format("knowledge_in_prompt") + "."
    elif known:
        answer = f"No: what is needed to decide stands in the prompt. {seen}"
    else:
        answer = f"Yes: what is needed to decide does not stand in the prompt, so retrieval comes first. {seen}"
    return Check(
        key="knowledge",
        question="Is it a knowledge problem (retrieval first)?",
        answer=answer.strip(),
        basis=Basis.OPEN if known is None else Basis.DECLARED,
    )


def _where_wrong(name: str, table: OutcomeTable, cases: Sequence[Case], keep: NDArray[np.bool_]) -> str:
    """How many answers are usable and wrong, and in which labels those concentrate."""
    wrong = (table.status == STATUSES.index(Status.WRONG)) & keep[:, None]
    bad = ~np.isin(table.status, (STATUSES.index(Status.CORRECT), MISSING)) & keep[:, None]
    if not bad.any():
        return f"{named(name)} gets everything right."
    usable = "all" if wrong.sum() == bad.sum() else f"{int(wrong.sum())}"
    told = f"Of {int(bad.sum())} answers of {named(name)} that are not right, {usable} are usable and wrong"
    found = [_nest(field, wrong & ~right, cases, keep) for field, right in table.fields.items()]
    nests = [nest for nest in found if nest is not None and nest.errors >= CONCENTRATED * nest.cases]
    if not nests:
        return f"{told}, spread over the labels."
    nest = max(nests, key=lambda one: one.errors / one.cases)
    shown = ", ".join(named(one) for one in nest.labels[:4]) + (" and others" if len(nest.labels) > 4 else "")
    return (
        f"{told}; {percent(nest.errors)} of the errors in {named(nest.field)} are in {len(nest.labels)} of "
        f"{nest.of} labels ({shown}), which are {percent(nest.cases)} of the cases."
    )


class _Nest(NamedTuple):
    """The labels of a field that hold half of its errors: their share of the errors and of the cases."""

    field: str
    labels: Sequence[str]
    of: int
    errors: float
    cases: float


def _nest(field: str, wrong: NDArray[np.bool_], cases: Sequence[Case], keep: NDArray[np.bool_]) -> _Nest | None:
    """None for a field without errors, and for one of free values."""
    all_labels = Counter(label_text(cases[row].expected[field]) for row in np.flatnonzero(keep).tolist())
    per_case = wrong.sum(axis=1)
    labels: Counter[str] = Counter()
    for row in np.flatnonzero(per_case).tolist():
        labels[label_text(cases[row].expected[field])] += int(per_case[row])
    if not labels or len(all_labels) > all_labels.total() / 4:
        return None
    few: list[str] = []
    for label in sorted(labels, key=lambda one: (-labels[one] / all_labels[one], one)):
        if sum(labels[one] for one in few) >= HALF * labels.total():
            break
        few.append(label)
    return _Nest(
        field=field,
        labels=few,
        of=len(all_labels),
        errors=sum(labels[one] for one in few) / labels.total(),
        cases=sum(all_labels[one] for one in few) / all_labels.total(),
    )


def _format(untrained: Mapping[str, Subject], keep: NDArray[np.bool_]) -> Check:
    free = {n: s for n, s in untrained.items() if s.strategy.decoding is Decoding.FREE}
    question = "Is it a format problem (constrained decoding first)?"
    if not free:
        answer = "Not known: no strategy without training and constraint was run."
        return Check(key="format", question=question, answer=answer, basis=Basis.OPEN)
    twins = {n: _constrained_twin(s, untrained) for n, s in free.items()}
    best = max(free, key=lambda name: (twins[name] is not None, _right(free[name].table, keep)))
    invalid, asked = _invalid(free[best].table, keep)
    twin = twins[best]
    if not invalid:
        answer = f"No: all {asked} answers of {named(best)} can be used."
    elif twin is None:
        answer = (
            f"In part: {invalid} of {asked} answers of {named(best)} can't be used. The same with `decoding: "
            "json_schema` was not run."
        )
    else:
        left, _ = _invalid(untrained[twin].table, keep)
        before, after = (percent(_right(untrained[n].table, keep)) for n in (best, twin))
        answer = (
            f"In part: {invalid} of {asked} answers of {named(best)} can't be used; constrained decoding "
            f"({named(twin)}) leaves {left or 'none'}, and {after} are right instead of {before}."
        )
    return Check(key="format", question=question, answer=answer, basis=Basis.MEASURED)


def _constrained_twin(free: Subject, others: Mapping[str, Subject]) -> str | None:
    """The strategy that differs in its decoding alone."""
    one = free.strategy
    for name, other in others.items():
        two = other.strategy
        same = (one.adapter, one.prompt, one.examples) == (two.adapter, two.prompt, two.examples)
        if same and two.decoding is Decoding.JSON_SCHEMA:
            return name
    return None


def _invalid(table: OutcomeTable, keep: NDArray[np.bool_]) -> tuple[int, int]:
    status = table.status[keep]
    return int((status == STATUSES.index(Status.INVALID)).sum()), int((status != MISSING).sum())


def _examples(pool: Mapping[str, Mapping[str, int]]) -> Check:
    question = f"Are there enough labelled examples ({ENOUGH} per label)?"
    if not pool:
        answer = "Not known: there is no pool, or no decision field with a closed list of labels."
        return Check(key="examples", question=question, answer=answer, basis=Basis.OPEN)
    return Check(key="examples", question=question, answer=" ".join(_pool_words(pool)), basis=Basis.MEASURED)


def _pool_words(pool: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    few = {field: {n: k for n, k in labels.items() if k < ENOUGH} for field, labels in pool.items()}
    total = max(sum(labels.values()) for labels in pool.values())
    yield f"The pool holds {total:,} labelled cases."
    enough = [field for field, labels in few.items() if not labels]
    if enough:
        yield f"Every label of {', '.join(named(f) for f in enough)} has {ENOUGH} or more."
    for field, labels in few.items():
        if labels:
            rarest = sorted(labels.items(), key=lambda item: (item[1], item[0]))
            shown = ", ".join(f"{named(n)} {k}" for n, k in rarest[:4]) + (" and others" if len(rarest) > 4 else "")
            yield f"{len(labels)} of {len(pool[field])} labels of {named(field)} have fewer: {shown}."


def _stable(declared: Readiness) -> Check:
    answers = {
        None: f"Open: {_ASK.format('categories_stable')}.",
        True: "Yes, as declared.",
        False: "No, as declared: what is trained now is wrong when they change; a prompt is the safer place for them.",
    }
    return Check(
        key="stable",
        question="Are the categories stable?",
        answer=answers[declared.categories_stable],
        basis=Basis.OPEN if declared.categories_stable is None else Basis.DECLARED,
    )


def _volume(subjects: Mapping[str, Subject], accounts: Accounts) -> Check:
    question = "Is the volume large enough for training to pay?"
    priced = [name for name in accounts.priced if name in subjects]
    trained = [name for name in priced if subjects[name].trained]
    others = [name for name in priced if subjects[name].prompted and not subjects[name].trained]
    if not trained or not others:
        answer = "Not known: it takes a trained strategy and one that is not, both with known costs."
        return Check(key="volume", question=question, answer=answer, basis=Basis.OPEN)
    one, other = accounts.cheapest(trained), accounts.cheapest(others)
    currency, total = accounts.economics.currency, accounts.total_difference(one, other)
    settled = total.upper < 0 or total.lower > 0
    word = "Not settled" if not settled else "Yes" if total.upper < 0 else "No"
    told, how = (total, "more") if total.estimate > 0 else (total.scaled(-1), "less")
    answer = (
        f"{word}: at the declared {accounts.volume:,.0f} decisions a month {named(one)} costs "
        f"{money(told.estimate, currency)} {how} than {named(other)} "
        f"({money(told.lower, currency)} to {money(told.upper, currency)})"
    )
    found = accounts.break_even(one, other)
    if found is not None and found.large == one and np.isfinite(found.lower):
        answer += f"; it pays from {volumes(found.volume)} on ({volumes(found.lower)} to {volumes(found.upper)})"
    return Check(key="volume", question=question, answer=f"{answer}.", basis=Basis.MEASURED if settled else Basis.OPEN)


def volumes(value: float) -> str:
    """A number of decisions in three digits; "no volume" where it never is."""
    if not np.isfinite(value):
        return "no volume"
    return f"{float(f'{value:.3g}'):,.0f}"


def _retraining(declared: Readiness) -> Check:
    return Check(
        key="retraining",
        question="Who trains again, and when?",
        answer=declared.retraining or f"Open: {_ASK.format('retraining')}.",
        basis=Basis.DECLARED if declared.retraining else Basis.OPEN,
    )


def _rollback(declared: Readiness) -> Check:
    minutes = declared.rollback_minutes
    answer = f"Open: {_ASK.format('rollback_minutes')}."
    if minutes is not None:
        answer = f"{'Yes' if minutes <= ROLLBACK_MINUTES else 'No'}: it takes {minutes:g} minutes, as declared."
    return Check(
        key="rollback",
        question="Can it be rolled back in an hour?",
        answer=answer,
        basis=Basis.OPEN if minutes is None else Basis.DECLARED,
    )
