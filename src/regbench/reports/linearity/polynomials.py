"""The essay's polynomials: least-squares fits of rising degree to noisy samples, and how additive each of them is.

The essay: f(x1 + x2) = f(x1) + f(x2) holds "for first order polynomial functions such as f(x)=cx but as the polynomial
degree climbs this equality will rapidly diverge", and an overfitted model is like a high-order polynomial. Here Z of
each fit is measured on pairs whose sums stay where the samples were, and on pairs whose sums go twice as far.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.polynomial import Chebyshev

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.records import Record, cell, number
from regbench.evidence.tables import EN_DASH, Cell, Table
from regbench.evidence.trends import mean_rho

Function = Callable[[np.ndarray], np.ndarray]

DEGREES = range(1, 11)
SEEDS = range(20)  # of the noise
SAMPLES = 15
NOISE = 0.2  # standard deviation
PAIRS = 500
PAIRING_SEED = 20_260_001
DIGITS = 9  # of Z: the same on every machine
#: half the width of where x1 and x2 lie -> what that means for x1 + x2
RANGES = {0.5: "sums within the samples' range", 1.0: "sums up to twice as far out"}
SMOOTH = "sin(3x)"
COLUMNS = ("Degree", "n", *(f"Z, |x| < {reach:g}" for reach in RANGES), "Distance to the smooth function (rms)")


def smooth(x: np.ndarray) -> np.ndarray:
    """The function behind the samples."""
    return np.sin(3 * x)


def additivity_gap(function: Function, x1: np.ndarray, x2: np.ndarray) -> float:
    """Z as `regbench.measures.additivity_gap` defines it, for a function of numbers: (n,) -> (n,).

    Raises UserError for points that are not alike or none at all, and for a function that is not finite on them.
    """
    if x1.shape != x2.shape or not x1.size:
        raise UserError(f"additivity_gap: x1 {x1.shape} and x2 {x2.shape} must be alike and not empty")
    origin = function(np.zeros_like(x1))
    first, second, both = (function(x) - origin for x in (x1, x2, x1 + x2))
    gap, size = float(np.abs(both - first - second).mean()), float((np.abs(first) + np.abs(second)).mean())
    if not math.isfinite(gap + size):
        raise UserError("additivity_gap: the function is not finite on these points")
    if size == 0.0:
        return 0.0 if gap == 0.0 else math.inf
    return gap / size


def points(reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs, uniform in (-reach, reach), the same for all fits."""
    x1, x2 = np.random.default_rng(PAIRING_SEED).uniform(-reach, reach, size=(2, PAIRS))
    return x1, x2


def samples(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Places on [-1, 1] and the smooth function there with noise."""
    x = np.linspace(-1, 1, SAMPLES)
    return x, smooth(x) + NOISE * np.random.default_rng(seed).standard_normal(SAMPLES)


def fit(degree: int, seed: int) -> Chebyshev:
    """The least-squares polynomial of a degree through the samples of a seed."""
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


def polynomial_table() -> Table:
    """Z and distance by degree, over the noise seeds; the smooth function's own Z; what the degrees do."""
    records = {degree: _records(degree) for degree in DEGREES}
    own = [Cell(number(additivity_gap(smooth, *points(reach)), "ratio")) for reach in RANGES]
    return Table(
        title=f"Polynomials: n = {len(SEEDS)} noise seeds, {SAMPLES} samples of {SMOOTH} on [-1, 1], noise {NOISE:g}",
        columns=COLUMNS,
        rows=(
            *(
                (Cell(str(degree)), Cell(str(len(SEEDS))), *(cell(record) for record in found))
                for degree, found in records.items()
            ),
            (Cell(f"{SMOOTH} itself"), Cell(EN_DASH), *own, Cell(EN_DASH)),
        ),
        notes=(
            f"Z over {PAIRS} pairs of points, uniform; "
            + "; ".join(f"|x| < {reach:g}: {words}" for reach, words in RANGES.items())
            + ". It is the same measure as that of the networks above. Fits are by least squares.",
            *(finding(reach) for reach in RANGES),
        ),
        records=tuple({"table": "polynomials", **record.as_dict()} for found in records.values() for record in found),
    )


def finding(reach: float) -> str:
    """What Z does as the degree climbs, in a sentence whose numbers are computed."""
    found = gaps(reach)
    blank = Record("degree", "trend_of_additivity_gap", f"|x| < {reach:g}", "ratio", "done")
    trend = mean_rho(found, blank, "greater")
    rising = sum(_rises(list(values.values())) for values in found.values())
    means = {degree: float(np.mean([values[degree] for values in found.values()])) for degree in DEGREES}
    falls = [str(degree) for degree in DEGREES[1:] if means[degree] < means[degree - 1]]
    where = f"the mean falls at degree {', '.join(falls)}" if falls else "the mean rises with every degree"
    return (
        f"|x| < {reach:g}: Spearman's rho of Z with the degree {cell(trend, uncorrected=True).text} "
        f"(over noise seeds, one-sided, uncorrected); {where}; Z rises at every step in {rising} of {len(found)} fits."
    )


def _rises(values: list[float]) -> bool:
    return all(after > before for before, after in pairwise(values))


def _records(degree: int) -> list[Record]:
    by_seed = {reach: {seed: found[degree] for seed, found in gaps(reach).items()} for reach in RANGES}
    found = [_record(degree, "additivity_gap", f"|x| < {reach:g}", values) for reach, values in by_seed.items()]
    return [*found, _record(degree, "distance", "|x| < 1", {seed: distance(degree, seed) for seed in SEEDS})]


def _record(degree: int, metric: str, protocol: str, values: dict[int, float]) -> Record:
    estimate = stats.mean_interval(list(values.values()))
    mean, low, high = estimate.mean, estimate.low, estimate.high
    return Record(f"degree {degree}", metric, protocol, "ratio", "done", mean, low, high, tuple(values))
