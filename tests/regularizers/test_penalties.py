"""What a user of penalties expects: the model that is given, frozen, parametrised and tied weights, every precision."""

import copy
import logging
import math

import pytest
import torch
from torch import nn

from regbench.errors import UserError
from regbench.regularizers import Entropy, NormPenalty
from regbench.regularizers.entropy import conv_entropy_change, dense_entropy_change, entropy_loss
from regbench.regularizers.norms import norm_penalty
from regbench.regularizers.parts import placement
from regbench.regularizers.pb_edropout import patch_energy

PENALTIES = {
    "log": lambda where="all": Entropy(0.5, where, form="log"),
    "reciprocal": lambda where="all": Entropy(0.5, where, eps=0.1),
    "l1": lambda where="all": NormPenalty(0.5, 1, where),
    "l2": lambda where="all": NormPenalty(0.5, 2, where),
}


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(32, 10))


def attached(name, model, where="all"):
    penalty = PENALTIES[name](where)
    penalty.attach(model)
    return penalty


def gradients(model):
    return [None if each.grad is None else each.grad.clone() for each in model.parameters()]


@pytest.mark.parametrize("name", PENALTIES)
def test_the_gradient_goes_to_the_model_that_is_given(name):
    model = network()
    penalty, other = attached(name, model), copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.5)
    penalty.penalty(other).backward()
    assert all(each is None for each in gradients(model))
    mine = attached(name, other)
    expected = [each for each in gradients(other) if each is not None]
    other.zero_grad()
    mine.penalty(other).backward()
    assert expected and all(
        torch.equal(a, b) for a, b in zip(expected, (g for g in gradients(other) if g is not None), strict=True)
    )
    assert penalty.penalty_measurements(other)["penalty"] == pytest.approx(mine.penalty(other).item())
    assert penalty.penalty(model).item() != pytest.approx(penalty.penalty(other).item())


@pytest.mark.parametrize("name", PENALTIES)
def test_a_wrapped_network_is_looked_into_and_another_is_refused(name):
    model = network()
    penalty = attached(name, model)
    for wrapped in (torch.nn.DataParallel(model), torch.compile(model)):
        assert penalty.penalty(wrapped).item() == penalty.penalty(model).item()
    with pytest.raises(UserError, match="this model has no layer 0"):
        penalty.penalty(nn.ModuleDict({"a": nn.Linear(2, 2)}))


@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_before_attach_says_so(name):
    for call in ("penalty", "penalty_measurements"):
        with pytest.raises(UserError, match=r"is used before attach\(model\)"):
            getattr(PENALTIES[name](), call)(network())


@pytest.mark.parametrize("name", PENALTIES)
def test_frozen_weights_count_and_get_no_gradient_and_frozen_alone_are_refused(name):
    model = network()
    value = attached(name, model).penalty(model).item()
    model[0].weight.requires_grad_(False)
    penalty = attached(name, model)
    assert penalty.penalty(model).item() == pytest.approx(value)
    penalty.penalty(model).backward()
    assert model[0].weight.grad is None and model[2].weight.grad is not None
    assert penalty.penalty_measurements(model)["penalty"] == pytest.approx(value)
    with pytest.raises(UserError, match=r"the weights of 0 are all frozen"):
        attached(name, model, "first")
    model.requires_grad_(False)
    assert penalty.penalty_measurements(model)["penalty"] == pytest.approx(value)


@pytest.mark.parametrize("kind", ["spectral_norm", "weight_norm", "orthogonal"])
@pytest.mark.parametrize("name", PENALTIES)
def test_parametrised_weights_count_as_computed_and_their_sources_get_the_gradient(name, kind):
    model = network()
    getattr(nn.utils.parametrizations, kind)(model[4])
    penalty = attached(name, model, [2])
    unit = {"log": lambda w: entropy_loss(w, "log"), "reciprocal": lambda w: entropy_loss(w, "reciprocal", 0.1)}
    unit |= {"l1": lambda w: norm_penalty([w], 1), "l2": lambda w: norm_penalty([w], 2)}
    model.eval()  # spectral norm's power iteration rests
    torch.testing.assert_close(penalty.penalty(model), 0.5 * unit[name](model[4].weight))
    penalty.penalty(model).backward()
    assert all(each.grad is not None for each in model[4].parametrizations.weight.parameters())
    assert penalty.penalty_measurements(model)["penalty"] == pytest.approx(penalty.penalty(model).item())


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_that_a_hook_or_a_first_input_makes_are_refused():
    hooked = nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 4)))
    with pytest.raises(UserError, match="the weight of 0 is computed by a hook"):
        NormPenalty(1.0, 2).attach(hooked)
    with pytest.raises(UserError, match="the weight of 0 has no size yet"):
        NormPenalty(1.0, 2).attach(nn.Sequential(nn.LazyLinear(4)))


def test_a_weight_that_layers_share_counts_once():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    penalty = attached("l2", model)
    torch.testing.assert_close(penalty.penalty(model), 0.5 * model[0].weight.square().sum())
    with pytest.raises(UserError, match="or a weight that layers share, twice"):
        attached("l2", model, ["0", "2"])
    assert attached("l2", model, "2").names == ("0",)


def test_all_says_what_it_leaves_out(caplog):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense, self.line, self.volume = nn.Linear(2, 2), nn.Conv1d(1, 1, 3), nn.Conv3d(1, 1, 3)
            self.recurrent, self.up, self.norm = nn.LSTM(2, 2), nn.ConvTranspose2d(1, 1, 2), nn.BatchNorm2d(3)
            self.words = nn.Embedding(5, 2)

    placement._say_once.cache_clear()
    with caplog.at_level(logging.WARNING, "regbench"):
        for _ in range(2):
            NormPenalty(1.0, 2).attach(Net())
    left = "line (Conv1d), volume (Conv3d), recurrent (LSTM), up (ConvTranspose2d), words (Embedding)"
    assert [record.message for record in caplog.records] == [
        f"placement=all takes dense layers and 2D convolutions, and leaves out {left}"
    ]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", PENALTIES)
def test_every_precision_has_the_value_of_its_weights_and_a_gradient(name, dtype):
    model = network().to(dtype)
    wide = copy.deepcopy(model).double()
    value, expected = (attached(name, each).penalty(each) for each in (model, wide))
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert value.item() == pytest.approx(expected.item(), rel=1e-12 if dtype == torch.float64 else 1e-5)
    value.backward()
    found = [each for each in gradients(model) if each is not None]
    assert found and all(each.isfinite().all() and each.dtype == dtype for each in found)


def test_a_sum_of_many_16_bit_weights_does_not_overflow():
    weight = torch.full((400, 400), 2.0, dtype=torch.float16)
    assert norm_penalty([weight], 1).item() == 320_000 and norm_penalty([weight], 2).item() == 640_000


def test_dense_entropy_change_keeps_float64():
    """Hilbert's matrix of ten rows, of which float32 knows next to nothing: its determinant is c_10^4 / c_20."""
    size = torch.arange(10, dtype=torch.float64)
    factorials = [math.prod(math.factorial(i) for i in range(1, n)) for n in (10, 20)]
    exact = 4 * math.log(factorials[0]) - math.log(factorials[1])
    assert dense_entropy_change(1 / (size[:, None] + size + 1)).item() == pytest.approx(exact, abs=1e-3)
    well = torch.diag(torch.tensor([3.0, 7.0], dtype=torch.float64))
    assert dense_entropy_change(well).item() == pytest.approx(math.log(21), abs=1e-12)


@pytest.mark.parametrize("form", ["log", "reciprocal"])
@pytest.mark.parametrize("shape", [(4, 5), (3, 2, 3, 3)])
def test_losses_pass_gradcheck_in_float64(form, shape):
    torch.manual_seed(0)
    weight = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: entropy_loss(w, form, 0.1).sum(), weight)
    change = dense_entropy_change if len(shape) == 2 else conv_entropy_change
    assert torch.autograd.gradcheck(lambda w: change(w).sum(), weight)


def test_patch_energy_in_float64_is_a_double_loop():
    torch.manual_seed(0)
    patches = torch.randn(5, 3, 3, dtype=torch.float64)
    energy = patch_energy(patches, alpha=0.3, beta=0.1, eps=1e-3)
    for patch, found in zip(patches, energy, strict=True):
        inverse = {(i, j): 1 / max(abs(patch[i, j].item()), 1e-3) for i in range(3) for j in range(3)}
        pairs = sum(
            inverse[a] * inverse[b]
            for a in inverse
            for b in inverse
            if a < b and max(abs(a[0] - b[0]), abs(a[1] - b[1])) == 1
        )
        assert found.item() == pytest.approx(0.3 * sum(inverse.values()) + 0.1 * pairs, rel=1e-10)
