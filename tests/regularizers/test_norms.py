"""L1 and L2 penalties."""

import pytest
import torch
from torch import nn

from regbench.errors import UserError
from regbench.regularizers import NormPenalty


def network():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -2.0], [0.0, 3.0]]))
        model[2].weight.copy_(torch.tensor([[-4.0, 0.5]]))
    return model


@pytest.mark.parametrize(
    "power,placement,expected", [(1, "all", 10.5), (2, "all", 30.25), (1, "first", 6.0), (2, 1, 16.25)]
)
def test_penalties_by_hand_leave_biases_out(power, placement, expected):
    model = network()
    penalty = NormPenalty(0.1, power, placement)
    penalty.attach(model, (1, 1, 2))
    assert penalty.penalty(model).item() == pytest.approx(0.1 * expected)


@pytest.mark.parametrize("power", [1, 2])
def test_gradients_shrink_the_weights(power):
    model = network()
    penalty = NormPenalty(0.1, power)
    penalty.attach(model, (1, 1, 2))
    penalty.penalty(model).backward()
    weight = model[0].weight
    expected = 0.1 * (weight.sign() if power == 1 else 2 * weight)
    torch.testing.assert_close(weight.grad, expected.detach())
    assert model[0].bias.grad is None


def test_the_mean_weight_is_measured():
    model = network()
    penalty = NormPenalty(0.1, 1)
    penalty.attach(model, (1, 1, 2))
    measured = penalty.penalty_measurements(model)
    assert measured["mean_weight"] == pytest.approx(10.5 / 6)


@pytest.mark.parametrize("arguments,words", [({"power": 3}, "power=3"), ({"strength": float("nan")}, "strength=nan")])
def test_wrong_settings_are_refused(arguments, words):
    with pytest.raises(UserError, match=words):
        NormPenalty(**{"strength": 0.1, "power": 1, **arguments})
