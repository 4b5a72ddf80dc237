"""The rules by which trainings answer a claim, fixed before the trainings: pure functions of the measured values.

supported            the one-sided test in the claimed direction gives p < 0.05 after Holm, with 5 seeds or more
contradicted         the same in the opposite direction
smaller than claimed neither, and the 95 % interval excludes the paper's effect: what was measured is less than that
inconclusive         none of these; stated with the smallest effect that a test would have found with 80 % power
not run, not testable   there is no training, or nothing that a training could test

A claim may hold several cases (data sets, methods to beat): it is supported where every case is, so its p is the
largest of theirs; it is contradicted where any case is, so its opposite p is the smallest, times the number of cases.
Holm's correction runs over the claims of one family: one table of a paper.

Where the seeds do not vary at all (stopping epochs), there is no t-test: an exact permutation test takes its place.
A claim of *no* difference is supported where two one-sided tests exclude a difference of `margin` in either direction,
and contradicted where the two-sided test finds one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from scipy import special

from regbench.errors import UserError
from regbench.evidence import stats

ALPHA = 0.05
POWER = 0.8
ENOUGH = 5  # seeds that a supported or contradicted claim needs
SUPPORTED, CONTRADICTED = "supported", "contradicted"
SMALLER, INCONCLUSIVE = "smaller than claimed", "inconclusive"
NOT_RUN, NOT_TESTABLE = "not run", "not testable"
#: a document's own numbers, computed: they bear its claim out or they do not
CONSISTENT, INCONSISTENT = "consistent", "inconsistent"
WORDS = (SUPPORTED, CONTRADICTED, SMALLER, INCONCLUSIVE, NOT_RUN, NOT_TESTABLE, CONSISTENT, INCONSISTENT)
OPPOSITE = {"greater": "less", "less": "greater"}
NONE = "none"  # the direction of a claim of no difference
DIRECTIONS = (*OPPOSITE, NONE)
ROUNDING = 1e-12


@dataclass(frozen=True)
class Test:
    """One difference with its two one-sided p-values; `claimed` is the paper's effect in the same unit, if it has one.

    `bounded`: a value is only known to lie beyond what was measured (a training that its cap ended). The interval then
    says nothing, and a p-value is None where the bound would flatter it. `limits`: values that the difference cannot
    exceed, where its interval ends.
    """

    comparison: stats.Comparison
    direction: str
    p: float | None
    p_opposite: float | None
    claimed: float | None = None
    bounded: bool = False
    limits: tuple[float, float] = (-math.inf, math.inf)

    __test__ = False  # no test case, whatever pytest makes of the name

    @property
    def n(self) -> int:
        """Trainings on the smaller side, or pairs."""
        return min(self.comparison.n_treated, self.comparison.n_control)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The two-sided 95 % interval; a point where the seeds do not vary at all; None where nothing is known."""
        if self.bounded or self.n < 2:
            return None
        if self.comparison.half_width is None:
            return self.comparison.difference, self.comparison.difference
        return stats.clipped((self.comparison.low, self.comparison.high), self.limits)

    @property
    def smallest(self) -> float | None:
        """The smallest effect in the claimed direction that this test would have found with 80 % power."""
        alternative = "two-sided" if self.direction == NONE else "greater"
        return None if self.bounded else stats.smallest_effect(self.comparison, POWER, ALPHA, alternative)

    @property
    def falls_short(self) -> bool:
        """Whether the interval excludes the paper's effect from below, seen in the claimed direction."""
        if self.interval is None or not self.has_claimed_sign:
            return False
        low, high = self.interval
        return high < self.claimed if self.direction == "greater" else low > self.claimed

    @property
    def has_claimed_sign(self) -> bool:
        """Whether the paper prints an effect, and one in the direction that it claims."""
        if self.claimed is None or self.direction == NONE:
            return False
        return self.claimed > 0 if self.direction == "greater" else self.claimed < 0


def paired(
    ours: Mapping[int, float], theirs: Mapping[int, float], direction: str, claimed: float | None = None
) -> Test:
    """The test over the seeds that both have, which share first weights and the order of the data."""
    _check_direction(direction)
    comparison = stats.paired_test(ours, theirs)
    return _test(comparison, direction, claimed, 0.5**comparison.n_treated)


def independent(ours: Sequence[float], theirs: Sequence[float], direction: str, claimed: float | None = None) -> Test:
    """Welch's test of trainings that share no seed."""
    _check_direction(direction)
    comparison = stats.welch_test(ours, theirs)
    chance = 1 / math.comb(comparison.n_treated + comparison.n_control, comparison.n_treated)
    return _test(comparison, direction, claimed, chance)


def one_sample(values: Mapping[int, float], expected: float, direction: str, claimed: float | None = None) -> Test:
    """The test of a mean over seeds against an expected value."""
    return paired(values, dict.fromkeys(values, expected), direction, claimed)


def no_difference(test: Test, margin: float) -> Test:
    """The same difference as the test of a claim that there is none larger than `margin` in either direction.

    Raises UserError where the margin is not above 0.
    """
    if not margin > 0:
        raise UserError(f"margin={margin}: a claim of no difference needs a margin above 0")
    found = test.comparison
    if found.difference is None or test.n < 2:
        return replace(test, direction=NONE, p=None, p_opposite=None)
    if found.standard_error is None:
        chance = 0.5**test.n
        inside, equal = abs(found.difference) < margin, abs(found.difference) <= ROUNDING
        return replace(
            test, direction=NONE, p=chance if inside else 1.0, p_opposite=1.0 if equal else min(1.0, 2 * chance)
        )
    room = (margin - abs(found.difference)) / found.standard_error
    two_sided = 2 * special.stdtr(found.degrees, -abs(found.difference) / found.standard_error)
    return replace(test, direction=NONE, p=float(special.stdtr(found.degrees, -room)), p_opposite=float(two_sided))


def no_gain(test: Test, margin: float) -> Test:
    """The same difference as the test of a claim that there is no gain of `margin` or more; a loss does not speak
    against it. The claim is contradicted by what the test's own p-value says of a gain.

    Raises UserError where the margin is not above 0.
    """
    twice = no_difference(test, margin)
    found = test.comparison
    if found.difference is None or test.n < 2:
        return twice
    if found.standard_error is None:
        return replace(twice, p=0.5**test.n if found.difference < margin else 1.0, p_opposite=test.p)
    below = float(special.stdtr(found.degrees, (found.difference - margin) / found.standard_error))
    return replace(twice, p=below, p_opposite=test.p)


def bounded(test: Test, ours: bool, theirs: bool) -> Test:
    """The test where values of ours or theirs are lower bounds: no p-value may gain by that."""
    if not (ours or theirs):
        return test
    # Ours are larger than they seem: that flatters "less". Theirs are: that flatters "greater".
    flattered = {"less": ours, "greater": theirs, NONE: True}
    opposite = flattered[OPPOSITE.get(test.direction, NONE)]
    return replace(
        test,
        bounded=True,
        p=None if flattered[test.direction] else test.p,
        p_opposite=None if opposite else test.p_opposite,
    )


def claim_p(tests: Sequence[Test]) -> tuple[float | None, float | None]:
    """The p-values of a claim of several cases, in its direction and in the opposite one; None where none was made."""
    p_values = [test.p for test in tests]
    opposite = [test.p_opposite for test in tests if test.p_opposite is not None]
    together = None if not tests or None in p_values else max(p_values)
    return together, min(1.0, len(opposite) * min(opposite)) if opposite else None


def holm_families(claims: Sequence[tuple[float | None, float | None]]) -> list[tuple[float | None, float | None]]:
    """Both p-values of every claim of one family, Holm-corrected over the family, direction by direction."""
    corrected = [stats.holm([pair[place] for pair in claims]) for place in (0, 1)]
    return list(zip(*corrected, strict=True))


def judge(tests: Sequence[Test], p: float | None, p_opposite: float | None, complete: bool = True) -> str:
    """The verdict on a claim from its cases and its two corrected p-values.

    Args:
        complete: whether every case of the claim was run; without, it is not supported.
    """
    if not tests:
        return NOT_RUN
    seeds = min(test.n for test in tests)
    if p is not None and p < ALPHA and seeds >= ENOUGH and complete:
        return SUPPORTED
    if p_opposite is not None and p_opposite < ALPHA and _decisive(tests) >= ENOUGH:
        return CONTRADICTED
    return SMALLER if any(test.falls_short for test in tests) else INCONCLUSIVE


def _decisive(tests: Sequence[Test]) -> int:
    """The seeds behind the case that speaks most against the claim."""
    found = [test for test in tests if test.p_opposite is not None]
    return min(found, key=lambda test: test.p_opposite).n


def _test(comparison: stats.Comparison, direction: str, claimed: float | None, chance: float) -> Test:
    p_values = {alternative: _p_value(comparison, alternative, chance) for alternative in OPPOSITE}
    if direction == NONE:
        return Test(comparison, NONE, None, None, claimed)
    return Test(comparison, direction, p_values[direction], p_values[OPPOSITE[direction]], claimed)


def _p_value(found: stats.Comparison, alternative: str, chance: float) -> float | None:
    if found.difference is None or min(found.n_treated, found.n_control) < 2:
        return None
    towards = found.difference if alternative == "greater" else -found.difference
    if found.standard_error is None:
        return chance if towards > ROUNDING else 1.0
    return float(special.stdtr(found.degrees, -towards / found.standard_error))


def _check_direction(direction: str) -> None:
    if direction not in DIRECTIONS:
        raise UserError(f"direction={direction!r}: allowed are {', '.join(DIRECTIONS)}")
