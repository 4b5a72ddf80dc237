"""The dense autoencoder: shapes, the order of pixels, and the site behind the hidden layer."""

import pytest
import torch

from regbench.errors import UserError
from regbench.models import Autoencoder
from regbench.regularizers.parts.sites import site_shapes
from tests.test_train import refused

SHAPE = (3, 2, 5)


def position(channel, row, column, shape=SHAPE):
    """Where a pixel enters: rows, then columns, then channels."""
    channels, _, width = shape
    return (row * width + column) * channels + channel


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 16, 16), SHAPE])
def test_images_come_out_as_they_went_in(shape):
    model = Autoencoder(shape, classes=10, width=7)
    assert model(torch.rand(4, *shape)).shape == (4, *shape)
    assert model.encoder.weight.shape == (7, shape[0] * shape[1] * shape[2])
    assert site_shapes(model, shape) == {"latent": (7,)}


def test_pixels_enter_in_the_order_of_rows_columns_channels():
    model = Autoencoder(SHAPE, classes=10, width=30)
    entered = []
    model.encoder.register_forward_pre_hook(lambda module, inputs: entered.append(inputs[0][0]))
    for channel in range(3):
        for row in range(2):
            for column in range(5):
                image = torch.zeros(1, *SHAPE)
                image[0, channel, row, column] = 1.0
                model(image)
                assert entered.pop().nonzero().item() == position(channel, row, column)


def test_pixels_leave_in_the_order_in_which_they_entered():
    model = Autoencoder(SHAPE, classes=10, width=4, output="linear")
    with torch.no_grad():
        model.decoder.weight.zero_()
        model.decoder.bias.copy_(torch.arange(30.0))
    out = model(torch.rand(2, *SHAPE))
    expected = [[[position(c, row, column) for column in range(5)] for row in range(2)] for c in range(3)]
    assert out[0].tolist() == out[1].tolist() == expected


def test_the_memory_format_of_an_image_changes_nothing():
    model = Autoencoder(SHAPE, classes=10, width=4)
    images = torch.rand(2, *SHAPE)
    assert torch.equal(model(images), model(images.to(memory_format=torch.channels_last)))


def test_the_site_stands_behind_the_hidden_layers_sigmoid():
    model = Autoencoder((1, 4, 4), classes=10, width=6)
    seen = []
    model.sites["latent"].register_forward_hook(lambda module, inputs, output: seen.append(output))
    image = torch.rand(3, 1, 4, 4)
    model(image)
    torch.testing.assert_close(seen[0], torch.sigmoid(model.encoder(image.flatten(1))))


def test_the_output_is_a_sigmoid_or_linear():
    models = [Autoencoder((1, 4, 4), classes=10, width=6, output=output) for output in ("sigmoid", "linear")]
    models[1].load_state_dict(models[0].state_dict())
    image = 100 * torch.rand(3, 1, 4, 4)
    torch.testing.assert_close(models[0](image), torch.sigmoid(models[1](image)))


@pytest.mark.parametrize(
    "arguments,words",
    [
        ({"width": 0}, "model.width=0"),
        ({"width": -3}, "model.width=-3"),
        ({"width": 2.5}, "model.width=2.5"),
        ({"width": "wide"}, "model.width=wide"),
        ({"output": "relu"}, "model.output=relu is not allowed: allowed are sigmoid, linear"),
    ],
)
def test_wrong_settings_are_refused(arguments, words):
    with pytest.raises(UserError, match=words):
        Autoencoder(**{"input_shape": (1, 4, 4), "classes": 10, **arguments})


@pytest.mark.parametrize(
    "overrides,words",
    [
        (["task=classify"], "task=classify does not fit model=autoencoder"),
        (["task=reconstruct", "task.follow=[latent]"], "task.follow=latent is no dense layer of this model"),
        (["task=reconstruct", "model.width=0"], "model.width=0"),
        (
            ["task=reconstruct", "regularizer=dropout"],
            "placement=conv1 is not a site of this model: allowed are all, last, latent",
        ),
    ],
)
def test_what_does_not_fit_the_autoencoder_is_one_line_and_leaves_no_row(tmp_path, monkeypatch, overrides, words):
    assert words in refused(tmp_path, monkeypatch, "model=autoencoder", *overrides)
