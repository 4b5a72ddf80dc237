"""One look for all figures: a colour and a line per method, an empty figure, a file without a date."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from regbench.evidence.stats import Mean

DPI = 150
MARKED = 30  # a line of more points has no markers


@dataclass(frozen=True)
class LineStyle:
    color: str
    dash: str
    marker: str


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, `width` x `height` inches, that keeps its labels apart and touches no global state."""
    return Figure(figsize=(width, height), layout="constrained")


def draw_mean(axes: Axes, x: Sequence[float], estimates: Sequence[Mean], style: LineStyle, label: str) -> None:
    """A line through the means, and a band of their intervals; nothing where a mean has none, as of one training."""
    axes.plot(
        x,
        [estimate.mean for estimate in estimates],
        color=style.color,
        linestyle=style.dash,
        marker=style.marker if len(x) <= MARKED else None,
        markersize=4,
        label=label,
    )
    known = [estimate.half_width is not None for estimate in estimates]
    if any(known):
        low = [math.nan if estimate.low is None else estimate.low for estimate in estimates]
        high = [math.nan if estimate.high is None else estimate.high for estimate in estimates]
        axes.fill_between(x, low, high, color=style.color, alpha=0.12, linewidth=0)
    for place, estimate in enumerate(estimates):  # a band needs two neighbours with an interval
        if known[place] and not any(known[max(0, place - 1) : place] + known[place + 1 : place + 2]):
            axes.errorbar(x[place], estimate.mean, estimate.half_width, color=style.color, alpha=0.5, capsize=3)


def save(figure: Figure, path: str | Path) -> Path:
    """Write a PNG whose bytes depend on the picture alone (no date, no software version)."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI, format="png", metadata={"Software": None})
    return path
