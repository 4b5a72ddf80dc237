"""The essay's polynomials as a picture: some fits, and how additive they are as the degree climbs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from regbench.evidence import stats
from regbench.evidence.style import LineStyle, draw_mean, new_figure, save
from regbench.reports.linearity.polynomials import (
    DEGREES,
    NOISE,
    PAIRS,
    RANGES,
    SAMPLES,
    SEEDS,
    SMOOTH,
    additivity_gap,
    fit,
    gaps,
    points,
    samples,
    smooth,
)

SHOWN = {1: "#009E73", 3: "#E69F00", 10: "#D55E00"}  # degree -> colour of its fit
LOOKS = dict(zip(RANGES, (LineStyle("#0072B2", "-", "o"), LineStyle("#D55E00", "--", "s")), strict=True))
LINEAR_UP_TO = 1.0  # of the axis of Z; above it is logarithmic
NOTE = (
    f"{SAMPLES} samples of {SMOOTH} with noise of standard deviation {NOISE:g}; {len(SEEDS)} noise seeds as points, "
    f"lines and bands: mean and 95 % t-interval.\nZ over {PAIRS} pairs, the axis linear up to {LINEAR_UP_TO:g} and "
    f"logarithmic above; dotted: Z of {SMOOTH} itself."
)


def draw_polynomials(path: str | Path) -> Path:
    """Two panels: fits of three degrees through one seed's samples; Z by degree for both ranges. As a PNG."""
    figure = new_figure(10, 4.6)
    fits, measure = figure.subplots(1, 2)
    _draw_fits(fits)
    for reach, style in LOOKS.items():
        _draw_gaps(measure, reach, style)
    measure.set_yscale("symlog", linthresh=LINEAR_UP_TO)
    highest = max(max(values.values()) for values in gaps(max(RANGES)).values())
    measure.set(title="additivity gap", xlabel="degree", ylabel="Z", xticks=list(DEGREES), ylim=(0, 2 * highest))
    for axes in (fits, measure):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=9, loc="upper center" if axes is fits else "upper left")
    figure.supxlabel(NOTE, fontsize=8)
    return save(figure, path)


def _draw_fits(axes: Axes) -> None:
    widest = 2 * max(RANGES)
    x = np.linspace(-widest, widest, 401)
    axes.axvspan(-1, 1, color="0.93")
    axes.plot(x, smooth(x), color="black", label=SMOOTH)
    for degree, color in SHOWN.items():
        axes.plot(x, fit(degree, SEEDS[0])(x), color=color, label=f"degree {degree}")
    axes.plot(*samples(SEEDS[0]), "k.", label=f"samples, noise seed {SEEDS[0]}")
    axes.set(title="fits (grey: where the samples lie)", xlabel="x", ylabel="f(x)", ylim=(-3, 3))


def _draw_gaps(axes: Axes, reach: float, style: LineStyle) -> None:
    found = gaps(reach)
    for values in found.values():
        axes.plot(list(values), list(values.values()), style.marker, color=style.color, alpha=0.15, markersize=3)
    means = [stats.mean_interval([values[degree] for values in found.values()]) for degree in DEGREES]
    draw_mean(axes, list(DEGREES), means, style, f"|x| < {reach:g}: {RANGES[reach]}")
    axes.axhline(additivity_gap(smooth, *points(reach)), color=style.color, linestyle=":", linewidth=1)
