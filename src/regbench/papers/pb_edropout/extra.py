"""Checks of PB-EDropout's algorithm and of its shares of masked patches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product

from regbench.evidence.claims import Checked, check
from regbench.evidence.numbers import PaperNumbers
from regbench.evidence.printed import ALGORITHM, checked, find_number


@check
def crossover(paper: PaperNumbers, rho: float) -> Checked:
    """Does crossover with the best mask change any bit of the mutated mask?"""
    bits = list(product((0, 1), repeat=2))
    kept = [int((1 - rho) * mutated + rho * best >= 0.5) == mutated for mutated, best in bits]
    found = f"with rho = {rho:g} the rule returns the mutated mask itself in {sum(kept)} of {len(kept)} combinations"
    return checked(not all(kept), found, basis=ALGORITHM)


@check
def masked_patches(paper: PaperNumbers, table: str, row: str, patches: Mapping[str, int], keep: float) -> Checked:
    """Is the printed share what keeping floor(keep * L) of L patches leaves masked?"""
    parts, good = [], True
    for column, count in patches.items():
        masked = count - math.floor(keep * count)
        share, printed = 100 * masked / count, find_number(paper, table, row, column)
        good = good and f"{share:.2f}" == printed.printed.rstrip("%")
        parts.append(f"{masked} of {count} patches are {share:.2f} %, printed {printed.printed} ({column})")
    return checked(good, "; ".join(parts))


@check
def alpha_moves(paper: PaperNumbers, eta: float, start: float, factor: float) -> Checked:
    """Does alpha, 0.1 (1 + eta G), tighten the selection: does it move by more than a tenth while G falls to 0?

    G starts at `start` and follows the mean removed mass; a rising G needs patches of which more than that is removed.
    """
    first, last = factor * (1 + eta * start), factor
    text = f"alpha is {first:.3g} with G = {start:g} and {last:.3g} with G = 0: it moves by {100 * eta * start:.3g} %"
    detail = "Where beta is 0 a change of alpha is one of the temperature, which log(1 + t) changes more in one step."
    return checked(eta * start > 0.1, text, detail, basis=ALGORITHM)
