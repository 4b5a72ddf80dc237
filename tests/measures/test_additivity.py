"""The additivity gap: exact cases."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from regbench.errors import UserError
from regbench.measures import additivity_gap


def points(seed: int, shape=(50, 4)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)


def test_zero_for_linear_and_affine_maps():
    layer = torch.nn.Linear(4, 3).double()
    x1, x2 = (x.double() for x in points(0))
    assert additivity_gap(lambda x: x @ layer.weight.T, x1, x2) < 1e-14
    assert additivity_gap(layer, x1, x2) < 1e-14


def test_squares_have_a_known_gap():
    # f(x1 + x2) - f(x1) - f(x2) = 2 x1 x2
    x1, x2 = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [-1.0]])
    assert additivity_gap(torch.square, x1, x2) == pytest.approx((6 + 4) / (10 + 5))


def test_relu_is_additive_within_a_sign_and_not_across():
    x1, x2 = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [0.5]])
    assert additivity_gap(torch.relu, x1, x2) == 0.0
    # relu(2 - 3) - relu(2) - relu(-3) = -2, beside 2 + 0
    assert additivity_gap(torch.relu, torch.tensor([[2.0]]), torch.tensor([[-3.0]])) == pytest.approx(1.0)


def test_a_relu_net_by_hand():
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        net[0].bias.copy_(torch.tensor([-1.0, 0.0]))
        net[2].weight.copy_(torch.tensor([[1.0, 1.0]]))
        net[2].bias.fill_(5.0)
    # g(x) = relu(a - 1) + relu(b) + 5, g(0) = 5: f(x1) = 0 + 2, f(x2) = 1 + 0, f(x1 + x2) = 2 + 2
    gap = additivity_gap(net, torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 0.0]]))
    assert gap == pytest.approx((4 - 3) / 3)


@given(st.floats(1e-3, 1e3), st.integers(0, 1000))
def test_scaling_the_function_or_its_offset_changes_nothing(scale, seed):
    x1, x2 = (x.double() for x in points(seed))
    gap = additivity_gap(lambda x: x**3, x1, x2)
    assert additivity_gap(lambda x: scale * x**3 + 7, x1, x2) == pytest.approx(gap, rel=1e-9)


def test_it_grows_with_the_degree_of_a_power():
    x1, x2 = (x.abs() for x in points(1))
    gaps = [additivity_gap(lambda x, d=degree: x**d, x1, x2) for degree in (1, 2, 3, 4)]
    assert gaps == sorted(gaps) and gaps[0] < 1e-6 < gaps[1]


def test_a_constant_is_affine_and_a_jump_from_nothing_has_no_bound():
    x1, x2 = torch.tensor([[1.0]]), torch.tensor([[2.0]])
    assert additivity_gap(lambda x: 0 * x + 3, x1, x2) == 0.0
    assert additivity_gap(lambda x: (x > 2.5).double(), x1, x2) == float("inf")


@pytest.mark.parametrize(
    ("x1", "x2", "message"),
    [
        (torch.ones(2, 3), torch.ones(3, 3), "must be alike"),
        (torch.ones(0, 3), torch.ones(0, 3), "not empty"),
        (torch.ones(2, 3), torch.full((2, 3), torch.nan), "not finite"),
    ],
)
def test_points_that_say_nothing_are_refused(x1, x2, message):
    with pytest.raises(UserError, match=message):
        additivity_gap(torch.square, x1, x2)
