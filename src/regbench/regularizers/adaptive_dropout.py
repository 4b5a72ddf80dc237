"""Adaptive dropout: dropout whose rate is a parameter that follows a gradient while a network trains.

Paper
    "Training Adversarial Generative Neural Network with Adaptive Dropout Rate" (anonymous, under review), equations
    (2) and (5). Relaxed masks: Gal, Hron, Kendall 2017, "Concrete Dropout".
Formula
    alpha <- alpha + beta * d(L_G + L_D) / d alpha, kept in [0, 0.9]; alpha is the drop rate of every dropout layer.
    A mask of ordinary dropout has no gradient with respect to its rate. `concrete` relaxes it,
    m = 1 - sigmoid((logit(alpha) + logit(u)) / temperature), u uniform; `score` keeps hard masks and uses
    L * d log P(m) / d alpha, of two draws, each with the other's loss as its baseline. Both also see that
    y = x m / (1 - alpha) depends on alpha itself.
Where
    "The input or hidden layers of the networks": all sites of generator and discriminator (`placement: all`).
Paper settings
    alpha starts at 0.5.
Ambiguities and the choice made
    beta is not given: 0.0002, the one learning rate that the paper names. The sign: by (4) the discriminator *ascends*
    L_D, so that with minimised losses l_G = L_G and l_D = -L_D rule (5) is alpha + beta * d(l_G - l_D)/d alpha, the
    `printed` rule; `reverse` has both signs turned, `descend` and `ascend` take the sum l_G + l_D with either sign (of
    the four, `descend` differs from `printed` in the generator's term only); `fixed` leaves alpha alone.
    The gradient is taken, as in the paper's algorithm, after both updates, of a pass of its own on the same images with
    fresh noise. A network with one loss l (no GAN) has d l / d alpha in l_G's place.
    One alpha for all layers, as printed; `shared: false` gives each layer its own.
Deviations
    Batch norm's running statistics do not move in that pass. A rate below 0.001 counts as 0.001 where masks are drawn.
Evidence
    results/tables/gan-table1.md; results/REPORT.md#gan-fid-mnist, beside the other sign
    results/REPORT.md#gan-other-sign-mnist. On MNIST (quick) the printed rule drives the rate to
    its cap within an epoch and the generator collapses; descending both minimised losses drives it to 0, plain DCGAN.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from regbench.regularizers.parts.layer import Layer
from regbench.regularizers.parts.precision import widen
from regbench.regularizers.parts.settings import choice, is_number, require
from regbench.regularizers.parts.sites import SiteLayers

HIGHEST_RATE = 0.9
LOWEST_RATE = 1e-3  # of a mask: the slope of logit and logarithm has no bound at 0
ESTIMATORS = ("concrete", "score")
RULES = {  # signs of the gradients of the two minimised losses, generator's and discriminator's
    "printed": (1.0, -1.0),
    "reverse": (-1.0, 1.0),
    "ascend": (1.0, 1.0),
    "descend": (-1.0, -1.0),
    "fixed": (0.0, 0.0),
}


def concrete_mask(rate: Tensor, uniform: Tensor, temperature: float) -> Tensor:
    """Relaxed dropout mask in (0, 1), close to 0 with probability `rate`: () and uniform noise (...) -> (...).

    Differentiable in the rate (Gal, Hron, Kendall 2017, equation 5).
    """
    bounded = rate + (rate.detach().clamp(min=LOWEST_RATE) - rate.detach())
    uniform = uniform.clamp(1e-6, 1 - 1e-6)
    return 1 - torch.sigmoid((torch.logit(bounded) + torch.logit(uniform)) / temperature)


def mask_log_probability(rate: Tensor, mask: Tensor) -> Tensor:
    """log P of a hard mask (0 dropped, 1 kept) under this rate, summed over its elements: -> ()."""
    bounded = rate + (rate.detach().clamp(min=LOWEST_RATE) - rate.detach())
    kept = mask.sum()
    return kept * torch.log1p(-bounded) + (mask.numel() - kept) * torch.log(bounded)


def updated_rate(rate: Tensor, gradients: Mapping[str, Tensor], rule: str, beta: float) -> Tensor:
    """The rate after one step of rule (5), in [0, 0.9]; the rate itself where a gradient is not finite.

    Args:
        gradients: of the minimised losses with respect to the rate: `generator` and `discriminator`, or any one
            other name, which takes the generator's sign.
        rule: one of `RULES`.
    """
    generator, discriminator = RULES[rule]
    signed = [(discriminator if name == "discriminator" else generator) * each for name, each in gradients.items()]
    moved = rate + beta * sum(signed)
    return torch.where(moved.isfinite(), moved, rate).clamp(0.0, HIGHEST_RATE)  # else NaN would stay for good


class AdaptiveDropout(Layer):
    """Dropout whose `rate` is a parameter with a gradient; identity in evaluation mode. Any shape.

    Args:
        rate: drop rate at the start, in [0, 0.9], or a parameter () that several layers share.
        estimator: "concrete" (relaxed masks) or "score" (hard masks, whose log-probabilities go into `drawn` where that
            is a list: None to begin with).
        temperature: of the relaxation, above 0; smaller is closer to a hard mask.

    Leave `rate` out of the network's optimizer, and move it with `updated_rate`.
    """

    def __init__(self, rate: float | nn.Parameter = 0.5, estimator: str = "concrete", temperature: float = 0.1):
        super().__init__()
        self.estimator = choice("estimator", estimator, ESTIMATORS)
        self.temperature = require("temperature", temperature, lambda t: is_number(t) and t > 0, "a number above 0")
        self.rate = rate if isinstance(rate, nn.Parameter) else rate_parameter(rate)
        self.drawn: list[Tensor] | None = None

    def transform(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        uniform = torch.rand_like(x, dtype=widen(x).dtype)  # the slopes of a mask have no room in 16 bits
        if self.estimator == "concrete":
            mask = concrete_mask(self.rate, uniform, self.temperature)
        else:
            mask = (uniform >= self.rate.detach().clamp(min=LOWEST_RATE)).to(uniform.dtype)
            if self.drawn is not None:
                self.drawn.append(mask_log_probability(self.rate, mask))
        return x * mask.to(x.dtype) / (1 - self.rate)


def rate_parameter(rate: float) -> nn.Parameter:
    """A drop rate as a parameter ().

    Raises:
        UserError: it is not in [0, 0.9].
    """
    allowed = f"an adaptive drop rate in [0, {HIGHEST_RATE}]"
    require("rate", rate, lambda value: is_number(value) and 0.0 <= value <= HIGHEST_RATE, allowed)
    return nn.Parameter(torch.tensor(float(rate)))


class AdaptiveDropoutLayers(SiteLayers):
    """`AdaptiveDropout` at named sites, and the rule that moves their rate after every step.

    Args:
        rate: at the start. beta: step size of the rule, 0 or more. rule: one of `RULES`.
        estimator, temperature: of the layers. shared: one rate for all layers, or one for each.
    """

    def __init__(
        self,
        rate: float = 0.5,
        placement: str | list[str] = "all",
        beta: float = 0.0002,
        rule: str = "printed",
        estimator: str = "concrete",
        temperature: float = 0.1,
        shared: bool = True,
    ):
        choice("rule", rule, tuple(RULES))
        require("beta", beta, lambda value: is_number(value) and value >= 0.0, "a finite number of 0 or more")
        common = rate_parameter(rate)

        def layer() -> AdaptiveDropout:
            return AdaptiveDropout(common if shared else rate, estimator, temperature)

        super().__init__(placement, layer)
        self.beta, self.rule, self.shared = beta, rule, shared

    def adapt(self, losses: Callable[[], Mapping[str, Tensor]]) -> None:
        if self.rule == "fixed":
            return
        rates = self._rates()
        by_loss = rate_gradients(losses, list(self.layers.values()), list(rates.values()))
        with torch.no_grad():
            for place, rate in enumerate(rates.values()):
                gradients = {name: each[place] for name, each in by_loss.items()}
                rate.copy_(updated_rate(rate, gradients, self.rule, self.beta))

    def own_parameters(self) -> list[nn.Parameter]:
        return list(self._rates().values())

    def traced(self) -> dict[str, Tensor]:
        """`rate`, or `<site>/rate` for each layer."""
        return {name: rate.detach() for name, rate in self._rates().items()}

    def measurements(self) -> dict[str, float]:
        return {name: rate.item() for name, rate in self.traced().items()}

    def _rates(self) -> dict[str, nn.Parameter]:
        rates = {f"{site}/rate": layer.rate for site, layer in self.layers.items()}
        return {"rate": next(iter(rates.values()))} if self.shared else rates


def rate_gradients(
    losses: Callable[[], Mapping[str, Tensor]], layers: Sequence[AdaptiveDropout], rates: Sequence[nn.Parameter]
) -> dict[str, list[Tensor]]:
    """An estimate of d E[loss] / d rate for every loss and rate, over the masks of the layers.

    Where masks are hard, the losses are taken twice: each draw's score is weighed with how much higher its loss is
    than the other's, which needs no baseline and is unbiased.

    Args:
        losses: computes the losses, each a (), with fresh masks.
    """
    hard = any(layer.estimator == "score" for layer in layers)
    draws = [_draw(losses, layers) for _ in range(2 if hard else 1)]
    names = list(draws[0][0])
    totals = {name: sum(found[name] for found, _ in draws) / len(draws) for name in names}
    if hard:
        (first, score), (second, other) = draws
        for name in names:
            totals[name] = totals[name] + 0.5 * (first[name] - second[name]).detach() * (score - other)
    return {name: _gradients(total, rates) for name, total in totals.items()}


def _draw(
    losses: Callable[[], Mapping[str, Tensor]], layers: Sequence[AdaptiveDropout]
) -> tuple[Mapping[str, Tensor], Tensor | float]:
    """The losses of one draw of all masks, and the log-probability of the hard ones among these."""
    for layer in layers:
        layer.drawn = []
    try:
        found = losses()
        return found, sum(chance for layer in layers for chance in layer.drawn)
    finally:
        for layer in layers:
            layer.drawn = None


def _gradients(loss: Tensor, rates: Sequence[nn.Parameter]) -> list[Tensor]:
    found = torch.autograd.grad(loss, rates, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(rate) if each is None else each for each, rate in zip(found, rates, strict=True)]
