"""The state of one pytest process: suites, declared claims, their verdicts, and the report of them.

Collecting tests makes a `Gating`, so what computes (NumPy, the ledger, drivers) is imported where it is first needed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.core.errors import ClaimError, HoldfastError
from harness.core.policy import PROFILES, effect
from harness.core.records import Stage
from harness.fixtures_io.suites import SUITE_FILE, Project, Suite, load_suite
from harness.runs import LEDGER
from harness.runs.declared import DeclaredClaim, Judged
from harness.runs.leaks import refuse_leaks
from harness.runs.settings import Options, inconclusive, settings, switch

if TYPE_CHECKING:
    from harness.core.shards import Shard
    from harness.execution.scheduler import Progress
    from harness.execution.spending import Account, Spending
    from harness.reporting.model import EarlyStopped, SelfTest
    from harness.runs.comparing import Comparison
    from harness.runs.early import EarlyStop
    from harness.runs.ending import Ended
    from harness.runs.reports import Settled
    from harness.runs.session import SuiteSession
    from harness.runs.sharding import Collecting
    from harness.runs.sources import Sources
    from harness.runs.spent import Accounts
    from harness.runs.workers import Controller


class Gating:
    """Collects the claims of all suites, settles each suite's as one family, and tells each test its verdicts."""

    def __init__(self, options: Options, controller: Controller | None = None) -> None:
        """`controller` is the process that started this one, an xdist worker; None where there is just one."""
        self._options = options
        self._controller = controller
        self._settings = settings(options.root)
        self.project = Project(
            root=options.root, **{k: v for k, v in self._settings.items() if k in ("fixtures", "adapters", "reports")}
        )
        self.profile = options.profile or self._settings.get("profile", "pr")
        if self.profile not in PROFILES:
            raise ClaimError(f"[tool.holdfast] profile is {self.profile!r}; expected one of {', '.join(PROFILES)}")
        self._inconclusive = inconclusive(self._settings.get("inconclusive", {}))
        self._png_charts = switch(self._settings, "png_charts")
        self.declaring = False
        self.ended: Ended | None = None
        self._suites: dict[Path, Suite] = {}
        self._sessions: dict[Path, SuiteSession] = {}
        self._claims: dict[Path, dict[tuple[str, int], DeclaredClaim]] = {}
        self._judged: dict[tuple[str, int], Judged] = {}
        self._declared: dict[tuple[str, int], DeclaredClaim] = {}
        self._settled: dict[Path, list[Settled]] = {}
        self._broken: dict[str, str] = {}
        self._selected: list[str] = []
        self._incomplete: dict[Path, list[str]] = {}
        self._unjudged: dict[Path, list[str]] = {}
        self._comparisons: dict[Path, Comparison] = {}
        self._selftests: dict[Path, SelfTest] = {}
        self._stopped: dict[Path, dict[str, EarlyStopped]] = {}
        self._told: list[str] = []
        self._sources: Sources | None = None
        self._spending: Spending | None = None
        self._live = False
        self._running: tuple[str, Progress] | None = None
        self._interrupted = False

    @property
    def report_folder(self) -> Path:
        return self._options.root / (self._options.report or Path(self.project.reports) / "latest")

    def suite(self, file: Path) -> Suite:
        """The suite of one strategies.yaml. Raises DeclarationError, FixtureMissing, or FixtureError for leaks."""
        if file not in self._suites:
            suite = load_suite(file, self.project, adapter_override=self._options.adapter)
            refuse_leaks(suite)
            if self._options.repeats is not None:
                suite = suite.asking(self._options.repeats)
            self._suites[file] = suite
        return self._suites[file]

    def session(self, file: Path) -> SuiteSession:
        """What runs the suite of one strategies.yaml."""
        from harness.runs.session import SuiteSession
        from harness.runs.sources import make_sources

        if file not in self._sessions:
            if self._sources is None:
                self._sources = make_sources(self._options)
            self._sessions[file] = SuiteSession(
                self.suite(file),
                store=self._sources.store,
                drivers=self._sources.drivers,
                progress=self._progress,
                spending=self.spending,
                recorder=self._collecting.log if self._collecting else self._sources.recorder,
                fresh=self._sources.fresh,
            )
        return self._sessions[file]

    @property
    def _collecting(self) -> Collecting | None:
        """What collects a shard, once a suite was met."""
        return None if self._sources is None else self._sources.collecting

    @property
    def spending(self) -> Spending:
        """What this process has spent on calls, over all suites."""
        from harness.execution.spending import Spending

        self._spending = self._spending or Spending(self._options.max_cost)
        return self._spending

    def spent(self) -> Accounts:
        """The accounts of this process, for `joined`; a replay has none."""
        from harness.runs.spent import plain

        return {} if self._options.replay else plain(self.spending.accounts)

    def refuse_while_declaring(self) -> None:
        """Raises ClaimError while claims are declared: no model may be asked before all of them are known."""
        if self.declaring or self._options.dry_run:
            raise ClaimError(
                "a test that takes `gate` can't ask the model itself; put asserts on `run.outcomes` or `run.answer` "
                "into a test of their own"
            )

    def declare(self, session: SuiteSession, claim: DeclaredClaim) -> None:
        """Register a claim. Raises ClaimError for one that no sample of this size could satisfy."""
        from harness.core.gate import check_quantile_reachable, check_reachable

        if session.strategy(claim.measure.run).stage is Stage.REFERENCE:
            claim = replace(claim, role="report")
        costly = claim.measure.metric == "cost"
        kind = (
            {"at_most": "cost_at_most", "no_worse": "cost_no_worse"}.get(claim.kind, claim.kind)
            if costly
            else claim.kind
        )
        bound, size = claim.bound or 0.0, session.size(claim.measure)
        if claim.measure.quantile is not None:
            check_quantile_reachable(claim.measure.quantile, bound, size, role=claim.role, alpha=claim.alpha)
        else:
            check_reachable(
                kind,
                bound,
                size,
                role=claim.role,
                alpha=claim.alpha,
                assure=claim.assure,
                cost_max=session.largest_cost(claim.measure) if costly else None,
            )
        file = session.suite.folder / SUITE_FILE
        self._claims.setdefault(file, {})[claim.test, claim.index] = claim
        self._declared[claim.test, claim.index] = claim

    def note_broken(self, test: str, why: object, *, skipped: bool = False) -> None:
        """A test that could not state its claims: nothing is executed, and nothing is judged. A skip is no trouble."""
        if not skipped:
            self._broken.setdefault(test, str(why))

    @property
    def broken(self) -> bool:
        """Whether some test could not state its claims."""
        return bool(self._broken)

    def judged(self, claim: DeclaredClaim) -> Judged:
        """What the test that made `claim` should do now."""
        key = claim.test, claim.index
        if claim.test in self._broken:
            return Judged(label="UNJUDGED", blocks=True, message=self._broken[claim.test])
        if self._broken:
            others = ", ".join(sorted(self._broken)[:3])
            return Judged(
                label="UNJUDGED",
                blocks=True,
                settled=False,
                message=f"not judged and no model called, since these tests could not state their claims: {others}",
            )
        declared = self._declared.get(key)
        if declared is None or replace(claim, role=declared.role) != declared or key not in self._judged:
            return Judged(
                label="UNDECLARED",
                blocks=True,
                message="not made when claims were declared; a test must make the same claims every time",
            )
        return self._judged[key]

    def execute_and_settle(self) -> None:
        """Run every strategy that a claim needs, settle each suite, and write the report.

        Of several workers the first writes for all. An interruption is told with how to resume. Raises DriverError for
        a limit of cost on a model without a known price.
        """
        from harness.runs.messages import interrupted_line
        from harness.runs.spent import check_prices

        if self._broken:
            return
        if self._options.max_cost is not None:
            check_prices(self._sessions[file].adapter(run) for file in self._claims for run in self._needed(file))
        self._live = True
        with self._controller.executing() if self._controller else nullcontext():
            try:
                self._execute_and_settle()
            except KeyboardInterrupt:
                self._interrupted = True
                line, weight = interrupted_line(self._running, fresh=self._options.fresh)
                self._told.append(line)
                if self._controller:
                    self._controller.interrupted(line, weight=weight)
                raise

    def _execute_and_settle(self) -> None:
        if self._collecting is not None:
            for file, claims in self._claims.items():
                self._collecting.collect(self._sessions[file], [claim.measure for claim in claims.values()])
            return
        started = time.monotonic()
        self._execute()
        self._live = False  # from here on pytest writes its own line
        self._report(time.monotonic() - started)

    def plan(self, *, asking: int) -> None:
        """Count what a run would ask and cost, for `summary`; `asking` tests ask by themselves, and are not counted."""
        from harness.runs.planning import plan_lines

        if self._broken:
            return
        self._told += plan_lines(
            [
                (self._sessions[file], self._needed(file), list(claims.values()))
                for file, claims in self._claims.items()
            ],
            self._options.root / LEDGER,
            fresh=self._options.fresh,
            asking=asking,
            max_cost=self._options.max_cost,
        )

    def _needed(self, file: Path) -> list[str]:
        """The strategies of a suite that claims are about."""
        wanted = {claim.measure.run for claim in self._claims[file].values()}
        return [run for run in self.suite(file).strategies if run in wanted]

    def _execute(self) -> None:
        from harness.runs.early import execute

        for file, claims in self._claims.items():
            session, needed = self._sessions[file], self._needed(file)
            ordered = [claims[key] for key in sorted(claims)]
            try:
                session.prepare(needed)
                self._incomplete[file] = self._read_accepted(file, session, ordered)
            except HoldfastError as error:
                session.broken.update(dict.fromkeys(needed, str(error)))
            early = self._early_stop(file, session, ordered) if self._options.early_stop else None
            for run in needed:
                try:
                    execute(session, run, ordered, early)
                except HoldfastError as error:
                    session.broken.setdefault(run, str(error))
            self._settle(file, session, ordered, early)
            if self._options.selftest:
                self._self_test(file, session)

    def _early_stop(self, file: Path, session: SuiteSession, claims: list[DeclaredClaim]) -> EarlyStop:
        from harness.runs.early import EarlyStop

        possible = [claim for claim in claims if not self._why_unjudged(file, session, claim)]
        return EarlyStop(session, possible, self._comparison(file, session).identical)

    def _settle(self, file: Path, session: SuiteSession, claims: list[DeclaredClaim], early: EarlyStop | None) -> None:
        from harness.reporting.early import early_lines
        from harness.runs.judging import judged, unjudged
        from harness.runs.settling import settle

        without = {claim: why for claim in claims if (why := self._why_unjudged(file, session, claim))}
        possible = [claim for claim in claims if claim not in without]
        if early is None:
            identical = self._comparison(file, session).identical
            verdicts = settle(possible, session.outcomes, session.largest_cost, identical)
        else:
            verdicts = early.verdicts(possible)
            self._stopped[file] = early.stopped()
            self._told += early_lines(session.suite.name, self._stopped[file])
        for claim, verdict in zip(possible, verdicts, strict=True):
            done = effect(claim.role, str(verdict.status), self.profile, inconclusive=self._inconclusive)
            self._judged[claim.test, claim.index] = judged(session, claim, verdict, done)
            self._settled.setdefault(file, []).append((claim, verdict, done))
        told = {why for claim, why in without.items() if claim.measure.run not in session.broken}
        self._unjudged[file] = sorted(told)
        for claim, why in without.items():
            broken = claim.measure.run in session.broken
            self._judged[claim.test, claim.index] = unjudged(claim, why, broken=broken, profile=self.profile)

    def _read_accepted(self, file: Path, session: SuiteSession, claims: list[DeclaredClaim]) -> list[str]:
        """The accepted claims that are missing now. Raises FixtureError for a damaged baseline or anchor."""
        comparison = self._comparison(file, session)
        for claim in claims:
            comparison.problem(claim)
        return comparison.missing_claims(claims)

    def _self_test(self, file: Path, session: SuiteSession) -> None:
        from harness.reporting.selftest import selftest_lines
        from harness.runs.planting import suite_self_test
        from harness.runs.reports import judged_claims
        from harness.runs.showing import stepping

        with stepping(f"self-test of {session.suite.name}", live=self._live) as told:
            found = suite_self_test(session, judged_claims(self._settled.get(file, [])), told=told)
        if found is None:
            self._told.append(f"self-test of {session.suite.name}: no claim that may block was judged")
        else:
            self._selftests[file] = found
            self._told += selftest_lines(session.suite.name, found)

    def _why_unjudged(self, file: Path, session: SuiteSession, claim: DeclaredClaim) -> str:
        run = claim.measure.run
        if run in session.broken:
            return f"{run} could not be run: {session.broken[run]}"
        return self._comparison(file, session).problem(claim)

    def _comparison(self, file: Path, session: SuiteSession) -> Comparison:
        from harness.runs.comparing import Comparison

        if file not in self._comparisons:
            self._comparisons[file] = Comparison(session, self._options.root / self.project.reports / "baselines")
        return self._comparisons[file]

    def note_selection(self, why: str) -> None:
        """A run of some of the tests is judged, and is no passed gate."""
        if why not in self._selected:
            self._selected.append(why)

    def finish(self, *, passed: bool) -> bool:
        """Accept the run if that was asked for; returns whether the run must count as failed.

        In profile `release` an incomplete gate fails: a selection, or an accepted claim that is no longer made.
        """
        if self._collecting is not None:
            self._collecting.keep_failures("tests without `gate`")
            return not self._collecting.complete
        if not self._claims or self._options.dry_run or self._interrupted:
            return False
        incomplete = [*self._selected, *(line for lines in self._incomplete.values() for line in lines)]
        self._told += [f"INCOMPLETE, not a passed gate: {line}" for line in incomplete]
        if any(test.broken for test in self._selftests.values()):
            return True
        from harness.runs.reusing import keep_uses

        if self._options.accept is None:
            return bool(incomplete) and self.profile == "release"
        refused = False
        for file, session in self._sessions.items():
            declared = list(self._claims.get(file, {}).values())
            why = "tests failed" if not passed else "the run is incomplete" if incomplete else ""
            lines, done = self._comparison(file, session).accept(
                self._settled.get(file, []),
                declared,
                reason=self._options.accept,
                overrides=self._options.overrides,
                refusal=why,
            )
            self._told += [*lines, keep_uses(session, self._options.root)] if done else lines
            refused = refused or not done
        return refused

    def _report(self, seconds: float) -> None:
        """Write the report of a run that took so long; of several workers the first writes."""
        from harness.reporting.again import asked_again_line
        from harness.reporting.reuse import reuse_warning
        from harness.runs.ending import end_run
        from harness.runs.provenance import effort, provenance
        from harness.runs.reports import Finished
        from harness.runs.reusing import holdout_notes, holdout_use

        write = self._controller is None or self._controller.worker == "gw0"
        suites = [
            Finished(
                session=self._sessions[file],
                settled=self._settled.get(file, []),
                unjudged=self._unjudged.get(file, []),
                incomplete=[*self._selected, *self._incomplete.get(file, [])],
                notes=holdout_notes(self._sessions[file]),
                accepted=self._comparison(file, self._sessions[file]).accepted,
                use=holdout_use(self._sessions[file], self._options.root, note=write),
                selftest=self._selftests.get(file),
                early=self._stopped.get(file, {}),
            )
            for file in self._claims
        ]
        source = provenance(
            self._options.root,
            profile=self.profile,
            command=self._options.command,
            effort=effort(self.spent(), seconds) if self._controller is None else None,
        )
        report, self.ended = end_run(
            suites,
            source,
            project=self.project,
            folder=self.report_folder,
            write=write,
            png_charts=self._png_charts,
            environment=os.environ,
        )
        for suite in report.suites:
            self._told += [f"{suite.name}: {note}" for note in suite.notes]
            self._told += [reuse_warning(suite.name, suite.use)] if suite.use and suite.use.outworn else []
            self._told += [asked_again_line(f"{suite.name}/{run}", found) for run, found in suite.asked_again.items()]
        if write and self._sources and self._sources.recorder and self._options.record is not None:
            self._sources.recorder.write(self._options.record)
            self._told.append(f"recorded: {self._shown(self._options.record)}")

    def summary(self) -> list[str]:
        """What the end of a pytest run says: the decision, each suite's counts, and where the report is."""
        if self._collecting is not None:
            return [*self._collecting.lines, *self.calls_told]
        if self.ended is None:
            return self._told
        from harness.runs.spent import joined, spent_lines

        spent = spent_lines(joined([self.spent()]))
        return [*self.ended.summary, *self.calls_told, *self._told, *spent, *self.ended.files]

    @property
    def commands(self) -> Sequence[str]:
        """What GitHub Actions is told at the end, a workflow command a line."""
        if self.ended is not None:
            return self.ended.commands
        if not self._broken:  # collecting alone must not import what computes
            return ()
        from harness.runs.ending import broken_commands

        return broken_commands(self._broken, root=self._options.root, environment=os.environ)

    @property
    def calls_told(self) -> list[str]:
        """Why runs were asked that the ledger knows in some version, a line for each."""
        return self._sources.calls.lines() if self._sources and self._sources.calls else []

    @property
    def shard(self) -> Shard | None:
        """The shard that is collected instead of judged; None also where a test could not state its claims."""
        return None if self._broken else self._options.shard

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._options.root)) if path.is_relative_to(self._options.root) else str(path)

    @contextmanager
    def _progress(self, what: str, total: int, account: Account) -> Iterator[Progress]:
        from harness.runs.showing import showing

        if self._controller:
            shown = self._controller.showing(what, total, account)
        else:
            shown = showing(what, total, account, live=self._live)
        with shown as progress:
            self._running = what, progress
            yield progress
