"""Entropy guidance: the formulas against matrices built as the paper builds them, the penalty against autograd."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from regbench.errors import UserError
from regbench.regularizers import Entropy
from regbench.regularizers.entropy import (
    conv_entropy_change,
    dense_entropy_change,
    entropy_loss,
    square_part,
)
from regbench.regularizers.parts.placement import choose_layers


def completed_convolution(filter_, height, width):
    """C'_M of equations (15) to (17): blocks B'_j with an identity below, and an identity below them."""
    p, q = filter_.shape
    blocks = []
    for j in range(p):
        block = torch.zeros(width, width, dtype=filter_.dtype)
        for row in range(width - q + 1):
            block[row, row : row + q] = filter_[j]
        block[width - q + 1 :, width - q + 1 :] = torch.eye(q - 1)
        blocks.append(block)
    matrix = torch.zeros(height * width, height * width, dtype=filter_.dtype)
    for row in range(height - p + 1):
        for j in range(p):
            matrix[row * width : (row + 1) * width, (row + j) * width : (row + j + 1) * width] = blocks[j]
    below = (height - p + 1) * width
    matrix[below:, below:] = torch.eye((p - 1) * width)
    return matrix


def completed_dense(weight):
    """W' of equation (6): the rest of the weight beside or below its square part, an identity in the corner."""
    out, into = weight.shape
    size = max(out, into)
    matrix = torch.eye(size, dtype=weight.dtype)
    matrix[:out, :into] = weight
    return matrix


EXAMPLE_5 = torch.tensor([[2.0, 1.0], [4.0, 3.0], [-2.0, 1.0]])


def test_example_5_determinant_is_64_and_the_map_comes_out():
    matrix = completed_convolution(EXAMPLE_5, 4, 4)
    assert torch.linalg.det(matrix).item() == pytest.approx(64)
    change = conv_entropy_change(EXAMPLE_5[None, None], map_size=(4, 4))
    assert change.item() == pytest.approx(np.log(64))
    image = torch.tensor([[3.0, 4, 1, 2], [0, 0, 5, 6], [2, 1, 0, 3], [1, 4, 2, 5]])
    product = (matrix @ image.flatten()).view(4, 4)[:2, :3]
    expected = nn.functional.conv2d(image[None, None], EXAMPLE_5[None, None])[0, 0]
    torch.testing.assert_close(product, expected)
    assert expected.flatten().tolist() == [7, 22, 45, 13, 3, 26]


def test_example_4_square_part():
    weight = torch.tensor([[3.0, 0, 9, -3, 4], [1, 5, -1, 4, 2], [0, 4, -2, 1, 5]])
    determinant = torch.linalg.det(weight[:, :3])
    assert torch.equal(square_part(weight), weight[:, :3])
    assert torch.linalg.det(completed_dense(weight)).item() == pytest.approx(determinant.item(), rel=1e-5)
    assert dense_entropy_change(weight).item() == pytest.approx(determinant.abs().log().item(), rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 10**6))
def test_corollary_6_on_random_filters(p, q, more_rows, more_columns, seed):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(2, 2, p, q, generator=generator, dtype=torch.float64)
    size = (p + more_rows, q + more_columns)
    change = conv_entropy_change(weight, map_size=size)
    for o in range(2):
        for i in range(2):
            explicit = torch.linalg.slogdet(completed_convolution(weight[o, i], *size)).logabsdet
            torch.testing.assert_close(change[o, i], explicit, rtol=1e-6, atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6))
def test_theorem_3_on_random_weights_and_its_gradient(out, into, seed):
    weight = torch.randn(out, into, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    explicit = torch.linalg.slogdet(completed_dense(weight)).logabsdet
    torch.testing.assert_close(dense_entropy_change(weight), explicit, rtol=1e-3, atol=1e-4)
    ours = torch.autograd.grad(dense_entropy_change(weight), weight)[0]
    theirs = torch.autograd.grad(explicit, weight)[0]
    torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("form", ["log", "reciprocal"])
def test_losses_follow_their_equations(form):
    dense, conv = torch.randn(3, 5), torch.randn(2, 4, 3, 3)
    determinant, corner = torch.linalg.det(dense[:, :3]).abs(), conv[:, :, 0, 0].abs()
    expected = [-determinant.log(), -corner.log()] if form == "log" else [1 / (determinant + 0.1), 1 / (corner + 0.1)]
    torch.testing.assert_close(entropy_loss(dense, form, 0.1), expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(entropy_loss(conv, form, 0.1), expected[1])


def test_the_formula_raises_entropy_where_the_text_says_it_reduces_it():
    layer = nn.Linear(4, 4)
    penalty = Entropy(1.0, form="log")
    penalty.attach(layer, (1, 1, 4))
    before = dense_entropy_change(layer.weight).item()
    penalty.penalty(layer).backward()
    with torch.no_grad():
        layer.weight -= 1e-3 * layer.weight.grad
    assert dense_entropy_change(layer.weight).item() > before


def test_a_260_wide_layer_underflows_to_a_constant_without_gradient_and_log_does_not():
    """The determinant of freshly initialised weights is 0 in float32: lambda / eps, and nothing to learn from."""
    torch.manual_seed(0)
    layer = nn.Linear(784, 260)
    assert torch.linalg.det(square_part(layer.weight)).item() == 0.0
    assert -1200 < dense_entropy_change(layer.weight).item() < -300
    measured = {}
    for form in ("reciprocal", "log"):
        penalty = Entropy(1e-4, form=form, eps=1e-3)
        penalty.attach(layer, (1, 1, 784))
        measured[form] = penalty.penalty_measurements(layer)
    assert measured["reciprocal"]["penalty"] == pytest.approx(0.1, rel=1e-5)
    assert measured["reciprocal"]["gradient_norm"] == 0.0
    assert 0 < measured["log"]["gradient_norm"] < float("inf")


def test_sixty_wide_determinant_is_about_e_to_the_minus_139():
    torch.manual_seed(0)
    changes = [dense_entropy_change(nn.Linear(784, 60).weight).item() for _ in range(20)]
    assert -150 < np.mean(changes) < -130


def network():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(32, 10))


@pytest.mark.parametrize(
    "placement,expected",
    [
        ("all", ["0", "2", "4"]),
        ("first", ["0"]),
        (1, ["2"]),
        ("4", ["4"]),
        ([2, "0"], ["0", "4"]),
    ],
)
def test_placement_by_word_index_and_name(placement, expected):
    assert list(choose_layers(network(), placement)) == expected


@pytest.mark.parametrize("placement", ["conv9", 7, -1, [0, "x"], [], [0, "0"]])
def test_placements_that_match_nothing_or_twice_are_refused(placement):
    with pytest.raises(UserError, match="placement="):
        choose_layers(network(), placement)


def test_penalty_sums_layers_with_their_own_strengths():
    model = network()
    factors = [1.0, 0.0, 2.0, -1.0]
    penalty = Entropy(0.5, placement=[0, 1], form="log", layer_strengths={"0": factors, "2": 3.0})
    penalty.attach(model, (1, 8, 8))
    first = (-conv_entropy_change(model[0].weight) * torch.tensor(factors)[:, None]).sum()
    second = -3.0 * conv_entropy_change(model[2].weight).sum()
    torch.testing.assert_close(penalty.penalty(model), 0.5 * (first + second))


def test_gradient_norm_is_that_of_the_penalty():
    model = network()
    penalty = Entropy(0.1, placement="all")
    penalty.attach(model, (1, 8, 8))
    penalty.penalty(model).backward()
    norm = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm().item()
    assert penalty.penalty_measurements(model)["gradient_norm"] == pytest.approx(norm, rel=1e-5)


@pytest.mark.parametrize(
    "arguments,words",
    [
        ({"eps": 0.0}, "eps=0.0"),
        ({"eps": float("nan")}, "eps=nan"),
        ({"form": "square"}, "form=square"),
        ({"strength": float("inf")}, "strength=inf"),
    ],
)
def test_wrong_settings_are_refused(arguments, words):
    with pytest.raises(UserError, match=words):
        Entropy(**{"strength": 1.0, **arguments})


def test_singular_empty_and_misfitting_weights_are_refused():
    singular = nn.Linear(3, 3)
    nn.init.zeros_(singular.weight)
    with pytest.raises(UserError, match="singular"):
        Entropy(1.0).attach(singular, (1, 1, 3))
    with pytest.raises(UserError, match="has no square part"):
        dense_entropy_change(torch.zeros(0, 4))
    with pytest.raises(UserError, match="none of a 2D convolution"):
        conv_entropy_change(torch.zeros(3, 3))
    with pytest.raises(UserError, match="smaller than the filter"):
        conv_entropy_change(torch.ones(1, 1, 3, 3), map_size=(2, 5))
    with pytest.raises(UserError, match=r"layer_strengths\.0 has 3 numbers"):
        Entropy(1.0, layer_strengths={"0": [1.0, 2.0, 3.0]}).attach(network(), (1, 8, 8))
    with pytest.raises(UserError, match=r"layer_strengths\.9 is no placed layer"):
        Entropy(1.0, layer_strengths={"9": 1.0}).attach(network(), (1, 8, 8))
