"""The essay's polynomials: least-squares fits of rising degree to noisy samples, and how additive each of them is.

The essay: f(x1 + x2) = f(x1) + f(x2) holds for cx, "but as the polynomial degree climbs this equality will rapidly
diverge". Z is measured on pairs whose sums stay where the samples were, and on pairs whose sums go twice as far.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.polynomial import Chebyshev

from regbench.evidence import stats
from regbench.evidence.cells import cell, difference_text
from regbench.evidence.documents import picture, table
from regbench.evidence.estimates import Estimate, p_values, ranked
from regbench.evidence.figures import wrapped
from regbench.evidence.pages import Built, csv_record
from regbench.evidence.style import LineStyle, draw_mean, new_figure, save
from regbench.evidence.tables import Cell, Table
from regbench.evidence.wording import EN_DASH, number

DEGREES = range(1, 11)
SEEDS = range(20)  # of the noise
SAMPLES, NOISE, PAIRS, PAIRING_SEED = 15, 0.2, 500, 20_260_001
DIGITS = 9  # of Z: the same on every machine
#: half the width of where x1 and x2 lie -> what that means for x1 + x2
RANGES = {0.5: "sums within the samples' range", 1.0: "sums up to twice as far out"}
SMOOTH = "sin(3x)"
SHOWN = {1: "#009E73", 3: "#E69F00", 10: "#D55E00"}  # degree -> colour of its fit
LOOKS = dict(zip(RANGES, (LineStyle("#0072B2", "-", "o"), LineStyle("#D55E00", "--", "s")), strict=True))
NOTE = f"""{SAMPLES} samples of {SMOOTH} with noise of standard deviation {NOISE:g}; {len(SEEDS)} noise seeds as points,
lines and bands: mean and 95 % t-interval. Z over {PAIRS} pairs, the axis log above 1; dotted: Z of {SMOOTH}."""


def smooth(x: np.ndarray) -> np.ndarray:
    """The function behind the samples."""
    return np.sin(3 * x)


def additivity_gap(function, x1: np.ndarray, x2: np.ndarray) -> float:
    """Z as `regbench.measures.additivity_gap` defines it, for a function of numbers: (n,) -> (n,); no torch here."""
    origin = function(np.zeros_like(x1))
    first, second, both = (function(x) - origin for x in (x1, x2, x1 + x2))
    return float(np.abs(both - first - second).mean() / (np.abs(first) + np.abs(second)).mean())


def points(reach: float) -> np.ndarray:
    """Pairs (2, PAIRS), uniform in (-reach, reach), the same for all fits."""
    return np.random.default_rng(PAIRING_SEED).uniform(-reach, reach, size=(2, PAIRS))


def samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places on [-1, 1] and the smooth function there with noise."""
    x = np.linspace(-1, 1, SAMPLES)
    return x, smooth(x) + NOISE * np.random.default_rng(seed).standard_normal(SAMPLES)


def fit(degree: int, seed: int) -> Chebyshev:
    """The least-squares polynomial through the samples of a seed."""
    return Chebyshev.fit(*samples(seed), degree, domain=[-1, 1])


@cache
def gaps(reach: float) -> dict[int, dict[float, float]]:
    """Z by noise seed and degree, over points of this reach; rounded, as float arithmetic leaves a line a little."""
    return {
        seed: {degree: round(additivity_gap(fit(degree, seed), *points(reach)), DIGITS) for degree in DEGREES}
        for seed in SEEDS
    }


def distance(degree: int, seed: int) -> float:
    """Root mean square of fit minus smooth function on [-1, 1]."""
    x = np.linspace(-1, 1, 401)
    return float(np.sqrt(np.mean((fit(degree, seed)(x) - smooth(x)) ** 2)))


@table
def polynomials() -> Table:
    """Z and distance by degree, over the noise seeds; the smooth function's own Z; what the degrees do."""
    lines, records, own = [], [], [Cell(number(additivity_gap(smooth, *points(reach)), "ratio")) for reach in RANGES]
    for degree in DEGREES:
        found = [_mean(degree, f"|x| < {reach:g}", {s: gaps(reach)[s][degree] for s in SEEDS}) for reach in RANGES]
        found.append(_mean(degree, "|x| < 1", {seed: distance(degree, seed) for seed in SEEDS}, "distance"))
        records += [csv_record(each, "polynomials") for each in found]
        lines.append((Cell(str(degree)), Cell(str(len(SEEDS))), *map(cell, found)))
    lines.append((Cell(f"{SMOOTH} itself"), Cell(EN_DASH), *own, Cell(EN_DASH)))
    ranges = "; ".join(f"|x| < {reach:g}: {words}" for reach, words in RANGES.items())
    return Table(
        title=f"Polynomials: n = {len(SEEDS)} noise seeds, {SAMPLES} samples of {SMOOTH} on [-1, 1], noise {NOISE:g}",
        columns=("Degree", "n", *(f"Z, |x| < {reach:g}" for reach in RANGES), "Distance to the smooth function (rms)"),
        rows=tuple(lines),
        records=tuple(records),
        notes=(
            f"Z over {PAIRS} pairs of points, uniform; {ranges}. It is the same measure as that of the networks above. "
            "Fits are by least squares.",
            *(finding(reach) for reach in RANGES),
        ),
    )


def _mean(degree: int, where: str, values: dict[int, float], name: str = "additivity_gap") -> Estimate:
    found, line = stats.mean_interval(list(values.values())), f"degree {degree}"
    return Estimate(line, name, where, "ratio", mean=found.mean, low=found.low, high=found.high, seeds=tuple(values))


def finding(reach: float) -> str:
    """What Z does as the degree climbs, in a sentence whose numbers are computed."""
    found = gaps(reach)
    trend = ranked(Estimate("degree", "trend_of_additivity_gap", f"|x| < {reach:g}", "rho"), found)
    text = difference_text(trend, p_values(trend.comparison, "greater")[0])
    rising = sum(all(b > a for a, b in pairwise(values.values())) for values in found.values())
    means = {degree: float(np.mean([values[degree] for values in found.values()])) for degree in DEGREES}
    falls = [str(degree) for degree in DEGREES[1:] if means[degree] < means[degree - 1]]
    where = f"the mean falls at degree {', '.join(falls)}" if falls else "the mean rises with every degree"
    rho = f"Spearman's rho of Z with the degree {text} (over noise seeds, one-sided)"
    return f"|x| < {reach:g}: {rho}; {where}; Z rises at every step in {rising} of {len(found)} fits."


@picture
def linearity_polynomials(built: Built, folder: Path) -> list[Path]:
    """Two panels: fits of three degrees through one seed's samples; Z by degree for both ranges."""
    figure = new_figure(10, 4.6)
    fits, measure = figure.subplots(1, 2)
    x = np.linspace(-2, 2, 401)
    fits.axvspan(-1, 1, color="0.93")
    fits.plot(x, smooth(x), "k", label=SMOOTH)
    for degree, color in SHOWN.items():
        fits.plot(x, fit(degree, SEEDS[0])(x), color=color, label=f"degree {degree}")
    fits.plot(*samples(SEEDS[0]), "k.", label=f"samples, noise seed {SEEDS[0]}")
    fits.set(title="fits (grey: where the samples lie)", xlabel="x", ylabel="f(x)", ylim=(-3, 3))
    for reach, style in LOOKS.items():
        values = [[each[degree] for each in gaps(reach).values()] for degree in DEGREES]
        measure.plot(DEGREES, values, style.marker, color=style.color, alpha=0.15, markersize=3)
        means, label = list(map(stats.mean_interval, values)), f"|x| < {reach:g}: {RANGES[reach]}"
        draw_mean(measure, DEGREES, means, values, style, label, (0, None))
        measure.axhline(additivity_gap(smooth, *points(reach)), color=style.color, linestyle=":", linewidth=1)
    measure.set_yscale("symlog", linthresh=1.0)
    measure.set(title="additivity gap", xlabel="degree", ylabel="Z", xticks=DEGREES, ylim=(0, None))
    measure.set_yticks([0, 0.5, 1, 10, 100, 1000], ["0", "0.5", "1", "10", "100", "1000"])
    for axes in (fits, measure):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=9, loc="upper center" if axes is fits else "upper left")
    figure.supxlabel(wrapped(NOTE, 140), fontsize=8)
    return [save(figure, folder / "linearity_polynomials.png")]
