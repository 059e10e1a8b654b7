"""What a report is made of: plain records, gathered by whoever ran the suites."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.core.gate import Verdict
from harness.core.policy import Effect
from harness.core.records import Case, Measure, Strategy, Task
from harness.core.tables import OutcomeTable


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedClaim:
    """A claim with its verdict and what it does to the build. `against` names what a paired claim compares with."""

    test: str
    index: int
    kind: str
    measure: Measure
    bound: float | None
    role: str
    title: str
    verdict: Verdict
    effect: Effect
    against: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One strategy that was run. `usd_per_1000` is what 1,000 answers cost to make, None where no price is known."""

    strategy: Strategy
    driver: str
    model: str
    identity: Mapping[str, str]
    digest: str
    table: OutcomeTable
    usd_per_1000: float | None
    example_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SuiteReport:
    """One suite: its runs in declared order, its settled claims, and what keeps it from being judged whole.

    `unjudged` are claims without a verdict, `incomplete` what makes the gate one that can't pass, both in words.
    `baseline` holds the accepted outcomes, if there are comparable ones.
    """

    name: str
    task: Task
    cases: Sequence[Case]
    holdout_digest: str
    schema_digest: str
    scoring_version: str
    runs: Mapping[str, RunReport]
    claims: Sequence[JudgedClaim]
    broken: Mapping[str, str]
    unjudged: Sequence[str]
    incomplete: Sequence[str]
    baseline: OutcomeTable | None
    cost_of: Callable[[str, object, object], float]
    attribution: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a report comes from, beside the digests."""

    revision: str
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    profile: str = "pr"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """All suites of one pytest run."""

    suites: Sequence[SuiteReport]
    provenance: Provenance

    def count(self, effect: Effect) -> int:
        return sum(claim.effect is effect for suite in self.suites for claim in suite.claims)

    @property
    def broken(self) -> dict[str, str]:
        return {f"{suite.name}/{run}": why for suite in self.suites for run, why in suite.broken.items()}
