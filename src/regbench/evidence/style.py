"""One look for all figures: a colour and a line per method, means and their spread, an empty figure, a file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from regbench.evidence.estimates import Estimate
from regbench.evidence.looks import LOOKS
from regbench.evidence.stats import Mean

DPI = 150
MARKED = 30  # a line of more points has no markers
FEW = LOOKS[0]  # of fewer values there is no interval: they stand there as points
WIDE = 1000.0  # a log axis whose ends are this factor apart has ticks at powers of ten only
#: what a quantity cannot pass, below and above; None: no such limit
Limits = tuple[float | None, float | None]
OPEN: Limits = (None, None)


@dataclass(frozen=True)
class LineStyle:
    color: str
    dash: str
    marker: str


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, `width` x `height` inches, that keeps its labels apart and touches no global state."""
    return Figure(figsize=(width, height), layout="constrained")


def interval(mean: Mean | Estimate, count: int, limits: Limits = OPEN) -> tuple[float, float] | None:
    """The ends of a mean's interval, cut where the quantity ends; None of fewer than 5 values or where it has none."""
    if mean.low is None or count < FEW:
        return None
    low = -math.inf if limits[0] is None else limits[0]
    high = math.inf if limits[1] is None else limits[1]
    return min(max(mean.low, low), high), max(min(mean.high, high), low)


def draw_mean(
    axes: Axes,
    x: Sequence[float],
    means: Sequence[Mean | Estimate],
    samples: Sequence[Sequence[float]],
    style: LineStyle,
    label: str,
    limits: Limits = OPEN,
    bars: bool = False,
    size: float = 4,
) -> None:
    """A line through the means with a band of their intervals, or bars; of fewer than 5 values these as points.

    A long curve, which has no markers, has a thin line of each training in the place of points.

    Args:
        samples: the values behind each mean; one value alone is its own mean.
        limits: of the quantity, which no interval passes.
    """
    marked = len(x) <= MARKED
    own = {"color": style.color, "linestyle": style.dash, "marker": style.marker if marked else None}
    axes.plot(x, [each.mean for each in means], markersize=size, label=label, **own)
    ends = [interval(mean, len(values), limits) for mean, values in zip(means, samples, strict=True)]
    if not bars:
        low, high = ([math.nan if each is None else each[side] for each in ends] for side in (0, 1))
        axes.fill_between(x, low, high, color=style.color, alpha=0.12, linewidth=0)
    for place, (mean, found) in enumerate(zip(means, ends, strict=True)):
        alone = not any(ends[max(0, place - 1) : place] + ends[place + 1 : place + 2])
        if found and (bars or alone):  # a band needs two neighbours with an interval
            sides = [[mean.mean - found[0]], [found[1] - mean.mean]]
            axes.errorbar(x[place], mean.mean, sides, color=style.color, alpha=0.8 if bars else 0.5, capsize=2)
    shown = [values if 1 < len(values) < FEW else () for values in samples]
    joined = not marked and len({len(values) for values in samples}) == 1  # else a line might change its training
    look = {"linewidth": 0.7} if joined else {"marker": style.marker, "linestyle": "", "markersize": 3}
    for number in range(max(map(len, shown), default=0)):
        single = [values[number] if number < len(values) else math.nan for values in shown]
        axes.plot(x, single, color=style.color, alpha=0.45, markeredgewidth=0, label="_single", **look)


def log_axis(axis: Axis) -> None:
    """A log axis whose ticks are plain numbers, between powers of ten too where it spans few of them, and that says so.

    Call it when all is drawn and labelled.
    """
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = axis.get_view_interval()
    if high / low < WIDE:
        steps = (1.0, 2.0, 5.0) if high / low > 10 else (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)
        axis.set_major_locator(LogLocator(subs=steps))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    if text := axis.get_label_text():
        axis.set_label_text(f"{text} (log scale)")


def save(figure: Figure, path: str | Path) -> Path:
    """Write a PNG whose bytes depend on the picture alone (no date, no software version)."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI, format="png", metadata={"Software": None})
    return path
