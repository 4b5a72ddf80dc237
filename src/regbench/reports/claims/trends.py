"""Claims that a measure rises or falls with a regularizer's strength, answered by the linearity rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from regbench.evidence.documents import load_all_pages
from regbench.evidence.estimates import OPPOSITE, Estimates, p_values
from regbench.evidence.pages import upper_first
from regbench.evidence.ranks import LIMITS
from regbench.evidence.sections import Section, find_sections
from regbench.evidence.spec import Line, Page, short
from regbench.reports.claims import verdicts
from regbench.reports.claims.rows import Evidence
from regbench.reports.claims.tests import Measured, Outcome

if TYPE_CHECKING:
    from regbench.reports.claims.claims import Claim


def linearity_page() -> Page:
    """The page whose lines are swept."""
    return load_all_pages()["linearity"][1]


def swept_lines() -> list[str]:
    """The lines of that page over whose sweep a trend may go."""
    return [name for name, line in linearity_page().lines.items() if line.sweep]


def swept_line(name: str) -> Line:
    """One of them."""
    return linearity_page().lines[name]


def measure_trend(claim: Claim, evidence: Evidence, budget: str) -> Outcome:
    """Spearman's rho over the strengths, a test over seeds for each data set.

    Where all seeds have the same rho there is no t-test; Page's exact test for ordered alternatives answers then.
    """
    answer = claim.answer
    sections = find_sections(linearity_page(), evidence.rows(answer["experiment"], budget), None)
    estimates, found, missing = Estimates(linearity_page(), sections), [], []
    for dataset in answer["datasets"]:
        section = next((each for each in sections if each.dataset == dataset), None)
        measured = _measure(claim, section, estimates) if section else f"{dataset}: not run"
        (missing if isinstance(measured, str) else found).append(measured)
    return Outcome(tuple(found), tuple(missing))


def _measure(claim: Claim, section: Section, estimates: Estimates) -> Measured | str:
    answer, line = claim.answer, swept_line(claim.answer["regularizer"])
    metric, found = section.metric(answer["metric"]), estimates.trend(section, line, answer["metric"])
    if found.comparison is None:
        reasons = "; ".join(note.split(": ", 1)[-1] for note in found.notes[:1]) or found.status
        return f"{section.dataset}: {reasons}"
    own = (found.p, found.p_opposite)
    if found.direction != answer["direction"]:
        own = p_values(found.comparison, answer["direction"])
        own = own if found.direction != OPPOSITE.get(answer["direction"]) else (found.p_opposite, found.p)
    test = verdicts.Test(found.comparison, answer["direction"], *own, limits=LIMITS)
    series = section.series(line)
    ends = [min(series), max(series)]
    means = [_values(series, end, metric, line) for end in ends]
    rows = tuple(row for _, group in series.values() for row in group.done)
    name = upper_first(metric.words)
    label = f"{section.name}: rank correlation of {name} with {line.title}"
    between = f"{name} at {line.title} {short(ends[0])} and {short(ends[1])}"
    return Measured(label, "rho", test, (means[0], means[1]), rows, metric.unit, between=between)


def _values(series: Mapping, end: float, metric, line: Line) -> tuple[float, ...]:
    return tuple(series[end][1].per_seed(lambda row: metric.read(row, metric.default, line.mode)).values())
