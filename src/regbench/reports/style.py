"""One look for all figures: a colour and a line per method, an empty figure, a file without a date."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from regbench.reports.methods import BASELINE, CLASSIC, PB_FULL, PB_MASK, RANDOM

DPI = 150


@dataclass(frozen=True)
class LineStyle:
    color: str
    dash: str
    marker: str


# Okabe and Ito's colours; dash and marker also tell the methods apart in grey.
STYLES = {
    BASELINE: LineStyle("#000000", "-", "o"),
    CLASSIC: LineStyle("#E69F00", "-", "s"),
    PB_MASK: LineStyle("#56B4E9", "-", "v"),
    PB_FULL: LineStyle("#0072B2", "-", "^"),
    RANDOM: LineStyle("#D55E00", "--", "D"),
}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, `width` x `height` inches, that keeps its labels apart and touches no global state."""
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, path: str | Path) -> Path:
    """Write a PNG whose bytes depend on the picture alone (no date, no software version)."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI, format="png", metadata={"Software": None})
    return path
