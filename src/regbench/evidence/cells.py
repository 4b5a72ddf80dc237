"""How estimates are printed: `99.12 ± 0.08`, `+0.10 [-0.11, +0.31], p = 0.520`, `> 30.0`, `X`, `not run`."""

from __future__ import annotations

from regbench.evidence.estimates import Estimate
from regbench.evidence.groups import Group
from regbench.evidence.tables import Cell
from regbench.evidence.wording import EN_DASH, interval_text, number, p_text

FIXED = {"failed": "X", "not run": "not run", "absent": EN_DASH, "reference": "reference"}


def cell(estimate: Estimate) -> Cell:
    """The estimate with its interval, and of a difference or trend the corrected p; of a bound neither."""
    if estimate.status in FIXED:
        return Cell(FIXED[estimate.status], estimate.notes)
    if estimate.comparison is not None:
        return Cell(difference_text(estimate, estimate.p_holm), estimate.notes)
    return Cell(mean_text(estimate), estimate.notes)


def mean_text(estimate: Estimate) -> str:
    """`99.12 ± 0.08`, without an interval `99.12`, a lower bound `> 30.0`."""
    text = number(estimate.mean, estimate.unit)
    if estimate.bounded:
        return f"> {text}"
    return text if estimate.high is None else f"{text} ± {number(estimate.high - estimate.mean, estimate.unit)}"


def difference_text(estimate: Estimate, p: float | None) -> str:
    """`+0.10 [-0.11, +0.31], p = 0.520`, without the parts that there are not."""
    told = "" if p is None else f", {p_text(p)}"
    return number(estimate.mean, estimate.unit, signed=True) + interval_of(estimate) + told


def interval_of(estimate: Estimate) -> str:
    """` [-0.11, +0.31]`; empty without an interval."""
    return interval_text(estimate.low, estimate.high, estimate.unit)


def count_cell(group: Group | None) -> Cell:
    """How many trainings stand behind a line, and how many failed."""
    if group is None:
        return Cell("0")
    return Cell(f"{len(group.done)} (+ {len(group.failed)} failed)" if group.failed else str(len(group.done)))
