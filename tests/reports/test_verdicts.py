"""The rules of the verdicts: pure functions of measured values, against values by hand and by scipy."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from regbench.evidence import looks, stats, verdicts
from regbench.evidence.estimates import p_values
from regbench.evidence.verdicts import PValues, judge, together


def compared(differences):
    seeds = dict(enumerate(differences))
    return stats.paired_test(seeds, dict.fromkeys(seeds, 0.0))


DIFFERENCES = (0.3, 0.1, 0.4, 0.2, 0.5)


def test_each_verdict_on_one_comparison():
    level = looks.nominal_level(5)
    low, high = level / 2, 2 * level
    assert judge(PValues(claimed=low), 5, "greater") == "supported"
    assert judge(PValues(claimed=high), 5, "greater") == "undecided"
    assert judge(PValues(1.0, low), 5, "less") == "contradicted"
    assert judge(PValues(high, 1.0, low, low), 5, "greater") == "no effect"
    assert judge(PValues(high, 1.0, high, low), 5, "greater") == "smaller than claimed"
    assert judge(PValues(), 5, "greater", identical=True) == "no effect"
    assert judge(PValues(1e-9, 1e-9, 1e-9, 1e-9), 4, "greater") == "undecided"  # before the first look
    assert judge(PValues(equal=low), 5, "none") == judge(PValues(), 5, "none", identical=True) == "supported"
    assert judge(PValues(opposite=low / 2), 5, "none") == judge(PValues(opposite=low), 5, "no gain") == "contradicted"
    assert judge(PValues(equal=high, opposite=high), 5, "no gain") == "undecided"


def test_between_looks_the_level_is_that_of_the_lower_one():
    five, ten, twenty = (looks.nominal_level(n) for n in looks.LOOKS)
    assert ten < five < twenty
    words = [judge(PValues(claimed=(five + ten) / 2), n, "greater") for n in (4, 5, 9, 10, 19, 20)]
    assert words == ["undecided", "supported", "supported", "undecided", "undecided", "supported"]


def test_the_weakest_comparison_decides_a_claim():
    order = ["contradicted", "no effect", "smaller than claimed", "undecided", "supported"]
    for place, word in enumerate(order):
        assert together(order[place:]) == word
    assert together(["supported"], missing=True) == "undecided"
    assert together(["no effect"], missing=True) == "no effect"  # one that fails settles that not all hold
    assert together([]) == "undecided"


def test_equivalence_is_the_larger_of_two_one_sided_tests():
    for shift, margin in ((0.0, 0.5), (-0.6, 0.5), (0.2, 1.0)):
        values = np.array(DIFFERENCES) + shift
        below = scipy_stats.ttest_1samp(values, margin, alternative="less").pvalue
        above = scipy_stats.ttest_1samp(values, -margin, alternative="greater").pvalue
        assert verdicts.equivalence_p(compared(values), margin) == pytest.approx(max(below, above))
        assert verdicts.no_gain_p(compared(values), margin) == pytest.approx(below)
        two_sided = scipy_stats.ttest_1samp(values, 0).pvalue
        assert p_values(compared(values), "two-sided")[0] == pytest.approx(two_sided)


def test_without_any_spread_the_tests_are_exact():
    same = compared([0.2] * 5)
    assert verdicts.equivalence_p(same, 0.3) == verdicts.no_gain_p(same, 0.3) == 1 / 32
    assert verdicts.equivalence_p(same, 0.2) == 1.0
    assert p_values(same, "two-sided")[0] == 1 / 16 and p_values(compared([0.0] * 5), "two-sided")[0] == 1.0
    assert verdicts.equivalence_p(same, None) is verdicts.equivalence_p(compared([0.2]), 0.3) is None
    assert "p = 0.031 at the least, times 4 comparisons" in verdicts.floor_note(5, 4)
    assert verdicts.floor_note(20, 4) == verdicts.floor_note(3, 1) == ""


def test_smaller_than_claimed_allows_for_the_chance_in_the_papers_number():
    found = compared(DIFFERENCES)
    error, spread = found.standard_error, found.standard_error * math.sqrt(5)
    one = scipy_stats.t.cdf((0.3 - 1.0) / math.hypot(error, spread), 4)
    assert verdicts.smaller_p(found, "greater", 1.0) == pytest.approx(one)
    ten = scipy_stats.t.cdf((0.3 - 1.0) / math.hypot(error, spread / math.sqrt(10)), 4)
    assert verdicts.smaller_p(found, "greater", 1.0, 10) == pytest.approx(ten) and ten < one
    assert verdicts.smaller_p(compared([-v for v in DIFFERENCES]), "less", -1.0) == pytest.approx(one)
    # no effect of the claimed sign, no spread: no such test
    assert verdicts.smaller_p(found, "greater", -1.0) is verdicts.smaller_p(found, "greater", None) is None
    assert verdicts.smaller_p(compared([0.2] * 5), "greater", 1.0) is None


def test_a_paper_that_is_exactly_right_is_rarely_called_too_large():
    """Both sides draw from one effect: 18 comparisons in a family, the paper's number one training."""
    rng, wrong, papers = np.random.default_rng(0), 0, 400
    for _ in range(papers):
        effect, p = 0.5, []
        for _ in range(18):
            paper = rng.normal(effect, 1)
            p.append(verdicts.smaller_p(compared(rng.normal(effect, 1, 5)), "greater", paper))
        wrong += any(judge(PValues(smaller=each), 5, "greater", family=18) != "undecided" for each in stats.holm(p))
    assert wrong / papers <= 0.05


def test_saturation():
    limits = (1.0, 100.0)
    assert verdicts.saturated([1.0, 1.0, 1.0], "less", limits)
    assert verdicts.saturated([1.0, 1.5, 2.0], "less", (1.0, None))  # 1.5 - 0.5 is 1.0
    assert not verdicts.saturated([1.2, 1.5, 1.8], "less", limits)
    assert not verdicts.saturated([5.0, 5.5], "less", limits) and verdicts.saturated([99.9, 100.0], "greater", limits)
    assert not verdicts.saturated([1.0, 1.0], "greater", limits) and not verdicts.saturated([1.0], "none", limits)
