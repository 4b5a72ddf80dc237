"""Several regularizers at once, the handout's dropout example, and what may not be combined."""

import functools

import pytest
import torch
from torch import nn

from regbench.data import load_splits
from regbench.data.sources import digits
from regbench.errors import UserError
from regbench.models import CNN5, DCGAN, SNGAN, WGANGP, Autoencoder, CNNBlocks
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.regularizers import (
    BatchNorm,
    Combined,
    Dropout,
    NormPenalty,
    PBEDropout2d,
    RandomPatch2d,
    Regularizer,
    SiteLayers,
)
from regbench.rows.store import Store
from regbench.train import train
from regbench.training.build import build, make_schedule
from regbench.training.stacked import why_not
from tests.test_train import config

SHAPE = (1, 16, 16)
GAN = {"widths": [4, 6], "latent": 5}
MODELS = {
    "cnn5": CNN5,
    "cnn_blocks": CNNBlocks,
    "autoencoder": Autoencoder,
    "dcgan": functools.partial(DCGAN, **GAN),
    "wgan_gp": functools.partial(WGANGP, **GAN),
    "sngan": functools.partial(SNGAN, **GAN),
}


def both(rate=0.5, placement="all"):
    return Combined([SiteLayers("all", BatchNorm), SiteLayers(placement, functools.partial(Dropout, p=rate))])


def test_the_handouts_dropout_example():
    """a = [0.8, 0.5, 0.3, 0.9], keep probability 0.5, m = [1, 0, 1, 0]: a~ = [1.6, 0, 0.6, 0]."""
    keep = 0.5
    layer = Dropout(p=1 - keep).train()
    a = torch.tensor([0.8, 0.5, 0.3, 0.9])
    mask = torch.tensor([1.0, 0.0, 1.0, 0.0])
    layer.noise = mask / keep
    torch.testing.assert_close(layer(a), torch.tensor([1.6, 0.0, 0.6, 0.0]))
    # what the layer draws for itself is such a mask over p, by activation
    drawn = layer.draw((1000,), torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == {0.0, 1 / keep}


@pytest.mark.parametrize("keep", [0.5, 0.8])
def test_the_handouts_expectation(keep):
    """E[a~] = a: the mean over 20,000 masks, whose standard error is a sqrt((1 - p) / p / 20,000)."""
    torch.manual_seed(0)
    a = torch.tensor([0.8, 0.5, 0.3, 0.9])
    drawn = Dropout(p=1 - keep).train()(a.expand(20_000, 4))
    assert (drawn.mean(0) - a).abs().max() < 4 * a.max() * ((1 - keep) / keep / 20_000) ** 0.5
    assert (drawn == 0).float().mean() == pytest.approx(1 - keep, abs=0.01)


def test_parts_are_attached_in_their_order():
    model = CNN5(SHAPE, 10)
    both(placement=["conv5"]).attach(model, SHAPE)
    assert [type(layer) for layer in model.sites["conv5"]] == [BatchNorm, Dropout]
    assert isinstance(model.sites["conv1"], BatchNorm)
    model = CNN5(SHAPE, 10)
    Combined(both(placement=["conv5"]).parts[::-1]).attach(model, SHAPE)
    assert [type(layer) for layer in model.sites["conv5"]] == [Dropout, BatchNorm]


def test_the_shipped_config_is_the_handouts():
    (member,) = members(load_config(["regularizer=dropout_batchnorm", "seeds=[0]"]))
    splits = load_splits(digits(), 64, 16, 0, torch.device("cpu"))
    training = build(member, splits, torch.device("cpu"))
    norm, drop = training.model.sites["conv5"]
    assert isinstance(norm, BatchNorm) and norm.share == 1.0 and drop.p == 0.5
    schedule = make_schedule(member, training.model)
    assert why_not(training, schedule) == "the model has state beside its parameters"  # its members train one by one


@pytest.mark.parametrize("name", MODELS)
def test_it_composes_with_every_model(name):
    model = MODELS[name](SHAPE, 10)
    plain = set(model.state_dict())
    regularizer = both()
    regularizer.attach(model, SHAPE)
    assert all([type(layer) for layer in site] == [BatchNorm, Dropout] for site in model.sites.values())
    assert regularizer.modes == ("full",)
    x = torch.rand(6, *SHAPE)
    out = model.train()(x)
    out.sum().backward()
    scales = [site[0].norm.weight for site in model.sites.values()]
    assert len(out) == 6 and out.isfinite().all() and all(scale.grad is not None for scale in scales)
    added = set(model.state_dict()) - plain
    assert len(added) == 5 * len(model.sites) and all(name.startswith("sites.") for name in added)


def test_penalties_add_up_and_none_is_none():
    model = nn.Sequential(nn.Linear(2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, -4.0]]))
    regularizer = Combined([NormPenalty(0.1, 1), Regularizer(), NormPenalty(0.01, 2)])
    regularizer.attach(model, (1, 1, 2))
    assert regularizer.penalty(model).item() == pytest.approx(0.1 * 7 + 0.01 * 25)
    assert Combined([Regularizer(), Regularizer()]).penalty(model) is None
    assert not regularizer.has_no_gradient({})


def test_measurements_of_one_name_get_their_parts_number():
    model = nn.Sequential(nn.Linear(2, 1))
    regularizer = Combined([NormPenalty(0.1, 1), NormPenalty(0.01, 2)])
    regularizer.attach(model, (1, 1, 2))
    found = regularizer.penalty_measurements(model)
    assert {name.split("/")[0] for name in found} == {"part1", "part2"}
    assert found["part1/penalty"] + found["part2/penalty"] == pytest.approx(regularizer.penalty(model).item())
    single = Combined([NormPenalty(0.1, 1), Regularizer()])
    single.attach(model, (1, 1, 2))
    assert "penalty" in single.penalty_measurements(model)


def test_modes_measurements_and_masks_are_those_of_the_part_that_has_them():
    model = CNN5(SHAPE, 10)
    regularizer = Combined([SiteLayers("all", BatchNorm), SiteLayers(["conv1"], PBEDropout2d)])
    regularizer.attach(model, SHAPE)
    assert regularizer.modes == ("full", "mask")
    model.train()(torch.randn(4, *SHAPE))
    assert regularizer.measurements()["conv1/masked"] == pytest.approx(6 / 36)
    assert regularizer.artifacts()["conv1/ema"].shape == (32, 6, 6)
    regularizer.set_mode("mask")
    assert model.sites["conv1"][1].mode == "mask"
    regularizer.set_mode("full")
    assert model.sites["conv1"][1].mode == "full"
    with pytest.raises(UserError, match="mode=other is not allowed"):
        regularizer.set_mode("other")


def test_every_part_may_learn_from_a_step():
    seen = []

    class Learner(Regularizer):
        def adapt(self, losses):
            seen.append((self, losses()))

        def traced(self):
            return {"rate": torch.tensor(0.5)}

    parts = [Learner(), Learner()]
    combined = Combined(parts)
    combined.adapt(lambda: {"loss": 1.0})
    assert seen == [(part, {"loss": 1.0}) for part in parts]
    assert set(combined.traced()) == {"part1/rate", "part2/rate"}


def test_what_cannot_be_combined_is_refused():
    with pytest.raises(UserError, match=r"regularizer\.method\.parts has 1 entries: allowed are two or more"):
        Combined([Regularizer()])
    two = Combined([SiteLayers([site], PBEDropout2d) for site in ("conv1", "conv2")])
    with pytest.raises(UserError, match="two of them have evaluation modes of their own; allowed is one"):
        two.attach(CNN5(SHAPE, 10), SHAPE)
    wrong = Combined([SiteLayers("all", BatchNorm), SiteLayers(["conv9"], Dropout)])
    with pytest.raises(UserError, match="placement=conv9 is not a site"):
        wrong.attach(CNN5(SHAPE, 10), SHAPE)


def test_patches_measured_by_two_parts_keep_both():
    model = CNN5(SHAPE, 10)
    parts = [SiteLayers(["conv1"], functools.partial(RandomPatch2d, keep=keep)) for keep in (0.75, 0.5)]
    regularizer = Combined(parts)
    regularizer.attach(model, SHAPE)
    model.train()(torch.rand(4, *SHAPE))
    found = regularizer.measurements()
    assert found["part1/conv1/masked"] == 0.25 and found["part2/conv1/masked"] == 0.5


def test_a_training_with_both_writes_its_row(tmp_path):
    train(config(tmp_path, "regularizer=dropout_batchnorm", "budget.epochs=2"))
    (row,) = Store(tmp_path / "results").rows()
    assert row["status"] == "done" and len(row["epochs"]) == 2
    assert row["epochs"][-1]["test"].keys() == {"full"}
