"""Claims as tests declare them. Imported when tests are collected, so nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from harness.core.errors import ClaimError
from harness.core.records import ANCHOR, BASELINE, Measure

ROLES = ("gate", "guard", "report")
_KINDS = {"pass_hat": ("at_least",), "disagreement": ("at_most", "never")}
"""The kinds of claim that a measure of consistency can be part of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredClaim:
    """What one line of a test claims: plain data, equal when declared again; `alpha_fail` None is `alpha`.

    `line` is where the test file says so.
    """

    test: str
    index: int
    kind: str
    measure: Measure
    baseline: Measure | None = None
    bound: float | None = None
    role: str = "gate"
    alpha: float = 0.05
    alpha_fail: float | None = None
    name: str | None = None
    assure: float | None = None
    line: int = field(default=1, compare=False)

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ClaimError(f"role {self.role!r} is not known; expected one of {', '.join(ROLES)}")
        for name, value in (("alpha", self.alpha), ("alpha_fail", self.alpha_fail)):
            if value is not None and not 0 < value < 0.5:
                raise ClaimError(f"{name} is {value}; expected a number between 0 and 0.5")
        if self.measure.metric == "latency" and self.kind != "at_most":
            raise ClaimError(f"{self.measure} can only be claimed as gate.at_most(…, seconds), not as {self.kind}")
        kinds = _KINDS.get(self.measure.metric)
        if kinds and self.kind not in kinds:
            expected = " or ".join(f"gate.{kind}" for kind in kinds)
            raise ClaimError(f"{self.measure} can only be claimed with {expected}, not with gate.{self.kind}")
        if self.measure.run in (BASELINE, ANCHOR):
            raise ClaimError(
                f"a claim can't be about {self.measure}: `{self.measure.run}` is what `run` is compared with, as the "
                "second argument of gate.no_worse"
            )
        accepted = self.baseline
        if accepted and (accepted.run not in (BASELINE, ANCHOR) or replace(self.measure, run=accepted.run) != accepted):
            raise ClaimError(
                f"{self.measure} can't be compared with {accepted}; expected the same measure of `baseline` or `anchor`"
            )

        if accepted and self.measure.variants:
            raise ClaimError(f"{accepted} is not known: accepted predictions hold no answers to edited inputs")

    @property
    def against(self) -> str | None:
        """Which accepted predictions the claim compares with, BASELINE or ANCHOR; None for an unpaired claim."""
        return None if self.baseline is None else self.baseline.run

    @property
    def title(self) -> str:
        """The claim as a reader of a report knows it."""
        return self.name or str(self.measure) + (" against the anchor" if self.against == ANCHOR else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a test does about one of its claims. `settled` is false where there is no verdict to speak of.

    `properties` are (name, value) of the claim and its verdict, for JUnit.
    """

    label: str
    blocks: bool
    message: str
    settled: bool = True
    properties: tuple[tuple[str, str], ...] = ()
