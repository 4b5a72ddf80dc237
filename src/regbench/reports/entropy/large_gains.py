"""The entropy paper's Table 2 as a picture: gain in accuracy over lambda 0, the paper's and ours."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes

from regbench.errors import UserError
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.protocols import HELD_OUT
from regbench.evidence.settings import not_drawn
from regbench.evidence.stats import Comparison, paired_test
from regbench.evidence.stops import usable
from regbench.evidence.style import LineStyle, new_figure, save
from regbench.reports.entropy.large_best import accuracy
from regbench.reports.entropy.large_paper import printed
from regbench.reports.entropy.large_rows import EMPIRICAL, LINES, MODELS, STRATEGIES, Line, Page

# Okabe and Ito's colours; the marker also tells the layers apart in grey.
LOOKS = {
    "first": LineStyle("#0072B2", "-", "o"),
    "first_two": LineStyle("#D55E00", "-", "s"),
    "pre_skip": LineStyle("#009E73", "-", "^"),
    EMPIRICAL: LineStyle("#CC79A7", "-", "D"),
}
NOTE = (
    "Solid: ours, mean difference to lambda 0 of the same seeds, protocol held-out; bars: 95 % t-intervals, none where "
    "n = 1.\nDotted with open markers: the paper's printed numbers, one training a cell, over its line's lambda 0."
)


def draw_large_gains(page: Page, numbers: PaperNumbers, path: str | Path) -> Path:
    """One panel for each model and strategy, gains in percentage points by lambda. Raises UserError without a row."""
    if not any(group.done for group in page.groups):
        raise UserError(f"Table 2, budget {page.budget}: no finished row to draw")
    figure = new_figure(12, 7.2)
    panels = figure.subplots(len(MODELS), len(STRATEGIES), sharex=True, sharey=True)
    for row, model in zip(panels, MODELS, strict=True):
        for axes, strategy in zip(row, STRATEGIES, strict=True):
            _draw_panel(axes, page, numbers, [line for line in LINES if line.family == (model, strategy)])
        row[0].set_ylabel("gain in accuracy (pp)")
        row[-1].legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), title="layers")
    for axes in panels[-1]:
        axes.set_xlabel("lambda")
    figure.suptitle(_heading(page), fontsize=10)
    figure.supxlabel(NOTE, fontsize=8)
    return save(figure, path)


def gain(page: Page, line: Line, strength: float) -> Comparison | None:
    """Ours at one lambda in percentage points, paired by seed; None where a cell is missing, failed or shares none."""
    treated, base = page.group(line, strength), page.group(line, 0.0)
    if not usable(treated) or not usable(base):
        return None
    read = accuracy(HELD_OUT)
    found = paired_test(treated.per_seed(read), base.per_seed(read))
    return None if found.difference is None else found


def _draw_panel(axes: Axes, page: Page, numbers: PaperNumbers, lines: list[Line]) -> None:
    above = [strength for strength in page.strengths if strength != 0]
    drawn = 0
    for place, line in enumerate(lines):
        look, shift = LOOKS[line.placement], 0.12 * (place - (len(lines) - 1) / 2)
        theirs = {x: each for x, s in enumerate(above) if (each := _printed_gain(numbers, line, s)) is not None}
        axes.plot(
            [x + shift for x in theirs],
            list(theirs.values()),
            color=look.color,
            linestyle=":",
            marker=look.marker,
            markerfacecolor="white",
            markersize=4,
            linewidth=1,
            alpha=0.6,
        )
        ours = {x: each for x, strength in enumerate(above) if (each := gain(page, line, strength)) is not None}
        drawn += len(ours)
        axes.errorbar(
            [x + shift for x in ours],
            [each.difference for each in ours.values()],
            yerr=[each.half_width or 0.0 for each in ours.values()],
            color=look.color,
            linestyle=look.dash,
            marker=look.marker,
            markersize=6,
            linewidth=1.6,
            capsize=2,
            label=line.layers,
        )
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set_xticks(range(len(above)), [f"{strength:g}" for strength in above])
    own = "" if drawn else " (ours: not run)"
    axes.set_title(f"{MODELS[lines[0].model]}, {lines[0].strategy}{own}", fontsize=10)
    axes.grid(alpha=0.3)


def _printed_gain(numbers: PaperNumbers, line: Line, strength: float) -> float | None:
    cell, base = printed(numbers, line, strength), printed(numbers, line, 0.0)
    return None if cell is None or base is None else 100 * (cell.value - base.value)


def _heading(page: Page) -> str:
    named = [(f"{line.name}, lambda {strength:g}", group) for (line, strength), group in page.penalized.items()]
    named += [(f"{MODELS[model]}, {strategy}, lambda 0", group) for (model, strategy), group in page.plain.items()]
    what = "Entropy guidance, Table 2" + ("" if page.budget == "paper" else " (no reproduction)")
    title = page.title(what).replace(", at most", ",\nat most")
    return title + not_drawn(named)
