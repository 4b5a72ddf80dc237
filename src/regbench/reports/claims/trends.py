"""Claims that a measure rises or falls with a regularizer's strength, answered by the linearity rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from regbench.evidence.groups import Group
from regbench.evidence.records import Record
from regbench.evidence.trends import LIMITS, find_trend
from regbench.reports.claims import verdicts
from regbench.reports.claims.rows import Evidence
from regbench.reports.claims.tests import Measured, Outcome
from regbench.reports.entropy.autoencoders import short
from regbench.reports.linearity.lines import (
    READINGS,
    SWEPT,
    Reading,
    linearity_sections,
    reading_at,
    swept,
)
from regbench.reports.methods import DATASETS as NAMES

if TYPE_CHECKING:
    from regbench.reports.claims.claims import Claim

TREND_KINDS = {kind.name: kind for kind in SWEPT}
METRICS: dict[str, Reading] = {reading.metric: reading for reading in READINGS if reading.protocol == "last epoch"}


def measure_trend(claim: Claim, evidence: Evidence, budget: str) -> Outcome:
    """Spearman's rho over the strengths, a test over seeds for each data set.

    Where all seeds have the same rho there is no t-test; Page's exact test for ordered alternatives answers then.
    """
    answer = claim.answer
    sections = {s.dataset: s for s in linearity_sections(evidence.rows(answer["experiment"], budget))}
    found, missing = [], []
    for dataset in answer["datasets"]:
        groups = swept(sections[dataset], TREND_KINDS[answer["regularizer"]]) if dataset in sections else {}
        measured = _measure(claim, dataset, groups)
        if isinstance(measured, str):
            missing.append(measured)
        else:
            found.append(measured)
    return Outcome(tuple(found), tuple(missing))


def _measure(claim: Claim, dataset: str, groups: Mapping[float, Group]) -> Measured | str:
    answer = claim.answer
    failures = [group.failure for group in groups.values() if group.failed]
    if len(groups) < 2 or 0.0 not in groups or failures:
        return f"{dataset}: {failures[0] if failures else 'not run'}"
    kind, reading = TREND_KINDS[answer["regularizer"]], METRICS[answer["metric"]]
    series: dict[int, dict[float, float]] = {}
    for strength, group in groups.items():
        for seed, value in group.per_seed(reading_at(reading, strength).read).items():
            series.setdefault(seed, {})[strength] = value
    blank = Record(kind.title, f"trend_of_{reading.metric}", reading.protocol, "ratio", "done")
    trend = find_trend(series, blank, answer["direction"])
    if trend.record.comparison is None:
        return f"{dataset}: {'; '.join(trend.record.notes)}"
    exact = trend.record.p is None
    test = verdicts.Test(
        trend.record.comparison,
        answer["direction"],
        trend.page if exact else trend.record.p,
        trend.page_opposite if exact else trend.opposite,
        limits=LIMITS,
    )
    ends = [min(groups), max(groups)]
    means = [groups[strength].per_seed(reading_at(reading, strength).read) for strength in ends]
    rows = tuple(row for group in groups.values() for row in group.done)
    label = f"{NAMES.get(dataset, dataset)}: rank correlation of {reading.column} with {kind.title}"
    sides = tuple(tuple(each.values()) for each in means)
    between = f"{reading.column} at {kind.title} {short(ends[0])} and {short(ends[1])}"
    return Measured(label, "rho", test, sides, rows, reading.unit, between=between)
