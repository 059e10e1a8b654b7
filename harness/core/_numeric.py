"""Argument checks and quantiles shared by the modules behind `harness.core.statistics`."""

from __future__ import annotations

import math

import numpy as np
import scipy  # scipy.special itself is loaded at its first use
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def open_probability(name: str, value: float) -> float:
    """`value` as a float, or ValueError unless it lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value!r}")
    return float(value)


def probability(name: str, value: float) -> float:
    """`value` as a float, or ValueError unless it lies between 0 and 1, ends included."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value!r}")
    return float(value)


def positive(name: str, value: float) -> float:
    """`value` as a float, or ValueError unless it is finite and above 0."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")
    return float(value)


def non_negative(name: str, value: float) -> float:
    """`value` as a float, or ValueError unless it is finite and at least 0."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite number of at least 0, got {value!r}")
    return float(value)


def count(name: str, value: float, *, at_least: int = 0) -> int:
    """`value` as an int, or ValueError unless it is a whole number of at least `at_least`."""
    if not at_least <= value < math.inf or value != int(value):
        raise ValueError(f"{name} must be a whole number of at least {at_least}, got {value!r}")
    return int(value)


def vector(name: str, values: ArrayLike) -> FloatArray:
    """`values` as a one-dimensional float array, or ValueError if the shape is another or a value is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got {array.ndim} dimensions")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must hold finite numbers only")
    return array


def critical_value(alpha: float, degrees_of_freedom: int | None = None) -> float:
    """The one-sided critical value: z of the normal, or t where degrees of freedom are given.

    `alpha` is the probability above the value; `degrees_of_freedom` is the number of clusters less one (None: normal).
    With 0 degrees of freedom nothing is known, so the value is infinite. Raises ValueError for alpha outside (0, 1) or
    degrees of freedom that are not a whole number of at least 0. Source: textbook quantiles (Student 1908 for t).
    """
    tail = open_probability("alpha", alpha)
    if degrees_of_freedom is None:
        return -float(scipy.special.ndtri(tail))
    freedom = count("degrees_of_freedom", degrees_of_freedom)
    return math.inf if freedom == 0 else -float(scipy.special.stdtrit(freedom, tail))
