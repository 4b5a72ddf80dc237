"""U-Net: what goes in and comes out, the paper's layer numbers, and that the skips carry something."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from regbench.errors import UserError
from regbench.models import UNet
from regbench.regularizers.parts.placement import choose_layers
from regbench.regularizers.parts.sites import site_shapes

WIDTHS = (2, 3, 4, 5, 6)
LISTS = {
    "layer_2": [2],
    "layers_2_3": [2, 3],
    "skips": [3, 7, 11, 15],
    "skips_and_up": [3, 7, 11, 15, 19, 24, 29, 34, 39],
    "up": [19, 24, 29, 34, 39],
}


def unet(side=32, channels=3, widths=WIDTHS):
    torch.manual_seed(0)
    return UNet((channels, side, side), 2, widths)


def keras_numbers():
    """The convolutions by their place in a Keras model's list of layers, from 1, as the paper seems to count."""
    layers = ["input"]
    for level in (1, 2, 3, 4):
        layers += [f"down{level}_1", f"down{level}_2", "pooling", "dropout"]
    layers += ["bottleneck_1", "bottleneck_2"]
    for level in (4, 3, 2, 1):
        layers += ["transposed", "concatenation", "dropout", f"up{level}_1", f"up{level}_2"]
    return {number: name for number, name in enumerate(layers, start=1) if "_" in name}


def test_the_papers_numbers_are_those_of_a_keras_model():
    model = unet()
    assert model.numbers == {number: f"convs.{name}" for number, name in keras_numbers().items()}
    assert len(model.numbers) == 18 and max(model.numbers) == 39


@pytest.mark.parametrize("word", LISTS)
def test_table_3s_words_name_their_layers(word):
    expected = {f"convs.{keras_numbers()[number]}" for number in LISTS[word]}
    found = choose_layers(unet(), word)
    assert set(found) == expected and len(found) == len(LISTS[word])
    assert all(isinstance(layer, nn.Conv2d) for layer in found.values())


def test_all_layers_are_the_convolutions_in_forward_order_and_the_head():
    model = unet()
    called = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, inputs, output, name=name: called.append(name))
    model(torch.zeros(1, 3, 32, 32))
    assert list(choose_layers(model, "all")) == called and called[-1] == "head" and len(called) == 19


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 16, 48), (3, 64, 16)])
def test_a_mask_is_as_large_as_its_image_and_lies_in_0_to_1(shape):
    torch.manual_seed(0)
    model = UNet(shape, 2, WIDTHS)
    with torch.no_grad():
        output = model(100 * torch.randn(3, *shape))
    assert output.shape == (3, 1, *shape[1:])
    assert 0 <= output.min() < output.max() <= 1


def test_sites_stand_after_each_relu_and_before_pooling():
    model = unet()
    found = site_shapes(model, (3, 32, 32))
    assert list(found) == list(keras_numbers().values()) == list(model.sites)
    for level, (width, side) in enumerate(zip(WIDTHS, (32, 16, 8, 4), strict=False), start=1):
        for name in (f"down{level}_1", f"down{level}_2", f"up{level}_1", f"up{level}_2"):
            assert found[name] == (width, side, side)
    assert found["bottleneck_1"] == found["bottleneck_2"] == (6, 2, 2)
    seen = {}
    for name, site in model.sites.items():
        site.register_forward_hook(lambda module, inputs, output, name=name: seen.update({name: output}))
    model(torch.randn(4, 3, 32, 32))
    assert all(value.min() == 0 for value in seen.values())


def test_it_computes_what_the_original_computes():
    """Written out once more: blocks of two padded convolutions, pooling, up-convolution, the skip of the same level."""
    model, image = unet(), torch.randn(2, 3, 32, 32)

    def block(name, x):
        for place in (1, 2):
            x = F.relu(F.conv2d(x, *weights(model.convs[f"{name}_{place}"]), padding=1))
        return x

    def weights(layer):
        return layer.weight, layer.bias

    with torch.no_grad():
        down1 = block("down1", image)
        down2 = block("down2", F.max_pool2d(down1, 2))
        down3 = block("down3", F.max_pool2d(down2, 2))
        down4 = block("down4", F.max_pool2d(down3, 2))
        x = block("bottleneck", F.max_pool2d(down4, 2))
        for level, skip in ((4, down4), (3, down3), (2, down2), (1, down1)):
            up = F.conv_transpose2d(x, *weights(model.transposed[f"up{level}"]), stride=2)
            assert up.shape == skip.shape
            x = block(f"up{level}", torch.cat([skip, up], 1))
        expected = torch.sigmoid(F.conv2d(x, *weights(model.head)))
        torch.testing.assert_close(model(image), expected)


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_every_skip_reaches_the_mask_past_the_bottleneck(level):
    model, image = unet(), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        model.convs["bottleneck_2"].weight.zero_()  # nothing of the image passes below
        for other in {1, 2, 3, 4} - {level}:
            model.convs[f"up{other}_1"].weight[:, : WIDTHS[other - 1]] = 0  # nor through another skip
        for parameter in model.parameters():
            parameter.abs_()  # no ReLU is shut
    before_head = []
    model.head.register_forward_pre_hook(lambda module, inputs: before_head.append(inputs[0]))
    model(image.requires_grad_())
    before_head[0].sum().backward()
    assert image.grad.abs().sum() > 0


@pytest.mark.parametrize("word", LISTS)
def test_penalised_layers_have_a_gradient(word):
    model = unet()
    model(torch.randn(2, 3, 32, 32)).sum().backward()
    assert all(layer.weight.grad.abs().sum() > 0 for layer in choose_layers(model, word).values())


def test_the_originals_widths_are_the_defaults():
    with torch.device("meta"):
        model = UNet((3, 256, 256), 2)
    assert [model.convs[f"down{level}_2"].out_channels for level in (1, 2, 3, 4)] == [64, 128, 256, 512]
    assert model.convs["bottleneck_1"].weight.shape == (1024, 512, 3, 3)
    assert model.convs["up4_1"].in_channels == 1024 and model.transposed["up4"].weight.shape == (1024, 512, 2, 2)


@pytest.mark.parametrize(
    "shape,widths,words",
    [
        ((3, 40, 32), WIDTHS, "input of 40x32 does not fit unet: allowed are multiples of 16"),
        ((3, 32, 24), WIDTHS, "input of 32x24 does not fit unet"),
        ((3, 32, 32), (2, 3, 4, 5), r"model\.widths=\[2, 3, 4, 5\] is not allowed: five widths of 1 or more"),
        ((3, 32, 32), (), r"model\.widths=\[\] is not allowed"),
        ((3, 32, 32), (2, 3, 0, 5, 6), r"model\.widths=\[2, 3, 0, 5, 6\] is not allowed"),
    ],
)
def test_wrong_settings_are_refused(shape, widths, words):
    with pytest.raises(UserError, match=words):
        UNet(shape, 2, widths)
