"""How many seeds decide a comparison: looks fixed beforehand, the level of each, and what more seeds cost.

Seeds are added in looks, n = 5, 10, 20, and whoever stops at the first look that decides has looked three times. The
level (5 %) is shared out by the Pocock-like spending function of Lan and DeMets (Biometrika 70, 1983): by information
t = n / 20 the share alpha ln(1 + (e - 1) t) may be spent. The O'Brien-Fleming-like one leaves 9 in 100,000 for the
first look, at which most comparisons of a bench stay; this one leaves a third of the level.

The boundary is that of the tests in use, paired t-tests with few degrees of freedom, by recursive integration over the
looks (Armitage, McPherson and Rowe, J. R. Stat. Soc. A 132, 1969). With levels from the normal distribution the whole
would be wrong in 5.2 % of null comparisons. Every direction has its own 5 %, as one-sided tests have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from scipy import optimize, special

from regbench.errors import UserError
from regbench.evidence import stats

LOOKS = (5, 10, 20)  # seeds
ALPHA = 0.05
POWER = 0.8
MOST = 10**7  # seeds: whatever needs more is out of reach
LEAST = 3  # seeds of the first look and between two
NODES = 96  # of each integral


def spent(information: float, alpha: float = ALPHA) -> float:
    """The share of the level that may be spent up to this information, a fraction of that of the last look."""
    return alpha * math.log1p((math.e - 1) * information)


def look_at(n: int, looks: Sequence[int] = LOOKS) -> int | None:
    """The last look that so many seeds have reached; None before the first.

    Raises UserError for looks that do not rise by 3 or more from 3 on.
    """
    if not looks or any(later - earlier < LEAST for earlier, later in pairwise((0, *looks))):
        raise UserError(
            f"looks={list(looks)}: allowed are numbers of seeds that rise, by {LEAST} or more from {LEAST} on"
        )
    return max((look for look in looks if look <= n), default=None)


def nominal_level(n: int, sides: int = 1, alpha: float = ALPHA, looks: Sequence[int] = LOOKS, family: int = 1) -> float:
    """What a p-value has to be below with n seeds; 0 before the first look, at which nothing is decided.

    Between two looks the level is that of the lower one, beyond the last that of the last: whoever looked at every seed
    would be wrong in 7.6 % of null comparisons. `sides`: of a one-sided or two-sided p-value. Of a `family` of so many
    comparisons the p-value is Holm's, and each comparison has looks of its own at alpha / family (Maurer and Bretz,
    Stat. Biopharm. Res. 5, 2013): tests at a smaller level depend less on each other from look to look. Raises
    UserError for impossible levels, sides, families or looks.
    """
    if not 0 < alpha < 1 or sides not in (1, 2) or family < 1:
        raise UserError(
            f"alpha={alpha}, sides={sides}, family={family}: allowed are a level in (0, 1), 1 or 2 sides, 1 or more"
        )
    look = look_at(n, looks)
    levels = _levels(tuple(looks), sides, alpha / family)
    return 0.0 if look is None else family * levels[looks.index(look)]


def seeds_needed(
    effect: float, spread: float, family: int = 1, sides: int = 1, power: float = POWER, looks: Sequence[int] = LOOKS
) -> int | None:
    """The fewest seeds with which a paired t-test at the level of its look finds this effect with this power.

    `spread` is the standard deviation of the paired differences, in the unit of `effect`; of a `family` of so many
    comparisons Holm's first step has to be taken. None where there is no effect, or it takes more than ten million.
    """
    if spread < 0 or not 0 < power < 1 or family < 1:
        raise UserError(
            f"spread={spread}, power={power}, family={family}: a spread of 0 or more, a power below 1, 1 or more"
        )
    if effect == 0:
        return None
    low, high = looks[0], looks[0]
    while not _found(high, effect, spread, family, sides, power, looks):
        low, high = high + 1, 2 * high
        if high > MOST:
            return None
    while low < high:
        middle = (low + high) // 2
        if _found(middle, effect, spread, family, sides, power, looks):
            high = middle
        else:
            low = middle + 1
    return high


def core_hours(rows: Iterable[Mapping], trainings: int) -> float | None:
    """What so many trainings like these rows cost, from the seconds and threads that were stored; None without any."""
    ran = [row["provenance"] for row in rows if row["status"] == "done" and "served_by" not in row["provenance"]]
    ran = [each for each in ran if "seconds" in each and "threads" in each]
    if not ran:
        return None
    return trainings * sum(each["seconds"] * each["threads"] for each in ran) / len(ran) / 3600


def _found(n: int, effect: float, spread: float, family: int, sides: int, power: float, looks: Sequence[int]) -> bool:
    if spread == 0:
        return True
    level = nominal_level(n, sides, looks=looks, family=family) / family
    critical = float(special.stdtrit(n - 1, 1 - level / sides))
    return stats.t_power(abs(effect) / spread * math.sqrt(n), critical, n - 1, sides) >= power


@cache
def _levels(looks: tuple[int, ...], sides: int, alpha: float) -> tuple[float, ...]:
    """The nominal level of each look.

    The state after n seeds is a = mean sqrt(n) / root of the sum of squares, a cosine; t = a sqrt((n - 1) / (1 - a^2)).
    Without an effect it does not depend on the length of the vector of differences, so that a is a Markov chain; `at`
    and `mass` are its nodes and weights where no look has crossed so far.
    """
    critical = _cosine(float(special.stdtrit(looks[0] - 1, 1 - spent(looks[0] / looks[-1], alpha) / sides)), looks[0])
    at, weights = _nodes(-critical if sides == 2 else -1.0, critical)
    mass, levels = weights * _density(at, looks[0]), [spent(looks[0] / looks[-1], alpha)]
    for earlier, n in pairwise(looks):
        budget = spent(n / looks[-1], alpha) - spent(earlier / looks[-1], alpha)

        def excess(c: float, at=at, mass=mass, earlier=earlier, n=n, budget=budget) -> float:
            above = mass @ _above(c, at, earlier, n)
            return float(above if sides == 1 else above + mass @ _above(c, -at, earlier, n)) - budget

        critical = optimize.brentq(excess, 0.0, 1.0, xtol=1e-14)
        levels.append(sides * float(special.stdtr(n - 1, -_t(critical, n))))
        new, weights = _nodes(-critical if sides == 2 else -1.0, critical)
        mass = weights * (_step_density(new, at, earlier, n) @ mass)
        at = new
    return tuple(levels)


def _above(c: float, at: np.ndarray, earlier: int, n: int) -> np.ndarray:
    """P(a_n > c) from each a at the earlier look: the new seeds' cosine b enters linearly, at each share of length."""
    share, weights = _shares(earlier, n)
    b = (c * math.sqrt(n) - at[:, None] * np.sqrt(earlier * share)) / np.sqrt((n - earlier) * (1 - share))
    return special.stdtr(n - earlier - 1, -_t(np.clip(b, -1, 1), n - earlier)) @ weights


def _step_density(new: np.ndarray, at: np.ndarray, earlier: int, n: int) -> np.ndarray:
    """The density of a_n = new (i,) from each a at the earlier look (j,), as (i, j)."""
    share, weights = _shares(earlier, n)
    scale = np.sqrt((n - earlier) * (1 - share))
    b = (new[:, None, None] * math.sqrt(n) - at[None, :, None] * np.sqrt(earlier * share)) / scale
    return (_density(b, n - earlier) * math.sqrt(n) / scale) @ weights


def _shares(earlier: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the earlier seeds' share of the squared length of all n: a beta distribution."""
    nodes, weights = special.roots_jacobi(NODES, (n - earlier) / 2 - 1, earlier / 2 - 1)
    return (1 + nodes) / 2, weights / weights.sum()


def _density(a: np.ndarray, n: int) -> np.ndarray:
    """Of the cosine of n independent normal values of mean 0 with the diagonal."""
    return np.clip(1 - a**2, 0, None) ** ((n - 3) / 2) / special.beta(0.5, (n - 1) / 2)


def _nodes(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return low + (high - low) * (nodes + 1) / 2, weights * (high - low) / 2


def _t(a: np.ndarray | float, n: int) -> np.ndarray | float:
    with np.errstate(divide="ignore"):
        return a * np.sqrt((n - 1) / np.float64(1 - np.square(a)))


def _cosine(t: float, n: int) -> float:
    return t / math.sqrt(n - 1 + t**2)
