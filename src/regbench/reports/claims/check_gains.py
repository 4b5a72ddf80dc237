"""Checks of printed gains in accuracy: against each other, and against what so many test images can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence

from regbench.evidence.numbers import PaperNumbers
from regbench.reports.claims.answers import Answer, amount
from regbench.reports.claims.check_answers import CHANCE, checked, find_number


def gaps_against_images(
    paper: PaperNumbers, table: str, row: str, reference: str, columns: Sequence[str], images: int
) -> Answer:
    """Is the gap between two accuracies larger than the standard error of one of them on so many test images?"""
    gains = [_gain(paper, table, row, reference, column, images) for column in columns]
    parts = [
        f"{column}: gap {amount(gap, 'pp', True)}, standard error {amount(error, 'pp')}"
        for column, (gap, error) in zip(columns, gains, strict=True)
    ]
    found = f"{'; '.join(parts)} (on {images:,} images, one training a cell)"
    return checked(all(gap > error for gap, error in gains), found, basis=CHANCE)


def gains_larger(
    paper: PaperNumbers, table: str, row: str, references: Sequence[str], columns: Sequence[str], than: str, images: int
) -> Answer:
    """Is the gain over each reference larger in each of these columns than in another, in points?

    The gains in standard errors of one accuracy on so many images stand beside it.
    """
    parts, errors, good = [], [], True
    for reference in references:
        gains = {column: _gain(paper, table, row, reference, column, images) for column in (*columns, than)}
        good = good and all(gains[column][0] > gains[than][0] for column in columns)
        listed = [f"{column} {amount(gap, 'pp', True)}" for column, (gap, _) in gains.items()]
        parts.append(f"over {reference}: {', '.join(listed)}")
        listed = [f"{column} {gap / error:.1f}" for column, (gap, error) in gains.items()]
        errors.append(f"over {reference}: {', '.join(listed)}")
    detail = f"In standard errors of an accuracy on {images:,} images: {'; '.join(errors)}."
    return checked(good, "; ".join(parts), detail)


def _gain(paper: PaperNumbers, table: str, row: str, reference: str, column: str, images: int) -> tuple[float, float]:
    """The gap between two accuracies in pp, and the standard error of the reference's on so many images."""
    ours, theirs = find_number(paper, table, row, column), find_number(paper, table, reference, column)
    share = theirs.value / 100
    return ours.value - theirs.value, 100 * math.sqrt(share * (1 - share) / images)
