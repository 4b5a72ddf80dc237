"""Sentences on what chance alone gives, where nothing is true of a claim."""

from __future__ import annotations

from regbench.evidence.best_of_many import chance_of_any
from regbench.evidence.numbers import PaperNumbers


def best_of_equals(paper: PaperNumbers, methods: int, columns: int = 1, of: int = 1) -> str:
    """How often a given method, or one of several given ones, ranks first of equal methods with one run a cell."""
    share = of / methods
    first = f"one given method of {methods}" if of == 1 else f"one of {of} given methods of {methods}"
    once = (
        f"Were all methods equal, {first} would be the best of a column of single trainings in {100 * share:.0f} % of "
        "cases"
    )
    return once + (f", of {columns} columns at once in {100 * share**columns:.1f} %." if columns > 1 else ".")


def best_of_strengths(paper: PaperNumbers, strengths: int, n: int, lines: int) -> str:
    """How often the best of several strengths passes the paper's uncorrected test where nothing works."""
    chance = chance_of_any(strengths, n)
    return (
        f"Where nothing works, the best of {strengths} strengths passes one uncorrected test at 0.05 in "
        f"{100 * chance:.0f} % of lines (n = {n}, independent trainings): {lines * chance:.1f} of {lines} lines are "
        f"expected, all {lines} happen with probability {chance**lines:.1g}."
    )
