"""Rank statistics of a measure over an ordered setting: Spearman's rho within a seed, Page's test over seeds.

Page's test for ordered alternatives ranks within seeds, and its exact null is that the setting does nothing: it answers
where all seeds have the same rho and a t-test over seeds is silent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy import stats as scipy_stats

LEAST = 3  # settings; two have no order to speak of
LIMITS = (-1.0, 1.0)  # of a rank correlation


def spearman(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's rank correlation of (n,) and (n,), ties at their mean rank; None where all of one are equal."""
    ranks = [scipy_stats.rankdata(values) for values in (x, y)]
    if any(np.ptp(each) == 0 for each in ranks):
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def page_p(values: Sequence[Sequence[float]], alternative: str) -> float | None:
    """Page's p for (seeds, settings), settings ascending; None for fewer than two seeds or three settings."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < LEAST:
        return None
    up, down = (_exact(tuple(map(tuple, each))) for each in (array, array[:, ::-1]))
    return {"greater": up, "less": down, "two-sided": min(1.0, 2 * min(up, down))}[alternative]


@cache
def _exact(values: tuple[tuple[float, ...], ...]) -> float:
    """The exact p of rising values; both directions and several tables ask for it, and it is slow."""
    return float(scipy_stats.page_trend_test(np.array(values), method="exact").pvalue)
