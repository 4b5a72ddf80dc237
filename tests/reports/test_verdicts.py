"""The rules of the verdicts: against scipy, on tables in which nothing is true, and where power is what was said."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.reports.claims import verdicts
from regbench.reports.claims.verdicts import (
    CONTRADICTED,
    INCONCLUSIVE,
    NONE,
    NOT_RUN,
    SMALLER,
    SUPPORTED,
    bounded,
    claim_p,
    holm_families,
    independent,
    judge,
    no_difference,
    one_sample,
    paired,
)

OURS = {0: 1.4, 1: 2.1, 2: 1.9, 3: 2.6, 4: 1.7}
THEIRS = {0: 1.1, 1: 1.8, 2: 1.5, 3: 1.9, 4: 1.6}


def seeds(values):
    return dict(enumerate(values))


def verdict(tests, complete=True):
    return judge(tests, *claim_p(tests), complete)


@pytest.mark.parametrize("direction", ["greater", "less"])
def test_paired_independent_and_one_sample_p_values_are_scipys(direction):
    ours, theirs = list(OURS.values()), list(THEIRS.values())
    opposite = verdicts.OPPOSITE[direction]
    for test, expected, reference in (
        (paired(OURS, THEIRS, direction), 0.0, lambda side: scipy_stats.ttest_rel(ours, theirs, alternative=side)),
        (
            independent(ours, theirs, direction),
            0.0,
            lambda side: scipy_stats.ttest_ind(ours, theirs, equal_var=False, alternative=side),
        ),
        (one_sample(OURS, 1.5, direction), 1.5, lambda side: scipy_stats.ttest_1samp(ours, 1.5, alternative=side)),
    ):
        assert test.p == pytest.approx(reference(direction).pvalue)
        assert test.p_opposite == pytest.approx(reference(opposite).pvalue)
        low, high = reference("two-sided").confidence_interval()
        assert test.interval == pytest.approx((low - expected, high - expected))


def test_only_common_seeds_are_paired():
    assert paired({**OURS, 9: 50.0}, THEIRS, "greater").p == paired(OURS, THEIRS, "greater").p


def test_supported_needs_five_seeds_and_every_case():
    strong = paired(seeds([2.0, 2.1, 2.2, 2.0, 2.1]), seeds([1.0, 1.2, 1.1, 1.1, 1.0]), "greater")
    few = paired(seeds([2.0, 2.1, 2.2, 2.0]), seeds([1.0, 1.2, 1.1, 1.1]), "greater")
    none = paired(seeds([2.0, 2.1, 2.2, 2.0, 2.1]), seeds([2.1, 2.0, 2.0, 2.2, 2.1]), "greater")
    assert few.p < 0.05
    assert verdict([strong]) == SUPPORTED
    assert verdict([few]) == INCONCLUSIVE
    assert verdict([strong, none]) == INCONCLUSIVE
    assert verdict([strong], complete=False) == INCONCLUSIVE
    assert verdict([]) == NOT_RUN


def test_contradicted_where_any_case_is_and_bonferroni_counts_the_cases():
    against = paired(seeds([1.0, 1.2, 1.1, 1.1, 1.0]), seeds([2.0, 2.1, 2.2, 2.0, 2.1]), "greater")
    none = paired(seeds([2.0, 2.1, 2.2, 2.0, 2.1]), seeds([2.1, 2.0, 2.0, 2.2, 2.1]), "greater")
    assert verdict([against, none]) == CONTRADICTED
    assert claim_p([against, none])[1] == pytest.approx(2 * against.p_opposite)
    assert claim_p([against, none])[0] == against.p


@pytest.mark.parametrize(
    ("direction", "claimed", "word"),
    [
        ("greater", 2.0, SMALLER),
        ("greater", 0.5, INCONCLUSIVE),
        ("greater", -2.0, INCONCLUSIVE),  # printed against its own claim: nothing to fall short of
        ("greater", None, INCONCLUSIVE),
        ("less", -2.0, SMALLER),
        ("less", -0.5, INCONCLUSIVE),
        ("less", 2.0, INCONCLUSIVE),
    ],
)
def test_smaller_than_claimed_where_the_interval_excludes_the_papers_effect(direction, claimed, word):
    test = paired(seeds([0.5, -0.5, 0.6, -0.4, 0.1]), seeds([0.0] * 5), direction, claimed)
    assert verdict([test]) == word


def test_supported_stands_although_less_than_claimed():
    test = paired(seeds([2.0, 2.1, 2.2, 2.0, 2.1]), seeds([1.0] * 5), "greater", 5.0)
    assert test.falls_short and verdict([test]) == SUPPORTED


def test_without_spread_an_exact_permutation_test_answers():
    same = paired(seeds([8.0] * 10), seeds([50.0] * 10), "less", -30.0)
    assert same.p == pytest.approx(2**-10) and same.p_opposite == 1.0 and verdict([same]) == SUPPORTED
    assert independent([8.0] * 5, [50.0] * 5, "less").p == pytest.approx(1 / 252)
    equal = paired(seeds([8.0] * 10), seeds([8.0] * 10), "less", -30.0)
    assert equal.p == 1.0 and equal.interval == (0.0, 0.0) and verdict([equal]) == SMALLER
    assert verdict([paired({0: 8.0}, {0: 50.0}, "less", -100.0)]) == INCONCLUSIVE


def test_a_bound_gives_no_interval_and_no_p_value_that_it_flatters():
    test = paired(OURS, THEIRS, "less", -1.0)
    theirs = bounded(test, False, True)
    assert theirs.p == test.p and theirs.p_opposite is None and theirs.interval is None and not theirs.falls_short
    ours = bounded(test, True, False)
    assert ours.p is None and ours.p_opposite == test.p_opposite
    both = bounded(test, True, True)
    assert (both.p, both.p_opposite) == (None, None) and verdict([both]) == INCONCLUSIVE
    assert bounded(test, False, False) is test


def test_no_difference_is_two_one_sided_tests():
    rng = np.random.default_rng(0)
    values = rng.normal(0.05, 0.1, size=8)
    test = no_difference(paired(seeds(values), seeds([0.0] * 8), NONE), 0.3)
    sides = [
        scipy_stats.ttest_1samp(values, -0.3, alternative="greater").pvalue,
        scipy_stats.ttest_1samp(values, 0.3, alternative="less").pvalue,
    ]
    assert test.p == pytest.approx(max(sides))
    assert test.p_opposite == pytest.approx(scipy_stats.ttest_1samp(values, 0.0).pvalue)
    assert verdict([test]) == SUPPORTED
    wide = paired(seeds([0.5, -0.5, 0.6, -0.4, 0.1]), seeds([0.0] * 5), NONE)
    assert verdict([no_difference(wide, 0.3)]) == INCONCLUSIVE
    far = no_difference(paired(seeds(values + 1), seeds([0.0] * 8), NONE), 0.3)
    assert verdict([far]) == CONTRADICTED
    with pytest.raises(UserError, match="margin=0"):
        no_difference(test, 0)


def test_no_gain_is_not_contradicted_by_a_loss():
    loss, gain = ([sign * value for value in (0.9, 1.1, 1.0, 1.2, 0.8)] for sign in (-1, 1))
    tests = {
        name: verdicts.no_gain(paired(seeds(values), seeds([0.0] * 5), "greater"), 0.5)
        for name, values in (("loss", loss), ("gain", gain), ("open", [0.5, -0.5, 0.6, -0.4, 0.1]))
    }
    assert tests["loss"].p == pytest.approx(scipy_stats.ttest_1samp(loss, 0.5, alternative="less").pvalue)
    words = {name: verdict([test]) for name, test in tests.items()}
    assert words == {"loss": SUPPORTED, "gain": CONTRADICTED, "open": INCONCLUSIVE}


def test_an_unknown_direction_is_refused():
    with pytest.raises(UserError, match="direction='up': allowed are greater, less, none"):
        paired(OURS, THEIRS, "up")


def test_holm_runs_over_the_claims_of_a_family_direction_by_direction():
    found = holm_families([(0.01, 0.9), (0.04, 0.9), (None, 0.02)])
    assert found == [(0.02, 1.0), (0.04, 1.0), (None, pytest.approx(0.06))]


def simulate(n, tables, claims=4, cases=2, shift=0.0):
    """Verdicts on tables of claims of several cases that share one reference."""
    rng = np.random.default_rng(n)
    found = []
    for _ in range(tables):
        family = []
        for _ in range(claims):
            reference = rng.normal(size=n)
            family.append(
                [paired(seeds(rng.normal(size=n) + shift), seeds(reference), "greater") for _ in range(cases)]
            )
        corrected = holm_families([claim_p(tests) for tests in family])
        found.append([judge(tests, *p) for tests, p in zip(family, corrected, strict=True)])
    return found


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("cases", [1, 2])
def test_where_nothing_is_true_a_table_has_a_supported_or_a_contradicted_claim_in_five_percent(n, cases):
    tables = 1500
    found = simulate(n, tables, cases=cases)
    # Three standard errors of a share of 0.05 above it.
    allowed = 0.05 + 3 * np.sqrt(0.05 * 0.95 / tables)
    for word in (SUPPORTED, CONTRADICTED):
        share = np.mean([word in table for table in found])
        assert share <= (0 if n < verdicts.ENOUGH else allowed)
    if n >= verdicts.ENOUGH and cases == 1:
        assert np.mean([SUPPORTED in table for table in found]) > 0.02  # the test is not merely deaf


@pytest.mark.parametrize("n", [5, 10])
def test_intervals_cover_the_true_effect_in_95_percent_and_smaller_than_claimed_errs_in_half_of_the_rest(n):
    rng = np.random.default_rng(n)
    trials, true = 4000, 0.7
    tests = [
        paired(seeds(rng.normal(size=n) + true), seeds(rng.normal(size=n)), "greater", true) for _ in range(trials)
    ]
    covered = np.mean([test.interval[0] <= true <= test.interval[1] for test in tests])
    assert covered == pytest.approx(0.95, abs=3 * np.sqrt(0.05 * 0.95 / trials))
    assert np.mean([test.falls_short for test in tests]) == pytest.approx(0.025, abs=0.01)


def test_the_smallest_effect_is_found_in_80_percent_of_tables():
    rng = np.random.default_rng(1)
    n, trials = 6, 4000
    noise = paired(seeds([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]), seeds([0.0] * n), "greater")
    spread = np.std([1.0, -1.0, 1.0, -1.0, 1.0, -1.0], ddof=1)
    effect = noise.smallest
    found = [
        judge([test], *claim_p([test])) == SUPPORTED
        for test in (
            paired(seeds(effect + spread * rng.normal(size=n)), seeds([0.0] * n), "greater") for _ in range(trials)
        )
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.025)
