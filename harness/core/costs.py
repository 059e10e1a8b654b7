"""What a wrong answer costs, from the costs that a task declares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.core.comparisons import right, same
from harness.core.digests import canonical_json
from harness.core.records import Answer, Costs, FieldCost, Scalar, Task
from harness.core.schemas import AnswerSchema, label_text


def field_cost(cost: FieldCost, expected: Scalar, predicted: Scalar) -> float:
    """The cost of answering `predicted` where `expected` is right; 0 if they are equal."""
    if same(expected, predicted):
        return 0.0
    if cost.ordinal and expected in cost.ordinal and predicted in cost.ordinal:
        steps = cost.ordinal.index(predicted) - cost.ordinal.index(expected)
        return steps * cost.under if steps > 0 else -steps * cost.over
    if isinstance(expected, bool) and isinstance(predicted, bool):
        declared = cost.missed if expected else cost.needless
        if declared is not None:
            return declared
    row = cost.pairs.get(label_text(expected), {})
    return row.get(label_text(predicted), row.get("any", cost.default))


def cost_of(task: Task, name: str, expected: Any, given: Any) -> float:
    """The cost of one decision field's value; 0 where it is right, and for a field without declared costs."""
    if name not in task.costs.fields or right(task, name, expected, given):
        return 0.0
    return field_cost(task.costs.fields[name], expected, given)


def highest_cost(cost: FieldCost, expected: Scalar, values: Iterable[Scalar] | None) -> float:
    """The largest cost that any of `values`, or any value at all where they are None, has if `expected` is right."""
    if values is not None:
        return max((field_cost(cost, expected, value) for value in values), default=cost.default)
    row = cost.pairs.get(label_text(expected), {})
    declared = cost.missed if expected else cost.needless
    return max(
        row.get("any", cost.default),
        *row.values(),
        *(field_cost(cost, expected, value) for value in cost.ordinal),
        declared if isinstance(expected, bool) and declared is not None else 0.0,
    )


class CostModel:
    """The costs of one task, with the largest possible cost per expected answer worked out once."""

    def __init__(self, task: Task, schema: AnswerSchema) -> None:
        self._task = task
        self._costs: Costs = task.costs
        self._fields = task.decision_fields
        self._values: dict[str, tuple[Scalar, ...] | None] = {}
        for name in task.decision_fields:
            values, required = schema.enumerated(name), name in schema.schema.get("required", ())
            self._values[name] = values if required or values is None else (*values, None)
        self._worst: dict[str, float] = {}

    @property
    def costly_at_least(self) -> float:
        return self._costs.costly_at_least

    @property
    def review(self) -> float:
        return self._costs.review

    def of_answer(self, expected: Answer, predicted: Answer) -> float:
        """The summed cost of the wrong decision fields of a valid answer."""
        return sum(cost_of(self._task, name, expected[name], predicted.get(name)) for name in self._fields)

    def worst(self, expected: Answer) -> float:
        """The largest cost that any answer to this case can have: that of an invalid or missing one.

        An unusable answer costs at least `costs.invalid`, and never less than the worst usable one, so that failing
        is never cheaper than answering (STATISTICS.md §1.2).
        """
        key = canonical_json([expected[name] for name in self._fields])
        if key not in self._worst:
            highest = sum(
                highest_cost(self._costs.fields[name], expected[name], self._values[name])
                for name in self._fields
                if name in self._costs.fields
            )
            self._worst[key] = max(self._costs.invalid, highest)
        return self._worst[key]

    def largest(self, expected: Iterable[Answer]) -> float:
        """The largest possible cost of a decision over the given expected answers; 0 for none."""
        return max((max(self.worst(answer), self.review) for answer in expected), default=0.0)
