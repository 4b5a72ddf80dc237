"""The picture of the ledger: every measured effect with its interval, claim by claim, on axes that claims can share.

Where the paper prints an effect, the axis is the measured effect over the paper's: 0 is nothing, 1 is what is claimed.
Where it prints none, the axis is the effect over the smallest one that the runs would have found with 80 % power.
Rank correlations have their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from regbench.errors import UserError
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer, Effect
from regbench.reports.claims.claims import Ledger
from regbench.reports.style import new_figure, save

# Okabe and Ito's colours, and a marker for grey print.
LOOKS = {
    verdicts.SUPPORTED: ("#009E73", "o"),
    verdicts.CONTRADICTED: ("#D55E00", "X"),
    verdicts.SMALLER: ("#E69F00", "v"),
    verdicts.INCONCLUSIVE: ("#7F7F7F", "s"),
}
ROW_HEIGHT = 0.21  # inches
NOTE = (
    "Points: means over seeds; bars: 95 % t-intervals; an arrow: beyond the axis. Right of 0 is the claimed "
    "direction.\n"
    "Claims answered by counts, by bounds or by a document's own numbers have no interval and are not drawn."
)


@dataclass(frozen=True)
class Panel:
    """One axis: what it shows, its limits, where the claim would put a point (None: nowhere)."""

    title: str
    label: str
    limits: tuple[float, float]
    mark: float | None


RATIO = Panel("The paper prints an effect", "measured effect / the paper's effect", (-4.0, 4.0), 1.0)
POWER = Panel("The paper prints no such effect", "measured effect / smallest effect at 80 % power", (-4.0, 4.0), None)
RANK = Panel("Trends", "rank correlation, in the claimed direction", (-1.1, 1.1), None)


@dataclass(frozen=True)
class Bar:
    """One line of a panel, its values on that panel's axis."""

    label: str
    word: str
    value: float
    low: float
    high: float


def draw_claims(ledger: Ledger, answers: Mapping[str, Answer], path: str | Path) -> Path:
    """Write the picture as a PNG. Raises UserError where no claim has an interval yet."""
    bars = {panel: found for panel, found in panels(ledger, answers).items() if found}
    if not bars:
        raise UserError("claims: no claim has an interval yet: there is nothing to draw")
    left = [panel for panel in bars if panel is RATIO]
    right = [panel for panel in bars if panel is not RATIO]
    columns = [column for column in (left, right) if column]
    rows = max(sum(len(bars[panel]) + 4 for panel in column) for column in columns)
    figure = new_figure(7.2 * len(columns), ROW_HEIGHT * rows + 1.2)
    parts = figure.subfigures(1, len(columns), squeeze=False)[0]
    for part, column in zip(parts, columns, strict=True):
        spare = rows - sum(len(bars[panel]) + 4 for panel in column)
        heights = [len(bars[panel]) + 4 for panel in column] + ([spare] if spare else [])
        grid = part.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes in grid[len(column) :]:
            axes.set_visible(False)
        for axes, panel in zip(grid, column, strict=False):
            _draw_panel(axes, panel, bars[panel])
    figure.legend(handles=_legend(bars), loc="outside upper center", ncols=len(LOOKS), frameon=False, fontsize=8)
    figure.supxlabel(NOTE, fontsize=8)
    return save(figure, path)


def panels(ledger: Ledger, answers: Mapping[str, Answer]) -> dict[Panel, list[Bar]]:
    """The bars of every panel, in the ledger's order."""
    found: dict[Panel, list[Bar]] = {RATIO: [], POWER: [], RANK: []}
    for claim in ledger.claims:
        answer = answers[claim.id]
        for effect in answer.effects:
            panel, scale = _place(effect)
            if panel is not None and effect.low is not None and answer.word in LOOKS:
                ends = sorted((effect.low / scale, effect.high / scale))
                label = f"{claim.id}, {effect.label}" if effect.label else claim.id
                found[panel].append(Bar(label, answer.word, effect.value / scale, *ends))
    return found


def _place(effect: Effect) -> tuple[Panel | None, float]:
    """The panel of an effect, and what its values are divided by there."""
    sign = -1.0 if effect.direction == "less" else 1.0
    if effect.unit == "rho":
        return RANK, sign
    if effect.claimed:
        return RATIO, effect.claimed
    return (POWER, sign * effect.smallest) if effect.smallest else (None, 1.0)


def _draw_panel(axes: Axes, panel: Panel, bars: Sequence[Bar]) -> None:
    low, high = panel.limits
    for place, bar in enumerate(bars):
        color, marker = LOOKS[bar.word]
        ends = [min(max(end, low), high) for end in (bar.low, bar.high)]
        axes.plot(ends, [place, place], color=color, linewidth=1.4)
        for beyond, edge, arrow in ((bar.low < low, low, "<"), (bar.high > high, high, ">")):
            if beyond:
                axes.plot(edge, place, marker=arrow, color=color, markersize=5, clip_on=False)
        if low <= bar.value <= high:
            axes.plot(bar.value, place, marker=marker, color=color, markersize=5)
    axes.axvline(0, color="black", linewidth=0.8)
    if panel.mark is not None:
        axes.axvline(panel.mark, color="#0072B2", linestyle="--", linewidth=1.2)
    axes.set(xlim=panel.limits, ylim=(len(bars) - 0.4, -0.6), xlabel=panel.label)
    axes.set_yticks(range(len(bars)), labels=[bar.label for bar in bars], fontsize=7)
    axes.set_title(panel.title, fontsize=10, loc="left")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.3)


def _legend(bars: Mapping[Panel, Sequence[Bar]]) -> list[Line2D]:
    words = {bar.word for found in bars.values() for bar in found}
    handles = [
        Line2D([], [], color=color, marker=marker, linewidth=1.4, markersize=5, label=word)
        for word, (color, marker) in LOOKS.items()
        if word in words
    ]
    if bars.get(RATIO):
        handles.append(Line2D([], [], color="#0072B2", linestyle="--", linewidth=1.2, label="the paper's effect"))
    return handles
