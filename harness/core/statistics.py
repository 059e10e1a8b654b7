"""The formulas of STATISTICS.md on plain numbers and arrays: pure, no random numbers, no dependence on record order.

Everything public is imported from here; the formulas live in one module per question:
    rates         one rate: exact bounds and tests, zero failures, clusters and repeats
    paired        candidate against baseline on the same cases
    cost_limits   mean cost per decision and its change
    multiplicity  many claims at once
    sequential    evidence that may be looked at after every case

In all of them `alpha` is one-sided, `losses` (b) are the cases that only the baseline gets right, `gains` (c) those
that only the candidate gets right, and a difference is candidate less baseline. Bad arguments raise ValueError.
"""

from __future__ import annotations

from harness.core._numeric import critical_value
from harness.core.cost_limits import cost_change_bounds, cost_p_above, cost_p_above_min, fay_feuer
from harness.core.multiplicity import benjamini_hochberg, holm, tarone_holm, tarone_holm_decisions
from harness.core.paired import (
    StepScaledTango,
    mcnemar_exact_worse,
    mcnemar_midp_worse,
    minimum_detectable_effect,
    sign_flip_midp_worse,
    sign_flip_worse,
    step_scaled_tango,
    tango_interval,
    tango_lower,
    tango_score,
)
from harness.core.rates import (
    binomial_p_above,
    binomial_p_below,
    clopper_pearson_lower,
    clopper_pearson_upper,
    cluster_standard_error,
    cluster_totals,
    design_effect,
    effective_sample_size,
    korn_graubard,
    pass_hat_k,
    quantile_ranks,
    wilson_interval,
    zero_failures_sample_size,
    zero_failures_upper,
)
from harness.core.sequential import log_e_floor, log_e_paired

__all__ = [
    "StepScaledTango",
    "benjamini_hochberg",
    "binomial_p_above",
    "binomial_p_below",
    "clopper_pearson_lower",
    "clopper_pearson_upper",
    "cluster_standard_error",
    "cluster_totals",
    "cost_change_bounds",
    "cost_p_above",
    "cost_p_above_min",
    "critical_value",
    "design_effect",
    "effective_sample_size",
    "fay_feuer",
    "holm",
    "korn_graubard",
    "log_e_floor",
    "log_e_paired",
    "mcnemar_exact_worse",
    "mcnemar_midp_worse",
    "minimum_detectable_effect",
    "pass_hat_k",
    "quantile_ranks",
    "sign_flip_midp_worse",
    "sign_flip_worse",
    "step_scaled_tango",
    "tango_interval",
    "tango_lower",
    "tango_score",
    "tarone_holm",
    "tarone_holm_decisions",
    "wilson_interval",
    "zero_failures_sample_size",
    "zero_failures_upper",
]
