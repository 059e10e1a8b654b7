"""What `economics:` in task.yaml declares: the money around the decisions. Plain data, light to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MONTHS = {"day": 12 / 365, "month": 1.0, "year": 12.0}
"""How many months a period has; a year has 365 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """How many decisions are made: `number` per day, month or year."""

    number: float
    per: str = "month"

    @property
    def per_month(self) -> float:
        return self.number / MONTHS[self.per]


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What putting one wrong answer right by hand takes: `seconds` from shortest to longest, at an hourly wage.

    `share` of the wrong answers are put right by hand.
    """

    seconds: tuple[float, float]
    hourly_wage: float
    share: float = 1.0

    @property
    def each(self) -> float:
        """The cost of one correction, of the mean of the seconds."""
        return sum(self.seconds) / 2 * self.hourly_wage / 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCost:
    """One price for all errors: `each` error that has consequences costs this, a `share` of the errors has."""

    each: float
    share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """What does not depend on the volume: per month, and once (`setup`, `training`, `labelling`)."""

    hosting_per_month: float = 0.0
    maintenance_hours_per_month: float = 0.0
    setup: float = 0.0
    training: float = 0.0
    labelling: float = 0.0

    @property
    def once(self) -> float:
        return self.setup + self.training + self.labelling


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What only people know about a change of strategy; None is an open question.

    `knowledge_in_prompt`: what a person needs to know in order to decide stands in the prompt. `retraining`: who does
    it, and when. `rollback_minutes`: how long the way back to what was shipped before takes.
    """

    categories_stable: bool | None = None
    knowledge_in_prompt: bool | None = None
    retraining: str | None = None
    rollback_minutes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Economics:
    """The money around the decisions of a task, all in `currency`.

    `errors` None: errors cost no more than their correction; "costs": the task's `costs` are in this currency.
    `currency_per_usd` None: not known, so that models with a price in US dollars have no known cost.
    `machine_per_hour` is the price of the machine on which models without a token price run. `strategies` and
    `adapters` hold fixed costs by name; a strategy bears its own and its adapter's. `today` names what is shipped;
    None is the strategy of the stage `shipped`.
    """

    currency: str
    volume: Volume
    horizon_months: float = 12.0
    errors: ErrorCost | str | None = None
    correction: Correction | None = None
    currency_per_usd: float | None = None
    machine_per_hour: float = 0.0
    maintenance_hourly_wage: float = 0.0
    strategies: Mapping[str, Fixed] = field(default_factory=dict)
    adapters: Mapping[str, Fixed] = field(default_factory=dict)
    today: str | None = None
    readiness: Readiness = Readiness()
