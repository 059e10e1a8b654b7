"""The treatments of a suite's runs, and that of the accepted one."""

from __future__ import annotations

from harness.core.digests import digest
from harness.core.treatment import Treatment, treatment
from harness.fixtures_io.baselines import Baseline
from harness.reporting.model import AcceptedRun
from harness.runs.session import SuiteSession


def run_treatment(session: SuiteSession, run: str) -> Treatment:
    """All that determines the outcomes of a run. Raises as `SuiteSession.prompt` and its driver's `identity` do."""
    adapter, parts = session.adapter(run), session.suite.fixture.parts
    return treatment(
        session.strategy(run),
        prompt=session.prompt(run).instructions,
        examples=[case.id for case in session.examples(run)],
        driver=adapter.driver,
        model=adapter.model,
        identity=session.identity(run),
        schema=digest(session.task.schema),
        fixture={
            "holdout": session.holdout_digest,
            **{name: digest(part.content) for name, part in parts.items() if name != "schema"},
        },
    )


def accepted_run(baseline: Baseline) -> AcceptedRun:
    """What a report says of a baseline."""
    told = {name: str(baseline.header.get(name, "")) for name in ("strategy", "reason", "date", "revision")}
    return AcceptedRun(**told, treatment=baseline.treatment)
