"""How the published vectors are reproduced: by the package, and by formulas written out here where it has none."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from scipy import optimize, stats

from harness.core import statistics as st

Interval = tuple[float, float]
ALPHA = 0.05


def z_two_sided(confidence: float) -> float:
    return float(stats.norm.isf((1 - confidence) / 2))


def mid_p_interval(x: int, n: int, confidence: float) -> Interval:
    tail = (1 - confidence) / 2

    def above(p: float) -> float:
        return float(stats.binom.sf(x, n, p) + stats.binom.pmf(x, n, p) / 2)

    lower = optimize.brentq(lambda p: above(p) - tail, 1e-12, x / n, xtol=1e-14)
    upper = optimize.brentq(lambda p: 1 - above(p) - tail, x / n, 1 - 1e-12, xtol=1e-14)
    return lower, upper


def wilson_corrected_interval(x: int, n: int, confidence: float) -> Interval:
    interval = stats.binomtest(x, n).proportion_ci(confidence, method="wilsoncc")
    return float(interval.low), float(interval.high)


def jeffreys_interval(x: int, n: int, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    lower = 0.0 if x == 0 else float(stats.beta.ppf(tail, x + 0.5, n - x + 0.5))
    upper = 1.0 if x == n else float(stats.beta.isf(tail, x + 0.5, n - x + 0.5))
    return lower, upper


def t_lower(x: int, n: int, alpha: float) -> float:
    return float(x / n - stats.t.isf(alpha, n - 1) * math.sqrt(x / n * (1 - x / n) / (n - 1)))


def newcombe_interval(table: Sequence[int], wilson: Callable[[float, float], Interval]) -> Interval:
    """Method 10 for (b - c) / n of the table a, b, c, d; `wilson` gives the interval of one rate."""
    a, b, c, d = table
    n = a + b + c + d
    first, second = (a + b) / n, (a + c) / n
    (low1, high1), (low2, high2) = wilson(a + b, n), wilson(a + c, n)
    cross = a * d - b * c
    phi = (max(cross - n / 2, 0) if cross > 0 else cross) / math.sqrt((a + b) * (c + d) * (a + c) * (b + d))
    down = (first - low1) ** 2 - 2 * phi * (first - low1) * (high2 - second) + (high2 - second) ** 2
    up = (high1 - first) ** 2 - 2 * phi * (high1 - first) * (second - low2) + (second - low2) ** 2
    return first - second - math.sqrt(down), first - second + math.sqrt(up)


def wald_interval(b: float, c: float, n: float, confidence: float) -> Interval:
    half = z_two_sided(confidence) * math.sqrt(b + c - (c - b) ** 2 / n) / n
    return (c - b) / n - half, (c - b) / n + half


def agresti_min_interval(b: float, c: float, n: float, confidence: float) -> Interval:
    return wald_interval(b + 0.5, c + 0.5, n + 2, confidence)


def bonett_price_interval(b: float, c: float, n: float, confidence: float) -> Interval:
    lost, won = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = z_two_sided(confidence) * math.sqrt((lost + won - (won - lost) ** 2) / (n + 2))
    return won - lost - half, won - lost + half


def mcnemar_chi2(b: int, c: int, correction: float) -> tuple[float, float]:
    chi2 = (abs(b - c) - correction) ** 2 / (b + c)
    return chi2, float(stats.chi2.sf(chi2, 1))


def obuchowski(differences: Sequence[float]) -> tuple[float, float]:
    d = np.asarray(differences, dtype=float)
    chi2 = (len(d) - 1) / len(d) * d.sum() ** 2 / (d**2).sum()
    return float(chi2), float(stats.chi2.sf(chi2, 1))


def sign_flip_by_enumeration(totals: Sequence[int]) -> tuple[float, float]:
    """Exact and mid p-value over all 2^C assignments of signs."""
    sums = [
        sum(sign * abs(total) for sign, total in zip(signs, totals, strict=True))
        for signs in itertools.product((-1, 1), repeat=len(totals))
    ]
    below = sum(value < sum(totals) for value in sums)
    equal = sum(value == sum(totals) for value in sums)
    return (below + equal) / len(sums), (below + equal / 2) / len(sums)


def tango_lower_by_likelihood(b: float, c: float, n: float, z: float) -> float:
    """Tango's bound with the restricted estimate found as the root of the likelihood equation, not in closed form."""

    def score(delta: float) -> float:
        def slope(q: float) -> float:  # derivative of b ln q + c ln(q + delta) + (n-b-c) ln(1 - 2q - delta), times all
            rest = 1 - 2 * q - delta
            return b * (q + delta) * rest + c * q * rest - 2 * (n - b - c) * q * (q + delta)

        low, high = max(0.0, -delta), (1 - delta) / 2
        q = optimize.brentq(slope, low + 1e-14, high - 1e-14, xtol=1e-15) if slope(low + 1e-14) > 0 else low
        return float((c - b - n * delta) / math.sqrt(n * (2 * q + delta - delta**2)) - z)

    return float(optimize.brentq(score, -1 + 1e-9, (c - b) / n - 1e-12, xtol=1e-14))


def pass_at_k(n: int, correct: int, k: int) -> float:
    return 1 - math.comb(n - correct, k) / math.comb(n, k)


def benjamini_yekutieli(p: Sequence[float]) -> list[float]:
    return [float(value) for value in stats.false_discovery_control(p, method="by")]


def miller_sample_size(*, omega2: float, variances: float, delta: float, alpha_two_sided: float, power: float) -> float:
    return float((stats.norm.isf(alpha_two_sided / 2) + stats.norm.ppf(power)) ** 2 * (omega2 + variances) / delta**2)


def ppi_mean(unlabelled: Sequence[float], labelled: Sequence[float], human: Sequence[float]) -> tuple[float, float]:
    """Estimate and standard error of the prediction-powered mean."""
    gap = np.asarray(human, dtype=float) - np.asarray(labelled)
    variance = np.var(unlabelled) / len(unlabelled) + np.var(gap) / len(gap)
    return float(np.mean(unlabelled) + gap.mean()), math.sqrt(variance)


# ------------------------------------------------------------------------------------ a vector's inputs -> its numbers

Reproduction = Callable[[Mapping[str, Any]], dict[str, Any]]


def bounds(interval: tuple[float, float]) -> dict[str, Any]:
    return {"lower": interval[0], "upper": interval[1]}


def exact_interval(x: int, n: int, conf: float) -> tuple[float, float]:
    tail = (1 - conf) / 2
    return st.clopper_pearson_lower(x, n, tail), st.clopper_pearson_upper(x, n, tail)


def one_sided(i: Mapping[str, Any]) -> dict[str, Any]:
    result = {"lower": st.clopper_pearson_lower(i["x"], i["n"], i["alpha"])}
    if "p0" in i:
        return result | {"p_greater": st.binomial_p_above(i["x"], i["n"], i["p0"])}
    return result | {"upper": st.clopper_pearson_upper(i["x"], i["n"], i["alpha"])}


def floor_operation(i: Mapping[str, Any]) -> dict[str, Any]:
    def false_pass(n: int, floor: float, lower: Callable[[int, int, float], float]) -> float:
        return sum(float(stats.binom.pmf(k, n, floor)) for k in range(n + 1) if lower(k, n, i["alpha"]) >= floor)

    pairs = list(zip(i["n"], i["floor"], strict=True))
    return {
        "t_interval": [false_pass(n, floor, t_lower) for n, floor in pairs],
        "clopper_pearson": [false_pass(n, floor, st.clopper_pearson_lower) for n, floor in pairs],
    }


def mcnemar(i: Mapping[str, Any]) -> dict[str, Any]:
    b, c = i["b"], i["c"]
    (chi2, p), (chi2_cc, p_cc) = mcnemar_chi2(b, c, 0), mcnemar_chi2(b, c, 1)
    return {
        "chi2": chi2,
        "p_asymptotic": p,
        "chi2_cc": chi2_cc,
        "p_cc": p_cc,
        "p_exact_one_sided_b_gt_c": st.mcnemar_exact_worse(b, c),
        "p_mid_one_sided_b_gt_c": st.mcnemar_midp_worse(b, c),
        **mcnemar_two_sided(i),
    }


def mcnemar_two_sided(i: Mapping[str, Any]) -> dict[str, Any]:
    more, fewer = max(i["b"], i["c"]), min(i["b"], i["c"])
    return {"p_exact": 2 * st.mcnemar_exact_worse(more, fewer), "p_mid": 2 * st.mcnemar_midp_worse(more, fewer)}


def tango(i: Mapping[str, Any]) -> dict[str, Any]:
    return {"delta": (i["c"] - i["b"]) / i["n"], **bounds(st.tango_interval(i["b"], i["c"], i["n"], i["conf"]))}


def tango_noninferiority(i: Mapping[str, Any]) -> dict[str, Any]:
    z = st.tango_score(i["b"], i["c"], i["n"], -i["margin"])
    return {"z": z, "p_one_sided": float(stats.norm.sf(z))}


def agresti_min(i: Mapping[str, Any]) -> dict[str, Any]:
    interval = agresti_min_interval(i["b"], i["c"], i["n"], i["conf"])
    return {"estimate": sum(interval) / 2, **bounds(interval)}


def newcombe(i: Mapping[str, Any]) -> dict[str, Any]:
    return bounds(newcombe_interval(i["table_abcd"], lambda k, n: st.wilson_interval(k, n, 0.95)))


def holm(i: Mapping[str, Any]) -> dict[str, Any]:
    adjusted = st.holm(i["p"])
    return {"adjusted": adjusted, "reject": [p <= i["alpha"] for p in adjusted]}


def three_corrections(i: Mapping[str, Any]) -> dict[str, Any]:
    bh = st.benjamini_hochberg(i["p"])
    return {
        "bh_adjusted": bh,
        "bh_rejections": sum(p <= i["alpha"] for p in bh),
        "bonferroni_rejections": sum(p * len(i["p"]) <= i["alpha"] for p in i["p"]),
        "holm_adjusted": st.holm(i["p"]),
        "by_adjusted": benjamini_yekutieli(i["p"]),
    }


def tarone_slices(i: Mapping[str, Any]) -> dict[str, Any]:
    p = [st.mcnemar_exact_worse(b, c) for b, c in i["slices_b_c"]]
    p_min = [2.0 ** -(b + c) for b, c in i["slices_b_c"]]
    return {
        "p": p,
        "p_min": p_min,
        "holm_reject": [value <= i["alpha"] for value in st.holm(p)],
        "tarone_holm_reject": st.tarone_holm(p, p_min, i["alpha"]),
    }


def cluster_error(i: Mapping[str, Any]) -> dict[str, Any]:
    y, clusters = i["y"], i["cluster"]
    count = len(set(clusters))
    robust, iid = st.cluster_standard_error(y, clusters), st.cluster_standard_error(y, None)
    assert st.design_effect(y, clusters) == max(1, (robust / iid) ** 2)
    return {
        "mean": float(np.mean(y)),
        "se_iid": iid,
        "se_miller_no_correction": robust * math.sqrt((count - 1) / count),
        "se_finite_cluster_correction": robust,
        "deff": (robust / iid) ** 2,
        "n_eff": len(y) / (robust / iid) ** 2,
    }


def paired_error(i: Mapping[str, Any]) -> dict[str, Any]:
    base, cand = np.array(i["base"]), np.array(i["cand"])
    errors = [st.cluster_standard_error(values, None) for values in (base, cand)]
    return {
        "delta": float((cand - base).mean()),
        "se_paired": st.cluster_standard_error(cand - base, None),
        "se_unpaired": math.hypot(*errors),
        "corr": float(np.corrcoef(base, cand)[0, 1]),
    }


def step_scaled(i: Mapping[str, Any]) -> dict[str, Any]:
    d: list[float] = []
    for entry in i["d_nonzero"]:
        value, times = entry.split(" x")
        d += [float(Fraction(value))] * int(times)
    result = st.step_scaled_tango(d, i["n"], i["alpha"], design_effect=i["deff"])
    return {
        "h": result.step,
        "b_star": result.losses,
        "c_star": result.gains,
        "delta": result.estimate,
        "lower": result.lower,
    }


def korn_graubard(i: Mapping[str, Any]) -> dict[str, Any]:
    arguments = (i["p_hat"], i["se_cluster"], i["clusters"], i["alpha"])
    return {"n_eff": st.effective_sample_size(*arguments), **bounds(st.korn_graubard(*arguments))}


def miller_n(i: Mapping[str, Any]) -> dict[str, Any]:
    n = miller_sample_size(
        omega2=float(Fraction(i["omega2"])),
        variances=i["sigmaA2"] / i["KA"] + i["sigmaB2"] / i["KB"],
        delta=i["delta"],
        alpha_two_sided=i["alpha_two_sided"],
        power=i["power"],
    )
    return {"n": n, "n_rounded": round(n)}


def midp_verdict(b: int, c: int, n: int, margin: float) -> str:
    """The rule of STATISTICS.md, section 5, for a single unclustered primary claim."""
    if st.tango_lower(b, c, n, ALPHA) > -margin:
        return "PASS"
    return "FAIL" if st.mcnemar_midp_worse(b, c) <= ALPHA else "INCONCLUSIVE"


def thresholds(c: int, n: int, margin: float) -> tuple[int, int]:
    """For `c` gains: the largest number of losses that passes (-1: none), and the smallest that fails."""

    def first(true_from: Callable[[int], bool]) -> int:
        low, high = 0, n - c + 1
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if true_from(middle) else (middle + 1, high)
        return low

    not_passing = first(lambda b: midp_verdict(b, c, n, margin) != "PASS")
    return not_passing - 1, first(lambda b: midp_verdict(b, c, n, margin) == "FAIL")


def gate_operation(i: Mapping[str, Any]) -> dict[str, Any]:
    n = i["n"]
    chances = dict.fromkeys(("PASS", "FAIL", "INCONCLUSIVE"), 0.0)
    for c in range(n + 1):
        of_gains = float(stats.binom.pmf(c, n, i["p_gain"]))
        if of_gains < 1e-13:
            continue
        passing, failing = thresholds(c, n, i["margin"])
        losses = stats.binom(n - c, i["p_loss"] / (1 - i["p_gain"]))
        chances["PASS"] += of_gains * float(losses.cdf(passing))
        chances["FAIL"] += of_gains * float(losses.sf(failing - 1))
        chances["INCONCLUSIVE"] += of_gains * float(losses.cdf(failing - 1) - losses.cdf(passing))
    return chances


def paired_verdict(i: Mapping[str, Any]) -> dict[str, Any]:
    b, c, n = i["b"], i["c"], i["n"]
    exact, verdict = st.mcnemar_exact_worse(b, c), midp_verdict(b, c, n, i["margin"])
    return {
        "lower": st.tango_lower(b, c, n, i["alpha_pass"]),
        "upper": -st.tango_lower(c, b, n, i["alpha_pass"]),
        "p_mid_worse": st.mcnemar_midp_worse(b, c),
        "p_exact_worse": exact,
        "verdict": verdict,
        "drift_flag": verdict == "PASS" and exact <= i["alpha_fail"],
    }


def verdict_thresholds(i: Mapping[str, Any]) -> dict[str, Any]:
    return {"rows": [[c, *thresholds(c, i["n"], i["margin"])] for c in (0, 10, 40)]}


def sprt(i: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "log_A": math.log((1 - i["beta"]) / i["alpha"]),
        "log_B": math.log(i["beta"] / (1 - i["alpha"])),
        "step_success": math.log(i["p1"] / i["p0"]),
        "step_failure": math.log((1 - i["p1"]) / (1 - i["p0"])),
    }


def floor_evidence(i: Mapping[str, Any]) -> dict[str, Any]:
    passing, failing = st.log_e_floor(i["successes"], i["failures"], i["floor"])
    return {"log_e_pass": passing, "log_e_fail": failing}


def expected_floor_evidence(floor: float, t: int, truth: float, which: int) -> float:
    return sum(
        math.comb(t, s) * truth**s * (1 - truth) ** (t - s) * math.exp(st.log_e_floor(s, t - s, floor)[which])
        for s in range(t + 1)
    )


def paired_evidence(i: Mapping[str, Any]) -> dict[str, Any]:
    passing, failing = st.log_e_paired(i["losses"], i["gains"], i["n"], i["margin"])
    return {
        "log_e_pass": passing,
        "log_e_fail": failing,
        "pass_at_alpha05": passing >= math.log(1 / ALPHA),
        "fail_at_alpha05": failing >= math.log(1 / ALPHA),
    }


def judge_mean(i: Mapping[str, Any]) -> dict[str, Any]:
    estimate, error = ppi_mean(i["judge_unlabelled"], i["judge_labelled"], i["human_labels"])
    half = z_two_sided(i["conf"]) * error
    return {"estimate": estimate, "se": error, "lower": estimate - half, "upper": estimate + half}


REPRODUCTIONS: dict[str, Reproduction] = {
    "proportion_ci.wilson": lambda i: bounds(st.wilson_interval(i["x"], i["n"], i["conf"])),
    "proportion_ci.clopper_pearson": lambda i: bounds(exact_interval(i["x"], i["n"], i["conf"])),
    "proportion_ci.mid_p": lambda i: bounds(mid_p_interval(i["x"], i["n"], i["conf"])),
    "proportion_ci.wilson_cc": lambda i: bounds(wilson_corrected_interval(i["x"], i["n"], i["conf"])),
    "proportion_ci.jeffreys": lambda i: bounds(jeffreys_interval(i["x"], i["n"], i["conf"])),
    "proportion_ci.both": lambda i: {
        "wilson": list(st.wilson_interval(i["x"], i["n"], i["conf"])),
        "clopper_pearson": list(exact_interval(i["x"], i["n"], i["conf"])),
    },
    "proportion_bound.one_sided": one_sided,
    "proportion_bound.zero_failures": lambda i: {"upper": [st.zero_failures_upper(n, i["alpha"]) for n in i["n"]]},
    "sample_size.zero_failures": lambda i: {
        "n": [st.zero_failures_sample_size(rate, i["alpha"]) for rate in i["max_rate"]]
    },
    "operating_characteristic.floor": floor_operation,
    "mcnemar": mcnemar,
    "mcnemar.exact": mcnemar_two_sided,
    "paired_ci.tango": tango,
    "paired_test.tango_noninferiority": tango_noninferiority,
    "paired_ci.tango_lower_one_sided": lambda i: {
        "lower": [st.tango_lower(i["b"], i["c"], n, i["alpha"]) for n in i["n"]]
    },
    "paired_ci.newcombe10": newcombe,
    "paired_ci.wald": lambda i: bounds(wald_interval(i["b"], i["c"], i["n"], i["conf"])),
    "paired_ci.agresti_min": agresti_min,
    "paired_ci.bonett_price": lambda i: bounds(bonett_price_interval(i["b"], i["c"], i["n"], i["conf"])),
    "multiplicity.holm": holm,
    "multiplicity.bh_by_holm": three_corrections,
    "multiplicity.tarone_holm": tarone_slices,
    "cluster.se_mean": cluster_error,
    "paired.se_diff": paired_error,
    "paired_test.cluster_signflip_one_sided": lambda i: {"p_worse": st.sign_flip_worse(i["w_integer_cluster_totals"])},
    "paired_test.obuchowski": lambda i: dict(zip(("chi2", "p"), obuchowski(i["b_minus_c_by_cluster"]), strict=True)),
    "paired_bound.step_scaled_tango": step_scaled,
    "proportion_bound.korn_graubard": korn_graubard,
    "cost.fay_feuer": lambda i: bounds(st.fay_feuer(i["costs"], i["exposure_n"], i["cost_max"], i["alpha_each"])),
    "power.miller_n": miller_n,
    "power.mde": lambda i: {
        "mde": [st.minimum_detectable_effect(n, i["discordance"], i["alpha_one_sided"], i["power"]) for n in i["n"]]
    },
    "operating_characteristic.paired_gate": gate_operation,
    "verdict.paired": paired_verdict,
    "verdict.paired_thresholds": verdict_thresholds,
    "sequential.sprt": sprt,
    "sequential.eprocess_bernoulli": floor_evidence,
    "sequential.eprocess_validity": lambda i: {
        "expected_e": [expected_floor_evidence(i["floor"], i["t"], truth, 0) for truth in i["truth"]]
    },
    "sequential.eprocess_paired": paired_evidence,
    "error_rate.retries": lambda i: {"false_pass": [1 - (1 - i["alpha"]) ** r for r in i["retries"]]},
    "repeats.pass_at_k": lambda i: {
        "pass_at_k": pass_at_k(i["n"], i["correct"], i["k"]),
        "pass_hat_k": st.pass_hat_k(i["n"], i["correct"], i["k"]),
    },
    "judge.ppi_mean": judge_mean,
}
