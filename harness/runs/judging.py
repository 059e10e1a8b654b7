"""Verdicts as tests hear of them: what a test does about each of its claims, and what it leaves for machines."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.core.gate import Verdict
from harness.core.policy import Effect
from harness.runs.declared import DeclaredClaim, Judged
from harness.runs.messages import failure_message
from harness.runs.session import SuiteSession


def judged(session: SuiteSession, claim: DeclaredClaim, verdict: Verdict, done: Effect) -> Judged:
    """What the test of a settled claim does."""
    blocks = done is Effect.BLOCK
    return Judged(
        label="MISSED" if str(verdict.status) == "FAIL" and not blocks else str(verdict.status),
        blocks=blocks,
        message=failure_message(session, claim, verdict) if blocks else "",
        properties=tuple(_properties(claim, verdict, done)),
    )


def unjudged(claim: DeclaredClaim, why: str, *, broken: bool, profile: str) -> Judged:
    """What the test of a claim without a verdict does: it blocks where its strategy broke, and in a release."""
    return Judged(
        label="BROKEN" if broken else f"NO {str(claim.against).upper()}",
        blocks=broken or (profile == "release" and claim.role != "report"),
        settled=False,
        message=why,
        properties=(("title", claim.title), ("role", claim.role)),
    )


def _properties(claim: DeclaredClaim, verdict: Verdict, done: Effect) -> Iterator[tuple[str, str]]:
    """Names and values for JUnit; numbers in full, those left out that the verdict has not."""
    yield "title", claim.title
    yield "role", claim.role
    yield "status", str(verdict.status)
    yield "effect", str(done)
    for name in ("estimate", "lower", "upper", "p"):
        value = getattr(verdict, name)
        if value is not None and math.isfinite(value):
            yield name, repr(float(value))
