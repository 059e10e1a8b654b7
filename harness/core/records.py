"""The frozen records that travel between the rooms of Holdfast."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

from harness.core.digests import digest

Scalar = str | int | float | bool | None
Answer = Mapping[str, Any]
Logprobs = tuple[tuple[str, float], ...]
"""The tokens of an answer in their order, each with the natural logarithm of its probability: LEAST_LOGPROB to 0."""

LEAST_LOGPROB = -9999.0
"""What stands for a token that is next to impossible; OpenAI says so too."""

BASELINE, ANCHOR = "baseline", "anchor"
"""The run names of accepted predictions of the shipped strategy: of the last accepted run, and of a pinned release."""


class Stage(StrEnum):
    """What a strategy is for: a `reference` is measured and never blocks; one strategy of a suite is `shipped`."""

    REFERENCE = "reference"
    CANDIDATE = "candidate"
    SHIPPED = "shipped"


class Status(StrEnum):
    """How one expected answer ended. Every (case, strategy, repeat) ends in exactly one of these."""

    CORRECT = "correct"
    WRONG = "wrong"
    INVALID = "invalid"
    ERROR = "error"
    REVIEW = "review"


class Decoding(StrEnum):
    FREE = "free"
    JSON_SCHEMA = "json_schema"


class ParseMode(StrEnum):
    """How an answer is read: `strict` takes one bare JSON object, `lenient` looks inside a fence or prose,
    `last_json` takes the last object, for models that reason first."""

    STRICT = "strict"
    LENIENT = "lenient"
    LAST_JSON = "last_json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A named subset of the cases: those with all `where` values in their expected answer and, if given, the `tag`."""

    name: str
    where: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    tag: str | None = None
    critical: bool = False

    def contains(self, case: Case) -> bool:
        if self.tag is not None and self.tag not in case.tags:
            return False
        return all(case.expected.get(name) in values for name, values in self.where.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldCost:
    """What a wrong value of one field costs, in the task's unit.

    One of three forms: `pairs` (true label → predicted label or "any" → cost) over a `default`; an `ordinal` scale with
    a cost per step too low (`under`) or too high (`over`), its first entry being the highest; a boolean's `missed`
    (true answered as false) and `needless` (false answered as true).
    """

    default: float = 0.0
    pairs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    ordinal: tuple[Scalar, ...] = ()
    under: float = 0.0
    over: float = 0.0
    missed: float | None = None
    needless: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Costs of errors, in money or points; an error at or above `costly_at_least` is a costly error."""

    invalid: float = 0.0
    review: float = 0.0
    fields: Mapping[str, FieldCost] = field(default_factory=dict)
    costly_at_least: float = float("inf")


class Compare(StrEnum):
    """How the value of a field is compared with the expected one.

    `exact`: equal as JSON. `normalized`: texts are equal in letters and digits, whatever their case, width, spaces and
    punctuation. `number`: numbers that differ by no more than a tolerance. `date`: the same day. `set_f1`: lists taken
    as sets, with an F1 (the harmonic mean of precision and recall) that is high enough.
    """

    EXACT = "exact"
    NORMALIZED = "normalized"
    NUMBER = "number"
    DATE = "date"
    SET_F1 = "set_f1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """When an answer's value is right. `within` is in the number's unit, `relative` a share of the expected number; the
    larger tolerance counts. `one_of`: the expected value is a list, of which any element is right.
    """

    compare: Compare = Compare.EXACT
    within: float = 0.0
    relative: float = 0.0
    least_f1: float = 1.0
    one_of: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is decided: the schema of an answer, the fields that count, the slices and the costs of errors."""

    name: str
    schema: Mapping[str, Any]
    decision_fields: tuple[str, ...]
    slices: tuple[Slice, ...] = ()
    costs: Costs = Costs()
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    guide: str = ""
    personal_data_masked: bool = False

    def slice(self, name: str) -> Slice:
        """The slice called `name`; raises KeyError with the known names."""
        for candidate in self.slices:
            if candidate.name == name:
                return candidate
        raise KeyError(f"task {self.name} has no slice {name!r}; it has: {', '.join(s.name for s in self.slices)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One labelled example. `supplement` cases were added for their slices and stay out of overall rates."""

    id: str
    inputs: Mapping[str, str]
    expected: Answer
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    supplement: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    temperature: float = 0.0
    max_tokens: int = 256
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleChoice:
    """How examples come from the pool: `select` is one of random, balanced, diverse, hard; or `ids` names them."""

    select: str = "random"
    k: int = 0
    seed: int = 0
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One way of getting the answer out of one model."""

    name: str
    stage: Stage
    adapter: str
    prompt: str
    examples: ExampleChoice | None = None
    decoding: Decoding = Decoding.FREE
    sampling: Sampling = Sampling()
    parse: ParseMode = ParseMode.STRICT
    repeats: int = 1
    thresholds: Mapping[str, float] = field(default_factory=dict)
    validator: str | None = None
    review_below: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a provider allows and how patient we are; none of it changes an answer or its ledger key.

    `timeout_s` is for each attempt, `run_timeout_s` for all requests of one strategy (None: as long as it takes).
    """

    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout_s: float = 60.0
    run_timeout_s: float | None = None
    retries: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars per million tokens."""

    input_per_million: float
    output_per_million: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A declared model. `options` are the driver's own keys; `price` None is free, "auto" a look-up by model name."""

    name: str
    driver: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    external: bool = False
    limits: Limits = Limits()
    price: Price | str | None = None
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What all requests of one strategy share, rendered once.

    `definitions` maps field → label → text, read from the prompt file; `examples` are (inputs, answer) pairs in the
    order in which they are shown.
    """

    instructions: str
    definitions: Mapping[str, Mapping[str, str]]
    examples: tuple[tuple[Mapping[str, str], Answer], ...]
    schema: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """Of what a model reads: the order of the schema's keys and of the examples' inputs counts."""
        return digest(
            {
                "instructions": self.instructions,
                "examples": [[list(inputs.items()), dict(answer)] for inputs, answer in self.examples],
                "schema": json.dumps(self.schema),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything besides prompt and inputs that changes what a model answers."""

    decoding: Decoding = Decoding.FREE
    temperature: float = 0.0
    max_tokens: int = 256
    seed: int = 0

    def as_dict(self) -> dict[str, Scalar]:
        return {
            "decoding": str(self.decoding),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The tail of one case behind a shared prompt. `case_id` names it in messages and is not part of its digest."""

    prompt: Prompt
    case_id: str
    repeat: int
    inputs: Mapping[str, str]
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Headroom:
    """What a provider says with a reply is left of its limits, and in how many seconds they are whole again.

    None is what it does not say. For the scheduler; no part of an answer, and never stored.
    """

    requests: float | None = None
    requests_reset_s: float | None = None
    tokens: float | None = None
    tokens_reset_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a model answered. `confidence` is the probability of the chosen value per field, where the driver knows it.

    `logprobs` are those of the answer's tokens, where they were asked for and given: scoring finds the confidence in
    them. `latency_s` is that of the attempt that succeeded.
    """

    text: str
    finish_reason: str = "stop"
    usage: Usage = Usage()
    latency_s: float = 0.0
    confidence: Mapping[str, float] | None = None
    logprobs: Logprobs | None = None
    provider_model: str = ""
    provider_fingerprint: str = ""
    headroom: Headroom | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Per-request trouble, as a value. `retry_after_s` is what the server asked for, if it did."""

    kind: str
    message: str
    retryable: bool = False
    retry_after_s: float | None = None
    headroom: Headroom | None = field(default=None, compare=False, repr=False)


def stored(reply: Response | Failure) -> dict[str, Any]:
    """A reply as it is written; what the provider had left at that moment is no part of it.

    Log-probabilities stand in it only where there are any.
    """
    values = asdict(reply)
    del values["headroom"]
    if isinstance(reply, Response) and reply.logprobs is None:
        del values["logprobs"]
    return values


def read_logprobs(pairs: Iterable[tuple[str, float]] | None) -> Logprobs | None:
    """Stored log-probabilities, whose pairs are lists in JSON; raises TypeError or ValueError for anything else."""
    return None if pairs is None else tuple((str(token), float(logprob)) for token, logprob in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Whether a part of a strategy's treatment (weights, examples, a constraint) really reached the model.

    `failed` is an error of the set-up: nothing is scored. `reported` is a finding that decides nothing. `detail` is one
    sentence with numbers, without time or path, equal for equal inputs. `remedy` says what to do where it failed.
    """

    name: str
    status: Literal["proved", "failed", "reported"]
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one answer ended: its status, which fields were right, its cost, and why it was invalid or failed.

    `confidence` is the lowest probability among the chosen values of the decision fields, None where one is not known.
    """

    case_id: str
    repeat: int
    status: Status
    fields: Mapping[str, bool]
    cost: float
    valid: bool
    answer: Answer | None = None
    problem: str = ""
    confidence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number that is not computed yet: which metric of which strategy on which slice.

    `variants` holds edited inputs as (case id, ((input name, text), …)) for metrics that ask the model about them.
    """

    run: str
    metric: str
    slice: str | None = None
    field: str | None = None
    quantile: float | None = None
    k: int | None = None
    variants: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = ()

    def __str__(self) -> str:
        detail = "".join(
            f", {name}={value}"
            for name, value in (
                ("slice", self.slice),
                ("field", self.field),
                ("quantile", self.quantile),
                ("k", self.k),
            )
            if value is not None
        )
        return f"{self.metric}({self.run}{detail})"


class RemoteDriver(Protocol):
    """One call per request, over a network."""

    def identity(self) -> Mapping[str, str]:
        """What determines this model's answers: revision, digests, versions. Part of every ledger key."""

    async def answer(self, request: Request) -> Response | Failure: ...

    async def close(self) -> None: ...


class BatchDriver(Protocol):
    """A model in this process."""

    def identity(self) -> Mapping[str, str]:
        """What determines this model's answers: revision, digests, versions. Part of every ledger key."""

    def answer(self, requests: Sequence[Request]) -> Sequence[Response | Failure]: ...

    def close(self) -> None: ...


@runtime_checkable
class ProvesTreatment(Protocol):
    """A driver that can show that a strategy's treatment reaches its model."""

    def proofs(self, requests: Sequence[Request]) -> Sequence[Proof]:
        """What a few probe requests of one strategy show. Asked once, before the strategy's own requests.

        It changes no later answer. A `RemoteDriver`'s makes no call.
        """


@runtime_checkable
class RendersRequests(Protocol):
    """A driver that can show the text that its model reads."""

    def rendered(self, request: Request) -> str:
        """Everything that the model reads for this request, as one text."""
