"""Batch norm: the handout's example, both kinds of inputs, the share, and what is refused."""

import functools

import pytest
import torch
from torch import nn

from regbench.errors import UserError
from regbench.models import CNN5
from regbench.regularizers import BatchNorm, Dropout, SiteLayers

SHAPE = (1, 16, 16)


def test_the_handouts_example():
    """x = [1, 2, 3, 4]: mean 2.5, variance 1.25, normalised [-1.34, -0.45, 0.45, 1.34]."""
    layer = BatchNorm(1).train()
    x = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    torch.testing.assert_close(layer(x).flatten(), torch.tensor([-1.34, -0.45, 0.45, 1.34]), atol=0.005, rtol=0)
    torch.testing.assert_close(layer(x), (x - 2.5) / (1.25 + 1e-5) ** 0.5)


def test_scale_and_shift_are_learned_parameters():
    layer = BatchNorm(1).train()
    x = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    parameters = dict(layer.named_parameters())
    assert sorted(parameters) == ["norm.bias", "norm.weight"]
    with torch.no_grad():
        parameters["norm.weight"].fill_(2.0)
        parameters["norm.bias"].fill_(-1.0)
    torch.testing.assert_close(layer(x), 2 * (x - 2.5) / (1.25 + 1e-5) ** 0.5 - 1)


def test_maps_are_normalised_by_channel_over_batch_and_pixels():
    torch.manual_seed(0)
    x = 3 * torch.randn(6, 4, 5, 5) + torch.arange(4.0).view(1, 4, 1, 1)
    y = BatchNorm(4).train()(x)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var((0, 2, 3), unbiased=False), torch.ones(4), atol=1e-4, rtol=0)


def test_features_are_normalised_over_the_batch():
    torch.manual_seed(0)
    y = BatchNorm(3).train()(5 + 2 * torch.randn(50, 3))
    torch.testing.assert_close(y.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(0, unbiased=False), torch.ones(3), atol=1e-4, rtol=0)


def test_evaluation_uses_the_saved_statistics():
    """ "Training and testing (with saved stats)": a sample's output does not depend on its batch."""
    layer = BatchNorm(1, momentum=1.0).train()
    x = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    layer(x)
    layer.eval()
    saved = (x - 2.5) / (5 / 3 + 1e-5) ** 0.5  # torch keeps the unbiased variance
    torch.testing.assert_close(layer(x), saved)
    torch.testing.assert_close(layer(x[:1]), saved[:1])


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_share_mixes_the_input_in(share):
    x = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    expected = (1 - share) * x + share * (x - 2.5) / (1.25 + 1e-5) ** 0.5
    torch.testing.assert_close(BatchNorm(1, share=share).train()(x), expected)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.01, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(UserError, match=f"share={share} is not allowed: allowed is above 0, up to 1"):
        BatchNorm(1, share=share)


@pytest.mark.parametrize("shape", [(4,), (2, 4, 3), (2, 4, 3, 3, 3)])
def test_inputs_of_another_kind_are_refused(shape):
    with pytest.raises(UserError, match=r"allowed are \(N, C\) and \(N, C, H, W\)"):
        BatchNorm(4)(torch.ones(shape))


def test_placing_gives_each_site_its_channels_and_its_own_state():
    model = CNN5(SHAPE, 10)
    SiteLayers("all", functools.partial(BatchNorm, share=0.5)).attach(model, SHAPE)
    assert [site.norm.num_features for site in model.sites.values()] == [32, 64, 64, 128, 128]
    assert all(site.share == 0.5 for site in model.sites.values())
    assert "sites.conv1.norm.running_mean" in model.state_dict()
    assert model.train()(torch.randn(4, *SHAPE)).shape == (4, 10)


@pytest.mark.parametrize("names", [("norm", "drop"), ("drop", "norm")])
def test_two_layers_at_one_site_stand_in_the_order_of_placing(names):
    model = CNN5(SHAPE, 10)
    layers = {"norm": BatchNorm, "drop": functools.partial(Dropout, p=0.5)}
    for name in names:
        SiteLayers(["conv5"], layers[name]).attach(model, SHAPE)
    site = model.sites["conv5"]
    kinds = {"norm": BatchNorm, "drop": Dropout}
    assert isinstance(site, nn.Sequential) and [type(layer) for layer in site] == [kinds[name] for name in names]
    assert isinstance(model.sites["conv4"], nn.Identity)
    # a batch of ones: normalised first it is 0 however much is dropped, dropped first it is not
    out = site.train()(torch.ones(8, 128, 2, 2))
    assert (out.abs().max() < 1e-3) == (names == ("norm", "drop"))
