"""Splits and batches on the device."""

import numpy as np
import pytest
import torch

from regbench.data.batches import channel_statistics, load_splits, split_indices
from regbench.errors import UserError
from tests.data.test_prepared import tiny


def test_heldout_and_training_images_are_disjoint_and_depend_on_the_split_seed_alone():
    train, heldout = split_indices(100, 60, 20, seed=3)
    assert len(train) == 60 and len(heldout) == 20 and not set(train) & set(heldout)
    again, _ = split_indices(100, 60, 20, seed=3)
    other, _ = split_indices(100, 60, 20, seed=4)
    np.testing.assert_array_equal(train, again)
    assert not np.array_equal(train, other)


@pytest.mark.parametrize("train,heldout,words", [(0, 5, "train_images=0"), (5, 0, "heldout_images=0"), (90, 11, "100")])
def test_sizes_that_cannot_be_are_refused(train, heldout, words):
    with pytest.raises(UserError, match=words):
        split_indices(100, train, heldout, seed=0)


def test_statistics_equal_numpys():
    images = torch.randint(0, 256, (40, 5, 6, 3), dtype=torch.uint8)
    mean, std = channel_statistics(images)
    pixels = images.numpy().reshape(-1, 3).astype(np.float64)
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-6)
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-6)


def test_batches_are_normalised_channels_last_and_aligned_with_their_labels():
    dataset = tiny()
    splits = load_splits(dataset, train=20, heldout=10, split_seed=0, device=torch.device("cpu"))
    images, targets = splits.train.take(torch.arange(20)), splits.train.targets
    assert images.shape == (20, 1, 16, 16) and images.dtype == torch.float32
    assert abs(images.mean().item()) < 1e-3 and abs(images.std().item() - 1) < 1e-2
    chosen, _ = split_indices(36, 20, 10, seed=0)
    np.testing.assert_array_equal(targets, dataset.arrays["train_labels"][chosen])
    raw = images[3, 0] * splits.train.std + splits.train.mean
    np.testing.assert_allclose(raw, dataset.arrays["train_images"][chosen[3], :, :, 0], atol=1e-3)


def test_a_colour_batch_lies_in_channels_last_memory():
    images = torch.randint(0, 256, (8, 6, 6, 3), dtype=torch.uint8)
    from regbench.data import Batches

    batches = Batches(images, torch.zeros(8, dtype=torch.int64), *channel_statistics(images))
    for batch in (batches.take(slice(0, 4)), batches.unit(slice(0, 4))):
        assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch.min() >= 0 and batch.max() <= 1
