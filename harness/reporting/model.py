"""What a report is made of: plain records, gathered by whoever ran the suites."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.core.ceiling import Ceiling
from harness.core.economics import Economics
from harness.core.fragility import Fragility
from harness.core.gate import Verdict
from harness.core.policy import Effect
from harness.core.records import Answer, Case, Measure, Proof, Strategy, Task
from harness.core.tables import OutcomeTable
from harness.core.treatment import Treatment

Provider = tuple[str, str]
"""What a provider says answered: (model, fingerprint), "" for what it does not say."""


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
class ClaimTest:
    """How one claim did in the simulations of a self-test; all counts are of `SelfTest.simulations`.

    `false_alarms` are FAILs where the claim just holds (for a change: where nothing changed), `wrong_passes` are PASSes
    where it just does not; None where the claim promises no such rate. `unchanged_passes` are PASSes of the stored
    predictions. `sizes` are the smallest regressions that FAILed, one per simulation, sorted, in the unit of the
    estimate (a rate or a cost); infinite where none did.
    """

    judged: JudgedClaim
    false_alarms: int | None
    wrong_passes: int | None
    unchanged_passes: int
    sizes: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantTest:
    """How often a regression planted in a share of the cases of `run` was blocked: (share, count) by rising share.

    Counts are of `SelfTest.plant_simulations`; shares beyond the first that was always blocked are left out.
    """

    run: str
    name: str
    blocked: Sequence[tuple[float, int]]
    caught_by: JudgedClaim | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """What simulations on the stored predictions say of the gate of one suite.

    `any_false_alarm` counts the simulations without any change in which a blocking claim FAILed. In the runs `churned`
    a share `churn` of the cases was made to differ, since the stored predictions are those of the baseline. `broken`
    are error rates above their level, in words; empty where the gate keeps its promises.
    """

    simulations: int
    plant_simulations: int
    seed: int
    claims: Sequence[ClaimTest]
    plants: Sequence[PlantTest]
    any_false_alarm: int
    alpha: float
    churned: Sequence[str]
    churn: float
    skipped: Sequence[str]
    broken: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopped:
    """How far a run went that ends when its blocking claims are settled: it asked for `asked` of the `cases`.

    `saved` is how many model calls the rest would have taken; what the ledger knows would have taken none. `last` names
    the claims that were not settled when the last cases were asked.
    """

    cases: int
    asked: int
    saved: int
    last: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One strategy that was run. `usd_per_1000` is what 1,000 answers cost to make, None where no price is known.

    `proofs` say that its treatment reached the model; None where stored answers came without proofs.
    `machine_s` is how many seconds of a machine one answer takes, None where tokens are paid for instead.
    """

    strategy: Strategy
    driver: str
    model: str
    identity: Mapping[str, str]
    digest: str
    table: OutcomeTable
    usd_per_1000: float | None
    example_count: int = 0
    early: EarlyStopped | None = None
    proofs: Sequence[Proof] | None = ()
    machine_s: float | None = None
    treatment: Treatment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRun:
    """The run that was accepted as the baseline: why, when and at which commit. A stored run that stands for it has no
    `date`, and `reason` says what it is.

    `treatment` is None for one that was accepted before treatments were kept.
    """

    strategy: str
    reason: str
    date: str
    revision: str
    treatment: Treatment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedCase:
    """A request whose decision changed when it was asked again; None is an answer that could not be used."""

    case_id: str
    repeat: int
    expected: Answer
    before: Answer | None
    now: Answer | None
    was_right: bool
    is_right: bool

    @property
    def lost(self) -> bool:
        return self.was_right and not self.is_right

    @property
    def gained(self) -> bool:
        return self.is_right and not self.was_right


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAgain:
    """What one run answered when it was asked again, beside what the ledger holds.

    Of `asked` requests the ledger knew `known`, and `failed` got no answer now; `compared` are both known and answered.
    `texts` of those changed in any letter, `moved` in a decision field. `then` and `now` count which providers answered
    the known requests in the past, and all of them today.
    """

    asked: int
    known: int
    failed: int
    compared: int
    texts: int
    then: Sequence[tuple[Provider, int]]
    now: Sequence[tuple[Provider, int]]
    moved: Sequence[MovedCase]

    @property
    def lost(self) -> int:
        return sum(case.lost for case in self.moved)

    @property
    def gained(self) -> int:
        return sum(case.gained for case in self.moved)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedEpoch:
    """One line of a training curve; `exact` is the share of validation cases with the whole answer right."""

    number: int
    training_loss: float
    validation_loss: float
    exact: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedWeights:
    """How the LoRA weights of an adapter were trained, by their card, and the runs that answered with them."""

    runs: Sequence[str]
    training_cases: int
    validation_cases: int
    curve: Sequence[TrainedEpoch]
    kept_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldoutUse:
    """How many different strategies have been `judged` on a holdout, this run's included.

    Of so many equally good ones the best looks better than it is by `luck` standard errors, which are `points` points
    of accuracy; `outworn` where that is more than its 95% interval allows for.
    """

    judged: int
    luck: float
    points: float
    outworn: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SuiteReport:
    """One suite: its runs in declared order, its settled claims, and what keeps it from being judged whole.

    `unjudged` are claims without a verdict, `incomplete` what makes the gate one that can't pass, `notes` what else is
    to be known of its holdout, all in words.
    `baseline` holds the accepted outcomes, if there are comparable ones, `accepted` what they are. `asked_again` is
    there for runs that were asked again although the ledger knew them. `trained` has the adapters whose weights were
    trained, by name.
    `ceilings` and `fragilities` are what `harness ceiling` and `harness fragility` measured of these very runs.
    `economics` is what the task declares about money; `pool` then counts its labelled examples: field → label → how
    many.
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
    accepted: AcceptedRun | None = None
    attribution: str = ""
    notes: Sequence[str] = ()
    use: HoldoutUse | None = None
    selftest: SelfTest | None = None
    asked_again: Mapping[str, AskedAgain] = field(default_factory=dict)
    trained: Mapping[str, TrainedWeights] = field(default_factory=dict)
    ceilings: Mapping[str, Ceiling] = field(default_factory=dict)
    fragilities: Mapping[str, Fragility] = field(default_factory=dict)
    economics: Economics | None = None
    pool: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What a run took: its seconds, the calls that were made, and the answers that were there already."""

    seconds: float
    calls: int
    stored: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a report comes from, beside the digests. `effort` None: several processes shared the work, or none did any.

    `command` makes the same report. Seconds stand in no file that is compared byte by byte.
    """

    revision: str
    versions: Mapping[str, str] = field(default_factory=dict)
    hardware: str = ""
    command: str = ""
    profile: str = "pr"
    effort: Effort | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """All suites of one pytest run, or a comparison of two stored runs: then `compared` says what came of it."""

    suites: Sequence[SuiteReport]
    provenance: Provenance
    compared: str = ""

    def count(self, effect: Effect) -> int:
        return sum(claim.effect is effect for suite in self.suites for claim in suite.claims)

    @property
    def broken(self) -> dict[str, str]:
        return {f"{suite.name}/{run}": why for suite in self.suites for run, why in suite.broken.items()}
