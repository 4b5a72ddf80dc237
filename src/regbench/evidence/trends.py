"""Whether a measure rises or falls with a setting: a rank correlation for each seed, and tests over the seeds.

Two tests stand beside each other. The t-test asks whether the mean of Spearman's rho over seeds differs from 0; it
is silent where all seeds have the same rho, as where each of them is perfectly ordered. Page's test for ordered
alternatives ranks within seeds as well, and its exact null is that the setting does nothing: it always answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats as scipy_stats

from regbench.evidence import stats
from regbench.evidence.records import Record

LEAST = 3  # settings; two have no order to speak of
LIMITS = (-1.0, 1.0)  # of a rank correlation
OPPOSITE = {"less": "greater", "greater": "less"}
#: seed -> setting -> value
Series = Mapping[int, Mapping[float, float]]


@dataclass(frozen=True)
class Trend:
    """Mean rho with its interval and t-test in `record`, Page's p beside it, both for `alternative`.

    The p-values of the opposite direction are None for a two-sided alternative; `holm` are the corrected ones.
    """

    record: Record
    alternative: str
    page: float | None = None
    opposite: float | None = None
    page_opposite: float | None = None
    page_holm: float | None = None
    opposite_holm: float | None = None
    page_opposite_holm: float | None = None


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
    up, down = (float(scipy_stats.page_trend_test(each, method="exact").pvalue) for each in (array, array[:, ::-1]))
    return {"greater": up, "less": down, "two-sided": min(1.0, 2 * min(up, down))}[alternative]


def mean_rho(series: Series, blank: Record, alternative: str) -> Record:
    """Fill `blank` with the mean of rho over the seeds that have a value at every setting that any seed has.

    Its interval ends at -1 and 1. The record is absent, and its notes say why, for fewer than three settings or where a
    seed's values are all equal.
    """
    settings, kept = _complete(series)
    if len(settings) < LEAST or not kept:
        why = f"fewer than {LEAST} settings" if len(settings) < LEAST else "no seed has all settings"
        return replace(blank, status="absent", notes=(f"{blank.method}: {why}",))
    found = {seed: spearman(settings, values) for seed, values in kept.items()}
    if None in found.values():
        return replace(blank, status="absent", notes=(f"{blank.method}: the same at all settings in some seed",))
    record = _filled(blank, found, alternative)
    return replace(record, notes=_notes(series, record))


def find_trend(series: Series, blank: Record, alternative: str) -> Trend:
    """`mean_rho`, Page's test beside it, and where a direction is claimed both tests in the opposite one."""
    record = mean_rho(series, blank, alternative)
    if record.status != "done":
        return Trend(record, alternative)
    values = list(_complete(series)[1].values())
    opposite = OPPOSITE.get(alternative)
    if opposite is None:
        return Trend(record, alternative, page_p(values, alternative))
    against = mean_rho(series, blank, opposite).p
    return Trend(record, alternative, page_p(values, alternative), against, page_p(values, opposite))


def corrected_trends(trends: Sequence[Trend]) -> list[Trend]:
    """Holm's correction over all trends: one call is one family, each test and each direction by itself."""
    columns = {
        "p": [trend.record.p for trend in trends],
        "page_holm": [trend.page for trend in trends],
        "opposite_holm": [trend.opposite for trend in trends],
        "page_opposite_holm": [trend.page_opposite for trend in trends],
    }
    holm = {name: stats.holm(values) for name, values in columns.items()}
    own = holm.pop("p")
    return [
        replace(
            trend,
            record=replace(trend.record, p_holm=own[place]),
            **{name: values[place] for name, values in holm.items()},
        )
        for place, trend in enumerate(trends)
    ]


def _complete(series: Series) -> tuple[list[float], dict[int, list[float]]]:
    """The settings, and the values at them of every seed that has all."""
    settings = sorted({setting for values in series.values() for setting in values})
    kept = {seed: values for seed, values in sorted(series.items()) if len(values) == len(settings)}
    return settings, {seed: [values[setting] for setting in settings] for seed, values in kept.items()}


def _filled(blank: Record, found: Mapping[int, float], alternative: str) -> Record:
    result = stats.paired_test(found, dict.fromkeys(found, 0.0), alternative)
    low, high = stats.clipped((result.low, result.high), LIMITS)
    return replace(blank, mean=result.difference, low=low, high=high, seeds=tuple(found), comparison=result)


def _notes(series: Series, record: Record) -> tuple[str, ...]:
    left_out = sorted(set(series) - set(record.seeds))
    notes = (
        [f"seeds without a value at every setting are left out: {', '.join(map(str, left_out))}"] if left_out else []
    )
    if len(record.seeds) == 1:
        notes.append("one seed only: no interval and no test")
    elif record.p is None:
        notes.append("all seeds have the same rho: no interval and no t-test; Page's test answers")
    return tuple(notes)
