"""The small CNNs of one to three blocks: map sizes, sites, and how deep an input lets them be."""

import pytest
import torch
import torch.nn.functional as F

from regbench.errors import UserError
from regbench.models import CNNBlocks
from regbench.regularizers.parts.sites import site_shapes
from tests.test_train import refused


@pytest.mark.parametrize(
    "shape,widths,maps,features",
    [
        ((1, 28, 28), (32,), [26], 32 * 13 * 13),
        ((1, 28, 28), (4, 5, 6), [26, 11, 3], 6 * 1 * 1),
        ((3, 32, 32), (4, 5, 6), [30, 13, 4], 6 * 2 * 2),
        ((1, 16, 16), (8, 8), [14, 5], 8 * 2 * 2),
    ],
)
def test_maps_are_those_of_unpadded_convolutions(shape, widths, maps, features):
    model = CNNBlocks(shape, classes=10, widths=widths)
    expected = {f"conv{n}": (w, m, m) for n, (w, m) in enumerate(zip(widths, maps, strict=True), 1)}
    shapes = site_shapes(model, shape)
    assert shapes == expected and list(shapes) == list(expected)
    assert model.head.in_features == features
    assert model(torch.zeros(2, *shape)).shape == (2, 10)


def test_maps_need_not_be_square():
    model = CNNBlocks((1, 8, 12), classes=3, widths=(2,))
    assert site_shapes(model, (1, 8, 12)) == {"conv1": (2, 6, 10)}
    assert model(torch.zeros(4, 1, 8, 12)).shape == (4, 3)


def test_sites_stand_after_leaky_relu_and_before_pooling():
    model = CNNBlocks((1, 10, 10), classes=10, widths=(4,), slope=0.25)
    seen = []
    model.sites["conv1"].register_forward_hook(lambda module, inputs, output: seen.append(output))
    image = torch.randn(2, 1, 10, 10)
    logits = model(image)
    convolved = model.convs[0](image)
    assert convolved.min() < 0
    torch.testing.assert_close(seen[0], torch.where(convolved > 0, convolved, 0.25 * convolved))
    torch.testing.assert_close(logits, model.head(F.max_pool2d(seen[0], 2).flatten(1)))


@pytest.mark.parametrize(
    "arguments,words",
    [
        ({"widths": ()}, r"model.widths=\[\] is not allowed"),
        ({"widths": (8, 0)}, r"model.widths=\[8, 0\] is not allowed"),
        ({"widths": (-1,)}, r"model.widths=\[-1\] is not allowed"),
        ({"widths": (8, 8, 8, 8)}, r"model.widths=\[8, 8, 8, 8\] is too deep for an input of \(1, 28, 28\)"),
        ({"widths": (8, 8, 8), "input_shape": (1, 16, 16)}, "too deep for an input of"),
        ({"input_shape": (1, 3, 28)}, "too deep for an input of"),
    ],
)
def test_wrong_settings_are_refused(arguments, words):
    with pytest.raises(UserError, match=words):
        CNNBlocks(**{"input_shape": (1, 28, 28), "classes": 10, **arguments})


@pytest.mark.parametrize(
    "overrides,words",
    [
        (["task=reconstruct"], "task=reconstruct does not fit model=cnn_blocks"),
        (["+task.follow=[encoder]"], "task.follow=encoder is no dense layer of this model: allowed are head"),
        (["model.widths=[8,8,8]"], "model.widths=[8, 8, 8] is too deep for an input of (1, 16, 16)"),
        (["model.widths=many"], "model.widths=many is not allowed: allowed is a list"),
        (["regularizer=dropout", "regularizer.method.placement=[conv2]"], "placement=conv2 is not a site"),
    ],
)
def test_what_does_not_fit_the_blocks_is_one_line_and_leaves_no_row(tmp_path, monkeypatch, overrides, words):
    assert words in refused(tmp_path, monkeypatch, "model=cnn_blocks", *overrides)
