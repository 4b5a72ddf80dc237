"""The entropy paper's Figures 3 to 6 (a): error and stopping epoch by latent width, one line a lambda."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import StrMethodFormatter

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.settings import title_settings
from regbench.evidence.style import new_figure, save
from regbench.reports.entropy.autoencoders import MEASURES, Page, Variant, short

COLUMNS = 3
LABELS = {"mse": "test MSE at the stop (x 1e-3)", "stop": "stopping epoch"}
NOTE = (
    "Points: means over seeds; bars: 95 % t-intervals; widths are shifted a little for sight. Early stopping on the\n"
    "test split (protocol paper). constant: lambda / eps alone, without a gradient."
)
CAP = " At the dotted line the cap on epochs ended trainings."
MARKERS = "osv^D<>P"


def draw_autoencoders(page: Page, measure: str, path: str | Path) -> Path:
    """One panel a variant: the measure over the latent width, as a PNG. Raises UserError without finished rows."""
    variants = [variant for variant in page.variants if _drawable(page, variant)]
    if not variants:
        raise UserError(f"{page.dataset}, budget {page.budget}: no finished row to draw")
    across = min(COLUMNS, math.ceil(math.sqrt(len(variants))))
    down = -(-len(variants) // across)
    figure = new_figure(4.1 * across + 0.4, 3.4 * down + 1.3)
    panels = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    for axes, variant in zip(panels, variants, strict=False):
        _draw_panel(axes, page, variant, measure)
    for axes in panels[len(variants) :]:
        axes.set_visible(False)
    figure.suptitle(f"{page.name}: {title_settings(page.rows, page.groups.values(), capped=True)}", fontsize=10)
    lines = {}
    for axes in figure.axes:
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True):
            lines[label] = line
    labels = [f"lambda = {short(s)}" for s in page.strengths if f"lambda = {short(s)}" in lines]
    figure.legend([lines[label] for label in labels], labels, loc="outside right center", frameon=False, fontsize=9)
    figure.supxlabel(NOTE + CAP * (measure == "stop"), fontsize=8)
    return save(figure, path)


def _drawable(page: Page, variant: Variant) -> bool:
    return any(v == variant and group.done for (v, _, strength), group in page.groups.items() if strength != 0)


def _has_rows(page: Page, variant: Variant, strength: float) -> bool:
    groups = [page.groups.get((variant, width, strength)) for width in page.widths]
    return any(group is not None and group.done for group in groups)


def _draw_panel(axes: Axes, page: Page, variant: Variant, measure: str) -> None:
    read = MEASURES[measure][2]
    colors = matplotlib.colormaps["viridis"].resampled(max(len(page.strengths), 2))
    spread = 0.012 * (max(page.widths) - min(page.widths) or 100)
    for place, strength in enumerate(page.strengths):
        found = {
            width: stats.mean_interval([read(row, "paper") for row in group.done])
            for width in page.widths
            if (group := page.groups.get((variant, width, strength))) is not None and group.done
        }
        if not found:
            continue
        shift = spread * (place - (len(page.strengths) - 1) / 2)
        color = "black" if strength == 0 else colors(place / len(page.strengths))
        axes.errorbar(
            [width + shift for width in found],
            [estimate.mean for estimate in found.values()],
            yerr=[estimate.half_width or 0.0 for estimate in found.values()],
            color=color,
            linestyle="-" if strength == 0 else "--",
            marker=MARKERS[place % len(MARKERS)],
            markersize=4,
            linewidth=1.2,
            capsize=2,
            label=f"lambda = {short(strength)}",
        )
    missing = [short(strength) for strength in page.strengths if not _has_rows(page, variant, strength)]
    title = f"{variant.label}\nnot run: lambda {', '.join(missing)}" if missing else variant.label
    axes.set_title(title, fontsize=10)
    axes.set_xticks(page.widths)
    axes.tick_params(labelbottom=True)
    axes.set(xlabel="latent width", ylabel=LABELS[measure])
    if measure == "mse":
        axes.set_yscale("log", subs=(2, 5))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(StrMethodFormatter("{x:g}"))
    else:
        axes.axhline(page.rows[0]["config"]["epochs"], color="0.5", linestyle=":", linewidth=1)
        axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
