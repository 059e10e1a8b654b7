"""Response → outcome: parse, check against the schema, compare the fields, add up the cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.core.comparisons import right
from harness.core.costs import CostModel
from harness.core.parsing import parse
from harness.core.records import Answer, Case, Failure, Outcome, ParseMode, Response, Status, Task
from harness.core.schemas import AnswerSchema
from harness.core.token_confidence import field_confidence

SCORING_VERSION = "1"
MOST_READ = 10_000
"""How many different texts are remembered."""

Validator = Callable[[Mapping[str, str], Mapping[str, Any]], str | None]
"""A user's check of (inputs, answer): None accepts it, a reason sends it to a person."""


class Scorer:
    """Scores the responses of one strategy on one task.

    The verdict on a text depends on the text alone, so equal texts are parsed and validated once.
    """

    def __init__(
        self,
        task: Task,
        *,
        parse_mode: ParseMode = ParseMode.STRICT,
        validator: Validator | None = None,
        review_below: float | None = None,
    ) -> None:
        self._task = task
        self._schema = AnswerSchema(task.schema)
        self._mode = parse_mode
        self._validator = validator
        self._review_below = review_below
        self._read: dict[tuple[str, str], tuple[dict[str, Any] | None, str]] = {}
        self.costs = CostModel(task, self._schema)

    def read(self, response: Response) -> tuple[dict[str, Any] | None, str]:
        """(answer, "") for a valid answer, (None, kind of problem) for any other."""
        key = (response.text, response.finish_reason)
        if key not in self._read:
            if len(self._read) >= MOST_READ:
                self._read.clear()
            parsed = parse(response.text, self._mode, finish_reason=response.finish_reason)
            if parsed.problem:
                self._read[key] = (None, parsed.problem)
            else:
                error = self._schema.first_error(parsed.value)
                self._read[key] = (None, error[0]) if error else (parsed.value, "")
        return self._read[key]

    def confidence(self, response: Response) -> Mapping[str, float] | None:
        """The probability of the chosen value per decision field of a valid answer: what the driver says, else what
        the answer's tokens tell. None where neither is known."""
        if response.confidence is not None or response.logprobs is None:
            return response.confidence
        start = parse(response.text, self._mode, finish_reason=response.finish_reason).start
        return field_confidence(response.text, response.logprobs, start=start, fields=self._task.decision_fields)

    def score(self, case: Case, repeat: int, reply: Response | Failure) -> Outcome:
        """The outcome of one reply; a failure is an `error` at the case's maximum cost."""
        if isinstance(reply, Failure):
            return self._unusable(case, repeat, Status.ERROR, reply.kind)
        answer, problem = self.read(reply)
        if answer is None:
            return self._unusable(case, repeat, Status.INVALID, problem)
        known = self.confidence(reply)
        outcome = replace(self.judge(case, repeat, answer), confidence=self._lowest(known))
        reason = self._review_reason(case, answer, known)
        if reason:
            return replace(outcome, status=Status.REVIEW, cost=self.costs.review, problem=reason)
        return outcome

    def judge(self, case: Case, repeat: int, answer: Answer) -> Outcome:
        """The outcome of a valid answer that no person is asked about."""
        fields = {
            name: right(self._task, name, case.expected[name], answer.get(name)) for name in self._task.decision_fields
        }
        return Outcome(
            case_id=case.id,
            repeat=repeat,
            status=Status.CORRECT if all(fields.values()) else Status.WRONG,
            fields=fields,
            cost=self.costs.of_answer(case.expected, answer),
            valid=True,
            answer=answer,
        )

    def _lowest(self, confidence: Mapping[str, float] | None) -> float | None:
        """Of the decision fields; None unless all are known to be numbers."""
        if confidence is None:
            return None
        known = [confidence.get(name, math.nan) for name in self._task.decision_fields]
        return None if any(map(math.isnan, known)) else min(known)

    def _review_reason(self, case: Case, answer: Answer, confidence: Mapping[str, float] | None) -> str:
        if self._validator is not None:
            reason = self._validator(case.inputs, answer)
            if reason:
                return reason
        if self._review_below is not None:
            if confidence is None:
                return "no confidence given"
            known = [confidence.get(name, 0.0) for name in self._task.decision_fields]
            if not all(value >= self._review_below for value in known):  # NaN is never enough
                return f"confidence below {self._review_below:g}"
        return ""

    def _unusable(self, case: Case, repeat: int, status: Status, problem: str) -> Outcome:
        return Outcome(
            case_id=case.id,
            repeat=repeat,
            status=status,
            fields=dict.fromkeys(self._task.decision_fields, False),
            cost=self.costs.worst(case.expected),
            valid=False,
            problem=problem,
        )
