"""Trends: rank correlations by hand, both tests against scipy's and by counting, and what cannot be said."""

import itertools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from regbench.evidence.records import Record
from regbench.evidence.trends import corrected_trends, find_trend, page_p, spearman

BLANK = Record("Dropout rate", "trend_of_z", "last epoch", "ratio", "done")
SETTINGS = (0.0, 0.1, 0.3, 0.5)


def series(*seeds):
    return {seed: dict(zip(SETTINGS, values, strict=True)) for seed, values in enumerate(seeds)}


def test_spearman_by_hand_and_with_ties():
    assert spearman([0, 1, 5], [2.0, 3.0, 100.0]) == 1.0
    assert spearman([0, 1, 5], [3.0, 2.0, 1.0]) == -1.0
    # 1 - 6 (0 + 1 + 1) / (3 (9 - 1))
    assert spearman([1, 2, 3], [1.0, 3.0, 2.0]) == pytest.approx(0.5)
    tied = ([1, 2, 3, 4], [1.0, 2.0, 2.0, 5.0])
    assert spearman(*tied) == pytest.approx(scipy_stats.spearmanr(*tied).statistic)
    assert spearman([1, 2, 3], [4.0, 4.0, 4.0]) is None


def test_page_counts_orders():
    """Two seeds in perfect order of three: one of the 6 x 6 pairs of orders."""
    rising = [[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]]
    assert page_p(rising, "greater") == pytest.approx(1 / 36)
    assert page_p(rising, "less") == pytest.approx(1.0)
    assert page_p(rising, "two-sided") == pytest.approx(2 / 36)
    assert page_p([row[::-1] for row in rising], "less") == pytest.approx(1 / 36)
    values = [[1.0, 3.0, 2.0], [5.0, 6.0, 7.0]]
    observed = sum(np.dot([1, 2, 3], scipy_stats.rankdata(row)) for row in values)
    orders = list(itertools.permutations((1, 2, 3)))
    as_large = [np.dot((1, 2, 3), a) + np.dot((1, 2, 3), b) >= observed for a in orders for b in orders]
    assert page_p(values, "greater") == pytest.approx(np.mean(as_large))


@pytest.mark.parametrize("values", [[[1.0, 2.0, 3.0]], [[1.0, 2.0], [1.0, 2.0]]])
def test_page_says_nothing_of_one_seed_or_two_settings(values):
    assert page_p(values, "greater") is None


@pytest.mark.parametrize("alternative", ["less", "greater", "two-sided"])
def test_the_mean_rho_and_its_t_test_are_those_of_scipy(alternative):
    found = find_trend(series([4, 3, 2, 1], [4, 3, 1, 2], [3, 4, 2, 1]), BLANK, alternative)
    rhos = [-1.0, -0.8, -0.8]
    expected = scipy_stats.ttest_1samp(rhos, 0.0, alternative=alternative)
    assert found.record.mean == pytest.approx(np.mean(rhos)) and found.record.seeds == (0, 1, 2)
    assert found.record.p == pytest.approx(expected.pvalue)
    interval = scipy_stats.ttest_1samp(rhos, 0.0).confidence_interval()
    assert interval.low < -1.0 == found.record.low  # there is no rho below
    assert found.record.high == pytest.approx(interval.high)


def test_the_opposite_direction_is_tested_where_one_is_claimed():
    found = find_trend(series([4, 3, 2, 1], [4, 3, 1, 2], [3, 4, 2, 1]), BLANK, "less")
    assert found.opposite == pytest.approx(1 - found.record.p) and found.page_opposite > 0.99 > 0.01 > found.page
    both = find_trend(series([4, 3, 2, 1], [4, 3, 1, 2]), BLANK, "two-sided")
    assert both.opposite is None and both.page_opposite is None


def test_seeds_that_all_agree_leave_the_t_test_silent_and_not_pages():
    found = find_trend(series(*[[4, 3, 2, 1]] * 5), BLANK, "less")
    assert found.record.mean == -1.0 and found.record.p is None and found.record.low is None
    assert found.page == pytest.approx((1 / 24) ** 5)
    assert found.record.notes == ("all seeds have the same rho: no interval and no t-test; Page's test answers",)


def test_seeds_without_a_setting_are_left_out_and_named():
    values = series([4, 3, 2, 1], [4, 3, 1, 2], [1, 2, 3, 4])
    del values[2][0.3]
    found = find_trend(values, BLANK, "less")
    assert found.record.seeds == (0, 1) and found.record.mean == pytest.approx(-0.9)
    assert found.record.notes == ("seeds without a value at every setting are left out: 2",)


@pytest.mark.parametrize(
    "values,words",
    [
        ({0: {0.0: 1.0, 0.1: 2.0}}, "fewer than 3 settings"),
        ({0: {0.0: 1.0, 0.1: 2.0}, 1: {0.3: 1.0}}, "no seed has all settings"),
        (series([1, 1, 1, 1], [1, 2, 3, 4]), "the same at all settings"),
    ],
)
def test_what_has_no_order_is_absent_and_says_why(values, words):
    found = find_trend(values, BLANK, "less")
    assert found.record.status == "absent" and words in found.record.notes[0] and found.page is None


def test_one_call_is_one_family_for_each_test_and_direction():
    first = find_trend(series([4, 3, 2, 1], [4, 3, 1, 2], [3, 4, 2, 1]), BLANK, "less")
    silent = find_trend(series(*[[4, 3, 2, 1]] * 3), BLANK, "less")
    either = find_trend(series([4, 1, 2, 3], [1, 2, 4, 3], [3, 4, 1, 2]), BLANK, "two-sided")
    one, two, three = corrected_trends([first, silent, either])
    assert one.record.p_holm == pytest.approx(2 * first.record.p)  # two t-tests
    assert two.record.p_holm is None and two.page_holm == pytest.approx(3 * silent.page)  # three of Page's
    assert one.page_holm == pytest.approx(2 * first.page)
    assert three.opposite_holm is None and one.opposite_holm == pytest.approx(first.opposite)
