"""Checks of formulas and worked examples, computed again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from statistics import fmean

import numpy as np

from regbench.errors import UserError
from regbench.evidence.numbers import PaperNumber, PaperNumbers
from regbench.evidence.tables import MINUS
from regbench.papers.linearity_essay.polynomials.extra import DEGREES, RANGES, SEEDS, gaps
from regbench.reports.claims import verdicts
from regbench.reports.claims.answers import Answer, bare
from regbench.reports.claims.check_answers import ALGORITHM, FORMULA, INITIAL, SIMULATION, checked


def crossover(paper: PaperNumbers, rho: float) -> Answer:
    """Does crossover with the best mask change any bit of the mutated mask?"""
    bits = list(product((0, 1), repeat=2))
    kept = [int((1 - rho) * mutated + rho * best >= 0.5) == mutated for mutated, best in bits]
    found = f"with rho = {rho:g} the rule returns the mutated mask itself in {sum(kept)} of {len(kept)} combinations"
    return checked(not all(kept), found, basis=ALGORITHM)


def determinant_of_example(paper: PaperNumbers, filter: Sequence[Sequence[float]], height: int, width: int) -> Answer:
    """Is log |det| of the completed convolution (h-p+1)(w-q+1) log |c11|, and does C_M still convolve?"""
    kernel = np.array(filter)
    matrix = _convolution(kernel, height, width, last=False)
    count = (height - kernel.shape[0] + 1) * (width - kernel.shape[1] + 1)
    found, formula = np.linalg.det(matrix), kernel[0, 0] ** count
    text = f"numerically det = {found:.4g}; c11 to the power of {count} is {formula:.4g}"
    return checked(math.isclose(found, formula, rel_tol=1e-9), text, basis=FORMULA)


def completion_is_unique(paper: PaperNumbers, filter: Sequence[Sequence[float]], height: int, width: int) -> Answer:
    """Does completing the matrix on its other side give the same change in entropy?"""
    kernel = np.array(filter)
    matrices = [_convolution(kernel, height, width, last) for last in (False, True)]
    first, last = (math.log(abs(np.linalg.det(matrix))) for matrix in matrices)
    corner = kernel[-1, -1]
    text = (
        f"completed on one side log |det| = {first:.2f} nats (c11 = {kernel[0, 0]:g}), on the other {abs(last):.2f} "
        f"nats (c_pq = {corner:g}): which weight counts is a choice"
    )
    return checked(math.isclose(first, last, abs_tol=1e-9), text, basis=FORMULA)


def determinant_is_positive(paper: PaperNumbers, matrix: Sequence[Sequence[float]]) -> Answer:
    """Is the determinant of an invertible matrix above 0?"""
    square = np.array(matrix)
    dets = [float(np.linalg.det(each)) for each in (square, square[::-1])]
    text = f"the square part of Example 4 has det {dets[0]:.3g}, with its rows in another order {dets[1]:.3g}"
    detail = "The formula takes |det| and is not touched by it."
    return checked(min(dets) > 0, text.replace("-", MINUS), detail, basis=FORMULA)


def log_loss_direction(paper: PaperNumbers) -> Answer:
    """Does lowering -lambda log |det W|, lambda above 0, lower the change in entropy log |det W|?"""
    weights = np.array([0.1, 1.0, 10.0])
    losses = -np.log(weights)
    falls = bool((np.diff(losses) < 0).all())
    text = f"at |det W| = 0.1, 1, 10 the loss is 2.3, 0, {MINUS}2.3: lowering it raises log |det W|"
    return checked(not falls, text, basis=FORMULA)


def dropout_example(
    paper: PaperNumbers, values: Sequence[float], mask: Sequence[int], keep: float, table: str
) -> Answer:
    """Does m * a / p give the printed vector?"""
    return _vector(paper, table, [m * a / keep for m, a in zip(mask, values, strict=True)])


def dropout_expectation(paper: PaperNumbers, values: Sequence[float], keep: float) -> Answer:
    """Is the mean over all masks, each with its probability, the value itself?"""
    means = []
    for place, value in enumerate(values):
        total = 0.0
        for mask in product((0, 1), repeat=len(values)):
            weight = math.prod(keep if bit else 1 - keep for bit in mask)
            total += weight * mask[place] * value / keep
        means.append(total)
    good = all(math.isclose(a, b) for a, b in zip(means, values, strict=True))
    text = f"over all {2 ** len(values)} masks the mean output is {', '.join(f'{mean:g}' for mean in means)}"
    return checked(good, text, basis=FORMULA)


def batchnorm_example(paper: PaperNumbers, values: Sequence[float], table: str) -> Answer:
    """Do mean, variance and normalized values agree with the printed ones?"""
    array = np.array(values, dtype=float)
    return _vector(paper, table, [array.mean(), array.var(), *((array - array.mean()) / array.std())])


def polynomial_degrees(paper: PaperNumbers) -> Answer:
    """Does Z rise with the degree of polynomials fitted to noisy samples?"""
    tests, parts = [], []
    for reach, words in RANGES.items():
        found = gaps(reach)
        means = {degree: fmean(found[seed][degree] for seed in SEEDS) for degree in DEGREES}
        slopes = {seed: values[max(DEGREES)] - values[min(DEGREES)] for seed, values in found.items()}
        tests.append(verdicts.one_sample(slopes, 0.0, "greater"))
        steps = sum(means[degree] > means[degree - 1] for degree in DEGREES[1:])
        parts.append(
            f"{words}: mean Z {means[min(DEGREES)]:.2f} at degree {min(DEGREES)}, {means[max(DEGREES)]:.2f} at degree "
            f"{max(DEGREES)}, rising at {steps} of {len(DEGREES) - 1} steps"
        )
    good = all(test.p is not None and test.p < verdicts.ALPHA for test in tests)
    return checked(good, f"{'; '.join(parts)} ({len(SEEDS)} noise seeds)", basis=SIMULATION)


def _vector(paper: PaperNumbers, table: str, found: Sequence[float]) -> Answer:
    printed = [number for number in paper if number.table == table]
    if len(printed) != len(found):
        raise UserError(f"{paper.paper}: table={table!r} has {len(printed)} numbers, computed are {len(found)}")
    good = all(
        abs(value - cell.value) <= 0.5 * 10 ** -_digits(cell) + 1e-9 for value, cell in zip(found, printed, strict=True)
    )
    computed = ", ".join(bare(value, "") for value in found)
    return checked(good, f"computed {computed}; printed {', '.join(cell.printed for cell in printed)}")


def _digits(cell: PaperNumber) -> int:
    return len(cell.printed.partition(".")[2])


def _convolution(kernel: np.ndarray, height: int, width: int, last: bool) -> np.ndarray:
    """The convolution as a square matrix: as in Example 5, or with the rows of identity before the others (`last`)."""
    p, q = kernel.shape
    matrix = np.zeros((height, width, height, width))
    for i, j in product(range(height), range(width)):
        top, left = (i - (p - 1), j - (q - 1)) if last else (i, j)
        if 0 <= top <= height - p and 0 <= left <= width - q:
            matrix[i, j, top : top + p, left : left + q] = kernel
        else:
            matrix[i, j, i, j] = 1.0
    return matrix.reshape(height * width, height * width)


def u_shape_before_training(paper: PaperNumbers, widths: Sequence[int], side: int) -> Answer:
    """Does a U-Net have a U-shaped map only once it is trained: is log|c11| of its initial weights no U?

    Args:
        widths: channels of the levels and of the bottleneck. side: of the filters. Where c11 is uniform in (-b, b), the
            mean of log|c11| is log b - 1.
    """
    down = [size for width in widths for size in (width, width)]
    inputs = [3, *down[:-1]]
    up = [(2 * width, width) for width in reversed(widths[:-1])]
    layers = [*zip(inputs, down, strict=True), *(pair for big, small in up for pair in ((big, small), (small, small)))]
    bounds = {
        "Keras' initialisation": lambda i, o: math.sqrt(6 / (side**2 * (i + o))),
        "PyTorch's": lambda i, o: 1 / math.sqrt(side**2 * i),
    }
    means = {name: [math.log(bound(*layer)) - 1 for layer in layers] for name, bound in bounds.items()}
    lowest = {name: min(values) for name, values in means.items()}
    text = "; ".join(
        f"{name}: {values[0]:.2f} nats at the first convolution, {lowest[name]:.2f} at the lowest, "
        f"{values[-1]:.2f} at the last"
        for name, values in means.items()
    )
    shaped = all(min(values[0], values[-1]) - lowest[name] > 1 for name, values in means.items())
    found = f"before any training the map is a U: {text}" if shaped else text
    return checked(not shaped, found.replace("-", MINUS), basis=INITIAL)
