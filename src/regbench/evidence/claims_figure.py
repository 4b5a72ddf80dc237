"""A paper's claims as a picture: every comparison with its interval, beside the paper's effect, in its metric's unit.

An axis a unit. A row is a comparison, under the words of its claim where that has several. Below 5 seeds there is a
point and no interval. The verdict stands in the margin: of a claim in bold type, of its comparisons in plain.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.markers import CARETLEFTBASE, CARETRIGHTBASE

from regbench.evidence import looks, verdicts
from regbench.evidence.answers import Answer, short_labels
from regbench.evidence.documents import Document
from regbench.evidence.judging import Case
from regbench.evidence.style import new_figure, save
from regbench.evidence.wording import MINUS

# Okabe and Ito's colours, the yellow ones darker for print, and a marker for grey print.
STYLES = {
    verdicts.SUPPORTED: ("#007A59", "o"),
    verdicts.CONTRADICTED: ("#C04A00", "X"),
    verdicts.NO_EFFECT: ("#0072B2", "D"),
    verdicts.SMALLER: ("#9A6A00", "v"),
    verdicts.UNDECIDED: ("#6B6B6B", "s"),
}
PAPER = "#CC79A7"
TITLES = {
    "pp": "difference in percentage points",
    "1e-3": "difference in thousandths of MSE",
    "rho": "rank correlation with the setting (rho)",
    "trainings": "difference in the number of trainings",
}
ARROWS = {verdicts.GREATER: CARETRIGHTBASE, verdicts.LESS: CARETLEFTBASE}
BAND = "#f2f2f2"
WIDTH, ROW, HEAD = 9.0, 0.185, 0.72  # inches: of the figure, of a row, of a panel's title and axis
LABELS, MARGIN = 0.47, 0.17  # shares of the width
START = 0.02 - LABELS / (1 - LABELS - MARGIN)  # of labels, in widths of an axis
LETTERS, HEADING = 60, 115  # of a label beside its point, and of words that have a row for themselves
REACH = 1.6  # times the reach of nearly all values: what lies beyond is an arrow
NOTE = (
    "Points: means over seeds; bars: 95 % intervals; fewer than 5 seeds: a point alone. Open points: bounds, as a cap "
    "on epochs gives them. Arrows at an edge: beyond the axis, with their values. Left out: comparisons that a "
    "saturated baseline leaves no room for."
)


@dataclass(frozen=True)
class Entry:
    """A row of a panel: a claim's words (`case` None), or a comparison, `below` the words of its claim or with them.

    `word` is the verdict in its margin.
    """

    label: str
    case: Case | None = None
    below: bool = False
    word: str = ""

    @property
    def whole(self) -> bool:
        """Whether its interval is drawn."""
        return self.case.n >= looks.LOOKS[0] and self.case.estimate.low is not None and not self.case.estimate.bounded


def draw_claims(
    documents: Mapping[str, Document], answers: Mapping[str, Mapping[str, Answer]], folder: Path
) -> list[Path]:
    """Write `claims_<document>.png` of every document with a comparison."""
    found = {name: list(panels(several)) for name, several in answers.items()}
    return [
        _draw(documents[name].short, several, folder / f"claims_{name}.png")
        for name, several in found.items()
        if several
    ]


def _draw(title: str, found: Sequence[tuple[str, list[Entry]]], path: Path) -> Path:
    heights = [HEAD + ROW * len(entries) for _, entries in found]
    top, foot = 0.75, 0.45
    total = sum(heights) + top + foot
    figure = new_figure(WIDTH, total)
    figure.set_layout_engine(None)  # labels of one width in all panels
    figure.text(0.02, 1 - 0.1 / total, title, fontsize=11, weight="bold", va="top")
    edge = total - top
    for (unit, entries), height in zip(found, heights, strict=True):
        body = ROW * len(entries)
        bottom = edge - 0.3 - body
        axes = figure.add_axes((LABELS, bottom / total, 1 - LABELS - MARGIN, body / total))
        _draw_panel(axes, unit, entries)
        edge -= height
    legend = {"ncols": 7, "frameon": False, "fontsize": 7.5, "columnspacing": 1.2}
    figure.legend(handles=_legend(found), loc="upper center", bbox_to_anchor=(0.5, 1 - 0.3 / total), **legend)
    figure.text(0.02, 0.06 / total, textwrap.fill(NOTE, 140), fontsize=7.5, va="bottom")
    return save(figure, path)


def panels(answers: Mapping[str, Answer]) -> Iterator[tuple[str, list[Entry]]]:
    """(unit, rows) of every panel of a document, the units in the order of its claims."""
    by_unit: dict[str, list[Entry]] = {}
    for answer in answers.values():
        cases = answer.judged.showing if answer.judged else ()
        for unit in dict.fromkeys(case.unit for case in cases):
            by_unit.setdefault(unit, []).extend(entries(answer, [case for case in cases if case.unit == unit]))
    yield from by_unit.items()


def entries(answer: Answer, cases: Sequence[Case]) -> list[Entry]:
    """The rows of a claim: one for a single comparison, else its words and a row a comparison."""
    words = answer.claim.short or answer.claim.claim.rstrip(".")
    words = words[:1].upper() + words[1:]
    if len(cases) == 1 and len(words) <= LETTERS:
        return [Entry(words, cases[0], word=answer.word)]
    labels = short_labels(cases) if len(cases) > 1 else [cases[0].label]
    below = (Entry(_cut(label, LETTERS), case, True, case.word) for label, case in zip(labels, cases, strict=True))
    return [Entry(_cut(words, HEADING), word=answer.word), *below]


def _cut(text: str, letters: int) -> str:
    return textwrap.shorten(text, letters, placeholder=" …")


def limits(rows: Sequence[Entry]) -> tuple[float, float]:
    """The axis: 0, nearly all values and intervals; the paper's effects where they are not far away."""
    cases = [entry.case for entry in rows if entry.case]
    reach = [max(map(abs, _ends(entry))) for entry in rows if entry.case]
    most = REACH * float(np.quantile(reach, 0.8)) if len(reach) > 4 else max(reach)
    near = [value for entry in rows if entry.case for value in _ends(entry) if abs(value) <= most]
    near += [case.claimed for case in cases if case.claimed is not None and abs(case.claimed) <= 2 * most]
    low, high = min([0.0, *near]), max([0.0, *near])
    pad = 0.06 * (high - low) or 1.0
    return low - pad, high + pad


def _ends(entry: Entry) -> tuple[float, ...]:
    found = entry.case.estimate
    return (found.low, found.mean, found.high) if entry.whole else (found.mean,)


def _draw_panel(axes: Axes, unit: str, rows: Sequence[Entry]) -> None:
    low, high = limits(rows)
    axes.set(xlim=(low, high), ylim=(len(rows) - 0.5, -0.5))
    axes.axvline(0, color="black", linewidth=0.8, zorder=1)
    band = 0
    for place, entry in enumerate(rows):
        band += not entry.below  # a claim with its comparisons is one
        if band % 2:
            axes.axhspan(place - 0.5, place + 0.5, START, 1 - START, color=BAND, linewidth=0, zorder=-1, clip_on=False)
        axes.text(
            -0.02 if entry.below else START,
            place,
            entry.label,
            transform=axes.get_yaxis_transform(),
            ha="right" if entry.below else "left",
            va="center",
            fontsize=7.5 if entry.below else 8,
            color="0.25" if entry.below else "black",
            # words without a point may reach over the axis, and hide its grid
            bbox=None if entry.case else {"facecolor": BAND if band % 2 else "white", "linewidth": 0, "pad": 1},
            zorder=5,
        )
        few = f", n = {entry.case.n}" if entry.case and entry.case.n < looks.LOOKS[0] else ""
        axes.text(
            1.02,
            place,
            entry.word + few,
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=7.5,
            color=STYLES[entry.word][0],
            weight="normal" if entry.below else "bold",
        )
        if entry.case:
            _draw_case(axes, place, entry, (low, high))
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=7.5, length=2, pad=1.5)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    title = TITLES.get(unit, f"difference in {unit}")
    axes.annotate(
        title[:1].upper() + title[1:],
        (START, 1),
        (0, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=9.5,
        weight="bold",
    )


def _draw_case(axes: Axes, place: int, entry: Entry, edges: tuple[float, float]) -> None:
    case, (low, high) = entry.case, edges
    color, marker = STYLES[case.word]
    if case.direction in ARROWS:
        axes.plot(0, place, marker=ARROWS[case.direction], color="0.6", markersize=5, zorder=2)
    if case.claimed is not None:
        _draw_or_point(axes, place, case.claimed, edges, PAPER)
    if entry.whole:
        ends = np.clip((case.estimate.low, case.estimate.high), low, high)
        axes.plot(ends, [place, place], color=color, linewidth=1.5, solid_capstyle="butt", zorder=3)
    if low <= case.estimate.mean <= high:
        face = "white" if case.estimate.bounded else color
        axes.plot(case.estimate.mean, place, marker, color=color, markerfacecolor=face, markersize=4.5, zorder=4)
    else:
        _arrow(axes, place, case.estimate.mean, edges, color)


def _draw_or_point(axes: Axes, place: int, value: float, edges: tuple[float, float], color: str) -> None:
    """The paper's effect as an upright stroke, or an arrow towards it."""
    if edges[0] <= value <= edges[1]:
        axes.plot([value, value], [place - 0.38, place + 0.38], color=color, linewidth=2.2, zorder=2)
    else:
        _arrow(axes, place, value, edges, color)


def _arrow(axes: Axes, place: int, value: float, edges: tuple[float, float], color: str) -> None:
    right = value > edges[1]
    at = edges[1] if right else edges[0]
    axes.plot(at, place, ">" if right else "<", color=color, markersize=4.5, clip_on=False, zorder=4)
    axes.annotate(
        f"{value:.3g}".replace("-", MINUS),
        (at, place),
        (-5 if right else 5, 0),
        textcoords="offset points",
        ha="right" if right else "left",
        va="center",
        fontsize=6.5,
        color=color,
    )


def _legend(found: Sequence[tuple[str, list[Entry]]]) -> list[Line2D]:
    cases = [entry.case for _, rows in found for entry in rows if entry.case]
    handles = [
        Line2D([], [], color=color, marker=marker, linewidth=1.5, markersize=4.5, label=word)
        for word, (color, marker) in STYLES.items()
        if any(case.word == word for case in cases)
    ]
    stroke = Line2D(
        [], [], color=PAPER, marker="|", linestyle="", markersize=9, markeredgewidth=2.2, label="the paper's effect"
    )
    claimed = Line2D([], [], color="0.6", marker=CARETRIGHTBASE, linestyle="", markersize=5, label="claimed direction")
    return [*handles, claimed] + [stroke] * any(case.claimed is not None for case in cases)
