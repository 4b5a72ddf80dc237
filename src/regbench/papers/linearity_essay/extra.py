"""Checks of what the linearity essay says of polynomials."""

from __future__ import annotations

from statistics import fmean

from regbench.evidence import stats
from regbench.evidence.claims import Checked, check
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.printed import ALPHA, SIMULATION, checked
from regbench.papers.linearity_essay.polynomials.extra import DEGREES, RANGES, SEEDS, gaps


@check
def polynomial_degrees(paper: PaperNumbers) -> Checked:
    """Does Z rise with the degree of polynomials fitted to noisy samples?"""
    tests, parts = [], []
    for reach, words in RANGES.items():
        found = gaps(reach)
        means = {degree: fmean(found[seed][degree] for seed in SEEDS) for degree in DEGREES}
        slopes = {seed: values[max(DEGREES)] - values[min(DEGREES)] for seed, values in found.items()}
        tests.append(stats.paired_test(slopes, dict.fromkeys(slopes, 0.0), "greater"))
        steps = sum(means[degree] > means[degree - 1] for degree in DEGREES[1:])
        parts.append(
            f"{words}: mean Z {means[min(DEGREES)]:.2f} at degree {min(DEGREES)}, {means[max(DEGREES)]:.2f} at degree "
            f"{max(DEGREES)}, rising at {steps} of {len(DEGREES) - 1} steps"
        )
    good = all(test.p is not None and test.p < ALPHA for test in tests)
    return checked(good, f"{'; '.join(parts)} ({len(SEEDS)} noise seeds)", basis=SIMULATION)
