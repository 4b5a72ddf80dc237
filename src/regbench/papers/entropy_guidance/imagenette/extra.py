"""What only the entropy paper's Table 2 has: its bold cells checked, and the spread of its cells without the loss."""

from __future__ import annotations

import math
from statistics import fmean, variance

from regbench.evidence.notes import Shown, note, paper_cells, paper_gain, paper_top
from regbench.evidence.numbers import PaperNumber
from regbench.evidence.wording import number


def percent(cell: PaperNumber) -> str:
    """A printed fraction in percent."""
    return f"{100 * cell.value:.1f}"


@note
def imagenette_bold(shown: Shown) -> str:
    """The lines whose bold cell is not their highest, with both."""
    wrong = []
    for line in shown.lines:
        bold = [cell for cell in paper_cells(shown, line).values() if "in bold" in cell.read]
        top = paper_top(shown, line)
        if top is not None and (not bold or max(cell.value for cell in bold) < top.value):
            told = " and ".join(f"{percent(cell)} (lambda {cell.column})" for cell in bold) or "nothing"
            wrong.append(f"{line.label}: {told} is bold, {percent(top)} (lambda {top.column}) is the highest")
    total = len(shown.lines)
    text = f"The paper's bold cells: the highest of their line in {total - len(wrong)} of {total} lines"
    return f"{text}; {'; '.join(wrong)}." if wrong else f"{text}."


@note
def imagenette_spread(shown: Shown) -> str:
    """Trainings that differ in nothing but the seed, beside gains: the paper's cells without the loss, and ours."""
    families: dict[str, list[float]] = {}
    for line in shown.lines:
        if base := paper_cells(shown, line).get(0.0):
            families.setdefault(line.base, []).append(100 * base.value)
    deviation = pooled_deviation(list(families.values()))
    widest = max(max(each) - min(each) for each in families.values())
    gains = [found for line in shown.lines if (found := paper_gain(shown, line)) is not None]
    below = sum(found < 2 * deviation for found in gains)
    return (
        f"The paper's cells without the loss of one model and strategy are replicates: standard deviation "
        f"{number(deviation, 'pp')} pp, at most {number(widest, 'pp')} pp apart. Its best lambda above 0 gains "
        f"{number(min(gains), 'pp', True)} to {number(max(gains), 'pp', True)} pp over lambda 0, less than two such "
        f"standard deviations in {below} of {len(gains)} lines; the mean over all its lambdas above 0 is "
        f"{number(mean_gain(shown), 'pp', True)} pp. {_own_spread(shown)}"
    )


def mean_gain(shown: Shown) -> float:
    """The paper's mean over all lines and lambdas above 0 of a cell minus lambda 0 of its line, in pp."""
    found = [paper_cells(shown, line) for line in shown.lines]
    return fmean(100 * (each.value - cells[0.0].value) for cells in found for value, each in cells.items() if value)


def pooled_deviation(samples: list[list[float]]) -> float | None:
    """The standard deviation (ddof = 1) within samples; None where none has two values."""
    several = [sample for sample in samples if len(sample) > 1]
    degrees = sum(len(sample) - 1 for sample in several)
    return math.sqrt(sum(variance(each) * (len(each) - 1) for each in several) / degrees) if degrees else None


def _own_spread(shown: Shown) -> str:
    section, read = shown.section, shown.section.metric("accuracy").read
    bases = dict.fromkeys(line.base for line in shown.lines)
    groups = [group for base in bases if (group := section.group(section.page.lines[base]))]
    samples = [[read(row, "held-out", "full") for row in group.done] for group in groups if group.done]
    deviation = pooled_deviation(samples)
    if deviation is None:
        return "Ours: no cell without the loss has two trainings."
    several = sum(len(sample) > 1 for sample in samples)
    return (
        f"Ours, by protocol held-out: standard deviation {number(deviation, 'pp')} pp over seeds ({several} cell"
        f"{'s' * (several != 1)} with two or more trainings)."
    )
