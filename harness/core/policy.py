"""What a verdict does to a build: role × verdict × profile → pass, warn or block (STATISTICS.md §1)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

PROFILES = ("pr", "release")


class Effect(StrEnum):
    """`pass` and `warn` are passed tests, the latter with a status of its own; `block` is a failed test."""

    PASS = "pass"
    WARN = "warn"
    BLOCK = "block"


INCONCLUSIVE: Mapping[str, Effect] = MappingProxyType({"pr": Effect.WARN, "release": Effect.BLOCK})
"""What an INCONCLUSIVE gate does in each profile, where a project does not say otherwise."""


def effect(role: str, status: str, profile: str, *, inconclusive: Mapping[str, Effect] = INCONCLUSIVE) -> Effect:
    """The effect of one verdict.

    A FAIL blocks for the roles gate and guard and never for report. An INCONCLUSIVE gate does what `inconclusive` says
    of the profile; of a guard or a report claim it only warns. A PASS passes. Raises ValueError for an unknown profile.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile {profile!r} is not known; expected one of {', '.join(PROFILES)}")
    if status == "PASS":
        return Effect.PASS
    if role == "report":
        return Effect.WARN
    if status == "FAIL" or (role == "gate" and inconclusive[profile] is Effect.BLOCK):
        return Effect.BLOCK
    return Effect.WARN
