"""How estimates are printed: `99.12 ± 0.08`, `+0.10 [-0.11, +0.31], p = 0.520`, `> 30.0`, `X`, `not run`."""

from __future__ import annotations

from regbench.evidence.estimates import Estimate
from regbench.evidence.groups import Group
from regbench.evidence.tables import EN_DASH, MINUS, Cell

# pp: percentage points; 1e-3: thousandths
DECIMALS = {
    **{"%": 2, "pp": 2, "nats": 4, "epochs": 1, "s": 2, "1e-3": 2, "ratio": 3, "norm": 2, "factor": 2, "rho": 3},
    **{"FID": 2, "IS": 2, "classes": 2},
}
FIXED = {"failed": "X", "not run": "not run", "absent": EN_DASH, "reference": "reference"}


def cell(estimate: Estimate) -> Cell:
    """The estimate with its interval, and of a difference or trend the corrected p; of a bound neither."""
    if estimate.status in FIXED:
        return Cell(FIXED[estimate.status], estimate.notes)
    if estimate.comparison is not None:
        return Cell(difference_text(estimate, estimate.p_holm), estimate.notes)
    return Cell(mean_text(estimate), estimate.notes)


def mean_text(estimate: Estimate) -> str:
    """`99.12 ± 0.08`, without an interval `99.12 ± –`, a lower bound `> 30.0`."""
    text = number(estimate.mean, estimate.unit)
    if estimate.bounded:
        return f"> {text}"
    half_width = EN_DASH if estimate.high is None else number(estimate.high - estimate.mean, estimate.unit)
    return f"{text} ± {half_width}"


def difference_text(estimate: Estimate, p: float | None) -> str:
    """`+0.10 [-0.11, +0.31], p = 0.520`."""
    return f"{number(estimate.mean, estimate.unit, signed=True)} [{interval_text(estimate)}], {p_text(p)}"


def interval_text(estimate: Estimate) -> str:
    """`-0.11, +0.31`, or an en dash."""
    if estimate.low is None:
        return EN_DASH
    return ", ".join(number(bound, estimate.unit, signed=True) for bound in (estimate.low, estimate.high))


def count_cell(group: Group | None, most: int = 0) -> Cell:
    """How many trainings stand behind a line; a footnote where a better covered line has `most`."""
    if group is None:
        return Cell("0")
    if group.failed:
        return Cell(f"{len(group.done)} (+ {len(group.failed)} failed)")
    note = f"fewer seeds than the best-covered row, which has {most}"
    return Cell(str(len(group.done)), (note,) if len(group.done) < most else ())


def number(value: float, unit: str, signed: bool = False) -> str:
    """`value` with its unit's decimals and a true minus sign; a value that rounds to zero has no sign.

    Three significant digits where the unit has no decimals of its own.
    """
    text = f"{value:.{DECIMALS[unit]}f}" if unit in DECIMALS else f"{value:.3g}"
    if float(text) == 0:
        return text.removeprefix("-")
    return text.replace("-", MINUS) if value < 0 else "+" * signed + text


def p_text(p: float | None) -> str:
    """`p = 0.520`, `p < 0.001`, or an en dash where there was no test."""
    if p is None:
        return f"p = {EN_DASH}"
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
