"""The linearity essay's claim as a picture: Z against dropout rate, and beside it against lambda of L1 and L2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.groups import Group
from regbench.evidence.style import LineStyle, draw_mean, new_figure, save
from regbench.reports.entropy.autoencoders import short
from regbench.reports.linearity.lines import (
    ACCURACY,
    DROPOUT,
    SUBNETWORKS,
    Kind,
    Reading,
    Z,
    reading_at,
    swept,
    swept_with_rows,
)
from regbench.reports.sections import Section

NETWORK = LineStyle("#0072B2", "-", "o")
RANDOM = LineStyle("#D55E00", "--", "s")
PLAIN = LineStyle("#000000", "-", "o")
BELOW = 10.0  # on a log axis 0 stands this factor below the smallest strength
HEIGHTS = (2.6, 1.0)
NOTE = (
    "Faint points: single trainings; lines and bands: mean and 95 % t-interval over seeds. After the last epoch.\n"
    "Strength 0 is no regularizer, the same trainings in all panels; on a log axis it stands left of the gap. Where a "
    "training failed there is no mean."
)


def draw_linearity(section: Section, path: str | Path) -> Path:
    """Z over the strength of each regularizer that has rows, accuracy below it, as a PNG.

    Raises UserError where no regularizer has a finished row.
    """
    kinds = swept_with_rows(section)
    if not kinds:
        raise UserError(f"{section.dataset}, budget {section.budget}: no finished row of a regularizer to draw")
    figure = new_figure(max(3.9 * len(kinds), 8.0), 6.4)
    grid = figure.subplots(2, len(kinds), squeeze=False, sharey="row", height_ratios=HEIGHTS)
    for (above, below), kind in zip(grid.T, kinds, strict=True):
        _draw_panel(above, section, kind, Z, NETWORK, "network")
        if kind is DROPOUT:
            _draw_panel(above, section, kind, SUBNETWORKS, RANDOM, "random subnetworks")
        _draw_panel(below, section, kind, ACCURACY, PLAIN, "accuracy")
        above.set_title(kind.title, fontsize=10)
        below.set_xlabel(kind.title)
    for axes, label in zip(grid[:, 0], ("Z, additivity gap", "test accuracy (%)"), strict=True):
        axes.set_ylabel(label)
    grid[0, 0].legend(frameon=False, fontsize=9)
    figure.suptitle(section.heading("Linearity", lambda line: line.label), fontsize=10)
    figure.supxlabel(NOTE, fontsize=8)
    return save(figure, path)


def places(kind: Kind, groups: Mapping[float, Group]) -> dict[float, float]:
    """Where each strength stands on the axis: a rate at itself, 0 left of all lambdas on a log axis."""
    smallest = min(strength for strength in groups if strength)
    return {strength: strength or (0.0 if kind is DROPOUT else smallest / BELOW) for strength in groups}


def _draw_panel(axes: Axes, section: Section, kind: Kind, reading: Reading, style: LineStyle, label: str) -> None:
    groups = {strength: group for strength, group in swept(section, kind).items() if group.done}
    x = places(kind, groups)
    values = {s: list(group.per_seed(reading_at(reading, s).read).values()) for s, group in groups.items()}
    for strength, found in values.items():
        axes.plot([x[strength]] * len(found), found, style.marker, color=style.color, alpha=0.25, markersize=3.5)
    whole = [strength for strength in values if not groups[strength].failed]  # a mean of survivors would flatter
    zero = [strength for strength in whole if strength == 0.0]
    rest = [strength for strength in whole if strength]
    parts = [zero, rest] if kind is not DROPOUT and zero else [[*zero, *rest]]
    for part in parts:  # no line from 0 to the first lambda: how long it is says nothing
        means = [stats.mean_interval(values[strength]) for strength in part]
        draw_mean(axes, [x[strength] for strength in part], means, style, label if part is parts[-1] else "_nolegend_")
    if kind is not DROPOUT:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(list(x.values()), [short(strength) for strength in x])
    axes.grid(alpha=0.3)
