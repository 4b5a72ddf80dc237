"""Adaptive dropout: relaxed masks, estimates of the rate's gradient against known derivatives, rules, placement."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from regbench.data import load_splits
from regbench.data.sources import digits
from regbench.errors import UserError
from regbench.models import DCGAN
from regbench.plan.experiments import load_config
from regbench.plan.jobs import members
from regbench.regularizers import AdaptiveDropout, AdaptiveDropoutLayers
from regbench.regularizers.adaptive_dropout import (
    ESTIMATORS,
    RULES,
    concrete_mask,
    mask_log_probability,
    rate_gradients,
    updated_rate,
)
from regbench.rows.store import Store
from regbench.train import train
from regbench.training.build import build
from tests.test_train import config, refused

SHAPE = (1, 16, 16)


def evenly(count):
    """The middles of so many equal parts of (0, 1): a mean over them is an integral over uniform noise."""
    return (torch.arange(count) + 0.5) / count


@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 0.9), st.floats(0.01, 0.1))
def test_relaxed_masks_keep_as_much_as_hard_ones_on_average(rate, temperature):
    """The bias is of second order in the temperature: below pi^2 / 6 * 0.1^2 * 0.1."""
    mask = concrete_mask(torch.tensor(rate), evenly(20_000), temperature)
    assert mask.mean().item() == pytest.approx(1 - rate, abs=0.002)
    assert mask.min() >= 0 and mask.max() <= 1


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_relaxed_masks_become_hard_at_small_temperature(rate):
    uniform = evenly(1000)
    mask = concrete_mask(torch.tensor(rate), uniform, 1e-5)
    torch.testing.assert_close(mask, (uniform < 1 - rate).float(), atol=1e-3, rtol=0)
    soft = concrete_mask(torch.tensor(rate), uniform, 1.0)
    assert ((soft > 0.05) & (soft < 0.95)).float().mean() > 0.5


def test_the_mask_is_that_of_concrete_dropout():
    rate, uniform = 0.3, evenly(50).double()
    odds = torch.log(torch.tensor(rate / (1 - rate))) + torch.log(uniform / (1 - uniform))
    expected = 1 - 1 / (1 + torch.exp(-odds / 0.4))
    torch.testing.assert_close(concrete_mask(torch.tensor(rate).double(), uniform, 0.4), expected)


@pytest.mark.parametrize("value", [0.0, 0.0005, 0.1, 0.5, 0.9])
def test_the_mean_of_relaxed_masks_falls_as_the_rate_rises_even_from_0(value):
    rate = torch.tensor(value, requires_grad=True)
    concrete_mask(rate, evenly(200_000), 0.1).mean().backward()
    assert rate.grad.item() == pytest.approx(-1, abs=0.05)


def test_the_probability_of_a_mask_by_hand():
    rate = torch.tensor(0.25, requires_grad=True)
    chance = mask_log_probability(rate, torch.tensor([1.0, 0.0, 1.0, 1.0]))
    assert chance.item() == pytest.approx(math.log(0.25 * 0.75**3))
    chance.backward()
    assert rate.grad.item() == pytest.approx(1 / 0.25 - 3 / 0.75)


def test_the_probability_of_a_mask_at_rate_0_is_that_at_a_thousandth_and_has_its_slope():
    rate = torch.tensor(0.0, requires_grad=True)
    chance = mask_log_probability(rate, torch.tensor([1.0, 0.0, 1.0]))
    chance.backward()
    assert chance.item() == pytest.approx(math.log(0.001 * 0.999**2), rel=1e-5)
    assert rate.grad.item() == pytest.approx(1 / 0.001 - 2 / 0.999, rel=1e-5)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_what_is_kept_is_scaled_up_and_evaluation_is_the_identity(estimator):
    layer, x = AdaptiveDropout(0.25, estimator, 1e-7), torch.ones(200, 100)
    kept = layer(x)
    hard = (kept.detach() > 0.5).float()
    torch.testing.assert_close(kept.detach(), hard / 0.75, atol=1e-3, rtol=0)
    assert hard.mean().item() == pytest.approx(0.75, abs=5 * math.sqrt(0.25 * 0.75 / 20_000))
    assert not torch.equal(layer(x), kept)
    assert layer.eval()(x) is x


def squared(layer, x):
    """E = x^2 / (1 - rate) with hard masks."""
    return lambda: {"loss": layer(x).square().mean()}


def draws(losses, layer, count):
    """Mean of so many estimates of the rate's gradient, and the mean's standard error."""
    found = [rate_gradients(losses, [layer], [layer.rate])["loss"][0].item() for _ in range(count)]
    found = torch.tensor(found, dtype=torch.float64)
    return found.mean().item(), (found.std() / math.sqrt(count)).item()


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.7])
def test_the_score_estimate_is_unbiased(rate):
    """Over many draws within 4 standard errors of the known derivative, these below a tenth of it."""
    torch.manual_seed(0)
    layer, x = AdaptiveDropout(rate, "score"), torch.full((16,), 1.5)
    exact = 1.5**2 / (1 - rate) ** 2
    mean, error = draws(squared(layer, x), layer, 1500)
    assert abs(mean - exact) < 4 * error and error < 0.1 * exact


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.7])
def test_the_concrete_estimate_is_short_by_its_temperature(rate):
    """To first order in T, E m^2 is (1 - a)(1 - T a): the derivative is that of hard masks times 1 - T."""
    torch.manual_seed(0)
    exact = 1.5**2 / (1 - rate) ** 2
    for temperature in (0.02, 0.1):
        layer = AdaptiveDropout(rate, "concrete", temperature)
        mean, error = draws(squared(layer, torch.full((20_000,), 1.5)), layer, 40)
        assert abs(mean / exact - (1 - temperature)) < 4 * error / exact + temperature**2
        assert 4 * error < 0.05 * exact


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.7])
def test_a_mean_that_does_not_depend_on_the_rate_has_derivative_0(rate):
    """It is the sum of two parts of size x / (1 - rate) with different signs."""
    torch.manual_seed(0)
    x = torch.full((16,), 1.5)
    for layer, given_, count in (
        (AdaptiveDropout(rate, "score"), x, 1500),
        (AdaptiveDropout(rate, "concrete", 0.05), x.expand(2000, 16), 40),
    ):
        mean, error = draws(lambda layer=layer, given_=given_: {"loss": layer(given_).mean()}, layer, count)
        assert abs(mean) < 4 * error + 0.01 and error < 0.1 * 1.5 / (1 - rate)


def test_both_estimates_agree_with_the_derivative_over_all_masks():
    """A network of its own behind four elements: the expected loss is a sum over 16 masks."""
    torch.manual_seed(0)
    x, weight = torch.tensor([0.5, -1.0, 2.0, 1.5]), torch.randn(4, 3)

    def network(y):
        return torch.tanh(y @ weight).square().sum(dim=-1)

    rate = torch.tensor(0.4, requires_grad=True)
    masks = torch.tensor(list(itertools.product([0.0, 1.0], repeat=4)))
    chances = torch.stack([mask_log_probability(rate, mask).exp() for mask in masks])
    assert chances.sum().item() == pytest.approx(1)
    (chances * network(x * masks / (1 - rate))).sum().backward()
    exact = rate.grad.item()
    assert abs(exact) > 0.1
    hard, relaxed = AdaptiveDropout(0.4, "score"), AdaptiveDropout(0.4, "concrete", 0.02)
    score, error = draws(lambda: {"loss": network(hard(x))}, hard, 2000)
    assert abs(score - exact) < 4 * error and error < 0.1
    concrete, its_error = draws(lambda: {"loss": network(relaxed(x.expand(20_000, 4))).mean()}, relaxed, 20)
    assert abs(concrete - exact) < 4 * its_error + 0.05 and its_error < 0.02
    assert abs(score - concrete) < 4 * math.hypot(error, its_error) + 0.05


def test_each_loss_has_its_own_gradient_for_each_rate():
    torch.manual_seed(0)
    first, second = AdaptiveDropout(0.2, temperature=0.02), AdaptiveDropout(0.5, temperature=0.02)
    x = torch.ones(200_000)

    def losses():
        return {"generator": first(x).square().mean(), "discriminator": 3 * second(x).square().mean()}

    found = rate_gradients(losses, [first, second], [first.rate, second.rate])
    assert found["generator"][1] == 0 and found["discriminator"][0] == 0
    assert found["generator"][0].item() == pytest.approx(1 / 0.8**2, rel=0.05)
    assert found["discriminator"][1].item() == pytest.approx(3 / 0.5**2, rel=0.05)


def test_hard_masks_are_remembered_only_while_a_gradient_is_taken():
    layer = AdaptiveDropout(0.5, "score")
    layer(torch.ones(4))
    assert layer.drawn is None

    def broken():
        layer(torch.ones(4))
        raise ValueError("made up")

    with pytest.raises(ValueError, match="made up"):
        rate_gradients(broken, [layer], [layer.rate])
    assert layer.drawn is None


SIGNS = {"printed": (1, -1), "reverse": (-1, 1), "ascend": (1, 1), "descend": (-1, -1), "fixed": (0, 0)}


@pytest.mark.parametrize("rule", RULES)
def test_rules_have_their_signs_and_a_single_loss_the_generators(rule):
    generator, discriminator = SIGNS[rule]
    both = {"generator": torch.tensor(2.0), "discriminator": torch.tensor(0.5)}
    found = updated_rate(torch.tensor(0.5), both, rule, 0.1)
    assert found.item() == pytest.approx(0.5 + 0.1 * (2.0 * generator + 0.5 * discriminator))
    found = updated_rate(torch.tensor(0.5), {"loss": torch.tensor(2.0)}, rule, 0.1)
    assert found.item() == pytest.approx(0.5 + 0.1 * 2.0 * generator)


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 0.9), st.sampled_from(list(SIGNS)), st.floats(0, 10), *[st.floats(-100, 100)] * 2)
def test_a_rate_moves_by_its_rule_and_stays_between_0_and_9_tenths(rate, rule, beta, generator, discriminator):
    gradients = {"generator": torch.tensor(generator), "discriminator": torch.tensor(discriminator)}
    signs = SIGNS[rule]
    expected = rate + beta * (signs[0] * generator + signs[1] * discriminator)
    found = updated_rate(torch.tensor(rate), gradients, rule, beta).item()
    assert found == pytest.approx(min(max(expected, 0.0), 0.9), abs=1e-3)
    assert 0 <= found <= 0.9 + 1e-7


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_rate_of_0_can_rise_again(estimator):
    torch.manual_seed(0)
    layer = AdaptiveDropout(0.0, estimator)
    (gradient,) = rate_gradients(squared(layer, torch.ones(10_000)), [layer], [layer.rate])["loss"]
    assert math.isfinite(gradient) and gradient > 0.1
    risen = updated_rate(layer.rate.detach(), {"loss": gradient}, "ascend", 0.01)
    assert 0 < risen < 0.9
    assert updated_rate(layer.rate.detach(), {"loss": gradient}, "descend", 0.01) == 0


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("rate", [0.0, 0.9])
def test_at_both_ends_outputs_and_gradients_are_finite(estimator, rate):
    layer, x = AdaptiveDropout(rate, estimator), torch.randn(1000, requires_grad=True)
    out = layer(x)
    out.square().mean().backward()
    assert out.isfinite().all() and x.grad.isfinite().all() and layer.rate.grad.isfinite()


def placed(model=None, **arguments):
    model = model or DCGAN(SHAPE, 10, widths=[4, 6], latent=5)
    regularizer = AdaptiveDropoutLayers(**arguments)
    regularizer.attach(model, SHAPE)
    return model.train(), regularizer


def losses_of(model):
    real = torch.randn(8, *SHAPE)

    def losses():
        fake = model.score(model.generate(8))
        return {
            "generator": model.generator_loss(fake),
            "discriminator": model.discriminator_loss(model.score(real), fake),
        }

    return losses


def rates(regularizer):
    return {name: rate.item() for name, rate in regularizer.traced().items()}


def test_one_rate_is_shared_by_all_layers_or_each_has_its_own():
    model, shared = placed(rate=0.3, beta=0.1)
    assert list(shared.layers) == list(model.sites) and len({id(layer.rate) for layer in shared.layers.values()}) == 1
    assert rates(shared) == pytest.approx({"rate": 0.3})
    shared.adapt(losses_of(model))
    assert rates(shared)["rate"] != pytest.approx(0.3, abs=1e-4)
    assert all(layer.rate.item() == rates(shared)["rate"] for layer in shared.layers.values())

    model, own = placed(rate=0.3, beta=0.1, shared=False)
    assert rates(own) == pytest.approx({f"{site}/rate": 0.3 for site in model.sites})
    own.adapt(losses_of(model))
    assert len(set(rates(own).values())) == 4 and own.measurements() == rates(own)
    assert {f"{site}/rate": layer.rate.item() for site, layer in own.layers.items()} == rates(own)


def test_a_shared_rates_gradient_is_the_sum_over_its_layers():
    gradients = {}
    for shared in (True, False):
        torch.manual_seed(0)
        model, regularizer = placed(shared=shared)
        layers = list(regularizer.layers.values())
        chosen = layers[:1] if shared else layers
        torch.manual_seed(1)
        found = rate_gradients(losses_of(model), layers, [layer.rate for layer in chosen])
        gradients[shared] = {name: torch.stack(each).sum() for name, each in found.items()}
    torch.testing.assert_close(gradients[True], gradients[False], rtol=1e-4, atol=1e-5)


def test_a_fixed_rate_never_moves_and_costs_no_pass():
    _, regularizer = placed(rate=0.3, rule="fixed", beta=1.0)
    regularizer.adapt(lambda: pytest.fail("losses were computed"))
    assert rates(regularizer) == pytest.approx({"rate": 0.3})


def test_a_step_of_the_rate_leaves_no_gradient_in_the_networks():
    model, regularizer = placed(beta=0.1)
    before = [weight.clone() for name, weight in model.named_parameters() if not name.endswith("rate")]
    regularizer.adapt(losses_of(model))
    after = [weight for name, weight in model.named_parameters() if not name.endswith("rate")]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert all(weight.grad is None for weight in model.parameters())


@pytest.mark.parametrize("shared", [True, False])
def test_rates_are_in_the_models_state_and_go_round(shared):
    model, regularizer = placed(beta=0.1, shared=shared)
    regularizer.adapt(losses_of(model))
    assert "sites.generator1.rate" in model.state_dict()
    other, restored = placed(beta=0.1, shared=shared)
    assert rates(restored) != rates(regularizer)
    other.load_state_dict(model.state_dict())
    assert rates(restored) == rates(regularizer)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_layer_alone_learns_its_rate_in_a_users_network(estimator):
    """Noise in what is reproduced only costs: descending the loss, the rate falls."""
    torch.manual_seed(0)
    layer = AdaptiveDropout(0.5, estimator)
    network = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), layer, nn.Linear(32, 4))
    optimizer = torch.optim.Adam([*network[0].parameters(), *network[3].parameters()], lr=0.01)
    x = torch.randn(64, 4)

    def losses():
        return {"loss": (network(x) - x).square().mean()}

    for _ in range(60):
        optimizer.zero_grad()
        losses()["loss"].backward()
        optimizer.step()
        (gradient,) = rate_gradients(losses, [layer], [layer.rate])["loss"]
        with torch.no_grad():
            layer.rate.copy_(updated_rate(layer.rate, {"loss": gradient}, "descend", 0.02))
    assert layer.rate < 0.35
    network.eval()
    assert torch.equal(network(x), network(x)) and losses()["loss"] < 0.5


@pytest.mark.parametrize(
    "arguments,words",
    [
        ({"rate": -0.1}, r"rate=-0\.1 is not allowed: allowed is an adaptive drop rate in \[0, 0\.9\]"),
        ({"rate": 0.95}, r"rate=0\.95 is not allowed"),
        ({"rate": float("nan")}, "rate=nan is not allowed"),
        ({"estimator": "exact"}, "estimator=exact is not allowed: allowed are concrete, score"),
        ({"temperature": 0.0}, r"temperature=0\.0 is not allowed"),
        ({"temperature": float("nan")}, "temperature=nan is not allowed"),
    ],
)
@pytest.mark.parametrize("shared", [True, False])
def test_wrong_settings_are_refused_by_the_layer_and_by_its_placement(arguments, words, shared):
    with pytest.raises(UserError, match=words):
        AdaptiveDropout(**arguments)
    with pytest.raises(UserError, match=words):
        placed(**arguments, shared=shared)


@pytest.mark.parametrize(
    "arguments,words",
    [
        ({"rule": "random"}, "rule=random is not allowed: allowed are printed, reverse, ascend, descend, fixed"),
        ({"beta": -1.0}, r"beta=-1\.0 is not allowed"),
        ({"beta": float("nan")}, "beta=nan is not allowed"),
        ({"beta": float("inf")}, "beta=inf is not allowed"),
        ({"placement": ["conv1"]}, "placement=conv1 is not a site of this model"),
        ({"placement": []}, "names no site"),
    ],
)
def test_wrong_rules_and_places_are_refused(arguments, words):
    with pytest.raises(UserError, match=words):
        placed(**arguments)


@pytest.mark.parametrize(
    "override,words",
    [
        ("regularizer.strength=0.95", "rate=0.95 is not allowed"),
        ("regularizer.method.rule=up", "rule=up is not allowed"),
        ("regularizer.method.estimator=none", "estimator=none is not allowed"),
        ("regularizer.method.temperature=-1", "temperature=-1.0 is not allowed"),
        ("regularizer.method.beta=fast", "beta=fast is not allowed: allowed is a number"),
        ("+regularizer.method.decay=1", "regularizer: regbench.regularizers.AdaptiveDropoutLayers does not take"),
    ],
)
def test_wrong_settings_in_a_config_are_one_line_and_leave_no_row(tmp_path, monkeypatch, override, words):
    assert words in refused(tmp_path, monkeypatch, "regularizer=adaptive_dropout", override)


CNN = ("model.widths=[4,4,4,4,4]", "budget.epochs=1", "regularizer=adaptive_dropout")
GENERATE = ("model=dcgan", "model.widths=[4,6]", "model.latent=5", "task=generate", "regularizer=adaptive_dropout")


def trained_rate(folder, *overrides):
    """The rate after an epoch of the five-layer CNN, from its row."""
    train(config(folder, *CNN, *overrides))
    (row,) = Store(folder / "results").rows()
    assert row["status"] == "done"
    return row["epochs"][-1]["measures"]["train"]["rate"]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_classifiers_loss_moves_the_rate(tmp_path, estimator):
    choice = f"regularizer.method.estimator={estimator}"
    rate = trained_rate(tmp_path, choice, "regularizer.method.beta=1.0")
    assert 0 <= rate <= 0.9 and abs(rate - 0.5) > 0.01  # in four steps, more than an optimizer's 0.001 each


def test_a_classifiers_rate_is_moved_by_its_rule_alone(tmp_path):
    """The network's optimizer must leave it where a fixed rule leaves it."""
    assert trained_rate(tmp_path, "regularizer.method.rule=fixed") == 0.5


@pytest.mark.parametrize("overrides", [GENERATE, CNN], ids=["generate", "classify"])
@pytest.mark.parametrize("shared", ["true", "false"])
def test_no_optimizer_of_the_networks_holds_a_rate(overrides, shared):
    data = load_splits(digits(), 64, 16, 0, torch.device("cpu"))
    (member,) = members(load_config([*overrides, f"regularizer.method.shared={shared}", "seeds=[0]"]))
    training = build(member, data, torch.device("cpu"))
    optimizers = training.optimizer.values() if training.task.adversarial else [training.optimizer]
    held = {id(weight) for each in optimizers for group in each.param_groups for weight in group["params"]}
    named = dict(training.model.named_parameters(remove_duplicate=False))
    assert [name for name in named if name.endswith("rate")] == [f"sites.{site}.rate" for site in training.model.sites]
    assert not [name for name, weight in named.items() if name.endswith("rate") and id(weight) in held]
    nets = [weight for name, weight in named.items() if not name.startswith(("sites", "average"))]
    assert held >= {id(weight) for weight in nets}
