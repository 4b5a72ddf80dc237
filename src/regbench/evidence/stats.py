"""Intervals and tests over independently seeded trainings.

Standard deviations have ddof=1. What the data cannot give (fewer than two values, or no spread at all) is
`None`, never NaN: a t statistic over a spread of zero says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import optimize, special

from regbench.errors import UserError

ALTERNATIVES = ("two-sided", "greater", "less")
# Accuracies are ratios of counts: differences that are equal on paper differ by rounding in floating point.
RELATIVE_ROUNDING = 1e-12
QUADRATURE_NODES = 200


@dataclass(frozen=True)
class Mean:
    """A mean over n values; `half_width` is that of the two-sided t-interval, None where there is none."""

    mean: float
    half_width: float | None
    n: int

    @property
    def low(self) -> float | None:
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        return None if self.half_width is None else self.mean + self.half_width


@dataclass(frozen=True)
class Comparison:
    """Mean of treated minus mean of control, with the two-sided t-interval's half-width and a p-value.

    For a paired test `n_treated == n_control` is the number of pairs. `difference` is None without any pair;
    `half_width`, `p`, `standard_error` and `degrees` are None where the spread is zero or unknown.
    """

    difference: float | None
    half_width: float | None
    p: float | None
    n_treated: int
    n_control: int
    standard_error: float | None
    degrees: float | None

    @property
    def low(self) -> float | None:
        return None if self.half_width is None else self.difference - self.half_width

    @property
    def high(self) -> float | None:
        return None if self.half_width is None else self.difference + self.half_width


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Mean:
    """Mean and t-interval of `values` (n,), in their own unit.

    No interval when n == 1 or when all values are equal. Raises UserError when `values` is empty or not
    finite.
    """
    array = _finite(values, "values")
    if array.size < 2 or _no_spread(array, np.abs(array).max()):
        return Mean(float(array.mean()), None, array.size)
    error = float(array.std(ddof=1)) / math.sqrt(array.size)
    return Mean(float(array.mean()), _quantile(confidence, array.size - 1) * error, array.size)


def paired_test(
    treated: Mapping[int, float],
    control: Mapping[int, float],
    alternative: str = "two-sided",
    confidence: float = 0.95,
) -> Comparison:
    """Paired t test of treated against control, both `{seed: value}`; only seeds present in both are used.

    Raises UserError for an unknown alternative or a value that is not finite.
    """
    _check_alternative(alternative)
    seeds = sorted(set(treated) & set(control))
    n = len(seeds)
    if n == 0:
        return Comparison(None, None, None, 0, 0, None, None)
    first = _finite([treated[seed] for seed in seeds], "treated")
    second = _finite([control[seed] for seed in seeds], "control")
    differences = first - second
    scale = max(np.abs(first).max(), np.abs(second).max())
    if n < 2 or _no_spread(differences, scale):
        return Comparison(float(differences.mean()), None, None, n, n, None, None)
    error = float(differences.std(ddof=1)) / math.sqrt(n)
    return _compare(float(differences.mean()), error, n - 1, n, n, alternative, confidence)


def welch_test(
    treated: Sequence[float],
    control: Sequence[float],
    alternative: str = "two-sided",
    confidence: float = 0.95,
) -> Comparison:
    """Welch's t test of two independent samples (n,) and (m,), with Satterthwaite's degrees of freedom.

    No interval and no p-value when either sample has one value or both have no spread. Raises UserError for
    an unknown alternative and for a sample that is empty or not finite.
    """
    _check_alternative(alternative)
    first, second = _finite(treated, "treated"), _finite(control, "control")
    n, m = first.size, second.size
    difference = float(first.mean() - second.mean())
    scale = max(np.abs(first).max(), np.abs(second).max())
    if min(n, m) < 2 or (_no_spread(first, scale) and _no_spread(second, scale)):
        return Comparison(difference, None, None, n, m, None, None)
    a, b = float(first.var(ddof=1)) / n, float(second.var(ddof=1)) / m
    degrees = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1))
    return _compare(difference, math.sqrt(a + b), degrees, n, m, alternative, confidence)


def clipped(
    interval: tuple[float | None, float | None], limits: tuple[float, float]
) -> tuple[float | None, float | None]:
    """An interval that ends where the values can go no further, as rank correlations at -1 and 1."""
    low, high = limits
    return tuple(None if end is None else max(low, min(high, end)) for end in interval)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction, in the order given. A None was not tested: it stays and is not counted."""
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    if any(not 0 <= p <= 1 for p, _ in tested):
        raise UserError(f"p_values={list(p_values)!r}: every p-value must lie in [0, 1]")
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for step, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - step) * p))
        corrected[index] = largest
    return corrected


@cache
def smallest_effect(
    comparison: Comparison, power: float = 0.8, alpha: float = 0.05, alternative: str = "two-sided"
) -> float | None:
    """The smallest true difference that such a comparison would have found with probability `power`.

    In the comparison's own unit, always positive. It takes the observed spread for the true one (noncentral
    t). None where the comparison has no standard error. Raises UserError for impossible settings.
    """
    _check_alternative(alternative)
    if not 0 < alpha < power < 1:
        raise UserError(f"alpha={alpha}, power={power}: 0 < alpha < power < 1 is needed")
    if comparison.standard_error is None or comparison.degrees is None:
        return None
    tails = 2 if alternative == "two-sided" else 1
    critical = float(special.stdtrit(comparison.degrees, 1 - alpha / tails))

    def shortfall(shift: float) -> float:
        return t_power(shift, critical, comparison.degrees, tails) - power

    high = 1.0
    while shortfall(high) < 0:
        high *= 2
    return float(optimize.brentq(shortfall, 0.0, high)) * comparison.standard_error


def t_power(shift: float, critical: float, degrees: float, tails: int) -> float:
    """P(T > critical), or P(|T| > critical) for two tails, of a noncentral t; shift in standard errors.

    A normal tail averaged over the distribution of the estimated spread: scipy's nct is NaN in places.
    """
    nodes, weights = _quadrature()
    spread = np.sqrt(special.chdtri(degrees, (1 - nodes) / 2) / degrees)
    chance = special.ndtr(shift - critical * spread)
    if tails == 2:
        chance = chance + special.ndtr(-shift - critical * spread)
    return float(weights @ chance / 2)


@cache
def _quadrature() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(QUADRATURE_NODES)


def _compare(difference, error, degrees, n, m, alternative, confidence) -> Comparison:
    half_width = _quantile(confidence, degrees) * error
    return Comparison(difference, half_width, _p_value(difference / error, degrees, alternative), n, m, error, degrees)


def _p_value(t: float, degrees: float, alternative: str) -> float:
    if alternative == "two-sided":
        return float(2 * special.stdtr(degrees, -abs(t)))
    return float(special.stdtr(degrees, -t if alternative == "greater" else t))


def _quantile(confidence: float, degrees: float) -> float:
    if not 0 < confidence < 1:
        raise UserError(f"confidence={confidence}: it must lie between 0 and 1")
    return float(special.stdtrit(degrees, 0.5 + confidence / 2))


def _no_spread(values: np.ndarray, scale: float) -> bool:
    return bool(np.ptp(values) <= RELATIVE_ROUNDING * scale)


def _finite(values: Sequence[float], name: str) -> np.ndarray:
    array = np.asarray(list(values), dtype=np.float64)
    if array.size == 0 or not np.isfinite(array).all():
        raise UserError(f"{name}={array.tolist()}: one or more finite numbers are needed")
    return array


def _check_alternative(alternative: str) -> None:
    if alternative not in ALTERNATIVES:
        raise UserError(f"alternative={alternative!r}: allowed are {', '.join(ALTERNATIVES)}")
