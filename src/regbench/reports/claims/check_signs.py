"""Checks of printed grids of signs: whether pairwise tests agree with each other and with what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from regbench.evidence.numbers import MIRRORED, PaperNumbers
from regbench.reports.claims.answers import Answer, listed
from regbench.reports.claims.check_answers import checked


def signs_agree(paper: PaperNumbers, figure: str) -> Answer:
    """Does the grid of signs contradict itself: is "+" the mirror of "-" everywhere, and the diagonal empty?

    Of a grid that can be read in two ways, it does where both readings do.
    """
    wrong = {name: grid.contradictions() for name, grid in paper.signs(figure).readings().items()}
    parts = [
        _named(name, f"{len(pairs)} of its pairs of strengths contradict themselves{_pairs(pairs)}")
        for name, pairs in wrong.items()
    ]
    return checked(not all(wrong.values()), "; ".join(parts))


def signs_inverse(paper: PaperNumbers, figure: str, other: str) -> Answer:
    """Does each sign of one grid stand with the opposite sign in the other, in some reading of both?"""
    ours, theirs = paper.signs(figure), paper.signs(other)
    parts, good = [], False
    for (name, grid), (other_name, against) in product(ours.readings().items(), theirs.readings().items()):
        shared = [(a, b) for a in grid.strengths for b in grid.columns if a != b and against.sign(a, b) is not None]
        same = sum(against.sign(a, b) == MIRRORED[grid.sign(a, b)] for a, b in shared)
        good = good or same == len(shared)
        named = _named(name and f"{figure} {name}", "") + _named(other_name and f"{other} {other_name}", "")
        parts.append(f"{named}{same} of {len(shared)} signs are inverse")
    widths = f"Figure {figure} is of width {ours.width}, Figure {other} of {theirs.width}"
    return checked(good, "; ".join([*parts, widths]))


def signs_below(paper: PaperNumbers, figures: Sequence[str]) -> Answer:
    """How many strengths have a significantly lower value than strength 0?"""
    parts, lower = [], 0
    for figure in figures:
        signs = paper.signs(figure)
        marks = [signs.sign(strength, 0.0) for strength in signs.strengths if strength != 0]
        lower += marks.count("-")
        parts.append(f"Figure {figure}: {marks.count('-')} of {len(marks)} lower, {marks.count('+')} higher")
    return checked(lower > 0, "; ".join(parts))


def widths_on_grid(paper: PaperNumbers, figures: Sequence[str], first: int, last: int, step: int) -> Answer:
    """Are the widths of the printed tests among the widths that were trained?"""
    grid = range(first, last + 1, step)
    widths = {figure: paper.signs(figure).width for figure in figures}
    off = [f"{figure}: {width}" for figure, width in widths.items() if width not in grid]
    return checked(not off, f"off the grid {first}, {first + step}, ..., {last}: {listed(off) if off else 'none'}")


def _named(reading: str, text: str) -> str:
    """The text of a reading with its name, where there is more than one."""
    return f"{reading}: {text}" if reading else text


def _pairs(pairs: Sequence[tuple[float, float]]) -> str:
    shown = [f"{a:g} and {b:g}" for a, b in pairs[:3]]
    return f" ({'; '.join(shown)}{'; ...' if len(pairs) > 3 else ''})" if pairs else ""
