"""What the linearity essay measures of a network, and checks of what it says of polynomials."""

from __future__ import annotations

from statistics import fmean

from regbench.evidence import stats
from regbench.evidence.claims import Checked, check
from regbench.evidence.metrics import LAST, metric, once
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.printed import ALPHA, SIMULATION, checked
from regbench.evidence.readings import last
from regbench.papers.linearity_essay.polynomials.extra import DEGREES, RANGES, SEEDS, gaps


@metric("additivity_gap", "ratio", "Z, additivity gap", **once(LAST))
def additivity_gap(row, protocol, mode):
    return last("additivity_gap")(row)


@metric("subnetwork_gap", "ratio", "Z of random subnetworks", **once(LAST))
def subnetwork_gap(row, protocol, mode):
    # Without dropout the network is its only subnetwork.
    return last("subnetwork_gap" if row["strength"] else "additivity_gap")(row)


@metric("sparsity", "%", "sparsity", **once(LAST))
def sparsity(row, protocol, mode):
    return 100 * last("sparsity")(row)


@metric("weight_norm", "norm", "weight norm", **once(LAST))
def weight_norm(row, protocol, mode):
    return last("weight_norm")(row)


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
