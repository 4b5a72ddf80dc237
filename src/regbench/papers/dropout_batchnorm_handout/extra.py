"""The gap at equal fit, and checks of the handout's worked examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from statistics import fmean

import numpy as np

from regbench.errors import UserError
from regbench.evidence.claims import Checked, check
from regbench.evidence.groups import Group
from regbench.evidence.metrics import LEVEL_SHARE, Metric, crossing, metric
from regbench.evidence.numbers import PaperNumber, PaperNumbers
from regbench.evidence.printed import FORMULA, checked
from regbench.evidence.readings import ordered
from regbench.evidence.wording import number
from regbench.rows import protocols

WARM = 30  # steps: by then a start of momentum 0.1 is 4 % of batch norm's running statistics, with which it is tested


def at_equal_fit(own: Metric, references: Sequence[Group]) -> Metric:
    """Training minus test accuracy where the training accuracy is a share of that which the references end with.

    Both are interpolated between the epochs before and after. A training that is above it after its first epoch or
    never has no value, nor has one that is there before running statistics have settled.
    """
    ends = [100 * ordered(row)[-1]["train"]["accuracy"] for group in references for row in group.done]
    if not ends:
        return replace(own, level="the references' training accuracy")
    level = LEVEL_SHARE * fmean(ends)

    def gap(row: dict, protocol: str, mode: str) -> float | None:
        entries = ordered(row)
        reached = crossing([100 * entry["train"]["accuracy"] for entry in entries], level)
        if reached is None or reached == 1.0:
            return None
        config = row["config"]
        if math.floor(reached) * config["dataset"]["train_images"] < WARM * config["task"]["batch_size"]:
            return None
        tested = [100 * protocols.value_at(entry, "test", mode, "accuracy") for entry in entries]
        return level - float(np.interp(reached, range(1, len(entries) + 1), tested))

    missing = f"a training fits {level:.2f} % in its first epoch or {WARM} steps, or never"
    return replace(own, read=gap, level=f"{level:.2f} %", missing=missing)


@metric(
    "gap_at_equal_fit",
    "pp",
    f"training minus test accuracy at {100 * LEVEL_SHARE:.0f} % of the training accuracy without regularizer",
    protocols=("between two epochs",),
    against=at_equal_fit,
    margin=1.0,
)
def no_fit(row, protocol, mode):
    return None


@check
def dropout_example(
    paper: PaperNumbers, values: Sequence[float], mask: Sequence[int], keep: float, table: str
) -> Checked:
    """Does m * a / p give the printed vector?"""
    return _vector(paper, table, [m * a / keep for m, a in zip(mask, values, strict=True)])


@check
def dropout_expectation(paper: PaperNumbers, values: Sequence[float], keep: float) -> Checked:
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


@check
def batchnorm_example(paper: PaperNumbers, values: Sequence[float], table: str) -> Checked:
    """Do mean, variance and normalized values agree with the printed ones?"""
    array = np.array(values, dtype=float)
    return _vector(paper, table, [array.mean(), array.var(), *((array - array.mean()) / array.std())])


@check
def output_variance(paper: PaperNumbers, values: Sequence[float], eps: float) -> Checked:
    """Has the normalized output variance 1, with eps in the root?"""
    array = np.array(values, dtype=float)
    scaled = {factor: array.var() * factor**2 / (array.var() * factor**2 + eps) for factor in (1, 0.001)}
    text = f"{scaled[1]:.5f} for the example, {scaled[0.001]:.2f} for the same values divided by 1,000 (eps {eps:g})"
    good = all(math.isclose(value, 1, abs_tol=0.01) for value in scaled.values())
    return checked(
        good,
        text,
        "It is the variance over variance plus eps, which is near 1 where eps is small beside it.",
        basis=FORMULA,
    )


def _vector(paper: PaperNumbers, table: str, found: Sequence[float]) -> Checked:
    printed = [number for number in paper if number.table == table]
    if len(printed) != len(found):
        raise UserError(f"{paper.paper}: table={table!r} has {len(printed)} numbers, computed are {len(found)}")
    good = all(
        abs(value - cell.value) <= 0.5 * 10 ** -_digits(cell) + 1e-9 for value, cell in zip(found, printed, strict=True)
    )
    computed = ", ".join(number(value, "") for value in found)
    return checked(good, f"computed {computed}; printed {', '.join(cell.printed for cell in printed)}")


def _digits(cell: PaperNumber) -> int:
    return len(cell.printed.partition(".")[2])
