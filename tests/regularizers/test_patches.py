"""Patches: counting, choosing and masking them; the noise."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regbench.errors import UserError
from regbench.regularizers.parts.patches import (
    keep_count,
    lowest,
    lowest_by_threshold,
    mask_patches,
    patch_grid,
    sum_patches,
    view_patches,
)


@pytest.mark.parametrize("keep,patches,expected", [(0.85, 144, 122), (0.85, 196, 166), (0.29, 100, 29), (1.0, 7, 7)])
def test_keep_count_is_the_floor_despite_binary_fractions(keep, patches, expected):
    assert keep_count(keep, patches) == expected


@given(st.integers(1, 400), st.integers(1, 400))
def test_keep_count_of_a_whole_number_of_patches_is_that_number(kept, patches):
    if kept <= patches:
        assert keep_count(kept / patches, patches) == kept


@pytest.mark.parametrize("keep", [0.0, -0.1, 1.01, float("nan")])
def test_keep_outside_its_range_is_refused(keep):
    with pytest.raises(UserError, match="keep="):
        keep_count(keep, 100)


def test_patch_size_that_does_not_divide_says_which_would():
    with pytest.raises(UserError, match=r"patch_size=5 does not divide .* 24x18: .* \[1, 2, 3, 6\]"):
        patch_grid(24, 18, 5)


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 40), st.data())
def test_lowest_equals_a_stable_sort_even_where_scores_tie(rows, patches, data):
    count = data.draw(st.integers(0, patches))
    levels = data.draw(st.sampled_from([1, 2, 5, 1000]))
    scores = torch.from_numpy(np.random.default_rng(rows * patches).integers(0, levels, (rows, patches))).float()
    expected = torch.zeros(rows, patches, dtype=torch.bool)
    expected.scatter_(1, torch.sort(scores, stable=True).indices[:, :count], True)
    assert torch.equal(lowest(scores, count), expected)
    assert torch.equal(lowest_by_threshold(scores, count), expected)


def test_nan_counts_as_higher_than_all_numbers():
    nan = float("nan")
    scores = torch.tensor([[nan, 2.0, 1.0, nan], [nan, nan, nan, 5.0], [nan] * 4, [1.0, 1.0, nan, 1.0]])
    for count, expected in [(2, ["0110", "1001", "1100", "1100"]), (3, ["1110", "1101", "1110", "1101"])]:
        chosen = ["".join(str(int(each)) for each in row) for row in lowest(scores, count)]
        assert chosen == expected


def test_patches_are_views_in_reading_order():
    x = torch.arange(2 * 3 * 4 * 6).view(2, 3, 4, 6).float()
    patches = view_patches(x, 2)
    assert patches.shape == (2, 3, 2, 3, 2, 2)
    assert torch.equal(patches[1, 2, 1, 2], x[1, 2, 2:4, 4:6])
    assert patches.data_ptr() == x.data_ptr()
    assert sum_patches(patches)[0, 0, 0, 0] == x[0, 0, :2, :2].sum()


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_mask_patches_zeroes_whole_patches_only(memory_format):
    x = torch.ones(1, 2, 4, 4).contiguous(memory_format=memory_format)
    keep = torch.tensor([[[[1, 0], [1, 1]], [[0, 1], [1, 0]]]]).bool()
    masked = mask_patches(x, keep)
    assert torch.equal(masked, keep.float().repeat_interleave(2, 2).repeat_interleave(2, 3))
