"""The rules by which trainings answer a claim, fixed before the trainings: pure functions of measured values.

A comparison is judged by itself, its p-values corrected over its family (Holm, each kind of p-value by itself), at the
level that its look at n seeds has (see `looks`):

supported      the one-sided test in the claimed direction is significant
contradicted   the one in the opposite direction is
no effect      equivalent within a margin (two one-sided tests), or the same numbers by construction
smaller than claimed   less than the paper's effect, where both sides' chance is allowed for
undecided      none of these, or fewer than 5 seeds

A claim holds where each of its comparisons does, so its weakest one decides: `contradicted` before `no effect` before
`smaller than claimed` before `undecided`. Comparisons that cannot show it (a saturated baseline) are left out. A claim
of *no* difference is supported where its comparisons are equivalent, and contradicted where one differs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy import special

from regbench.evidence import looks
from regbench.evidence.stats import Comparison

SUPPORTED, CONTRADICTED, NO_EFFECT = "supported", "contradicted", "no effect"
SMALLER, UNDECIDED = "smaller than claimed", "undecided"
NOT_RUN, NOT_TESTABLE = "not run", "not testable"
#: a document's own numbers, computed: they bear its claim out or they do not
CONSISTENT, INCONSISTENT = "consistent", "inconsistent"
DECIDED = (SUPPORTED, CONTRADICTED, NO_EFFECT, SMALLER)
WORDS = (*DECIDED, UNDECIDED, NOT_RUN, NOT_TESTABLE, CONSISTENT, INCONSISTENT)
WEAKEST_FIRST = (CONTRADICTED, NO_EFFECT, SMALLER, UNDECIDED, SUPPORTED)
GREATER, LESS = "greater", "less"
NONE, NO_GAIN = "none", "no gain"  # directions of claims that there is no difference, or no gain
DIRECTIONS = (GREATER, LESS, NONE, NO_GAIN)


@dataclass(frozen=True)
class PValues:
    """Corrected p-values of one comparison; None where a test was not made or would gain by a bound.

    `claimed` and `opposite` are one-sided, `equal` is that of two one-sided tests against the margin, `smaller` that of
    less than the paper's effect.
    """

    claimed: float | None = None
    opposite: float | None = None
    equal: float | None = None
    smaller: float | None = None


def equivalence_p(found: Comparison, margin: float | None) -> float | None:
    """Two one-sided tests: the p-value of a difference of at least the margin in either direction."""
    return _p_below(found, None if found.difference is None else abs(found.difference), margin)


def no_gain_p(found: Comparison, margin: float | None) -> float | None:
    """One one-sided test: the p-value of a gain of at least the margin."""
    return _p_below(found, found.difference, margin)


def _p_below(found: Comparison, value: float | None, margin: float | None) -> float | None:
    """The p-value of a true value of at least the margin.

    Where the seeds do not vary at all, an exact permutation test: of n equal differences inside the margin one sign
    pattern of 2^n.
    """
    if margin is None or value is None or found.n_treated < 2:
        return None
    if found.standard_error is None:
        return 0.5**found.n_treated if value < margin else 1.0
    return float(special.stdtr(found.degrees, (value - margin) / found.standard_error))


def smaller_p(found: Comparison, direction: str, claimed: float | None, trainings: int | None = 1) -> float | None:
    """The p-value of a true effect as large as the paper's, which is the mean of `trainings` with a spread like ours.

    None without an effect of the claimed sign, or without a spread of ours.
    """
    sign = {GREATER: 1, LESS: -1}.get(direction)
    if sign is None or claimed is None or sign * claimed <= 0 or found.standard_error is None:
        return None
    n = min(found.n_treated, found.n_control)
    error = found.standard_error * math.sqrt(1 + n / (trainings or 1))
    return float(special.stdtr(found.degrees, sign * (found.difference - claimed) / error))


def judge(p: PValues, n: int, direction: str, identical: bool = False, family: int = 1) -> str:
    """The verdict on one comparison of n seeds.

    Args:
        identical: both sides are the same numbers by construction, which decides at once.
        family: the number of comparisons over which the p-values are corrected.
    """

    def low(value: float | None, sides: int = 1) -> bool:
        return value is not None and value < looks.nominal_level(n, sides, family=family)

    if direction in (NONE, NO_GAIN):
        if identical or low(p.equal):
            return SUPPORTED
        return CONTRADICTED if low(p.opposite, 2 if direction == NONE else 1) else UNDECIDED
    if identical:
        return NO_EFFECT
    if low(p.claimed):
        return SUPPORTED
    if low(p.opposite):
        return CONTRADICTED
    if low(p.equal):
        return NO_EFFECT
    return SMALLER if low(p.smaller) else UNDECIDED


def together(words: Sequence[str], missing: bool = False) -> str:
    """The verdict on a claim from those on its comparisons that can show it; `missing`: some were not run."""
    if not words:
        return UNDECIDED
    known = {*words, UNDECIDED} if missing else set(words)
    return next(word for word in WEAKEST_FIRST if word in known)


def saturated(values: Iterable[float], direction: str, limits: tuple[float | None, float | None]) -> bool:
    """Whether these trainings are within their own spread of the limit that the claim would move them to."""
    values, (least, most) = list(values), limits
    mean = math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else 0.0
    if direction == GREATER:
        return most is not None and mean + spread >= most
    return direction == LESS and least is not None and mean - spread <= least


def floor_note(n: int, tests: int) -> str:
    """Why an exact test of n equal differences cannot be significant after a correction over so many; else empty."""
    level = looks.nominal_level(n, family=tests)
    if not level or 0.5**n * tests < level:
        return ""
    return (
        f"{n} equal differences give p = {0.5**n:.3f} at the least, times {tests} comparisons: no verdict is possible"
    )
