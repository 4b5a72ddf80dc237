"""A layer behind any module of any network."""

import copy
import functools
import io

import pytest
import torch
import torchvision
from torch import nn

from regbench.errors import UserError
from regbench.regularizers import Dropout, PBEDropout2d, RandomPatch2d, SiteLayers, place_behind

SHAPE = (3, 64, 64)


@pytest.fixture
def resnet():
    torch.manual_seed(0)
    return torchvision.models.resnet18(num_classes=5)


def test_it_says_what_it_did_and_the_networks_own_state_stays(resnet):
    before = {name: value.clone() for name, value in resnet.state_dict().items()}
    modes = [module.training for module in resnet.modules()]
    placed = place_behind(resnet, "layer1.0.relu", PBEDropout2d, SHAPE)
    assert [module.training for module in resnet.modules()][: len(modes)].count(False) == modes.count(False)
    assert placed.shape == (64, 16, 16) and placed.calls == 2 and placed.layer.map_size == (16, 16)
    assert str(placed).endswith("behind layer1.0.relu: (64, 16, 16) of each sample, 2 times a forward")
    after = resnet.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert set(after) - set(before) == {"layer1.0.relu.behind0.ema"}
    resnet.load_state_dict(before)  # pretrained weights, strictly


def test_what_the_module_returns_goes_through_the_layer(resnet):
    seen = []
    placed = place_behind(resnet, "layer2.0.conv1", functools.partial(RandomPatch2d, keep=0.5), SHAPE)
    resnet.layer2[0].bn1.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    resnet.train()(torch.randn(2, *SHAPE))
    assert placed.layer.measurements()["masked"] == 0.5
    assert 0.45 < (seen[0] == 0).float().mean() < 0.55


def test_copies_and_pickles_call_their_own_layer(resnet):
    placed = place_behind(resnet, "layer1.0.relu", RandomPatch2d, SHAPE)
    file = io.BytesIO()
    torch.save(resnet, file)
    file.seek(0)
    for other in (copy.deepcopy(resnet), torch.load(file, weights_only=False)):
        other.train()(torch.randn(2, *SHAPE))
        assert other.layer1[0].relu.behind0.measurements()["masked"] > 0
    assert placed.layer.measurements() == {}


def test_several_layers_stand_in_their_order_and_a_sequential_takes_them_itself(resnet):
    class Plus(nn.Module):
        def forward(self, x):
            return x + 1

    class Times(nn.Module):
        def forward(self, x):
            return x * 2

    network = nn.Sequential(nn.Identity(), nn.Sequential(nn.Identity()))
    for name in ("0", "1"):
        place_behind(network, name, Plus, (1,))
        place_behind(network, name, Times, (1,))
    assert network(torch.zeros(1, 1)).item() == 6  # (((0 + 1) * 2) + 1) * 2
    place_behind(resnet, "layer4", functools.partial(Dropout, p=0.5), SHAPE)
    assert isinstance(resnet.layer4[-1], Dropout)
    assert place_behind(resnet, "fc", Dropout, SHAPE).shape == (5,)


def test_precision_and_mode_are_the_networks(resnet):
    resnet.to(torch.float64).eval()
    placed = place_behind(resnet, "relu", PBEDropout2d, SHAPE)
    assert not placed.layer.training and placed.layer.ema.dtype == torch.float32
    assert resnet.train()(torch.randn(2, *SHAPE, dtype=torch.float64)).dtype == torch.float64


def test_site_layers_stand_behind_modules_of_a_network_without_sites(resnet):
    regularizer = SiteLayers(["relu", "layer1.0.relu"], PBEDropout2d)
    regularizer.attach(resnet, SHAPE)
    resnet.train()(torch.randn(2, *SHAPE))
    assert {name.partition("/")[0] for name in regularizer.measurements()} == {"relu", "layer1.0.relu"}
    assert regularizer.modes == ("full", "mask")
    assert regularizer.artifacts()["relu/mask"].shape == (64, 16, 16)


def test_the_placed_network_exports_and_gives_its_features(resnet):
    from torchvision.models.feature_extraction import create_feature_extractor

    place_behind(resnet, "layer1.0.relu", PBEDropout2d, SHAPE)
    resnet.eval()
    x = torch.randn(2, *SHAPE)
    features = create_feature_extractor(resnet, ["layer1", "fc"])(x)
    torch.testing.assert_close(features["fc"], resnet(x))
    exported = torch.export.export(resnet, (x,))
    torch.testing.assert_close(exported.module()(x), resnet(x))


class Odd(nn.Module):
    """Modules behind which no layer can stand, and one that is never called."""

    def __init__(self):
        super().__init__()
        self.rnn, self.act, self.spare = nn.LSTM(4, 4, batch_first=True), nn.ReLU(), nn.ReLU()
        self.parts = nn.ModuleList([nn.Linear(4, 2)])

    def forward(self, x):
        return self.parts[0](self.act(self.rnn(self.act(x[:, None, :]))[0][:, 0]))


@pytest.mark.parametrize(
    "name,words",
    [
        ("relu9", "placement=relu9 is no module of this model: allowed are rnn, act"),
        ("", "placement= is no module"),
        ("spare", "a forward of this model does not call it"),
        ("act", r"returns tensors of several shapes in one forward, \(1, 4\) and \(4,\)"),
        ("rnn", "returns no activations"),
        ("parts", "is a ModuleList, which holds modules"),
        ("parts.0", r"placement=parts.0 has no map \(H, W\), which this layer needs"),
    ],
)
def test_where_no_layer_can_stand(name, words):
    model = Odd()
    before = list(model.named_modules())
    with pytest.raises(UserError, match=words):
        place_behind(model, name, RandomPatch2d, (4,))
    assert list(model.named_modules()) == before
    assert not any(module._forward_hooks for module in model.modules())
