"""What a suite author holds: one strategy of the suite, whose measures are computed only when a claim is settled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from harness.core.errors import ClaimError
from harness.core.records import ANCHOR, BASELINE, Answer, Case, Measure, Strategy
from harness.core.tables import OutcomeTable
from harness.fixtures_io.declarations import suggestion
from harness.runs.session import SuiteSession

_MORE = "`repeats: 5` in strategies.yaml, or --gate-repeats 5"


class Run:
    """One strategy on one adapter. Measures are lazy; `outcomes` and `answer` ask the model at once."""

    def __init__(self, session: SuiteSession, name: str, *, may_execute: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self._session = session
        self._may_execute = may_execute

    def __repr__(self) -> str:
        return f"Run({self.name!r})"

    @property
    def strategy(self) -> Strategy:
        return self._session.strategy(self.name)

    @property
    def cases(self) -> Sequence[Case]:
        """The frozen holdout."""
        return self._session.cases

    def threshold(self, name: str) -> float:
        """The threshold `name` of this strategy, else of the suite. Raises ClaimError with the known names."""
        known = self.strategy.thresholds
        if name not in known:
            hint = suggestion(name, sorted(known))
            file = self._session.suite.folder.name + "/strategies.yaml"
            raise ClaimError(
                f"{file} has no threshold {name!r} for {self.name}; expected {hint or 'one to be declared'}"
            )
        return known[name]

    def accuracy(self, *, slice: str | None = None) -> Measure:  # noqa: A002
        """The share of cases with every decision field right."""
        return self._measure("accuracy", slice)

    def field_accuracy(self, field: str, *, slice: str | None = None) -> Measure:  # noqa: A002
        """The share of cases with one field right."""
        known = list(self._session.task.decision_fields)
        if field not in known:
            raise ClaimError(f"{field!r} is not a decision field; expected {suggestion(field, known)}")
        return self._measure("field_accuracy", slice, field=field)

    def format_validity(self, *, slice: str | None = None) -> Measure:  # noqa: A002
        """The share of cases answered with one JSON object that the schema accepts."""
        return self._measure("format_validity", slice)

    def unusable(self, *, slice: str | None = None) -> Measure:  # noqa: A002
        """The share of cases whose answer is invalid or missing; `gate.never` takes it for zero tolerance."""
        return self._measure("unusable", slice)

    def costly_error_rate(self, *, slice: str | None = None) -> Measure:  # noqa: A002
        """The share of cases with an error at or above the task's `costly.at_least`."""
        return self._measure("costly_error_rate", slice)

    def costly_errors(self, *, slice: str | None = None) -> Measure:  # noqa: A002
        """The costly errors themselves, for `gate.never`."""
        return self._measure("costly_error_rate", slice)

    def cost(self, *, slice: str | None = None) -> Measure:  # noqa: A002
        """The mean cost of errors per decision, in the task's unit."""
        return self._measure("cost", slice)

    def error_rate(self, *, slice: str | None = None) -> Measure:  # noqa: A002
        """The share of cases for which no answer was had at all."""
        return self._measure("error_rate", slice)

    def review_rate(self, *, slice: str | None = None) -> Measure:  # noqa: A002
        """The share of cases sent to a person by a validator or for want of confidence."""
        return self._measure("review_rate", slice)

    def latency(self, *, quantile: float, slice: str | None = None) -> Measure:  # noqa: A002
        """The seconds within which a share `quantile` of the requests is answered, for `gate.at_most`.

        Of each answer the attempt that succeeded, with as many others under way as the adapter declares; a request
        without an answer counts as slower than any. Raises ClaimError for a quantile that is not between 0 and 1.
        """
        if not 0 < quantile < 1:
            raise ClaimError(f"quantile is {quantile}; expected a share between 0 and 1, such as 0.95")
        return replace(self._measure("latency", slice), quantile=quantile)

    def pass_hat(self, *, k: int, slice: str | None = None) -> Measure:  # noqa: A002
        """pass^k: the share of cases that are right in all of `k` answers, estimated without bias from those made.

        Raises ClaimError for a `k` outside 1 and the number of answers per case.
        """
        repeats = self._repeats(f"pass_hat(k={k})")
        if not 1 <= k <= repeats:
            raise ClaimError(
                f"pass_hat(k={k}) of {self.name}: each case is answered {repeats} times; expected a k from 1 to "
                f"{repeats}, or more answers: {_MORE}"
            )
        return replace(self._measure("pass_hat", slice), k=k)

    def disagreement(self, *, slice: str | None = None) -> Measure:  # noqa: A002
        """The share of cases whose answers differ in a decision field, or of which only some can be used.

        Raises ClaimError for a strategy that answers each case once.
        """
        if self._repeats("disagreement()") < 2:
            raise ClaimError(
                f"disagreement() of {self.name}: each case is answered once; expected more answers: {_MORE}"
            )
        return self._measure("disagreement", slice)

    def flip_rate(self, variants: Iterable[tuple[str, Mapping[str, str]]]) -> Measure:
        """The share of edited inputs, given as (case id, inputs), that are not answered as the original is.

        Raises ClaimError for none, or for an id that is not in the holdout.
        """
        rows = tuple((case_id, tuple(sorted(inputs.items()))) for case_id, inputs in variants)
        known = {case.id for case in self.cases}
        unknown = next((case_id for case_id, _ in rows if case_id not in known), None)
        if unknown is not None or not rows:
            raise ClaimError(f"no holdout case has the id {unknown!r}" if rows else "flip_rate needs edited inputs")
        return Measure(run=self.name, metric="flip_rate", variants=rows)

    @property
    def outcomes(self) -> OutcomeTable:
        """All outcomes of this strategy, for asserts of your own. Runs the strategy if it has not run yet."""
        self._may_execute()
        return self._session.table(self.name)

    def answer(self, inputs: Mapping[str, str]) -> Answer | None:
        """The answer to other inputs than the holdout's, None if it is unusable. Asked once, then from the ledger."""
        self._may_execute()
        return self._session.ask(self.name, [inputs])[0]

    def _repeats(self, what: str) -> int:
        """How many answers per case there will be. Raises ClaimError for accepted predictions."""
        if self.name in (BASELINE, ANCHOR):
            raise ClaimError(f"{what} can only be claimed of `run`, not of `{self.name}`: compare their accuracy")
        return self.strategy.repeats

    def _measure(self, metric: str, slice_name: str | None, *, field: str | None = None) -> Measure:
        if slice_name is not None:
            known = [s.name for s in self._session.task.slices]
            if slice_name not in known:
                raise ClaimError(f"there is no slice {slice_name!r}; expected {suggestion(slice_name, known)}")
        return Measure(run=self.name, metric=metric, slice=slice_name, field=field)
