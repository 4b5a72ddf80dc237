"""The loop: what an evaluation says of which split, and what a step moves besides the weights."""

import math

import pytest
import torch
from torch import nn

import regbench.training.loop as loop
from regbench.data import Batches, Splits
from regbench.training import fit
from tests.training.worlds import SMALL, begun

ADAPTIVE = "{_target_: regbench.regularizers.AdaptiveDropoutLayers, placement: [conv5], beta: 0.01, "
ADAPTIVE += "rate: '${regularizer.strength}'}"
BATCH_NORM = "{_target_: regbench.regularizers.BatchNorm, _partial_: true}"
NORMALISED = f"{{_target_: regbench.regularizers.SiteLayers, placement: [conv1], layer: {BATCH_NORM}}}"
BOTH = [*SMALL, "regularizer=dropout_batchnorm", f"regularizer.method.parts=[{NORMALISED},{ADAPTIVE}]"]


def labelled(*labels):
    """Random images with these labels."""
    images = torch.randint(0, 256, (len(labels), 16, 16, 1), dtype=torch.uint8)
    return Batches(images, torch.tensor(labels), torch.full((1,), 127.0), torch.full((1,), 60.0))


def test_each_splits_numbers_are_those_of_its_own_images():
    """A network that gives the three classes 50, 30 and 20 % whatever it sees, and learns nothing."""
    splits = Splits(labelled(1, 1, 1, 1, 1), labelled(0, 0, 1), labelled(2, 2, 2, 0), 3)
    training, _, schedule = begun(5, [*SMALL, "budget.epochs=1", "task.optimizer.lr=1e-30"], splits)
    with torch.no_grad():
        training.model.head.weight.zero_()
        training.model.head.bias.copy_(torch.tensor([0.5, 0.3, 0.2]).log())
    (record,) = fit(training, splits, schedule)
    expected = {
        "train": {"loss": -math.log(0.3), "accuracy": 0},
        "heldout": {"loss": -(2 * math.log(0.5) + math.log(0.3)) / 3, "accuracy": 2 / 3},
        "test": {"loss": -(3 * math.log(0.2) + math.log(0.5)) / 4, "accuracy": 1 / 4},
    }
    found = {"train": record["train"], "heldout": record["heldout"]["full"], "test": record["test"]["full"]}
    for split, values in expected.items():
        assert found[split] == pytest.approx(values, rel=1e-6), split


def test_running_statistics_are_of_one_pass_a_step_though_a_rate_learns_from_another():
    training, data, schedule = begun(40, BOTH)
    (norm,) = (module for module in training.model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    means = []
    norm.register_forward_pre_hook(lambda module, inputs: means.append(inputs[0].detach().mean(dim=(0, 2, 3))))
    training.train_epoch(data.train, schedule, 1, lambda: None)
    assert len(means) == 4  # two steps: its own pass, then that of the rate
    expected = torch.zeros(4)
    for mean in means[::2]:
        expected = 0.9 * expected + 0.1 * mean
    torch.testing.assert_close(norm.running_mean, expected, rtol=1e-5, atol=1e-6)
    assert norm.momentum == 0.1 and training.regularizer.measurements()["rate"] != 0.5


def test_a_step_without_a_share_of_the_images_teaches_a_rate_nothing(monkeypatch):
    """A process that took the first image at weight 0: a pass over it would be for nothing."""
    training, data, schedule = begun(97, [*SMALL, "regularizer=adaptive_dropout"])
    real, adapted = loop.add_gradients, []

    def shared(training, data, schedule, batch, sums):
        inputs, targets, _ = real(training, data, schedule, batch, sums)
        return inputs, targets, 0.0 if len(batch.index) == 1 else 0.5

    monkeypatch.setattr(loop, "add_gradients", shared)
    monkeypatch.setattr(training.regularizer, "adapt", lambda losses: adapted.append(losses()["loss"].item()))
    training.train_epoch(data.train, schedule, 1, lambda: None)
    assert len(adapted) == 3  # of four steps, the last of which has one image
