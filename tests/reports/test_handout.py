"""The handout's own measure: the gap where two networks have fitted their training images equally well."""

from dataclasses import replace

import pytest

from regbench.evidence.groups import Group
from regbench.evidence.metrics import METRICS
from regbench.papers.dropout_batchnorm_handout.extra import at_equal_fit

from .handout_factory import handout_row

FLAT = [0.6, 0.7, 0.8, 0.9, 0.9]


def gap(train, images=55_000, **row):
    """The gap of a training whose references end at 90 %: at 85.5 % training accuracy."""
    references = [Group((handout_row(train=FLAT, test=FLAT),), ())]
    own = at_equal_fit(METRICS["gap_at_equal_fit"], references)
    found = handout_row("batchnorm", train=train, **row)
    found["config"]["dataset"]["train_images"] = images
    return own.read(found, "", "full")


def test_it_is_read_between_the_epochs_before_and_after_that_fit():
    assert gap([0.5, 0.7, 0.8, 0.9, 0.95], test=[0.5, 0.6, 0.7, 0.8, 0.8]) == pytest.approx(85.5 - (70 + 5.5))
    assert gap([0.5, 0.7, 0.855, 0.9, 0.95], test=[0.5, 0.6, 0.7, 0.8, 0.8]) == pytest.approx(85.5 - 70)


@pytest.mark.parametrize(
    "train,images", [([0.9] * 5, 55_000), ([0.8] * 5, 55_000), ([0.5, 0.9, 0.9, 0.9, 0.9], 29 * 128)]
)
def test_a_training_that_never_has_that_fit_has_no_gap_nor_one_whose_statistics_have_not_settled(train, images):
    assert gap(train, images=images, test=FLAT) is None


def test_thirty_steps_are_enough():
    assert gap([0.5, 0.9, 0.9, 0.9, 0.9], images=30 * 128, test=FLAT) is not None


def test_without_a_reference_there_is_no_level():
    own = METRICS["gap_at_equal_fit"]
    assert at_equal_fit(own, []) == replace(own, level="the references' training accuracy")
