"""The picture of the ledger: every measured effect with its interval, claim by claim, on axes that claims can share.

Where the paper prints an effect, the axis is the measured effect over the paper's: 0 is nothing, 1 is what is claimed.
Where it prints none, the axis is the effect over the smallest one that the runs would have found with 80 % power.
Rank correlations have their own. A bar is coloured by the outcome of its own case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from regbench.errors import UserError
from regbench.evidence.style import new_figure, save
from regbench.evidence.tables import MINUS
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer, Effect
from regbench.reports.claims.claims import Ledger

# Okabe and Ito's colours, and a marker for grey print.
LOOKS = {
    verdicts.SUPPORTED: ("#009E73", "o"),
    verdicts.CONTRADICTED: ("#D55E00", "X"),
    verdicts.SMALLER: ("#E69F00", "v"),
    verdicts.INCONCLUSIVE: ("#7F7F7F", "s"),
}
ROW_HEIGHT = 0.19  # inches
HEAD = 4.5  # rows that a panel's title and axis take
WIDTH = 7.4  # inches of a column
LINEAR = 1.0  # a ratio axis is linear up to here and logarithmic beyond, so that large ratios have a place
TICKS = (-30.0, -10.0, -3.0, -1.0, 0.0, 1.0, 3.0, 10.0, 30.0)
NOTE = (
    "Points: means over seeds; bars: 95 % t-intervals; an arrow: beyond the axis. Right of 0 is the claimed direction. "
    "Axes of ratios are linear between -1 and 1 and logarithmic beyond.\n"
    "Colour and marker: the outcome of the case alone, corrected over all cases of its family. "
    "Claims answered by counts, by bounds or by a document's own numbers are not drawn.\n"
)


@dataclass(frozen=True)
class Panel:
    """One axis: what it shows, its limits, where the claim would put a point (None: nowhere)."""

    title: str
    label: str
    limits: tuple[float, float]
    mark: float | None
    ratio: bool = True


RATIO = Panel("The paper prints an effect", "measured effect / the paper's effect", (-40.0, 40.0), 1.0)
POWER = Panel("The paper prints no such effect", "measured effect / smallest effect at 80 % power", (-40.0, 40.0), None)
RANK = Panel("Trends", "rank correlation, in the claimed direction", (-1.1, 1.1), None, ratio=False)


@dataclass(frozen=True)
class Bar:
    """One line of a panel, its values on that panel's axis; `word` is the outcome of the case, `n` its trainings."""

    claim: str
    case: str
    word: str
    value: float
    low: float
    high: float
    n: int | None = None
    budget: str = ""

    @property
    def label(self) -> str:
        """The claim and the case of it."""
        return f"{self.claim}, {self.case}" if self.case else self.claim


def draw_claims(ledger: Ledger, answers: Mapping[str, Answer], path: str | Path) -> Path:
    """Write the picture as a PNG. Raises UserError where no claim has an interval yet."""
    bars = {panel: found for panel, found in panels(ledger, answers).items() if found}
    if not bars:
        raise UserError("claims: no claim has an interval yet: there is nothing to draw")
    columns = balanced({panel: len(found) + HEAD for panel, found in bars.items()})
    rows = max(sum(len(bars[panel]) + HEAD for panel in column) for column in columns)
    figure = new_figure(WIDTH * len(columns), ROW_HEIGHT * rows + 1.0)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.06)
    usual = commonest([bar for found in bars.values() for bar in found])
    _draw_columns(figure, columns, bars, usual)
    figure.legend(handles=_legend(bars), loc="outside upper center", ncols=len(LOOKS) + 1, frameon=False, fontsize=8)
    figure.supxlabel(NOTE + _usual_text(usual, bars), fontsize=7.5)
    return save(figure, path)


def panels(ledger: Ledger, answers: Mapping[str, Answer]) -> dict[Panel, list[Bar]]:
    """The bars of every panel, in the ledger's order."""
    found: dict[Panel, list[Bar]] = {RATIO: [], POWER: [], RANK: []}
    for claim in ledger.claims:
        answer = answers[claim.id]
        for effect in answer.effects:
            panel, scale = _place(effect)
            word = effect.word or answer.word
            if panel is not None and effect.low is not None and word in LOOKS:
                ends = sorted((effect.low / scale, effect.high / scale))
                found[panel].append(
                    Bar(claim.id, effect.label, word, effect.value / scale, *ends, effect.n, answer.budget)
                )
    return found


def balanced(heights: Mapping[Panel, float]) -> list[list[Panel]]:
    """The panels in two columns of heights as like as can be: the tallest first, each to the shorter column."""
    columns: list[list[Panel]] = [[], []]
    for panel in sorted(heights, key=lambda each: -heights[each]):
        min(columns, key=lambda column: sum(heights[each] for each in column)).append(panel)
    order = list(heights)
    return sorted((column for column in columns if column), key=lambda column: min(map(order.index, column)))


def commonest(bars: Sequence[Bar]) -> tuple[int | None, str]:
    """The n and the budget that most bars have; of equally many the larger n."""
    counts = Counter((bar.n, bar.budget) for bar in bars)
    return max(counts, key=lambda pair: (counts[pair], pair[0] or 0, pair[1]))


def label_of(bar: Bar, usual: tuple[int | None, str]) -> str:
    """The bar's label, with its n and budget where they are not the usual ones."""
    parts = [f"n = {bar.n}"] if bar.n is not None and bar.n != usual[0] else []
    parts += [bar.budget] if bar.budget != usual[1] else []
    return f"{bar.label} ({', '.join(parts)})" if parts else bar.label


def _usual_text(usual: tuple[int | None, str], bars: Mapping[Panel, Sequence[Bar]]) -> str:
    others = any(label_of(bar, usual) != bar.label for found in bars.values() for bar in found)
    return f"n = {usual[0]}, budget {usual[1]}{', unless a label says otherwise' if others else ''}."


def _place(effect: Effect) -> tuple[Panel | None, float]:
    """The panel of an effect, and what its values are divided by there."""
    sign = -1.0 if effect.direction == "less" else 1.0
    if effect.unit == "rho":
        return RANK, sign
    if effect.claimed:
        return RATIO, effect.claimed
    return (POWER, sign * effect.smallest) if effect.smallest else (None, 1.0)


def _draw_columns(
    figure: Figure,
    columns: Sequence[Sequence[Panel]],
    bars: Mapping[Panel, Sequence[Bar]],
    usual: tuple[int | None, str],
) -> None:
    rows = max(sum(len(bars[panel]) + HEAD for panel in column) for column in columns)
    for part, column in zip(figure.subfigures(1, len(columns), squeeze=False)[0], columns, strict=True):
        heights = [len(bars[panel]) + HEAD for panel in column]
        spare = rows - sum(heights)
        heights += [spare] if spare else []
        grid = part.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes in grid[len(column) :]:
            axes.set_visible(False)
        for axes, panel in zip(grid, column, strict=False):
            _draw_panel(axes, panel, bars[panel], usual)


def _draw_panel(axes: Axes, panel: Panel, bars: Sequence[Bar], usual: tuple[int | None, str]) -> None:
    if panel.ratio:
        axes.set_xscale("symlog", linthresh=LINEAR, linscale=1.0)
        axes.set_xticks(TICKS, labels=[f"{tick:g}".replace("-", MINUS) for tick in TICKS])
        axes.minorticks_off()
    for place, bar in enumerate(bars):
        _draw_bar(axes, panel, place, bar)
    axes.axvline(0, color="black", linewidth=0.8)
    if panel.mark is not None:
        axes.axvline(panel.mark, color="#0072B2", linestyle="--", linewidth=1.2)
    axes.set(xlim=panel.limits, ylim=(len(bars) - 0.4, -0.6), xlabel=panel.label)
    axes.set_yticks(range(len(bars)), labels=[label_of(bar, usual) for bar in bars], fontsize=7)
    axes.set_title(panel.title, fontsize=10, loc="left")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.3)
    _shade_claims(axes, bars)


def _draw_bar(axes: Axes, panel: Panel, place: int, bar: Bar) -> None:
    low, high = panel.limits
    color, marker = LOOKS[bar.word]
    ends = [min(max(end, low), high) for end in (bar.low, bar.high)]
    axes.plot(ends, [place, place], color=color, linewidth=1.4)
    for beyond, edge, arrow in ((bar.low < low, low, "<"), (bar.high > high, high, ">")):
        if beyond:
            axes.plot(edge, place, marker=arrow, color=color, markersize=5, clip_on=False)
    if low <= bar.value <= high:
        axes.plot(bar.value, place, marker=marker, color=color, markersize=5)


def _shade_claims(axes: Axes, bars: Sequence[Bar]) -> None:
    """Every other claim on grey, so that the cases of one are seen to belong together."""
    start = 0
    for number, (_, group) in enumerate(groupby(bars, key=lambda bar: bar.claim)):
        end = start + len(list(group))
        if number % 2:
            axes.axhspan(start - 0.5, end - 0.5, color="black", alpha=0.05, linewidth=0, zorder=0)
        start = end


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
