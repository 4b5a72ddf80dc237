"""Segmentation: loss, accuracy and IoU by hand, which datasets and networks fit, and the pictures that are kept."""

import numpy as np
import pytest
import torch
from torch import nn

from regbench.data import Batches, load_splits
from regbench.data.prepared import Prepared
from regbench.errors import UserError
from regbench.rows.store import Store
from regbench.train import train
from regbench.training import Segment
from regbench.training.segment import LARGE_BATCH
from tests.test_train import config, metrics
from tests.training.worlds import begun, pictures, prepared_pictures

NAMES = {"task": "segment", "model": "unet", "dataset": "made"}
UNET = ["model=unet", "model.widths=[2,2,2,2,2]", "task=segment", "budget=smoke"]


class Shown(nn.Module):
    """A network that puts out the image's first channel, scaled to [0, 1]."""

    def forward(self, x):
        return x[:, :1]


def split(images, masks):
    """A split whose standardised images are the given ones, in [0, 1], at 255 levels."""
    pixels = torch.tensor(images, dtype=torch.float64).mul(255).round().to(torch.uint8)[..., None]
    return Batches(pixels, torch.tensor(masks, dtype=torch.uint8), torch.zeros(1), torch.full((1,), 255.0))


#: 0.4, 0.6, 0.8 and 0.2 of 255 levels are whole numbers
TWO = [[[1.0, 0.4], [0.6, 0.0]], [[0.8, 0.2], [0.0, 0.0]]]
MASKS = [[[1, 1], [0, 0]], [[1, 0], [0, 0]]]


def test_the_loss_is_the_mean_squared_error_over_all_pixels():
    loss = Segment().loss(torch.tensor(TWO)[:, None], torch.tensor(MASKS, dtype=torch.uint8))
    assert loss.item() == pytest.approx((0.6**2 + 0.6**2 + 0.2**2 + 0.2**2) / 8)
    assert loss.dtype == torch.float32


def test_counted_is_the_share_of_right_pixels_summed_over_images():
    counted = Segment().counted(torch.tensor(TWO)[:, None], torch.tensor(MASKS, dtype=torch.uint8))
    assert counted["accuracy"].item() == 2 / 4 + 4 / 4


def test_metrics_over_a_split_are_those_by_hand():
    """Predicted above 0.5: two of the first image, one of the second; of three foreground pixels two are hit."""
    found = Segment().measure(Shown(), split(TWO, MASKS))
    assert found == {
        "loss": pytest.approx((0.6**2 + 0.6**2 + 0.2**2 + 0.2**2) / 8, rel=1e-6),
        "accuracy": pytest.approx(6 / 8),
        "iou": pytest.approx(2 / 4),
    }


@pytest.mark.parametrize("count", [LARGE_BATCH - 1, LARGE_BATCH, LARGE_BATCH + 1, 3 * LARGE_BATCH + 5])
def test_metrics_over_several_batches_are_over_all_pixels_at_once(count):
    """The IoU of a split is no mean over batches or images, and a last batch of fewer images weighs less."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, 8, 8)) / 255
    masks = (random.random((count, 8, 8)) < np.linspace(0.02, 0.9, count)[:, None, None]).astype(np.uint8)
    found = Segment().measure(Shown(), split(images, masks))
    predicted = images > 0.5
    assert found["accuracy"] == pytest.approx((predicted == masks).mean(), rel=1e-6)
    assert found["iou"] == pytest.approx((predicted & (masks == 1)).sum() / (predicted | (masks == 1)).sum(), rel=1e-6)
    assert found["loss"] == pytest.approx(((images - masks) ** 2).mean(), rel=1e-6)


def test_no_foreground_anywhere_is_a_number():
    found = Segment().measure(Shown(), split(np.zeros((2, 4, 4)), np.zeros((2, 4, 4))))
    assert found == {"loss": 0.0, "accuracy": 1.0, "iou": 0.0}


@pytest.mark.parametrize("value,right", [(0.5, 0), (0.50001, 1)])
def test_half_is_background_in_training_and_evaluation(value, right):
    """A dead network puts out 0.5 everywhere: its accuracy must not depend on who counts."""

    class Constant(nn.Module):
        def forward(self, x):
            return torch.full_like(x[:, :1], value)

    ones = split(np.zeros((2, 4, 4)), np.ones((2, 4, 4)))
    task = Segment()
    inputs, targets = task.batch(ones, slice(0, 2))
    assert task.counted(Constant()(inputs), targets)["accuracy"].item() / 2 == right
    assert task.measure(Constant(), ones)["accuracy"] == right


def test_a_network_that_knows_the_answer_has_all_of_it():
    masks = np.random.default_rng(0).integers(0, 2, (20, 8, 8))
    assert Segment().measure(Shown(), split(masks, masks)) == {"loss": 0.0, "accuracy": 1.0, "iou": 1.0}


def test_a_dataset_with_labels_is_none_of_this_task():
    training, _, _ = begun(37, UNET, pictures())
    images = torch.zeros(4, 16, 16, 3, dtype=torch.uint8)
    labelled = Batches(images, torch.zeros(4, dtype=torch.int64), torch.zeros(3), torch.ones(3))
    with pytest.raises(UserError, match=r"task=segment does not fit dataset=made, which has labels: .* with masks"):
        Segment().check(training.model, labelled, NAMES)


def test_a_dataset_with_masks_is_none_of_classification(tmp_path, monkeypatch):
    monkeypatch.setattr("regbench.training.inputs.load_prepared", lambda *args: prepared_pictures())
    words = "task=classify does not fit dataset=digits, which has masks: allowed are datasets with labels"
    with pytest.raises(UserError, match=words):
        train(config(tmp_path, "model=cnn5", "budget.train_images=37", "budget.heldout_images=11"))


def test_a_network_without_a_mask_is_none_of_this_task():
    with pytest.raises(UserError, match=r"which makes \(2, 1, 15, 16\) of \(2, 3, 16, 16\): .* \(N, 1, H, W\)"):
        Segment().check(nn.Conv2d(3, 1, (2, 1)), pictures().train, NAMES)
    with pytest.raises(UserError, match=r"which makes \(2, 2, 16, 16\)"):
        Segment().check(nn.Conv2d(3, 2, 1), pictures().train, NAMES)


def test_kept_pictures_are_the_first_test_images_probabilities_and_masks():
    data = pictures()
    found = Segment().artifacts(Shown(), data)
    assert set(found) == {"test/predicted", "test/mask"}
    assert found["test/mask"].shape == (6, 16, 16)
    assert torch.equal(found["test/mask"], data.test.targets[:6].float())
    torch.testing.assert_close(found["test/predicted"], data.test.take(slice(0, 6))[:, 0])


def test_kept_pictures_of_large_images_are_64_pixels_wide():
    random = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", 4), ("test", 3)):
        arrays[f"{part}_images"] = random.integers(0, 256, (count, 128, 128, 1), dtype=np.uint8)
        arrays[f"{part}_masks"] = random.integers(0, 2, (count, 128, 128), dtype=np.uint8)
    prepared = Prepared("made", "segmentation", ["no", "yes"], "made by a test", arrays)
    data = load_splits(prepared, 3, 1, 0, torch.device("cpu"))
    mask = Segment().artifacts(Shown(), data)["test/mask"]
    assert mask.shape == (3, 64, 64)
    blocks = torch.from_numpy(arrays["test_masks"]).float().unflatten(2, (64, 2)).unflatten(1, (64, 2))
    torch.testing.assert_close(mask, blocks.mean((2, 4)))


def test_a_training_writes_its_metrics_and_pictures_and_learns(tmp_path, monkeypatch):
    monkeypatch.setattr("regbench.training.inputs.load_prepared", lambda *args: prepared_pictures())
    words = [*UNET, "model.widths=[4,4,4,4,4]", "task.batch_size=8", "task.optimizer.lr=0.03", "budget.epochs=4"]
    words += ["regularizer=entropy", "regularizer.method.placement=up", "strengths=[0.0001]"]
    words += ["budget.train_images=37", "budget.heldout_images=11"]
    train(config(tmp_path, *words))
    row = Store(tmp_path / "results").rows()[0]
    assert row["provenance"]["data"]["source"] == "made by a test"
    assert set(row["epochs"][0]["test"]["full"]) == {"loss", "accuracy", "iou"}
    assert set(row["epochs"][0]["train"]) == {"loss", "accuracy"}
    assert {name: each["shape"][0] for name, each in row["artifacts"].items()} == {"test/predicted": 6, "test/mask": 6}
    losses = [each["train"]["loss"] for each in metrics(row)]
    assert losses[-1] < losses[0]
