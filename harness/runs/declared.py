"""Claims as tests declare them. Imported when tests are collected, so nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from harness.core.errors import ClaimError
from harness.core.records import Measure

ROLES = ("gate", "guard", "report")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredClaim:
    """What one line of a test claims: plain data, equal when declared again; `alpha_fail` None is `alpha`."""

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

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ClaimError(f"role {self.role!r} is not known; expected one of {', '.join(ROLES)}")
        for name, value in (("alpha", self.alpha), ("alpha_fail", self.alpha_fail)):
            if value is not None and not 0 < value < 0.5:
                raise ClaimError(f"{name} is {value}; expected a number between 0 and 0.5")

    @property
    def title(self) -> str:
        """The claim as a reader of a report knows it."""
        return self.name or str(self.measure)
