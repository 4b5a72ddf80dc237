"""The entropy paper's own Table 2, checked: its bold cells, its count, the spread of its cells without the loss."""

from __future__ import annotations

import math
from statistics import fmean, variance

from regbench.evidence.best_of_many import control_beaten
from regbench.evidence.numbers import PaperNumber, PaperNumbers
from regbench.reports.entropy.large_best import Count
from regbench.reports.entropy.large_rows import LINES, STRENGTHS, Line
from regbench.reports.entropy.printed import in_bold, percent

TABLE = "2"


def printed(numbers: PaperNumbers, line: Line, strength: float) -> PaperNumber | None:
    """The paper's cell."""
    return numbers.find(TABLE, line.name, f"{strength:g}")


def highest(numbers: PaperNumbers, line: Line) -> PaperNumber | None:
    """The highest cell of a line, at the smallest lambda that has it; None where the paper prints none."""
    return max(_cells(numbers, line), key=lambda cell: cell.value, default=None)


def wrong_bold(numbers: PaperNumbers) -> list[str]:
    """The lines whose bold cell is not their highest, with both."""
    found = []
    for line in LINES:
        top, bold = highest(numbers, line), [cell for cell in _cells(numbers, line) if in_bold(cell)]
        if top is not None and (not bold or max(cell.value for cell in bold) < top.value):
            shown = " and ".join(f"{percent(cell)} (lambda {cell.column})" for cell in bold) or "nothing"
            found.append(f"{line.name}: {shown} is bold, {percent(top)} (lambda {top.column}) is the highest")
    return found


def paper_count(numbers: PaperNumbers) -> Count:
    """In how many lines the highest cell has the loss on; each line has its own cell without the loss."""
    tops = {line: top for line in LINES if (top := highest(numbers, line))}
    sizes = [[len(_cells(numbers, line)) - 1] for line in tops]
    return Count(sum(float(top.column) != 0 for top in tops.values()), len(tops), control_beaten(sizes))


def gain(numbers: PaperNumbers, line: Line) -> float | None:
    """The best lambda above 0 minus lambda 0, in percentage points."""
    above = [cell.value for cell in _cells(numbers, line) if float(cell.column) != 0]
    base = printed(numbers, line, 0.0)
    return None if base is None or not above else 100 * (max(above) - base.value)


def mean_gain(numbers: PaperNumbers) -> float:
    """The mean over all lines and lambdas above 0 of a cell minus lambda 0 of its line, in percentage points."""
    return fmean(
        100 * (cell.value - printed(numbers, line, 0.0).value)
        for line in LINES
        for cell in _cells(numbers, line)
        if float(cell.column) != 0
    )


def base_spread(numbers: PaperNumbers) -> tuple[float, float]:
    """Of the cells without the loss of one model and strategy: pooled standard deviation and largest range, in pp."""
    families: dict[tuple[str, str], list[float]] = {}
    for line in LINES:
        if cell := printed(numbers, line, 0.0):
            families.setdefault(line.family, []).append(100 * cell.value)
    return pooled_deviation(list(families.values())), max(max(each) - min(each) for each in families.values())


def pooled_deviation(samples: list[list[float]]) -> float | None:
    """The standard deviation (ddof = 1) within samples; None where none has two values."""
    several = [sample for sample in samples if len(sample) > 1]
    degrees = sum(len(sample) - 1 for sample in several)
    return math.sqrt(sum(variance(each) * (len(each) - 1) for each in several) / degrees) if degrees else None


def _cells(numbers: PaperNumbers, line: Line) -> list[PaperNumber]:
    return [cell for strength in STRENGTHS if (cell := printed(numbers, line, strength)) is not None]
