"""Intervals and tests against scipy and against simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from regbench.errors import UserError
from regbench.evidence import stats

A = [0.981, 0.985, 0.979, 0.990, 0.984]
B = [0.980, 0.981, 0.980, 0.985, 0.979]


def seeded(values, first=0):
    return dict(enumerate(values, first))


def test_mean_interval_agrees_with_scipy():
    estimate = stats.mean_interval(A)
    low, high = scipy_stats.t.interval(0.95, len(A) - 1, np.mean(A), scipy_stats.sem(A))
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((np.mean(A), low, high), abs=1e-12)
    assert stats.mean_interval(A, confidence=0.99).half_width > estimate.half_width


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5, 0.5], [0.1 + 0.2, 0.3]])
def test_no_spread_gives_no_interval(values):
    estimate = stats.mean_interval(values)
    assert (estimate.half_width, estimate.low, estimate.high) == (None, None, None)
    assert estimate.n == len(values) and estimate.mean == pytest.approx(values[0])


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf"), 1.0]])
def test_values_must_be_finite(values):
    with pytest.raises(UserError, match="finite"):
        stats.mean_interval(values)


@pytest.mark.parametrize("alternative", stats.ALTERNATIVES)
def test_paired_test_agrees_with_scipy(alternative):
    ours = stats.paired_test(seeded(A), seeded(B), alternative)
    theirs = scipy_stats.ttest_rel(A, B, alternative=alternative)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-10)
    interval = scipy_stats.ttest_rel(A, B).confidence_interval()
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_pairs_are_matched_by_seed_not_by_order():
    control = seeded(B)
    shuffled = {seed: control[seed] for seed in (3, 1, 4, 0, 2)}
    assert stats.paired_test(seeded(A), shuffled) == stats.paired_test(seeded(A), control)
    only_common = stats.paired_test(seeded(A), {**control, 99: 5.0})
    assert only_common == stats.paired_test(seeded(A), control)
    moved = stats.paired_test(seeded(A), seeded(B[1:] + B[:1]))
    assert moved.p != stats.paired_test(seeded(A), control).p


def test_paired_test_without_information_says_none():
    assert stats.paired_test(seeded(A), seeded(B, first=50)).difference is None
    one = stats.paired_test({0: 0.9}, {0: 0.8})
    assert (one.p, one.half_width, one.n_treated) == (None, None, 1)
    # 0.9 - 0.8 and 0.3 - 0.2 differ only by rounding; a t statistic of 1e15 would be an artefact.
    equal = stats.paired_test({0: 0.9, 1: 0.3}, {0: 0.8, 1: 0.2})
    assert (equal.p, equal.half_width, equal.standard_error) == (None, None, None)
    assert equal.difference == pytest.approx(0.1)


@pytest.mark.parametrize("alternative", stats.ALTERNATIVES)
def test_welch_test_agrees_with_scipy(alternative):
    ours = stats.welch_test(A, B[:3], alternative)
    theirs = scipy_stats.ttest_ind(A, B[:3], equal_var=False, alternative=alternative)
    assert (ours.p, ours.degrees) == pytest.approx((theirs.pvalue, theirs.df), rel=1e-10)
    interval = scipy_stats.ttest_ind(A, B[:3], equal_var=False).confidence_interval()
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_welch_test_without_information_says_none():
    assert stats.welch_test([0.9], [0.8, 0.7]).p is None
    assert stats.welch_test([0.9, 0.9], [0.8, 0.8]).p is None
    assert stats.welch_test([0.9, 0.9], [0.8, 0.7]).p is not None


def test_unknown_alternative_is_an_error():
    for test in (stats.paired_test, stats.welch_test):
        with pytest.raises(UserError, match=r"alternative='more'.*two-sided, greater, less"):
            test({0: 1.0, 1: 2.0}, {0: 1.0, 1: 3.0}, "more")


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])
    assert stats.holm([0.5, 0.9]) == [1.0, 1.0]
    assert stats.holm([]) == []
    with pytest.raises(UserError, match="p_values"):
        stats.holm([1.5])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.none() | st.floats(0, 1), max_size=12))
def test_holm_keeps_order_and_never_lowers_a_p_value(p_values):
    corrected = stats.holm(p_values)
    pairs = [(p, q) for p, q in zip(p_values, corrected, strict=True) if p is not None]
    assert [q is None for q in corrected] == [p is None for p in p_values]
    assert all(p <= q <= 1 for p, q in pairs)
    by_p = [q for _, q in sorted(pairs)]
    assert by_p == sorted(by_p)
    # Holm rejects at 0.05 exactly where the step-down procedure does.
    rejected = 0
    for step, (p, _) in enumerate(sorted(pairs)):
        if p * (len(pairs) - step) > 0.05:
            break
        rejected += 1
    assert sum(q <= 0.05 for _, q in pairs) == rejected


def test_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = [e.low <= 3 <= e.high for e in map(stats.mean_interval, rng.normal(3, 2, size=(3000, 5)))]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_false_positive_rates_under_the_null():
    rng = np.random.default_rng(1)
    draws = rng.normal(size=(3000, 2, 5)) * np.array([1.0, 3.0])[None, :, None]
    paired = [stats.paired_test(seeded(a), seeded(b)).p < 0.05 for a, b in draws]
    welch = [stats.welch_test(a, b, "greater").p < 0.05 for a, b in draws]
    assert np.mean(paired) == pytest.approx(0.05, abs=0.015)
    assert np.mean(welch) == pytest.approx(0.05, abs=0.015)


def test_holm_bounds_the_chance_of_any_false_positive():
    rng = np.random.default_rng(2)
    any_raw, any_corrected = [], []
    for baseline, *methods in rng.normal(size=(600, 7, 5)):
        p_values = [stats.paired_test(seeded(method), seeded(baseline)).p for method in methods]
        any_raw.append(min(p_values) < 0.05)
        any_corrected.append(min(stats.holm(p_values)) < 0.05)
    assert np.mean(any_raw) > 0.1
    assert np.mean(any_corrected) < 0.07


@pytest.mark.parametrize(("n", "alternative"), [(3, "two-sided"), (5, "two-sided"), (5, "greater")])
def test_smallest_effect_is_found_four_times_in_five(n, alternative):
    known = stats.Comparison(0.0, None, 1.0, n, n, 1 / np.sqrt(n), n - 1)
    effect = stats.smallest_effect(known, alternative=alternative)
    draws = np.random.default_rng(3).normal(effect, 1.0, size=(20_000, n))
    t = draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / np.sqrt(n))
    tails = 2 if alternative == "two-sided" else 1
    critical = scipy_stats.t.ppf(1 - 0.05 / tails, n - 1)
    found = (np.abs(t) if tails == 2 else t) > critical
    assert found.mean() == pytest.approx(0.8, abs=0.012)


@pytest.mark.parametrize("degrees", [1, 2, 4, 7.3, 29])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 14])
def test_smallest_effect_agrees_with_the_noncentral_t(degrees, alpha):
    known = stats.Comparison(0.0, None, 1.0, 5, 5, 2.0, degrees)
    shift = stats.smallest_effect(known, alpha=alpha, alternative="greater") / 2.0
    critical = scipy_stats.t.ppf(1 - alpha, degrees)
    assert scipy_stats.nct.sf(critical, degrees, shift) == pytest.approx(0.8, abs=1e-6)


def test_smallest_effect_needs_a_spread_and_sane_settings():
    assert stats.smallest_effect(stats.paired_test({0: 0.9}, {0: 0.8})) is None
    spread = stats.paired_test(seeded(A), seeded(B))
    assert stats.smallest_effect(spread, alpha=0.01) > stats.smallest_effect(spread, alpha=0.05) > 0
    with pytest.raises(UserError, match=r"power=0.01"):
        stats.smallest_effect(spread, power=0.01)
