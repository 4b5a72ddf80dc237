"""The five-layer CNN: the map sizes that the paper's Mask% implies, and its sites."""

import pytest
import torch

from regbench.errors import UserError
from regbench.models import CNN5
from regbench.regularizers.parts.sites import site_shapes


@pytest.mark.parametrize("shape,conv1", [((1, 28, 28), 24), ((3, 32, 32), 28), ((1, 16, 16), 12)])
def test_conv1_maps_are_the_papers(shape, conv1):
    model = CNN5(shape, classes=10)
    shapes = site_shapes(model, shape)
    assert shapes["conv1"] == (32, conv1, conv1)
    assert list(shapes) == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert model(torch.zeros(2, *shape)).shape == (2, 10)


def test_sites_stand_after_relu_and_before_pooling():
    model = CNN5((3, 32, 32), classes=10, pooled=(1, 2, 4))
    seen = {}
    for name, site in model.sites.items():
        site.register_forward_hook(lambda module, inputs, output, name=name: seen.update({name: output}))
    model(torch.randn(2, 3, 32, 32))
    assert all(activation.min() >= 0 for activation in seen.values())
    assert [seen[f"conv{n}"].shape[-1] for n in range(1, 6)] == [28, 14, 7, 7, 3]


@pytest.mark.parametrize(
    "arguments,words",
    [
        ({"widths": (8, 8)}, "model.widths"),
        ({"widths": (8, 8, 0, 8, 8)}, "model.widths"),
        ({"pooled": (6,)}, "model.pooled"),
        ({"input_shape": (1, 8, 8), "pooled": (1, 2, 3)}, "too small"),
    ],
)
def test_wrong_settings_are_refused(arguments, words):
    with pytest.raises(UserError, match=words):
        CNN5(**{"input_shape": (1, 28, 28), "classes": 10, **arguments})
