"""The control and the classic layers, and their placement in a model."""

import functools
import os

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from regbench.errors import UserError
from regbench.models import CNN5
from regbench.regularizers import (
    DropBlock2d,
    Dropout,
    PBEDropout2d,
    RandomPatch2d,
    Regularizer,
    SiteLayers,
    SpatialDropout2d,
)

SHAPE = (1, 16, 16)


def test_random_patches_keep_exactly_k_and_favour_none():
    torch.manual_seed(0)
    layer = RandomPatch2d(patch_size=2, keep=0.75).train()
    x = torch.ones(400, 4, 8, 8, requires_grad=True)
    layer(x).sum().backward()
    kept = x.grad[:, :, ::2, ::2].flatten(2)
    assert kept.sum(-1).eq(12).all()
    shares = kept.mean((0, 1))  # 1,600 draws of a share of 0.75: standard error 0.011
    assert (shares - 0.75).abs().max() < 0.05
    measured = layer.measurements()
    assert measured["masked"] == 0.25 and measured["removed_mass"] == pytest.approx(0.25)
    assert layer.measurements() == {}


def test_random_patches_do_nothing_in_evaluation():
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(RandomPatch2d().eval()(x), x)


@pytest.mark.parametrize("layer", [Dropout, SpatialDropout2d, DropBlock2d])
def test_classic_layers_drop_their_share_rescale_and_rest_in_evaluation(layer):
    torch.manual_seed(0)
    x = torch.ones(64, 32, 20, 20)
    dropped = layer(p=0.3).train()(x)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.05)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(layer(p=0.3).eval()(x), x)


@pytest.mark.parametrize("layer", [Dropout, SpatialDropout2d, DropBlock2d])
@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_classic_layers_refuse_a_rate_that_is_none(layer, rate):
    with pytest.raises(UserError, match="p="):
        layer(p=rate)


INPUTS = [(Dropout, (7, 20)), (Dropout, (5, 3, 8, 6)), (SpatialDropout2d, (5, 3, 8, 6))]


@pytest.mark.parametrize("layer,shape", INPUTS)
def test_drawn_noise_is_what_the_layer_itself_would_draw(layer, shape):
    memory = torch.channels_last if len(shape) == 4 else torch.contiguous_format  # as maps lie in training
    dropout = layer(p=0.3).train()
    torch.manual_seed(3)
    expected = dropout(torch.ones(shape).contiguous(memory_format=memory))
    after = torch.rand(1)
    generator = torch.Generator().manual_seed(3)
    noise = dropout.draw(shape, generator)
    assert torch.equal(noise.expand(shape), expected) and noise.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert torch.equal(torch.rand(1, generator=generator), after)  # as many numbers were drawn


@pytest.mark.parametrize("layer,shape", INPUTS)
def test_noise_that_was_given_is_applied_in_training_only_and_none_is_drawn(layer, shape):
    dropout = layer(p=0.3).train()
    x = torch.rand(shape)
    dropout.noise = dropout.draw(shape, torch.Generator().manual_seed(3))
    state = torch.get_rng_state()
    assert torch.equal(dropout(x), x * dropout.noise)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(dropout.eval()(x), x)


@pytest.mark.parametrize("layer", [Dropout, SpatialDropout2d])
def test_noise_is_no_state(layer):
    dropout = layer(p=0.3)
    dropout.noise = dropout.draw((2, 3, 4, 4), None)
    assert dropout.state_dict() == {}
    model = CNN5(SHAPE, 10)
    before = list(model.state_dict())
    SiteLayers(["conv1"], layer).attach(model, SHAPE)
    assert list(model.state_dict()) == before


def test_placing_gives_layers_what_their_signature_asks_for():
    model = CNN5(SHAPE, 10)
    regularizer = SiteLayers(["conv1"], PBEDropout2d)
    regularizer.attach(model, SHAPE)
    assert model.sites["conv1"].ema.shape == (32, 36)
    assert regularizer.modes == ("full", "mask")
    third_party = SiteLayers(["conv2", "conv4"], functools.partial(nn.Dropout, p=0.2))
    third_party.attach(model, SHAPE)
    assert isinstance(model.sites["conv4"], nn.Dropout) and third_party.modes == ("full",)


def test_measurements_and_masks_are_named_by_site():
    model = CNN5(SHAPE, 10)
    regularizer = SiteLayers(["conv1"], PBEDropout2d)
    regularizer.attach(model, SHAPE)
    model.train()(torch.randn(4, *SHAPE))
    assert regularizer.measurements()["conv1/masked"] == pytest.approx(6 / 36)
    assert regularizer.artifacts()["conv1/ema"].shape == (32, 6, 6)
    regularizer.set_mode("mask")
    assert model.sites["conv1"].mode == "mask"


def test_the_baseline_has_one_mode_and_no_penalty():
    baseline = Regularizer()
    baseline.set_mode("full")
    assert baseline.penalty(nn.Linear(1, 1)) is None
    with pytest.raises(UserError, match="mode=mask is not allowed"):
        baseline.set_mode("mask")


def test_placements_that_match_nothing_are_refused():
    with pytest.raises(UserError, match=r"placement=conv9 is not a site .* conv1, conv2"):
        SiteLayers(["conv9"], Dropout).attach(CNN5(SHAPE, 10), SHAPE)
    with pytest.raises(UserError, match=r"placement=\[\]"):
        SiteLayers([], Dropout)
    with pytest.raises(UserError, match="patch_size=5 does not divide the feature map of 12x12"):
        SiteLayers(["conv1"], functools.partial(RandomPatch2d, patch_size=5)).attach(CNN5(SHAPE, 10), SHAPE)


@pytest.fixture
def one_process_group(tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/store-{os.getpid()}", rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


def test_distributed_data_parallel_keeps_its_hold_on_the_buffers(one_process_group):
    layer = PBEDropout2d(3, map_size=(8, 8))
    model = DistributedDataParallel(nn.Sequential(nn.Conv2d(1, 3, 1), layer))
    for _ in range(2):
        model(torch.rand(2, 1, 8, 8)).sum().backward()
    assert layer.ema.shape == (3, 16) and layer.steps == 2
    assert any(buffer is layer.ema for buffer in model.module.buffers())
