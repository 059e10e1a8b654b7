"""Payment messages: the right contract, amount, date and documents, as valid JSON."""

import pytest


def test_accuracy(run, gate):
    gate.at_least(run.accuracy(), run.threshold("accuracy"))


@pytest.mark.parametrize("field", ["contract", "amount", "date", "documents"])
def test_field_accuracy(run, gate, field):
    gate.at_least(run.field_accuracy(field), run.threshold(f"{field}_accuracy"))


def test_format_validity(run, gate):
    gate.at_least(run.format_validity(), run.threshold("format_validity"))


def test_costly_errors(run, gate):
    gate.at_most(run.costly_error_rate(), run.threshold("costly_error_rate"))


def test_cost_per_decision(run, gate):
    gate.at_most(run.cost(), run.threshold("cost"))


def test_critical_slices_get_usable_answers(run, gate, critical_slice):
    gate.never(run.unusable(slice=critical_slice))


def test_critical_slices_without_costly_errors(run, gate, critical_slice):
    gate.never(run.costly_errors(slice=critical_slice), role="report")


def test_no_regression(run, baseline, gate):
    gate.no_worse(run.accuracy(), baseline.accuracy(), margin=0.05)


def test_critical_slices(run, baseline, gate, critical_slice):
    gate.no_worse(
        run.accuracy(slice=critical_slice), baseline.accuracy(slice=critical_slice), margin=0.15, role="guard"
    )
