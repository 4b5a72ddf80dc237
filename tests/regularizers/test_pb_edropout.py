"""PB-EDropout: the fast layer against the paper's algorithm, and what a drop-in module must survive."""

import copy
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from regbench.errors import UserError
from regbench.regularizers import PBEDropout2d, load_training_state, pb_edropout, training_state
from regbench.regularizers.parts.candidates import normal_quantiles
from regbench.regularizers.pb_edropout import gibbs_probabilities, keep_count, patch_energy, temperature_at
from tests.regularizers.reference import Reference

SETTINGS = {
    "patch_size": 2,
    "keep": 0.8,
    "population": 3,
    "mutation": 0.1,
    "feedback": 0.05,
    "ema_decay": 0.9,
}
SILENT = {"beta": 0.1, "c": 1.0, "noise_std": 0.01, "eps": 1e-3}


def feature_map(samples=3, channels=4, side=8, seed=0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, channels, side, side, generator=generator) + shift
    return torch.relu(x).to(memory_format=torch.channels_last)


def give_noise(monkeypatch, seed):
    """Let the layer draw known bits; returns the standard normal noise that they mean, (S, C, N, L)."""
    bits = torch.randint(-(2**15), 2**15, (3, 4, 3, 16), generator=torch.Generator().manual_seed(seed))
    monkeypatch.setattr(pb_edropout, "random_bits", lambda like, copies: bits.to(torch.int16))
    return normal_quantiles(torch.device("cpu"))[bits % 2**16]


def kept_patches(masked, layer):
    """Which patches of a masked all-ones map are left: bool (N, C, L)."""
    k = layer.patch_size
    return (masked.unfold(2, k, k).unfold(3, k, k).flatten(4).flatten(2, 3) != 0).any(-1)


@pytest.mark.parametrize("patch_size,side", [(2, 8), (3, 9), (4, 8)])
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_energy_matches_the_reference_for_every_patch(patch_size, side, shift):
    x = feature_map(side=side, shift=shift)
    reference = Reference(**{**SETTINGS, **SILENT, "patch_size": patch_size})
    fast = patch_energy(pb_edropout.view_patches(x, patch_size), alpha=0.3, beta=0.1, eps=1e-3)
    grid = side // patch_size
    for i, c, r, q in itertools.product(range(2), range(2), range(grid), range(grid)):
        patch = x[i, c, r * patch_size : (r + 1) * patch_size, q * patch_size : (q + 1) * patch_size]
        assert fast[i, c, r, q].item() == pytest.approx(reference.energy(patch, 0.3), rel=1e-5)


def test_energy_of_a_patch_by_hand():
    patch = torch.tensor([[1.0, 2.0], [4.0, -0.5]])  # r = 1, 1/2, 1/4, 2
    singles, pairs = 3.75, 0.5 + 0.25 + 2 + 0.125 + 1 + 0.5
    assert patch_energy(patch, alpha=2.0, beta=3.0, eps=1e-6).item() == pytest.approx(2 * singles + 3 * pairs)


def test_three_by_three_patch_has_twenty_neighbour_pairs():
    ones = torch.ones(3, 3)
    assert patch_energy(ones, alpha=0.0, beta=1.0, eps=1e-6).item() == 20


def test_zero_activations_count_as_eps():
    assert patch_energy(torch.zeros(1, 1), alpha=1.0, beta=0.0, eps=1e-2).item() == pytest.approx(100)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_fast_layer_follows_the_reference_step_by_step(monkeypatch, shift):
    layer = PBEDropout2d(4, **SETTINGS, **SILENT, map_size=(8, 8)).train()
    reference = Reference(**SETTINGS, **SILENT)
    for step in range(6):
        x = feature_map(seed=step, shift=shift)
        noise = give_noise(monkeypatch, seed=100 + step)
        masked = layer(x)
        expected, masks = reference.forward(x, noise)
        torch.testing.assert_close(masked, expected, rtol=0, atol=0)
        assert layer.proxy.item() == pytest.approx(reference.proxy, rel=1e-6)
        torch.testing.assert_close(layer.ema.double(), reference.ema, rtol=0, atol=1e-6)
        assert masks.sum(-1).eq(keep_count(0.8, 16)).all()


def test_freezing_alpha_within_a_forward_slows_g_and_changes_alpha_by_one_to_five_percent():
    """The one deviation: G moves once per forward instead of once per channel, here at conv1's 32 channels."""
    noise = torch.randn(3, 32, 2, 16, generator=torch.Generator().manual_seed(1))
    printed = Reference(**SETTINGS, **SILENT, frozen_alpha=False)
    frozen = Reference(**SETTINGS, **SILENT, frozen_alpha=True)
    differences = []
    for step in range(3):
        x = feature_map(samples=2, channels=32, seed=step, shift=0.5)
        printed.forward(x, noise)
        frozen.forward(x, noise)
        differences += [abs(a / b - 1) for a, b in zip(printed.alphas, frozen.alphas, strict=True)]
    assert 0.01 < max(differences) < 0.05
    assert printed.proxy < frozen.proxy


def test_temperature_schedule():
    t = torch.tensor([1, 2, 100])
    expected = [2.0 / torch.log(torch.tensor(1.0 + v)).item() for v in t.tolist()]
    assert temperature_at(t, 2.0).tolist() == pytest.approx(expected)


def test_gibbs_probabilities_are_a_distribution_that_prefers_low_energy():
    probabilities = gibbs_probabilities(torch.tensor([[1.0, 2.0, 1e9]]), 0.5)
    assert probabilities.sum().item() == pytest.approx(1.0)
    assert probabilities[0, 0] > probabilities[0, 1] > probabilities[0, 2] == 0.0
    assert (probabilities[0, 0] / probabilities[0, 1]).item() == pytest.approx(torch.e**2, rel=1e-5)


@pytest.mark.parametrize("variant", ["printed", "standardized"])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@settings(max_examples=12, deadline=None)
@given(
    keep=st.sampled_from([0.1, 0.29, 0.5, 0.85, 1.0]),
    patch_size=st.sampled_from([1, 2, 3]),
    zeros=st.booleans(),
)
def test_exactly_k_patches_are_kept_in_every_sample_and_channel(variant, memory_format, keep, patch_size, zeros):
    layer = PBEDropout2d(3, patch_size=patch_size, keep=keep, variant=variant).train()
    x = torch.full((2, 3, 12, 12), 0.0 if zeros else 1.0).contiguous(memory_format=memory_format).requires_grad_()
    layer(x).sum().backward()  # the gradient is the mask
    kept = kept_patches(x.grad, layer)
    assert kept.sum(-1).eq(keep_count(keep, (12 // patch_size) ** 2)).all()


def test_gradients_are_exactly_zero_on_dropped_patches_and_one_elsewhere():
    layer = PBEDropout2d(4, **SETTINGS).train()
    x = feature_map(shift=1.0).requires_grad_()
    masked = layer(x)
    masked.sum().backward()
    assert set(x.grad.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(x.grad * x, masked)


@pytest.mark.parametrize("side,expected", [(24, 22 / 144), (28, 30 / 196)])
def test_counted_share_of_masked_patches_is_the_papers(side, expected):
    """15.28 % on 24x24 maps (MNIST) and 15.31 % on 28x28 (CIFAR), counted on the applied masks."""
    layer = PBEDropout2d(2, map_size=(side, side)).train()
    layer(feature_map(2, 2, side))
    assert layer.measurements()["masked"] == pytest.approx(expected, abs=1e-9)
    assert layer.eval().measurements() == {"masked": 0.0}
    layer.mode = "mask"
    assert layer.measurements() == {"masked": pytest.approx(expected, abs=1e-9)}


def test_evaluation_modes():
    layer = PBEDropout2d(4, **SETTINGS, map_size=(8, 8)).train()
    for step in range(4):
        layer(feature_map(seed=step))
    layer.eval()
    ones = torch.ones(2, 4, 8, 8)
    assert torch.equal(layer(ones), ones)
    layer.mode = "mask"
    kept = kept_patches(layer(ones), layer)
    assert kept.sum(-1).eq(keep_count(0.8, 16)).all()
    for channel, kept_here in zip(layer.ema, kept[0], strict=True):
        assert channel[kept_here].min() >= channel[~kept_here].max()
    assert torch.equal(kept[0], kept[1])


def test_mask_mode_before_any_training_keeps_everything():
    layer = PBEDropout2d(4, map_size=(8, 8)).eval()
    layer.mode = "mask"
    ones = torch.ones(2, 4, 8, 8)
    assert torch.equal(layer(ones), ones)


def test_most_kept_patches_are_the_strong_ones():
    """A map with one weak corner: the energy drops it, chance would not."""
    x = torch.full((8, 2, 8, 8), 1.0)
    x[:, :, :2, :4] = 1e-2
    for variant in ("printed", "standardized"):
        layer = PBEDropout2d(2, keep=0.875, variant=variant, beta=0.0, map_size=(8, 8)).train()
        for _ in range(30):
            layer(x)
        assert layer.ema[:, :2].max() < 0.2 < 0.8 < layer.ema[:, 2:].min()


def test_feedback_from_mutated_masks_moves_g_differently():
    torch.manual_seed(0)
    printed, mutated = PBEDropout2d(4), PBEDropout2d(4, feedback_from="mutated")
    x = feature_map(shift=0.5)
    for layer in (printed, mutated):
        torch.manual_seed(1)
        layer.train()(x)
    assert mutated.proxy > printed.proxy  # flips remove more than they restore where 85 % are kept


@pytest.mark.parametrize("variant", ["printed", "standardized"])
def test_what_it_remembers_deepcopy_and_seed_give_the_same_masks(variant):
    layer = PBEDropout2d(4, variant=variant, map_size=(8, 8)).train()
    layer(feature_map())
    loaded = PBEDropout2d(4, variant=variant, map_size=(8, 8)).train()
    loaded.load_state_dict(layer.state_dict())
    load_training_state(loaded, training_state(layer))
    copied = copy.deepcopy(layer)
    results = []
    for other in (layer, loaded, copied):
        torch.manual_seed(5)
        results.append((other(feature_map(seed=2)), dict(other.named_buffers())))
    for output, state in results[1:]:
        assert torch.equal(output, results[0][0])
        assert all(torch.equal(state[key], results[0][1][key]) for key in state)


def test_autocast_keeps_energies_in_float32_and_the_output_in_its_type():
    layers = PBEDropout2d(4).train(), PBEDropout2d(4).train()
    outputs = []
    for layer, enabled in zip(layers, (True, False), strict=True):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            outputs.append(layer(feature_map(shift=0.5)))
    assert torch.equal(*outputs) and torch.equal(layers[0].proxy, layers[1].proxy)
    assert PBEDropout2d(4).train()(feature_map().bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("variant", ["printed", "standardized"])
def test_a_cast_network_still_trains(dtype, variant):
    layer = PBEDropout2d(4, variant=variant, map_size=(8, 8)).to(dtype).train()
    x = feature_map(shift=1.0).to(dtype).requires_grad_()
    layer(x).sum().backward()
    kept = kept_patches(x.grad, layer)
    assert kept.sum(-1).eq(keep_count(0.85, 16)).all() and torch.isfinite(layer.ema).all()


def test_torch_compile_gives_the_same_masks():
    layer = PBEDropout2d(4, map_size=(8, 8)).train()
    twin = copy.deepcopy(layer)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x = feature_map(shift=0.5)
    torch.manual_seed(3)
    expected = twin(x)
    torch.manual_seed(3)
    torch.testing.assert_close(compiled(x), expected)
    torch.testing.assert_close(layer.ema, twin.ema)


@pytest.mark.parametrize(
    "arguments,words",
    [
        ({"keep": 0.0}, "keep=0.0"),
        ({"keep": 1.1}, "keep=1.1"),
        ({"keep": float("nan")}, "keep=nan"),
        ({"population": 0}, "population=0"),
        ({"mutation": 1.5}, "mutation=1.5"),
        ({"noise_std": -1.0}, "noise_std=-1.0"),
        ({"eps": 0.0}, "eps=0.0"),
        ({"eps": 1e-20}, "eps=1e-20"),
        ({"patch_size": 0}, "patch_size=0"),
        ({"patch_size": 1.5}, "patch_size=1.5"),
        ({"feedback_from": "mutated", "mutation": 0.5}, "mutation=0.5"),
        ({"feedback_from": "mutated", "variant": "standardized"}, "variant=standardized"),
        ({"c": 0.0}, "c=0.0"),
        ({"variant": "fast"}, "variant=fast"),
        ({"feedback_from": "none"}, "feedback_from=none"),
        ({"patch_size": 5, "map_size": (12, 12)}, "patch_size=5"),
        ({"keep": 0.01, "map_size": (8, 8)}, "keep=0.01"),
        ({"keep": None}, "keep=None"),
        ({"keep": "high"}, "keep=high"),
        ({"keep": True}, "keep=True"),
        ({"population": 2.0}, "population=2.0"),
        ({"noise_std": float("inf")}, "noise_std=inf"),
        ({"map_size": 8}, "map_size=8"),
        ({"map_size": (8, 0)}, r"map_size=\(8, 0\)"),
    ],
)
def test_wrong_settings_are_named_with_what_is_allowed(arguments, words):
    with pytest.raises(UserError, match=words):
        PBEDropout2d(4, **arguments)


def test_wrong_inputs_are_named():
    layer = PBEDropout2d(4, map_size=(8, 8))
    with pytest.raises(UserError, match="was made for"):
        layer(torch.ones(2, 3, 8, 8))
    with pytest.raises(UserError, match="patch_size=2 does not divide"):
        PBEDropout2d(4)(torch.ones(2, 4, 7, 7))
    with pytest.raises(UserError, match="one layer per map size"):
        layer(torch.ones(2, 4, 12, 12))
    with pytest.raises(UserError, match="mode=half"):
        layer.mode = "half"
    with pytest.raises(UserError, match="mode=mask needs averaged masks"):
        PBEDropout2d(4).mode = "mask"


def test_full_mode_takes_any_map_and_mask_mode_its_own_height_and_width():
    layer = PBEDropout2d(2, map_size=(8, 8)).eval()
    for shape in ((1, 2, 7, 5), (1, 2, 4, 16), (0, 2, 8, 8)):
        assert layer(torch.ones(shape)).shape == shape
    layer.mode = "mask"
    assert layer(torch.ones(3, 2, 8, 8)).shape == (3, 2, 8, 8)
    with pytest.raises(UserError, match="one layer per map size"):  # as many patches, elsewhere
        layer(torch.ones(1, 2, 4, 16))
