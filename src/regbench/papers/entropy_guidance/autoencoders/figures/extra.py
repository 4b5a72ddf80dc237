"""Figures 2 to 6 of the entropy paper."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib
import numpy as np

from regbench.evidence import stats
from regbench.evidence.documents import picture
from regbench.evidence.pages import Built
from regbench.evidence.sections import Section
from regbench.evidence.style import new_figure, save
from regbench.papers.entropy_guidance.autoencoders.extra import FIGURES, PENALTIES

LABELS = {"mse_at_stop": "test MSE at the stop (x 1e-3)", "epochs": "stopping epoch"}
EPSILONS = (0.5, 0.1, 1e-3)  # of Figure 2: 0.5 is "too large in practice", the last is the bound of what the paper uses


@picture
def entropy_losses(built: Built, folder: Path) -> list[Path]:
    """Figure 2: the two losses, -log|x| and 1/(|x| + eps), and how steep they are."""
    x = np.geomspace(1e-3, 1.0, 400)
    figure = new_figure(10, 4.2)
    losses, slopes = figure.subplots(1, 2)
    losses.plot(x, -np.log(x), color="black", label="$-\\log|x|$")
    slopes.plot(x, 1 / x, color="black", label="$-\\log|x|$")
    for eps, color, dash in zip(EPSILONS, ("#D55E00", "#E69F00", "#0072B2"), ("-", "--", "-."), strict=True):
        losses.plot(x, 1 / (x + eps), color=color, linestyle=dash, label=f"$1/(|x| + {eps:g})$")
        slopes.plot(x, (x + eps) ** -2.0, color=color, linestyle=dash, label=f"$1/(|x| + {eps:g})$")
    losses.set(title="loss", xlabel="|x|", ylabel="loss", ylim=(0, 12))
    slopes.set(title="absolute derivative", xlabel="|x|", ylabel="|d loss / dx|", yscale="log")
    for axes in (losses, slopes):
        axes.set_xscale("log")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=9)
    figure.supxlabel("The reciprocal is steeper than the logarithm where (|x| + eps)² < |x|.", fontsize=9)
    return [save(figure, folder / "entropy_figure2.png")]


@picture
def stops_and_errors(built: Built, folder: Path) -> list[Path]:
    """Figures 3 to 6 (a): error and stopping epoch by latent width, a line a lambda, a panel a penalty."""
    written = []
    for section in built.sections:
        for name, number in FIGURES[section.dataset].items():
            path = folder / f"entropy_figure{number}_{section.dataset}_{section.budget}.png"
            written.append(_by_width(section, name, path))
    return written


def panels(section: Section) -> dict[str, dict[float, dict[int, list[dict]]]]:
    """By penalty and lambda, by latent width the finished rows; lambda 0 is without penalty."""
    found: dict[str, dict[float, dict[int, list[dict]]]] = {}
    for name in PENALTIES:
        for line in section.expanded(section.page.lines[name]):
            group = section.group(line)
            if group is None or not group.done:
                continue
            lines = found.setdefault(line.names["penalty"], {0.0: {}})
            width, strength = line.at[-2:]
            lines.setdefault(strength, {})[width] = list(group.done)
            base = section.group(section.partner(line, line.base))
            if base is not None:
                lines[0.0][width] = list(base.done)
    return found


def _by_width(section: Section, name: str, path: Path) -> Path:
    own = panels(section)
    across = min(3, math.ceil(math.sqrt(len(own))))
    down = -(-len(own) // across)
    figure = new_figure(4.1 * across + 0.4, 3.4 * down + 1.3)
    grid = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    strengths = sorted({strength for lines in own.values() for strength in lines})
    colors = matplotlib.colormaps["viridis"].resampled(max(len(strengths), 2))
    metric_of = section.metric(name)
    for axes, (title, lines) in zip(grid, own.items(), strict=False):
        for place, strength in enumerate(strengths):
            values = {
                width: stats.mean_interval([metric_of.read(row, "paper", "full") for row in rows])
                for width, rows in sorted(lines.get(strength, {}).items())
            }
            axes.errorbar(
                [width + 1.2 * (place - len(strengths) / 2) for width in values],
                [found.mean for found in values.values()],
                yerr=[found.half_width or 0.0 for found in values.values()],
                color="black" if strength == 0 else colors(place / len(strengths)),
                linestyle="-" if strength == 0 else "--",
                marker="osv^D<>P"[place % 8],
                markersize=4,
                linewidth=1.2,
                capsize=2,
                label=f"lambda = {strength:g}",
            )
        axes.set(title=title, xlabel="latent width", ylabel=LABELS[name])
        axes.tick_params(labelbottom=True)
        axes.grid(alpha=0.3)
        if name == "mse_at_stop":
            axes.set_yscale("log", subs=(2, 5))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("{x:g}")
        else:
            axes.axhline(section.rows[0]["config"]["epochs"], color="0.5", linestyle=":", linewidth=1)
    for axes in grid[len(own) :]:
        axes.set_visible(False)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)
    figure.suptitle(section.heading("Autoencoders, {dataset}"), fontsize=10)
    figure.supxlabel(
        "Points: means over seeds; bars: 95 % t-intervals; widths are shifted a little for sight. Protocol paper.\n"
        "constant: lambda / eps alone, without a gradient." + " Dotted: the cap on epochs." * (name == "epochs"),
        fontsize=8,
    )
    return save(figure, path)
