"""VGG16 and ResNet-50: torchvision's networks at width 1, their sites, layer lists and narrow editions."""

import pytest
import torch
import torchvision.models
from torch import nn

from regbench.errors import UserError
from regbench.models import VGG16, ResNet50
from regbench.regularizers import Dropout, Entropy
from regbench.regularizers.parts.placement import choose_layers
from regbench.regularizers.parts.sites import SiteLayers, site_shapes
from tests.test_train import refused

SMALL = {"vgg16": lambda **settings: VGG16((3, 64, 64), 10, **{"width": 1 / 16, **settings})}
SMALL["resnet50"] = lambda **settings: ResNet50((3, 64, 64), 10, **{"width": 1 / 16, **settings})
BLOCKS = [f"layer{n}.{place}" for n, count in enumerate((3, 4, 6, 3), 1) for place in range(count)]
VGG_SITES = "conv1_1 conv1_2 conv2_1 conv2_2 conv3_1 conv3_2 conv3_3 conv4_1 conv4_2 conv4_3 conv5_1 conv5_2 conv5_3"


def shapes(model):
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def test_vgg16_at_width_1_has_torchvisions_parameters():
    with torch.device("meta"):
        theirs = torchvision.models.vgg16(num_classes=1000)
        ours = VGG16((3, 224, 224), 1000)
    assert shapes(ours) == shapes(theirs)


def test_resnet50_at_width_1_has_torchvisions_parameters():
    with torch.device("meta"):
        assert shapes(ResNet50((3, 224, 224), 1000)) == shapes(torchvision.models.resnet50(num_classes=1000))


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_resnet50_with_torchvisions_weights_computes_what_it_computes(mode):
    torch.manual_seed(0)
    theirs, ours = torchvision.models.resnet50(num_classes=7), ResNet50((3, 64, 64), 7)
    with torch.no_grad():
        for name, value in theirs.state_dict().items():  # running statistics of a fresh network tell nothing apart
            if name.endswith(("running_mean", "running_var")):
                value.uniform_(0.5, 1.5)
        ours.load_state_dict(theirs.state_dict())
        images = torch.randn(2, 3, 64, 64)
        getattr(theirs, mode)(), getattr(ours, mode)()
        assert torch.equal(ours(images), theirs(images))
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value), name


def test_vgg16_with_torchvisions_weights_computes_what_it_computes():
    torch.manual_seed(0)
    theirs, ours = SMALL["vgg16"](pooled=7), SMALL["vgg16"](pooled=7)
    ours.load_state_dict(theirs.state_dict())
    # torchvision's own forward, over the same narrow layers: at width 1 the weights alone are half a gigabyte
    theirs.avgpool = nn.AdaptiveAvgPool2d((7, 7))
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = torchvision.models.VGG.forward(theirs.eval(), images)
        assert torch.equal(ours.eval()(images), expected)


def test_vgg16s_layers_and_settings_are_torchvisions_in_their_order():
    with torch.device("meta"):
        theirs, ours = torchvision.models.vgg16(num_classes=10, dropout=0.3), VGG16((3, 224, 224), 10, dropout=0.3)
    for part in ("features", "classifier"):
        assert [repr(layer) for layer in getattr(ours, part)] == [repr(layer) for layer in getattr(theirs, part)]


@pytest.mark.parametrize(
    "side,settings,pooled",
    [(32, {}, 1), (64, {}, 2), (100, {}, 3), (224, {}, 7), (320, {}, 7), (32, {"pooled": 4}, 4)],
)
def test_vgg16_pools_to_its_last_map_at_most_7(side, settings, pooled):
    with torch.device("meta"):
        model = VGG16((1, side, side), 10, width=1 / 16, **settings)
    assert model.classifier[0].in_features == 32 * pooled**2
    assert model(torch.zeros(2, 1, side, side, device="meta")).shape == (2, 10)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("width", [0.01, 0.1, 0.123, 0.7, 1.3])
def test_every_width_makes_a_network_that_fits_itself(name, width):
    """Rounded widths: of 512 * 0.1 = 51.2 channels on 2x2 pixels, 204 numbers enter the first dense layer, not 205."""
    with torch.device("meta"):
        model = SMALL[name](width=width)
        assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 10)
    first = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    assert first.weight.shape[:2] == (max(1, round(64 * width)), 3)


@pytest.mark.parametrize("name", SMALL)
def test_a_narrow_network_has_the_layers_of_the_whole_one(name):
    with torch.device("meta"):
        narrow, whole = shapes(SMALL[name]()), shapes(SMALL[name](width=1.0))
    assert narrow.keys() == whole.keys()
    last = "classifier.6" if name == "vgg16" else "fc"
    for key, shape in narrow.items():
        wide = whole[key]
        assert shape[2:] == wide[2:] and len(shape) == len(wide)
        for place, (found, full) in enumerate(zip(shape[:2], wide[:2], strict=True)):
            same = (full == 3 and place == 1) or (key.startswith(last) and place == 0)
            assert found == (full if same else full // 16), key


@pytest.mark.parametrize("name", SMALL)
def test_weights_are_drawn_as_torchvision_draws_them(name):
    torch.manual_seed(0)
    model = SMALL[name](width=0.25)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] ** 2
            if module.weight.numel() > 2000:
                assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
            assert module.bias is None or not module.bias.any()
        elif isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and not module.bias.any()
            assert (module.running_var == 1).all() and not module.running_mean.any()
        elif isinstance(module, nn.Linear) and name == "vgg16":
            assert module.weight.std().item() == pytest.approx(0.01, rel=0.1) and not module.bias.any()
        elif isinstance(module, nn.Linear):  # torch's default, uniform
            assert module.weight.abs().max().item() == pytest.approx(module.in_features**-0.5, rel=0.05)
            assert module.bias.any()
    assert all(value.isfinite().all() for value in model.state_dict().values())


@pytest.mark.parametrize("name", SMALL)
def test_weights_depend_on_the_seed_alone(name):
    def made(seed):
        torch.manual_seed(seed)
        return torch.cat([parameter.detach().flatten() for parameter in SMALL[name]().parameters()])

    assert torch.equal(made(3), made(3)) and not torch.equal(made(3), made(4))


def test_vgg16s_sites_stand_after_each_relu_and_before_pooling():
    model = SMALL["vgg16"]()
    found = site_shapes(model, (3, 64, 64))
    assert list(found) == [*VGG_SITES.split(), "fc1", "fc2"] == list(model.sites)
    sides = dict(zip("12345", (64, 32, 16, 8, 4), strict=True))
    widths = dict(zip("12345", (4, 8, 16, 32, 32), strict=True))
    assert {name: shape for name, shape in found.items() if "_" in name} == {
        name: (widths[name[4]], sides[name[4]], sides[name[4]]) for name in VGG_SITES.split()
    }
    assert found["fc1"] == found["fc2"] == (256,)
    assert all(value.min() == 0 for value in seen(model).values())


def test_resnet50s_sites_stand_after_the_first_relu_and_every_bottleneck():
    model = SMALL["resnet50"]()
    found = site_shapes(model, (3, 64, 64))
    assert list(found) == ["conv1", *(block.replace(".", "_") for block in BLOCKS)] == list(model.sites)
    assert found["conv1"] == (4, 32, 32)  # before pooling
    expected = {"1": (16, 16, 16), "2": (32, 8, 8), "3": (64, 4, 4), "4": (128, 2, 2)}
    assert all(found[block.replace(".", "_")] == expected[block[5]] for block in BLOCKS)
    assert all(value.min() == 0 for value in seen(model).values())


def seen(model):
    """What stands at every site for some images, with dropout's and batch norm's training modes."""
    found = {}
    for name, site in model.sites.items():
        site.register_forward_hook(lambda module, inputs, output, name=name: found.update({name: output.detach()}))
    model(torch.randn(4, 3, 64, 64))
    return found


@pytest.mark.parametrize("name", SMALL)
def test_what_a_site_does_reaches_the_logits(name):
    torch.manual_seed(0)
    model, images = SMALL[name]().eval(), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = model(images)
        for key in model.sites:
            model.sites[key] = nn.Hardtanh(0, 1e-3)
            assert not torch.equal(model(images), expected), key
            model.sites[key] = nn.Identity()
        assert torch.equal(model(images), expected)


def test_dropout_stands_behind_the_dense_layers_of_the_head_and_their_sites():
    model = SMALL["vgg16"](dropout=0.5)
    found, dropped = {}, []
    for key in ("fc1", "fc2"):
        model.sites[key].register_forward_hook(lambda module, inputs, output, key=key: found.update({key: output}))
    layers = [module for module in model.classifier if isinstance(module, nn.Dropout)]
    for layer in layers:
        layer.register_forward_pre_hook(lambda module, inputs: dropped.append(inputs[0]))
    model(torch.randn(2, 3, 64, 64))
    assert [layer.p for layer in layers] == [0.5, 0.5]
    assert torch.equal(dropped[0], found["fc1"]) and torch.equal(dropped[1], found["fc2"])


def test_resnet50s_dropout_stands_before_its_dense_layer():
    torch.manual_seed(0)
    model, images = SMALL["resnet50"](dropout=0.5), torch.randn(4, 3, 64, 64)
    inputs = []
    model.fc.register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
    with torch.no_grad():
        model.train()(images)
        model.eval()(images)
    assert 0.3 < (inputs[0] == 0).float().mean() < 0.7 and (inputs[1] != 0).float().mean() > 0.9


def test_table_2s_words_name_their_layers():
    vgg, resnet = SMALL["vgg16"](), SMALL["resnet50"]()
    assert list(choose_layers(vgg, "first")) == ["features.0"]
    assert list(choose_layers(vgg, "first_two")) == ["features.0", "features.2"] == list(choose_layers(vgg, [0, 1]))
    assert list(choose_layers(resnet, "first")) == ["conv1"]
    assert (
        list(choose_layers(resnet, "first_two")) == ["conv1", "layer1.0.conv1"] == list(choose_layers(resnet, [0, 1]))
    )
    skips = [f"{block}.conv3" for block in BLOCKS]
    assert list(choose_layers(resnet, "pre_skip")) == skips[:-1] and len(skips) == 16
    assert resnet.layer1[0].conv3.out_channels == site_shapes(resnet, (3, 64, 64))["layer1_0"][0]


def test_a_word_may_stand_in_no_list_and_of_another_model_not_at_all():
    with pytest.raises(UserError, match=r"placement=pre_skip matches no layer: allowed are .*first_two, 0 to 15"):
        choose_layers(SMALL["vgg16"](), "pre_skip")
    with pytest.raises(UserError, match="placement=first_two matches no layer"):
        choose_layers(SMALL["resnet50"](), ["first_two", "fc"])


def test_the_penalty_of_a_word_is_that_of_its_layers():
    torch.manual_seed(0)
    model = SMALL["resnet50"]()

    def penalty(placement):
        regularizer = Entropy(strength=0.1, placement=placement, form="log")
        regularizer.attach(model, (3, 64, 64))
        return regularizer.penalty(model)

    assert torch.equal(penalty("first_two"), penalty(["conv1", "layer1.0.conv1"]))
    assert not torch.equal(penalty("first_two"), penalty("first"))


def test_a_layer_stands_at_the_named_site_alone():
    model = SMALL["resnet50"]()
    SiteLayers(["layer2_3"], lambda: Dropout(0.5)).attach(model, (3, 64, 64))
    assert [name for name, site in model.sites.items() if isinstance(site, Dropout)] == ["layer2_3"]


@pytest.mark.parametrize(
    "kind,shape,settings,words",
    [
        (VGG16, (3, 31, 64), {}, "input of 31x64 is too small for vgg16: allowed is 32x32 or more"),
        (ResNet50, (3, 64, 31), {}, "input of 64x31 is too small for resnet50: allowed is 32x32 or more"),
        (VGG16, (3, 64, 64), {"width": 0}, r"model\.width=0 is not allowed: a factor above 0, at most 4"),
        (ResNet50, (3, 64, 64), {"width": -1.0}, r"model\.width=-1\.0 is not allowed"),
        (ResNet50, (3, 64, 64), {"width": 4.5}, r"model\.width=4\.5 is not allowed"),
        (VGG16, (3, 64, 64), {"width": True}, r"model\.width=True is not allowed"),
        (VGG16, (3, 64, 64), {"width": float("nan")}, r"model\.width=nan is not allowed"),
        (VGG16, (3, 64, 64), {"dropout": 1.0}, r"model\.dropout=1\.0 is not allowed: a drop rate lies in \[0, 1\)"),
        (ResNet50, (3, 64, 64), {"dropout": -0.1}, r"model\.dropout=-0\.1 is not allowed"),
        (VGG16, (3, 64, 64), {"pooled": 0}, r"model\.pooled=0 is not allowed: an integer of 1 or more"),
        (VGG16, (3, 64, 64), {"pooled": 2.0}, r"model\.pooled=2\.0 is not allowed"),
        (VGG16, (3, 64, 64), {"pooled": True}, r"model\.pooled=True is not allowed"),
    ],
)
def test_wrong_settings_are_refused(kind, shape, settings, words):
    with pytest.raises(UserError, match=words):
        kind(shape, 10, **settings)


@pytest.mark.parametrize(
    "overrides,words",
    [
        (["model=vgg16"], "input of 16x16 is too small for vgg16"),
        (["model=unet", "task=segment"], "task=segment does not fit dataset=digits, which has labels: allowed are"),
        (["model=unet"], "task=classify does not fit model=unet"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_no_row(tmp_path, monkeypatch, overrides, words):
    assert words in refused(tmp_path, monkeypatch, *overrides)
