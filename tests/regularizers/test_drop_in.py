"""What a PyTorch user expects of every layer: bad batches, precisions, recomputation, copies, exports, transforms."""

import copy
import importlib
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint

from regbench.errors import UserError
from regbench.regularizers import (
    AdaptiveDropout,
    BatchNorm,
    DropBlock2d,
    Dropout,
    PBEDropout2d,
    RandomPatch2d,
    SpatialDropout2d,
    load_training_state,
    training_state,
)
from regbench.regularizers.adaptive_dropout import updated_rate
from regbench.regularizers.dropout import block_mask

LAYERS = {
    "pb_edropout": lambda: PBEDropout2d(4, map_size=(8, 8)),
    "pb_edropout_unsized": lambda: PBEDropout2d(4),
    "pb_edropout_standardized": lambda: PBEDropout2d(4, variant="standardized", map_size=(8, 8)),
    "random_patch": lambda: RandomPatch2d(),
    "dropout": lambda: Dropout(0.3),
    "spatial_dropout": lambda: SpatialDropout2d(0.3),
    "dropblock": lambda: DropBlock2d(0.3),
    "adaptive_concrete": lambda: AdaptiveDropout(0.3),
    "adaptive_score": lambda: AdaptiveDropout(0.3, estimator="score"),
    "batchnorm": lambda: BatchNorm(4, share=0.5),
}
OURS = [name for name in LAYERS if name != "batchnorm"]
DTYPES = [torch.float64, torch.float16, torch.bfloat16]


def maps(seed=0, shift=0.5, samples=3):
    x = torch.randn(samples, 4, 8, 8, generator=torch.Generator().manual_seed(seed)) + shift
    return torch.relu(x).to(memory_format=torch.channels_last)


def state(layer):
    return {name: value.clone() for name, value in [*layer.named_buffers(), *layer.named_parameters()]}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), "all", "empty"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", OURS)
def test_a_bad_batch_moves_nothing_and_the_next_one_is_as_without_it(name, dtype, bad):
    layer = LAYERS[name]().to(dtype).train()
    layer(maps().to(dtype))
    twin, before = copy.deepcopy(layer), state(layer)
    x = maps(1)
    if bad == "empty":
        x = x[:0]
    elif bad == "all":
        x = torch.full_like(x, float("nan"))
    else:
        x[1, 2, 3, 4] = bad
    assert layer(x.to(dtype)).shape == x.shape
    counted = ("patch_counts", "mass_sums")
    moved = [name for name, value in state(layer).items() if not torch.equal(value, before[name])]
    assert all(name.endswith(counted) for name in moved)
    outputs = []
    for each in (layer, twin):
        torch.manual_seed(3)
        outputs.append(each(maps(2).to(dtype)))
    assert torch.equal(*outputs) and outputs[0].isfinite().all() and (outputs[0] == 0).any()
    if hasattr(layer, "measurements"):
        assert all(torch.tensor(value).isfinite() for value in layer.measurements().values())


@pytest.mark.parametrize("gradient", [float("nan"), float("inf"), -float("inf")])
def test_a_gradient_that_is_none_leaves_an_adaptive_rate(gradient):
    assert updated_rate(torch.tensor(0.4), {"loss": torch.tensor(gradient)}, "printed", 0.1) == torch.tensor(0.4)


@pytest.mark.parametrize("autocast", [None, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LAYERS)
def test_every_precision_trains_and_evaluates(name, dtype, autocast):
    layer = LAYERS[name]().to(dtype)
    x = maps().to(dtype).requires_grad_()
    with torch.autocast("cpu", autocast or torch.bfloat16, enabled=autocast is not None):
        out = layer.train()(x)
        out.sum().backward()
        evaluated = layer.eval()(x.detach())
        if hasattr(layer, "mode") and layer.map_size:
            layer.mode = "mask"
            assert ((layer(x.detach()) == 0) >= (x == 0)).all()
    assert out.dtype == evaluated.dtype == dtype and x.grad.isfinite().all()
    assert out.isfinite().all() and evaluated.isfinite().all()
    assert 0.4 < (out.abs().sum() / x.abs().sum()).item() < 2.0


@pytest.mark.parametrize("name", ["pb_edropout", "adaptive_concrete"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_a_layer_remembers_keeps_its_precision(name, dtype):
    layer = LAYERS[name]()
    before = {key: value.dtype for key, value in state(layer).items()}
    assert {key: value.dtype for key, value in state(layer.to(dtype)).items()} == before


def test_dropblock_in_16_bits_drops_what_it_drops_in_32():
    x = torch.ones(16, 32, 28, 28)  # 401,408 elements: their sum is not one of float16
    outputs = []
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        torch.manual_seed(0)
        outputs.append(DropBlock2d(0.15).train()(x.to(dtype)))
    assert torch.equal(outputs[0] == 0, outputs[1] == 0) and torch.equal(outputs[0] == 0, outputs[2] == 0)
    assert outputs[1].float().mean().item() == pytest.approx(1.0, abs=1e-3)


def test_dropblock_is_torchvisions_in_float32():
    from torchvision.ops import DropBlock2d as Theirs

    for size in (1, 3, 7):
        outputs = []
        for layer in (Theirs(0.2, size), DropBlock2d(0.2, size)):
            torch.manual_seed(size)
            outputs.append(layer.train()(maps()))
        assert torch.equal(*outputs)
    assert torch.equal(block_mask(maps(), 0.0, 3), torch.ones(3, 4, 8, 8))
    assert DropBlock2d(0.9, 7).train()(torch.ones(2, 3, 2, 2)).shape == (2, 3, 2, 2)  # a block of 1 fits


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("order", ["each", "together", "first first"])
@pytest.mark.parametrize("name", ["pb_edropout", "pb_edropout_unsized", "pb_edropout_standardized", "random_patch"])
def test_a_recomputed_forward_draws_the_masks_of_the_first_and_moves_nothing(name, order, reentrant):
    """As users train with torch.utils.checkpoint: gradients and all that is remembered are those without it."""
    found = []
    for repeated in (False, True):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), LAYERS[name]()).train()
        inputs = [maps(seed).requires_grad_() for seed in range(3)]

        def forward(x, network=network, repeated=repeated):
            return checkpoint(network, x, use_reentrant=reentrant) if repeated else network(x)

        torch.manual_seed(1)
        if order == "each":
            for x in inputs:
                forward(x).square().sum().backward()
        else:
            losses = [forward(x).square().sum() for x in inputs]
            for loss in [sum(losses)] if order == "together" else losses:
                loss.backward()
        found.append([*state(network).values(), *(x.grad for x in inputs), network[0].weight.grad])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def readme_network(map_size=(28, 28)):
    layer = PBEDropout2d(channels=4, map_size=map_size)
    return nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), layer, nn.MaxPool2d(2))


@pytest.mark.parametrize("map_size", [(28, 28), None])
def test_holders_of_state_hold_it_from_the_start(map_size):
    network = readme_network(map_size)
    initial, averaged = copy.deepcopy(network.state_dict()), AveragedModel(network)
    with_buffers = AveragedModel(network, use_buffers=True)
    shapes = {name: value.shape for name, value in state(network).items()}
    for seed in range(3):
        network.train()(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed)))
        averaged.update_parameters(network)
        with_buffers.update_parameters(network)
    assert {name: value.shape for name, value in state(network).items()} == shapes
    if map_size:
        assert not torch.equal(network[2].ema, initial["2.ema"])
        assert torch.equal(averaged.module[2].ema, network[2].ema)
    network.load_state_dict(initial)
    assert same(network.state_dict(), initial)


@pytest.mark.parametrize("name", OURS)
def test_counters_are_no_weights_and_evaluation_changes_nothing(name):
    layer = LAYERS[name]()
    assert set(layer.state_dict()) <= {"ema", "rate"}
    layer.train()(maps())
    before = state(layer.eval())
    layer(maps(1))
    if hasattr(layer, "mode") and layer.map_size:
        layer.mode = "mask"
        layer(maps(1))
    assert same(state(layer), before)


@pytest.mark.parametrize("name", ["random_patch", "dropout", "dropblock", "pb_edropout_unsized"])
def test_pretrained_weights_load_strictly_both_ways(name):
    plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    with_layer = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), LAYERS[name]())
    with_layer.train()(torch.rand(1, 3, 8, 8))
    with_layer.load_state_dict(plain.state_dict())
    plain.load_state_dict(with_layer.state_dict())


def test_weights_of_a_network_without_the_layer_load_as_of_one_that_averaged_nothing():
    plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    trained = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), LAYERS["pb_edropout"]())
    trained.train()(torch.rand(1, 3, 8, 8))
    trained.load_state_dict(plain.state_dict())
    trained[2].mode = "mask"
    assert torch.equal(trained.eval()(maps()[:, :3]), plain(maps()[:, :3]))


def test_the_training_state_of_another_network_is_refused():
    with pytest.raises(UserError, match=r"they differ in proxy, steps"):
        load_training_state(nn.Linear(1, 1), {k: v for k, v in training_state(PBEDropout2d(4)).items() if len(k) < 6})


@pytest.mark.parametrize("mode", ["full", "mask"])
def test_evaluation_exports_and_transforms_as_ordinary_operators(mode):
    network = readme_network().train()
    network(torch.randn(2, 3, 32, 32))
    network.eval()[2].mode = mode
    x = torch.randn(2, 3, 32, 32)
    expected = network(x)
    exported = torch.export.export(network, (x,))
    called = {str(node.target) for node in exported.graph.nodes if node.op == "call_function"}
    assert not [name for name in called if "regbench" in name or "stable" in name]  # ONNX has no stable sort
    torch.testing.assert_close(exported.module()(x), expected)
    parameters = dict(network.named_parameters()) | dict(network.named_buffers())
    one_by_one = torch.func.vmap(lambda image: torch.func.functional_call(network, parameters, (image[None],))[0])(x)
    torch.testing.assert_close(one_by_one, expected)
    gradient = torch.func.grad(lambda image: network(image[None]).sum())(x[0])
    assert gradient.shape == x[0].shape and gradient.isfinite().all()


@pytest.mark.parametrize("name", LAYERS)
def test_features_are_extracted_from_networks_that_hold_a_layer(name):
    from torchvision.models.feature_extraction import create_feature_extractor

    network = nn.Sequential(nn.Conv2d(4, 4, 1), LAYERS[name](), nn.Flatten())
    extractor = create_feature_extractor(network, {"2": "flat"})
    for training in (False, True):
        outputs = []
        for each in (network, extractor):
            torch.manual_seed(0)
            found = copy.deepcopy(each).train(training)(maps())
            outputs.append(found["flat"] if isinstance(found, dict) else found)
        assert torch.equal(*outputs)


WRONG = [None, "x", [], {}, float("nan"), float("inf"), -1, True]


@pytest.mark.parametrize("value", WRONG)
@pytest.mark.parametrize(
    "layer,key",
    [
        *[(PBEDropout2d, key) for key in ("channels", "patch_size", "keep", "population", "mutation", "feedback")],
        *[(PBEDropout2d, key) for key in ("ema_decay", "beta", "c", "noise_std", "eps", "variant", "feedback_from")],
        *[(RandomPatch2d, key) for key in ("patch_size", "keep")],
        *[(kind, "p") for kind in (Dropout, SpatialDropout2d, DropBlock2d)],
        (DropBlock2d, "block_size"),
        *[(AdaptiveDropout, key) for key in ("rate", "estimator", "temperature")],
        *[(BatchNorm, key) for key in ("channels", "share")],
    ],
)
def test_bad_construction_is_a_value_error_of_one_line(layer, key, value):
    settings = {"channels": 4} if layer in (PBEDropout2d, BatchNorm) else {}
    with pytest.raises(ValueError) as error:
        layer(**{**settings, key: value})
    assert isinstance(error.value, UserError) and str(error.value).startswith(f"{key}={value} is not allowed: allowed")
    assert "\n" not in str(error.value)


def test_the_layers_need_torch_alone():
    """No other library is loaded but NumPy, with which their kernels sort on a CPU."""
    script = (
        "import torch, sys; before = set(sys.modules); import regbench.regularizers; "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert set(said) <= {"regbench", "torch", "numpy"}, said
    assert importlib.util.find_spec("torchvision")  # it could have been
