"""The best of k groups against one baseline: which one it is, and a p-value that allows for having picked it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from itertools import combinations
from math import comb
from statistics import fmean

import numpy as np
from scipy import special
from scipy import stats as scipy_stats

from regbench.errors import UserError

RANDOM_STATE = 0  # the integral below is drawn at random: the same rows give the same digits
DIGITS = 4  # what that integral is good for


def best_of(scores: Mapping[str, Sequence[float]]) -> str:
    """The name of the highest mean; ties go to the one named first. Raises UserError where nothing is named."""
    if not scores or not all(len(values) for values in scores.values()):
        raise UserError(f"scores={dict(scores)}: the best is taken of one or more groups with one or more values")
    return max(scores, key=lambda name: fmean(scores[name]))


def dunnett_p(treated: Mapping[str, Sequence[float]], control: Sequence[float]) -> dict[str, float] | None:
    """Dunnett's one-sided p-value of each treated group: is its mean above the control's?

    Why this is the null of a best-of-many choice: the p-value of a group is the chance that the *largest* of k
    t statistics reaches the one observed, if all k groups and the control have one mean. All k are compared with
    the same control, whose luck they share; the joint distribution has that correlation in it, which a
    correction of k separate tests has not. So the p-value holds for whichever of the k was picked, however it
    was picked, and the smallest of them is that of the claim that any of the k helps.

    It takes groups of one variance, independent of each other. Trainings with one seed share their first
    weights and the order of images; where that makes their results alike, the p-values are too large, not too small.

    None where a pooled spread is unknown or zero. Good to about 10^-4: 0 means less than that.
    """
    groups = [np.asarray(values, dtype=np.float64) for values in treated.values()]
    everything = [*groups, np.asarray(control, dtype=np.float64)]
    degrees = sum(values.size for values in everything) - len(everything)
    scale = max((float(np.abs(values).max()) for values in everything), default=0.0)
    if not groups or degrees < 1 or max(float(np.ptp(values)) for values in everything) <= 1e-12 * scale:
        return None
    found = _dunnett(tuple(map(tuple, groups)), tuple(everything[-1]))
    return dict(zip(treated, found, strict=True))


@cache
def _dunnett(groups: tuple[tuple[float, ...], ...], control: tuple[float, ...]) -> tuple[float, ...]:
    """The p-values by group; several pages ask for the same, and the integral is slow."""
    found = scipy_stats.dunnett(*groups, control=control, alternative="greater", random_state=RANDOM_STATE)
    return tuple(_rounded(p) for p in found.pvalue)


@cache
def chance_of_any(k: int, n: int, alpha: float = 0.05) -> float:
    """The chance that the best of `k` groups passes one uncorrected one-sided t-test at `alpha` where nothing works.

    k groups and their one baseline have n >= 2 trainings each, of one mean and one variance.
    """
    if k < 1 or n < 2 or not 0 < alpha < 1:
        raise UserError(f"k={k}, n={n}, alpha={alpha}: k >= 1, n >= 2 and 0 < alpha < 1 are needed")
    degrees = (k + 1) * (n - 1)
    # Two differences to one baseline of the same size have correlation 1/2.
    shape = np.full((k, k), 0.5) + 0.5 * np.eye(k)
    statistic = scipy_stats.multivariate_t(shape=shape, df=degrees, seed=RANDOM_STATE)
    return _rounded(1 - statistic.cdf(np.full(k, special.stdtrit(degrees, 1 - alpha))))


def control_beaten(families: Sequence[Sequence[int]]) -> tuple[float, ...]:
    """The chances that 0, 1, 2, ... of all lines have their best cell elsewhere than in their control, by luck alone.

    A line is a control and k treated cells; the lines of one family share their control. All cells are exchangeable
    (one mean, one spread, as many trainings) and without ties, and families independent. Then the control is the best
    of every line of a set with chance 1 / (1 + their treated cells); exactly so many follow by inclusion and exclusion.

    Args:
        families: for each family, the k >= 1 of each of its lines.
    """
    if not all(family and all(k >= 1 for k in family) for family in families):
        raise UserError(f"families={list(families)}: one or more lines each, with one or more treated cells")
    found = [Fraction(1)]
    for family in families:
        found = _convolved(found, list(reversed(_control_best(family))))
    return tuple(map(float, found))


def _control_best(family: Sequence[int]) -> list[Fraction]:
    """The chances that the shared control is the best cell of exactly 0, 1, 2, ... of the family's lines."""
    sizes = range(len(family) + 1)
    sums = [sum(Fraction(1, 1 + sum(chosen)) for chosen in combinations(family, size)) for size in sizes]
    return [sum((-1) ** (size - exact) * comb(size, exact) * sums[size] for size in sizes[exact:]) for exact in sizes]


def _convolved(first: Sequence[Fraction], second: Sequence[Fraction]) -> list[Fraction]:
    found = [Fraction(0)] * (len(first) + len(second) - 1)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            found[i + j] += a * b
    return found


def _rounded(p: float) -> float:
    return round(min(1.0, max(0.0, float(p))), DIGITS)
