"""GANs: shapes, sites, losses against their formulas, what each normalisation promises, the averaged generator."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from regbench.data import load_splits
from regbench.data.sources import digits
from regbench.errors import UserError
from regbench.models import DCGAN, SNGAN, WGANGP
from regbench.models.gan import gradient_norms
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.regularizers import Dropout, SiteLayers
from regbench.regularizers.parts.sites import site_shapes
from regbench.training.build import build, make
from tests.test_train import refused

KINDS = {"dcgan": DCGAN, "wgan_gp": WGANGP, "sngan": SNGAN}
SIZES = [(16, [3, 5]), (28, [3, 5]), (32, [3, 4, 5]), (64, [2, 3, 4, 5])]


def gan(kind="dcgan", shape=(1, 16, 16), **settings):
    torch.manual_seed(0)
    return KINDS[kind](shape, 10, **{"widths": [4, 6], "latent": 5, "ema": 0.5, **settings})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side,widths", SIZES)
def test_images_have_the_datas_shape_and_every_image_a_score(kind, channels, side, widths):
    shape = (channels, side, side)
    model = gan(kind, shape, widths=widths)
    images = model.generate(3)
    assert images.shape == (3, *shape) and images.abs().max() <= 1
    assert not torch.allclose(images[0], images[1], atol=1e-3)  # of different noise
    assert model.score(images).shape == (3,) and model(images).shape == (3, 2)
    assert model.sample(torch.randn(2, 5)).shape == (2, *shape)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side,widths", SIZES)
def test_sites_are_named_by_net_and_layer_from_the_input_on(kind, side, widths):
    shape = (3, side, side)
    sides = [side >> depth for depth in range(1, len(widths) + 1)]
    maps = [(width, half, half) for width, half in zip(widths, sides, strict=True)]
    expected = {f"generator{n}": each for n, each in enumerate(reversed(maps), 1)}
    expected |= {f"discriminator{n}": each for n, each in enumerate(maps, 1)}
    shapes = site_shapes(gan(kind, shape, widths=widths), shape)
    assert shapes == expected and list(shapes) == list(expected)


class Zero(nn.Module):
    """Counts its visits and lets nothing through."""

    def __init__(self):
        super().__init__()
        self.visits = 0

    def forward(self, x):
        self.visits += 1
        return torch.zeros_like(x)


@pytest.mark.parametrize("kind", KINDS)
def test_every_site_is_visited_once_a_pass_and_what_it_returns_goes_on(kind):
    for name in gan(kind).sites:
        model = gan(kind)
        placed = SiteLayers([name], Zero)
        placed.attach(model, (1, 16, 16))
        layer = placed.layers[name]
        layer.visits = 0
        images, scores = model.generate(4), model.score(torch.randn(4, 1, 16, 16))
        assert layer.visits == 1
        stopped, other = (images, scores) if name.startswith("generator") else (scores, images)
        assert torch.equal(stopped, stopped[:1].expand_as(stopped))
        assert not torch.equal(other, other[:1].expand_as(other))


def test_a_regularizer_stands_at_all_sites_of_both_nets_by_default():
    model = gan()
    placed = SiteLayers("all", Zero)
    placed.attach(model, (1, 16, 16))
    assert list(placed.layers) == ["generator1", "generator2", "discriminator1", "discriminator2"]
    with pytest.raises(UserError, match="placement=generator3 is not a site"):
        SiteLayers(["generator3"], Zero).attach(gan(), (1, 16, 16))


def test_the_generator_is_dense_then_norm_relu_and_transposed_convolution():
    model = gan(widths=[4, 6]).eval()
    net, noise = model.generator, torch.randn(3, 5)
    x = F.relu(net.norms[0](net.project(noise).view(3, 6, 4, 4)))
    x = F.relu(net.norms[1](F.conv_transpose2d(x, net.ups[0].weight, net.ups[0].bias, stride=2, padding=1)))
    x = torch.tanh(F.conv_transpose2d(x, net.ups[1].weight, net.ups[1].bias, stride=2, padding=1))
    torch.testing.assert_close(net(noise, {}), x)


@pytest.mark.parametrize("kind,norm", [("dcgan", nn.BatchNorm2d), ("wgan_gp", nn.GroupNorm), ("sngan", nn.Identity)])
def test_the_discriminator_is_convolution_norm_leaky_relu_then_dense(kind, norm):
    net, images = gan(kind).discriminator, torch.randn(3, 1, 16, 16)
    net.eval()
    assert type(net.norms[0]) is nn.Identity and type(net.norms[1]) is norm
    x = images
    for conv, each in zip(net.convs, net.norms, strict=True):
        x = each(F.conv2d(x, conv.weight, conv.bias, stride=2, padding=1))
        x = torch.where(x > 0, x, 0.2 * x)
    torch.testing.assert_close(net(images, {}), x.flatten(1) @ net.head.weight[0] + net.head.bias)


def test_dcgans_losses_are_cross_entropies_of_being_real():
    real, fake = torch.randn(7), torch.randn(7)
    chance = torch.sigmoid
    torch.testing.assert_close(
        gan().discriminator_loss(real, fake), -chance(real).log().mean() - (1 - chance(fake)).log().mean()
    )
    torch.testing.assert_close(gan().generator_loss(fake), -chance(fake).log().mean())
    far = torch.tensor([1e4])
    assert gan().discriminator_loss(-far, far).item() == 2e4 and gan().generator_loss(far).item() == 0


def test_wgans_losses_are_differences_of_means():
    real, fake = torch.tensor([1.0, 4.0]), torch.tensor([-2.0, 6.0])
    assert gan("wgan_gp").discriminator_loss(real, fake).item() == 2.0 - 2.5
    assert gan("wgan_gp").generator_loss(fake).item() == -2.0


def test_sngans_losses_are_hinges():
    real, fake = torch.tensor([0.5, 3.0, -1.0]), torch.tensor([-0.5, -3.0, 1.0])
    assert gan("sngan").discriminator_loss(real, fake).item() == pytest.approx((0.5 + 2) / 3 + (0.5 + 2) / 3)
    assert gan("sngan").generator_loss(fake).item() == pytest.approx(2.5 / 3)
    assert gan("sngan").discriminator_loss(torch.ones(2), -torch.ones(2)).item() == 0


class Linear(nn.Module):
    """A critic whose gradient is its weight, wherever."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, images, sites):
        return images.flatten(1) @ self.weight


class Square(nn.Module):
    """A critic whose gradient at x is x."""

    def forward(self, images, sites):
        return 0.5 * images.flatten(1).square().sum(dim=1)


@pytest.mark.parametrize("length", [0.4, 2.5])
def test_the_penalty_of_a_linear_critic_is_that_of_its_weights_length(length):
    model = gan("wgan_gp", gradient_penalty=3.0)
    weight = torch.randn(256)
    weight *= length / weight.norm()
    model.discriminator = Linear(weight)
    real, fake = torch.randn(6, 1, 16, 16), torch.randn(6, 1, 16, 16)
    torch.testing.assert_close(gradient_norms(model, real, fake), torch.full((6,), length))
    penalty = model.discriminator_penalty(real, fake)
    assert penalty.item() == pytest.approx(3.0 * (length - 1) ** 2)
    penalty.backward()
    torch.testing.assert_close(model.discriminator.weight.grad, 2 * 3.0 * (length - 1) * weight / length)


def test_the_gradient_is_taken_at_a_place_of_its_own_between_each_pair():
    model = gan("wgan_gp")
    model.discriminator = Square()
    real, fake = torch.zeros(4000, 1, 16, 16), torch.full((4000, 1, 16, 16), 1 / 16)
    places = gradient_norms(model, real, fake)
    assert len(places.unique()) > 3900 and places.min() >= 0 and places.max() <= 1
    # uniform: mean 1/2 and standard deviation 1/sqrt(12), within five standard errors of 4000
    assert abs(places.mean() - 0.5) < 5 / math.sqrt(12 * 4000) and abs(places.std() - 12**-0.5) < 0.02


def test_the_penalty_teaches_the_critic_and_only_where_its_weight_is_above_0():
    real, fake = torch.randn(5, 1, 16, 16), torch.randn(5, 1, 16, 16)
    for kind in ("dcgan", "sngan"):
        assert gan(kind).discriminator_penalty(real, fake) == 0.0
    assert gan("wgan_gp", gradient_penalty=0.0).discriminator_penalty(real, fake).item() == 0.0
    model = gan("wgan_gp")
    assert model.gradient_penalty == 10.0
    before = model.discriminator_penalty(real, fake)
    before.backward()
    with torch.no_grad():
        for weight in model.discriminator.parameters():
            if weight.grad is not None:
                weight -= 1e-3 * weight.grad
    assert 0 < model.discriminator_penalty(real, fake) < before


@pytest.mark.parametrize("kind,depends", [("wgan_gp", False), ("sngan", False), ("dcgan", True)])
def test_only_batch_norm_lets_an_images_score_depend_on_the_others(kind, depends):
    model, images = gan(kind).train(), torch.randn(4, 1, 16, 16)
    for _ in range(100):  # spectral norm's estimate moves with every pass until it has converged
        model.score(images)
    others = torch.cat([images[:1], 3 + torch.randn(3, 1, 16, 16)])
    with torch.no_grad():
        change = (model.score(images)[0] - model.score(others)[0]).abs()
    assert change > 1e-3 if depends else change < 1e-5


def largest_singular_value(weight):
    return torch.linalg.svdvals(weight.flatten(1))[0].item()


def test_spectral_norm_limits_every_layer_of_the_discriminator_and_none_of_the_generator():
    model = gan("sngan")
    layers = [*model.discriminator.convs, model.discriminator.head]
    with torch.no_grad():
        for factor, layer in enumerate(layers, 2):
            layer.parametrizations.weight.original.mul_(factor)
        for _ in range(200):
            model.score(torch.randn(2, 1, 16, 16))
    assert all(largest_singular_value(layer.parametrizations.weight.original) > 1.1 for layer in layers)
    assert [largest_singular_value(layer.weight) for layer in layers] == pytest.approx([1.0] * 3, abs=0.02)
    assert not any("parametrizations" in name for name in model.generator.state_dict())
    assert not any("parametrizations" in name for name in gan("dcgan").state_dict())


def moved(model):
    """The generator after a made-up step: all of its weights and statistics are others."""
    with torch.no_grad():
        for weight in model.generator.parameters():
            weight.copy_(torch.rand_like(weight) - 0.5)
        for norm in model.generator.norms:
            norm.running_mean.copy_(torch.rand_like(norm.running_mean))
            norm.running_var.copy_(torch.rand_like(norm.running_var))
    return {name: value.clone() for name, value in model.generator.state_dict().items()}


def images_of(generator, noise):
    with torch.no_grad():
        return generator.eval()(noise, {})


def test_the_average_is_exponential_from_the_first_step_on():
    model = gan(ema=0.8)
    expected = None
    for _ in range(4):
        now = moved(model)
        model.update_average()
        if expected is None:
            expected = now
        expected = {
            name: 0.8 * value + 0.2 * now[name] for name, value in expected.items() if value.is_floating_point()
        }
    found = model.average.module.state_dict()
    torch.testing.assert_close({name: found[name] for name in expected}, expected)
    assert "norms.0.running_mean" in expected and "project.weight" in expected


def test_samples_are_the_averaged_generators_in_evaluation_mode_and_without_its_sites():
    model = gan(ema=0.9)
    SiteLayers("all", lambda: Dropout(0.5)).attach(model, (1, 16, 16))
    for _ in range(3):
        moved(model)
        model.update_average()
    noise = torch.randn(6, 5)
    model.train()
    found = model.sample(noise)
    expected = images_of(model.average.module, noise)
    assert not torch.allclose(expected, images_of(model.generator, noise), atol=1e-2)
    assert torch.equal(found, expected) and not found.requires_grad
    torch.testing.assert_close(model.train().sample(noise[:1]), expected[:1])  # not of a batch's statistics


def test_without_an_average_samples_are_the_generators():
    model = gan(ema=None)
    moved(model)
    model.update_average()
    noise = torch.randn(6, 5)
    assert model.average is None and not any("average" in name for name in model.state_dict())
    assert torch.equal(model.sample(noise), images_of(model.generator, noise))


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_holds_the_average_and_goes_round(kind):
    model, noise = gan(kind), torch.randn(3, 5)
    for _ in range(2):
        moved(model)
        model.update_average()
    assert "average.module.project.weight" in model.state_dict() and "average.n_averaged" in model.state_dict()
    torch.manual_seed(1)
    other = KINDS[kind]((1, 16, 16), 10, widths=[4, 6], latent=5, ema=0.5)
    assert not torch.allclose(other.sample(noise), model.sample(noise))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.sample(noise), model.sample(noise))
    moved(other)
    other.update_average()  # the third: an average goes on, it does not begin anew
    assert not torch.allclose(other.sample(noise), images_of(other.generator, noise), atol=1e-2)


@pytest.mark.parametrize(
    "settings,words",
    [
        ({"shape": (1, 16, 8)}, "images of 16x8 are not square"),
        ({"shape": (1, 18, 18)}, "a side of 18 does not allow: allowed are sides divisible by 4"),
        ({"shape": (1, 28, 28), "widths": [2, 3, 4]}, "a side of 28 does not allow: allowed are sides divisible by 8"),
        ({"widths": []}, r"model\.widths=\[\] is not allowed"),
        ({"widths": [4, 0]}, r"model\.widths=\[4, 0\] is not allowed"),
        ({"widths": [4, 2.5]}, r"model\.widths=\[4, 2\.5\] is not allowed"),
        ({"ema": 0.0}, r"model\.ema=0\.0 is not allowed"),
        ({"ema": 1.0}, r"model\.ema=1\.0 is not allowed"),
        ({"ema": float("nan")}, r"model\.ema=nan is not allowed"),
        ({"latent": 0}, r"model\.latent=0 is not allowed"),
        ({"latent": 2.5}, r"model\.latent=2\.5 is not allowed"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_settings_are_refused(kind, settings, words):
    with pytest.raises(UserError, match=words):
        gan(kind, **settings)


@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_a_penalty_below_0_is_refused(weight):
    with pytest.raises(UserError, match=rf"model\.gradient_penalty={weight} is not allowed"):
        gan("wgan_gp", gradient_penalty=weight)


@pytest.mark.parametrize(
    "kind,settings,words",
    [
        *[(kind, {"unknown": 1}, "unknown") for kind in KINDS],
        ("dcgan", {"gradient_penalty": 10.0}, "gradient_penalty"),
        ("sngan", {"gradient_penalty": 10.0}, "gradient_penalty"),
        ("wgan_gp", {"gradient_penalty": "much"}, "gradient_penalty"),
        ("dcgan", {"ema": "slow"}, "ema"),
        ("dcgan", {"widths": "many"}, "widths"),
        ("dcgan", {"widths": 8}, "widths"),
        ("dcgan", {"ema": 2.0}, "model.ema=2.0 is not allowed: a decay between 0 and 1, or null"),
    ],
)
def test_settings_that_a_config_gets_wrong_are_one_line(kind, settings, words):
    target = {"_target_": f"regbench.models.{KINDS[kind].__name__}", "widths": [4], "latent": 3, **settings}
    with pytest.raises(UserError) as error:
        make("model", target, input_shape=(1, 16, 16), classes=10)
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "overrides,words",
    [
        (["model=dcgan", "model.widths=[4,4,4,4,4]"], "a side of 16 does not allow"),
        (["model=wgan_gp", "model.gradient_penalty=-1"], "model.gradient_penalty=-1.0 is not allowed"),
        (["model=sngan", "+model.norm=batch"], "regbench.models.SNGAN does not take these settings"),
        (["model=dcgan", "regularizer=dropout", "regularizer.method.placement=[conv1]"], "placement=conv1 is not a"),
    ],
)
def test_what_does_not_fit_is_one_line_before_training_and_leaves_no_row(tmp_path, monkeypatch, overrides, words):
    assert words in refused(tmp_path, monkeypatch, "task=generate", *overrides)


@pytest.mark.parametrize("model", ["dcgan", "wgan_gp", "sngan"])
@pytest.mark.parametrize("regularizer", ["none", "batchnorm", "adaptive_dropout"])
def test_each_net_trains_its_own_parameters_and_those_at_its_sites(model, regularizer):
    member = members(load_config([f"model={model}", "task=generate", f"regularizer={regularizer}"]))[0]
    training = build(member, load_splits(digits(), 64, 16, 0, torch.device("cpu")), torch.device("cpu"))
    held = {
        net: [p for g in optimizer.param_groups for p in g["params"]] for net, optimizer in training.optimizer.items()
    }
    own = {id(parameter) for parameter in training.regularizer.own_parameters()}
    named = {
        id(parameter): name
        for name, parameter in training.model.named_parameters()
        if not name.startswith("average.") and id(parameter) not in own
    }
    assert sorted(id(parameter) for parameters in held.values() for parameter in parameters) == sorted(named)
    for net, parameters in held.items():
        assert all(named[id(each)].startswith((f"{net}.", f"sites.{net}")) for each in parameters)
    assert any(name.startswith("sites.") for name in named.values()) is (regularizer == "batchnorm")


def test_the_entropy_of_a_weight_under_spectral_norm_has_a_gradient():
    words = [
        "model=sngan",
        "task=generate",
        "regularizer=entropy",
        "regularizer.method.placement=[discriminator.convs.0]",
    ]
    member = members(load_config(words))[0]
    training = build(member, load_splits(digits(), 64, 16, 0, torch.device("cpu")), torch.device("cpu"))
    assert training.regularizer.penalty_measurements(training.model)["gradient_norm"] > 0
