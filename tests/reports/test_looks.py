"""Looks: the shared-out level holds over all of them, simulated with the bench's own tests; what more seeds cost."""

import numpy as np
import pytest
from scipy import special

from regbench.errors import UserError
from regbench.evidence import stats
from regbench.evidence.looks import LOOKS, core_hours, nominal_level, seeds_needed, spent

REPEATS = 100_000
SLACK = 3 * (0.05 * 0.95 / REPEATS) ** 0.5  # three standard errors of a simulated 5 %


def p_greater(differences):
    """One-sided p-values of paired t-tests, seeds last."""
    n = differences.shape[-1]
    return special.stdtr(n - 1, -differences.mean(-1) / differences.std(-1, ddof=1) * n**0.5)


def holm(p):
    """Holm's correction along the last axis."""
    order = p.argsort(-1)
    stepped = np.maximum.accumulate(np.take_along_axis(p, order, -1) * np.arange(p.shape[-1], 0, -1), -1)
    corrected = np.empty_like(p)
    np.put_along_axis(corrected, order, stepped, -1)
    return corrected


def crossed(differences, levels=None, sides=1, family=1):
    """Whether any comparison is significant by the first, second, third look: (repeats,) each."""
    done, found = False, []
    for n in LOOKS:
        p = p_greater(differences[..., :n])
        p = p if sides == 1 else 2 * np.minimum(p, 1 - p)
        level = levels if levels is not None else nominal_level(n, sides, family=family)
        done = done | ((holm(p) if family > 1 else p) < level).reshape(len(p), -1).any(-1)
        found.append(done)
    return found


@pytest.mark.parametrize("sides", [1, 2])
def test_the_level_is_spent_as_said_and_holds_over_all_looks(sides):
    found = crossed(np.random.default_rng(0).normal(size=(REPEATS, 20)), sides=sides)
    assert [done.mean() for done in found] == pytest.approx([spent(n / 20) for n in LOOKS], abs=SLACK)
    assert spent(1) == pytest.approx(0.05)


def test_without_looks_one_in_ten_is_wrong():
    found = crossed(np.random.default_rng(0).normal(size=(REPEATS, 20)), levels=0.05)[-1]
    assert found.mean() > 0.10


def test_it_holds_for_differences_of_accuracies():
    """Counts of 360 test images, two networks a seed: discrete, skewed, with ties."""
    rng = np.random.default_rng(1)
    ours, theirs = rng.binomial(360, 0.97, size=(2, REPEATS, 20))
    with np.errstate(divide="ignore", invalid="ignore"):
        assert crossed(ours - theirs)[-1].mean() < 0.05 + SLACK


@pytest.mark.parametrize("shared", [False, True])
def test_a_family_of_six_has_at_most_five_percent_false_verdicts_in_each_direction(shared):
    rng = np.random.default_rng(2)
    treated = rng.normal(size=(REPEATS // 2, 6, 20))
    control = rng.normal(size=(REPEATS // 2, 1 if shared else 6, 20))
    for sign in (1, -1):
        false = crossed(sign * (treated - control), family=6)[-1].mean()
        assert 0.02 < false < 0.05 + SLACK * 2**0.5


def test_holm_at_the_level_of_one_comparison_would_not_hold_in_a_family():
    differences = np.random.default_rng(2).normal(size=(REPEATS // 2, 6, 20))
    false = False
    for n in LOOKS:
        false = false | (holm(p_greater(differences[..., :n])) < nominal_level(n)).any(-1)
    assert false.mean() > 0.05 + SLACK * 2**0.5


def test_the_boundary_of_many_seeds_is_the_published_one():
    """Lan and DeMets' Pocock-like boundary, five equal looks, two-sided 5 %: 2.438, 2.427, 2.410, 2.397, 2.386."""
    looks = (200, 400, 600, 800, 1000)
    z = [-special.ndtri(nominal_level(n, 2, looks=looks) / 2) for n in looks]
    assert z == pytest.approx([2.438, 2.427, 2.410, 2.397, 2.386], abs=0.006)


def test_power_over_all_looks():
    """An effect of one standard deviation is found nearly always by 20 seeds, and mostly at a look before."""
    first, second, third = (done.mean() for done in crossed(np.random.default_rng(3).normal(1, 1, size=(REPEATS, 20))))
    alone = [stats.t_power(n**0.5, special.stdtrit(n - 1, 1 - nominal_level(n)), n - 1, 1) for n in LOOKS]
    assert first == pytest.approx(alone[0], abs=0.005)
    assert alone[1] < second and alone[2] < third and second > 0.7 and third > 0.98


@pytest.mark.parametrize("family", [1, 3])
def test_the_seeds_that_are_needed_are_enough_and_two_fewer_are_not(family):
    n = seeds_needed(1.0, 1.0, family=family)
    draws = np.random.default_rng(4).normal(1, 1, size=(REPEATS, n))
    power = [(p_greater(draws[:, :k]) < nominal_level(k, family=family) / family).mean() for k in (n - 2, n)]
    assert power[0] < 0.8 < power[1]


def test_seeds_needed_grow_with_the_square_of_the_spread_and_never_fall_below_the_first_look():
    assert seeds_needed(100.0, 1.0) == seeds_needed(1.0, 0.0) == 5
    assert seeds_needed(-0.01, 1.0) == seeds_needed(0.01, 1.0) == pytest.approx(77_500, rel=0.01)
    assert seeds_needed(0.0, 1.0) is seeds_needed(1e-5, 1.0) is None
    assert seeds_needed(0.8, 1.0, sides=2) > seeds_needed(0.8, 1.0)


def test_between_looks_the_lower_one_counts_and_before_the_first_nothing_is_decided():
    assert nominal_level(4) == 0.0
    assert nominal_level(5) == nominal_level(9) == pytest.approx(0.01787, abs=1e-5)
    assert nominal_level(10) == nominal_level(19) == pytest.approx(0.01720, abs=1e-5)
    assert nominal_level(20) == nominal_level(1000) == pytest.approx(0.02605, abs=1e-5)


@pytest.mark.parametrize("looks", [(), (5, 5), (10, 5), (2, 9), (5, 7, 20)])
def test_looks_out_of_order_are_refused(looks):
    with pytest.raises(UserError, match="looks="):
        nominal_level(5, looks=looks)


@pytest.mark.parametrize("wrong", [{"spread": -1.0}, {"power": 1.0}, {"family": 0}])
def test_impossible_plans_are_refused(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        seeds_needed(1.0, **{"spread": 1.0, **wrong})
    with pytest.raises(UserError, match="alpha=2"):
        nominal_level(5, alpha=2)


def test_core_hours_come_from_trainings_alone():
    def row(seconds, threads=1, status="done", **more):
        return {"status": status, "provenance": {"seconds": seconds, "threads": threads, **more}}

    rows = [row(1800), row(900, threads=2), row(9e9, status="failed"), row(0.0, served_by="another")]
    assert core_hours(rows, 10) == pytest.approx(5.0)
    assert core_hours([rows[2]], 10) is None
