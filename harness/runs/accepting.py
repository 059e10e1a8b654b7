"""The baseline as a reviewed ratchet: whether it can be compared with, what it still asks for, and when it may move."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.digests import digest
from harness.core.records import ANCHOR, BASELINE, Failure, Outcome, Response, Status
from harness.core.scoring import SCORING_VERSION, Scorer
from harness.core.tables import STATUSES, OutcomeTable, TableBuilder
from harness.fixtures_io.baselines import Accepted, Baseline
from harness.fixtures_io.locks import common_digest
from harness.runs.declared import DeclaredClaim
from harness.runs.session import SuiteSession
from harness.runs.treatments import run_treatment

_STRENGTH = {"report": 0, "guard": 1, "gate": 2}
_SUBJECT = ("kind", "metric", "slice", "field", "quantile", "k", "against")
_UNUSABLE = Failure(kind="accepted", message="no usable answer in the baseline")


def not_comparable(baseline: Baseline, session: SuiteSession, repeats: int) -> str:
    """Why a baseline can't be compared with a run of `repeats` answers per case; "" if it can."""
    now = {"schema": digest(session.task.schema), "scoring": SCORING_VERSION}
    same = baseline.header["holdout"] == session.holdout_digest or _extended(baseline, session)
    changed = [] if same else ["holdout"]
    changed += [name for name, value in now.items() if baseline.header[name] != value]
    if changed:
        return f"not comparable: another {' and '.join(changed)} than when it was accepted"
    if baseline.repeats != repeats:
        return f"not comparable: accepted with {baseline.repeats} answers per case, run with {repeats}"
    return ""


def _extended(baseline: Baseline, session: SuiteSession) -> bool:
    """Whether the holdout is that of the baseline with cases added: all that were judged then are as they were."""
    return common_digest(session.suite.fixture.lock_path, baseline.cases) == str(baseline.header["holdout"])


def known_cases(baseline: Baseline, session: SuiteSession) -> NDArray[np.bool_] | None:
    """Which cases a comparable baseline was accepted on; None for all, whether their answers are in it or not."""
    if baseline.header["holdout"] == session.holdout_digest:
        return None
    return np.array([case.id in baseline.cases for case in session.cases], dtype=np.bool_)


def baseline_table(baseline: Baseline, session: SuiteSession, scorer: Scorer) -> OutcomeTable:
    """The outcomes of the accepted predictions under today's costs."""
    builder = TableBuilder(
        cases=session.cases,
        repeats=baseline.repeats,
        decision_fields=session.task.decision_fields,
        largest_cost=scorer.costs.largest(case.expected for case in session.cases),
    )
    for case in session.cases:
        accepted = baseline.cases.get(case.id)
        for repeat in range(baseline.repeats if accepted else 0):
            assert accepted is not None
            answer, status = accepted.answers[repeat], Status(accepted.statuses[repeat])
            if answer is None:
                outcome = scorer.score(case, repeat, _UNUSABLE)
                outcome = replace(outcome, status=status, problem=accepted.problems[repeat])
            else:
                outcome = _reviewed(scorer.judge(case, repeat, answer), status, scorer)
            builder.add(outcome, Response(text="") if answer is not None else _UNUSABLE)
    return builder.finish()


def _reviewed(outcome: Outcome, status: Status, scorer: Scorer) -> Outcome:
    if status is not Status.REVIEW:
        return outcome
    return replace(outcome, status=Status.REVIEW, cost=scorer.costs.review)


def claim_row(claim: DeclaredClaim) -> dict[str, Any]:
    """A claim as the baseline stores it."""
    return {
        "kind": claim.kind,
        "metric": claim.measure.metric,
        "slice": claim.measure.slice,
        "field": claim.measure.field,
        "quantile": claim.measure.quantile,
        "k": claim.measure.k,
        "against": claim.against,
        "bound": claim.bound,
        "role": claim.role,
        "alpha": claim.alpha,
        "alpha_fail": claim.alpha if claim.alpha_fail is None else claim.alpha_fail,
        "assure": claim.assure,
    }


def missing_claims(accepted: Sequence[Mapping[str, Any]], declared: Sequence[DeclaredClaim]) -> Iterator[str]:
    """The accepted claims that are no longer made, or only in a weaker form, each in words."""
    now = [claim_row(claim) for claim in declared]
    for old in accepted:
        same = [new for new in now if all(new[k] == old[k] for k in _SUBJECT)]
        title = f"{old['kind']} {old['metric']}" + (f" on {old['slice']}" if old["slice"] else "")
        title += f" p{100 * old['quantile']:g}" if old["quantile"] is not None else ""
        title += f" k={old['k']}" if old["k"] is not None else ""
        title += " against the anchor" if old["against"] == ANCHOR else ""
        if not same:
            yield f"{title}: accepted, and not made now"
        elif not any(_as_strict(new, old) for new in same):
            yield f"{title}: looser than accepted ({_terms(same[0])} instead of {_terms(old)})"


def _as_strict(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    if _STRENGTH[new["role"]] < _STRENGTH[old["role"]] or new["alpha"] > old["alpha"]:
        return False
    if old["kind"] != "never" and new["alpha_fail"] < old["alpha_fail"]:
        return False
    if old["assure"] is not None and (new["assure"] is None or new["assure"] > old["assure"]):
        return False
    if old["bound"] is None:
        return True
    return bool(new["bound"] >= old["bound"] if old["kind"] == "at_least" else new["bound"] <= old["bound"])


def _terms(row: Mapping[str, Any]) -> str:
    bound = "none" if row["bound"] is None else f"{row['bound']:g}"
    assured = "" if row["assure"] is None else f", assure {row['assure']:g}"
    return f"{row['role']} {bound} at alpha {row['alpha']:g}, alpha_fail {row['alpha_fail']:g}{assured}"


def worsened_slices(old: OutcomeTable, new: OutcomeTable, session: SuiteSession) -> list[str]:
    """The critical slices on which fewer answers are right than in the accepted baseline."""
    correct = STATUSES.index(Status.CORRECT)
    worse = []
    for part in session.task.slices:
        keep = session.kept(part.name, BASELINE)
        before, after = ((table.status[keep] == correct).mean() if keep.any() else 0.0 for table in (old, new))
        if part.critical and after < before:
            worse.append(part.name)
    return worse


def new_baseline(
    session: SuiteSession,
    run: str,
    *,
    reason: str,
    claims: Sequence[DeclaredClaim],
    revision: str,
    versions: Mapping[str, str],
    overrides: Sequence[str],
    today: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Baseline:
    """What `run` answered, with everything that says under which circumstances it was accepted."""
    table = session.table(run)
    header = {
        "suite": session.suite.name,
        "strategy": run,
        "reason": reason,
        "date": today().date().isoformat(),
        "revision": revision,
        "versions": dict(versions),
        "holdout": session.holdout_digest,
        "schema": digest(session.task.schema),
        "scoring": SCORING_VERSION,
        "digest": session.digest(run),
        "identity": dict(session.identity(run)),
        "repeats": table.shape[1],
        "treatment": asdict(run_treatment(session, run)),
        "claims": [claim_row(claim) for claim in claims if claim.measure.run == run],
        "overrides": list(overrides),
    }
    cases = {
        case_id: Accepted(
            tuple(table.answers[row]),
            tuple(str(STATUSES[code]) for code in table.status[row].tolist()),
            tuple(table.problems[row]),
        )
        for row, case_id in enumerate(table.case_ids)
    }
    return Baseline(header=header, cases=cases)
