"""The entropy loss in words, and checks of the paper's theorems and examples, computed again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from regbench.evidence.claims import Checked, check
from regbench.evidence.notes import Shown, note
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.printed import FORMULA, INITIAL, checked
from regbench.evidence.wording import MINUS

PAPER_EPS = 1e-3  # "we use eps < 10^-3", footnote of section 5.1


@note
def entropy_loss(shown: Shown) -> str:
    """The form and eps of the loss that the rows share."""
    penalized = [row for row in shown.section.rows if row["strength"] != 0]
    return loss_words(penalized[0]["config"]["regularizer"]["method"]) if penalized else "The loss: not run."


def loss_words(method: dict) -> str:
    said = f"The loss: form {method['form']}, eps {method['eps']:g}"
    above = method["form"] == "reciprocal" and method["eps"] >= PAPER_EPS
    return said + (f" (a deviation: the paper's is below {PAPER_EPS:g})." if above else ".")


@check
def determinant_of_example(paper: PaperNumbers, filter: Sequence[Sequence[float]], height: int, width: int) -> Checked:
    """Is log |det| of the completed convolution (h-p+1)(w-q+1) log |c11|, and does C_M still convolve?"""
    kernel = np.array(filter)
    matrix = _convolution(kernel, height, width, last=False)
    count = (height - kernel.shape[0] + 1) * (width - kernel.shape[1] + 1)
    found, formula = np.linalg.det(matrix), kernel[0, 0] ** count
    text = f"numerically det = {found:.4g}; c11 to the power of {count} is {formula:.4g}"
    return checked(math.isclose(found, formula, rel_tol=1e-9), text, basis=FORMULA)


@check
def completion_is_unique(paper: PaperNumbers, filter: Sequence[Sequence[float]], height: int, width: int) -> Checked:
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


@check
def determinant_is_positive(paper: PaperNumbers, matrix: Sequence[Sequence[float]]) -> Checked:
    """Is the determinant of an invertible matrix above 0?"""
    square = np.array(matrix)
    dets = [float(np.linalg.det(each)) for each in (square, square[::-1])]
    text = f"the square part of Example 4 has det {dets[0]:.3g}, with its rows in another order {dets[1]:.3g}"
    detail = "The formula takes |det| and is not touched by it."
    return checked(min(dets) > 0, text.replace("-", MINUS), detail, basis=FORMULA)


@check
def log_loss_direction(paper: PaperNumbers) -> Checked:
    """Does lowering -lambda log |det W|, lambda above 0, lower the change in entropy log |det W|?"""
    weights = np.array([0.1, 1.0, 10.0])
    losses = -np.log(weights)
    falls = bool((np.diff(losses) < 0).all())
    text = f"at |det W| = 0.1, 1, 10 the loss is 2.3, 0, {MINUS}2.3: lowering it raises log |det W|"
    return checked(not falls, text, basis=FORMULA)


@check
def u_shape_before_training(paper: PaperNumbers, widths: Sequence[int], side: int) -> Checked:
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


@check
def theorem_3_of_gaussian(paper: PaperNumbers, seeds: int, rows: int, columns: int) -> Checked:
    """Is the change in entropy by a layer with fewer outputs than inputs log |det| of its square part?

    Of a standard Gaussian input x the true change per dimension kept, h(Wx) - h(x_1, ..., x_rows), is
    log det(W W^T) / 2.
    """
    formula, truth = [], []
    for seed in range(seeds):
        weights = np.random.default_rng(seed).uniform(-1, 1, (rows, columns)) / math.sqrt(columns)
        formula.append(float(np.linalg.slogdet(weights[:, :rows])[1]))
        truth.append(float(np.linalg.slogdet(weights @ weights.T)[1]) / 2)
    text = (
        f"over {seeds} initial layers of {rows} x {columns} the formula gives {np.mean(formula):.1f} nats on average, "
        f"a Gaussian input {np.mean(truth):.1f}; they differ by {min(np.subtract(truth, formula)):.1f} nats or more"
    )
    good = all(math.isclose(a, b, abs_tol=0.5) for a, b in zip(formula, truth, strict=True))
    return Checked(good, text.replace("-", MINUS), FORMULA.good if good else FORMULA.bad)


@check
def reciprocal_is_steeper(paper: PaperNumbers, eps: float) -> Checked:
    """Has 1 / (|x| + eps) a larger derivative than log |x| near 0: is 1 / (x + eps)^2 above 1 / x there?"""
    points = np.logspace(-40, 0, 4001)
    steeper = 1 / (points + eps) ** 2 > 1 / points
    low, high = points[steeper].min(), points[steeper].max()
    text = (
        f"with eps {eps:g} it is steeper for |x| from {low:.1g} to {high:.1g}; below, where determinants of "
        "initial dense layers lie (about 1e-60), the logarithm is"
    )
    return Checked(bool(steeper[0]), text, FORMULA.good if steeper[0] else FORMULA.bad)


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
