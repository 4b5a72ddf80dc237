"""Splits and batches on the device."""

import numpy as np
import pytest
import torch

import regbench.data.batches as batches_module
from regbench.data import Batches
from regbench.data.batches import channel_statistics, load_splits, split_indices
from regbench.data.prepared import Prepared, read_prepared, write_prepared
from regbench.errors import UserError
from tests.data.test_prepared import tiny

CPU = torch.device("cpu")


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
    batches = Batches(images, torch.zeros(8, dtype=torch.int64), *channel_statistics(images))
    for batch in (batches.take(slice(0, 4)), batches.unit(slice(0, 4))):
        assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch.min() >= 0 and batch.max() <= 1


@pytest.fixture(params=["labels", "masks"])
def both(request, tmp_path, monkeypatch):
    """The splits of one prepared folder, read from the disk batch by batch, and resident."""
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 45), ("test", 11)):
        arrays[f"{split}_images"] = random.integers(0, 256, (count, 8, 10, 3), dtype=np.uint8)
        labels, masks = random.integers(0, 10, count), random.integers(0, 2, (count, 8, 10), dtype=np.uint8)
        arrays[f"{split}_{request.param}"] = labels if request.param == "labels" else masks
    task = "classification" if request.param == "labels" else "segmentation"
    write_prepared(Prepared("made", task, list("abcdefghij"), "made by a test", arrays), tmp_path / "made")
    prepared = read_prepared(tmp_path / "made")
    resident = load_splits(prepared, 30, 9, 0, CPU)
    size = sum(array.nbytes for array in arrays.values())
    monkeypatch.setattr(batches_module, "RESIDENT", {"cpu": size - 1})
    mapped = load_splits(prepared, 30, 9, 0, CPU)
    monkeypatch.setattr(batches_module, "RESIDENT", {"cpu": size})
    assert load_splits(prepared, 30, 9, 0, CPU).train.chosen is None  # a set of just that size is resident
    return mapped, resident


INDICES = [slice(0, 4), slice(7, 9), slice(5, None), slice(None), torch.tensor([8, 0, 3, 3]), torch.tensor([2])]


@pytest.mark.parametrize("split", ["train", "heldout", "test"])
def test_where_a_set_stays_it_has_the_same_batches_bit_for_bit(both, split):
    mapped, resident = (getattr(each, split) for each in both)
    assert mapped.chosen is not None and resident.chosen is None
    assert len(mapped) == len(resident) == {"train": 30, "heldout": 9, "test": 11}[split]
    assert mapped.input_shape == resident.input_shape == (3, 8, 10) and mapped.device == resident.device == CPU
    assert torch.equal(mapped.mean, resident.mean) and torch.equal(mapped.std, resident.std)
    assert mapped.targets.dim() == resident.targets.dim()
    for index in INDICES:
        for read in ("take", "unit", "target"):
            ours, theirs = (getattr(each, read)(index) for each in (mapped, resident))
            assert torch.equal(ours, theirs) and ours.dtype == theirs.dtype and ours.stride() == theirs.stride()


@pytest.mark.parametrize("split", ["train", "heldout", "test"])
def test_the_first_images_of_a_split_are_a_split(both, split):
    for each in both:
        whole = getattr(each, split)
        few = whole.first(5)
        assert len(few) == 5 and len(whole.first(1000)) == len(whole)
        assert torch.equal(few.take(slice(None)), whole.take(slice(0, 5)))
        assert torch.equal(few.target(torch.tensor([4, 0])), whole.target(torch.tensor([4, 0])))


def test_a_mapped_set_is_not_copied(both):
    """Its images are those of the file: all of them, and of one memory for training and held-out images."""
    mapped, resident = both
    assert mapped.train.images.data_ptr() == mapped.heldout.images.data_ptr() and len(mapped.train.images) == 45
    assert resident.train.images.data_ptr() != resident.heldout.images.data_ptr() and len(resident.train.images) == 30


def test_reading_changes_nothing_in_a_set(both):
    for each in both:
        before = each.test.images.clone()
        each.test.take(slice(0, 5)), each.test.unit(torch.arange(3))
        assert torch.equal(each.test.images, before)


def test_statistics_of_chosen_images_are_those_of_their_copy_in_blocks_of_any_size(monkeypatch):
    images = torch.randint(0, 256, (50, 4, 4, 3), dtype=torch.uint8)
    chosen = torch.randperm(50)[:37]
    for block in (1, 10, 37, 512):
        monkeypatch.setattr(batches_module, "BLOCK", block)
        for ours, theirs in zip(channel_statistics(images, chosen), channel_statistics(images[chosen]), strict=True):
            assert torch.equal(ours, theirs)


def test_statistics_are_of_the_training_images_alone():
    dataset = tiny()
    splits = load_splits(dataset, 20, 10, 0, CPU)
    chosen, _ = split_indices(36, 20, 10, seed=0)
    pixels = dataset.arrays["train_images"][chosen].astype(np.float64)
    assert splits.train.mean.item() == pytest.approx(pixels.mean(), rel=1e-6)
    assert splits.test.std.item() == splits.heldout.std.item() == pytest.approx(pixels.std(), rel=1e-6)
