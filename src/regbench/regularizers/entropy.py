"""Entropy guidance: a penalty on how much a dense or convolutional layer changes the entropy of what passes it.

Paper
    Meni, White, Mayo, Pilkiewicz, "Entropy-based Guidance of Deep Neural Networks for Accelerated Convergence and
    Improved Performance", sections 3 to 5.1.
Formula
    Dense (Theorem 3): the change is log|det W|, W the square part of the weight, its first min(in, out) rows and
    columns. Convolution (Corollary 6): (l - p + 1)(w - q + 1) log|c_11| for each filter on an l x w map.
    Losses: `log`, -lambda sum of changes (21), (23); `reciprocal`, lambda sum 1 / (|.| + eps) (24), (25).
Where
    The weights of named layers: dense or convolutional, in the order in which the model defines them.
Paper settings
    lambda in {0, 1e-4, ..., 10}; eps < 1e-3; first layer only, or all layers.
Ambiguities and the choice made
    * The text after (21) says that lambda > 0 reduces entropy; the formula raises it. The formula is followed.
    * (23) has the logarithm without the factor of the map's size, and so has the penalty here.
    * eps is 1e-3 by default, which the paper's "eps < 10^-3" does not reach: the experiments of Tables 2 and 3 have it
      (a deviation), those of Figures 3 to 6 and of Table 1 have 1e-7.
    * Completing C_M on its other side puts c_pq in the place of c_11: that it is c_11 is a choice of the paper's.
    * Theorem 3's "det > 0" holds for the absolute value only.
Deviations
    The dense reciprocal is computed from log|det W|, never from det W: the determinant of the 60 x 60 block of a
    freshly initialised layer from 784 to 60 is about e^-141 and is 0 in float32. Its loss is then lambda / eps with no
    gradient in float32 (and one of about e^-141 / eps^2 in exact arithmetic); `gradient_norm` is measured: a run says
    so itself.
Evidence
    results/tables/entropy-figures.md (autoencoders), results/tables/entropy-table1.md (small CNNs),
    results/tables/entropy-table2.md (large CNNs), results/tables/entropy-table3.md (U-Net),
    results/tables/entropy-map-vgg16.md; results/REPORT.md#eg-faster, results/REPORT.md#eg-gradient-amplified,
    results/REPORT.md#eg-stop-is-entropy (its control), results/REPORT.md#eg-t1-all, results/REPORT.md#eg-t2-run,
    results/REPORT.md#eg-t2-run-vanilla, results/REPORT.md#eg-t3-run, results/REPORT.md#eg-t3-run-accuracy. The dense
    reciprocal of a layer of 60 or more units is a constant as long as its determinant underflows: trainings then stop
    early just where that constant alone stops them (`ConstantPenalty`), and reach a fixed error no sooner. With MNIST
    the square part of a narrow layer looks at the blank upper border: any of the first 20 pixels is lit in fewer than
    0.01 % of the training images, of the first 60 in 0.4 %, of the first 100 in 13 %, of the first 180 in 79 %.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from regbench.errors import UserError
from regbench.regularizers.parts.base import Regularizer
from regbench.regularizers.parts.penalty import WeightPenalty, check_strength, trained
from regbench.regularizers.parts.precision import widen
from regbench.regularizers.parts.settings import choice, is_number, require

FORMS = ("log", "reciprocal")
#: where e^(log eps - change) overflows in float32, the gradient of the dense reciprocal is exactly 0
OVERFLOW = 89.0
FAR_BELOW = -150.0


def conv_entropy_change(weight: Tensor, map_size: tuple[int, int] | None = None) -> Tensor:
    """Change in entropy of each filter, (O, I, p, q) -> (O, I), in nats (Corollary 6).

    Args:
        map_size: (l, w) of the input map; its change is then (l - p + 1)(w - q + 1) log|c_11|, else log|c_11|.

    Raises:
        UserError: a weight that is none of a 2D convolution, or a map smaller than the filter.
    """
    if weight.dim() != 4 or weight.numel() == 0:
        raise UserError(f"weight of shape {tuple(weight.shape)} is none of a 2D convolution: allowed is (O, I, p, q)")
    change = widen(weight)[:, :, 0, 0].abs().log()
    if map_size is None:
        return change
    rows, columns = (side - kernel + 1 for side, kernel in zip(map_size, weight.shape[2:], strict=True))
    if rows < 1 or columns < 1:
        raise UserError(f"map_size={tuple(map_size)} is smaller than the filter of {tuple(weight.shape[2:])}")
    return change * (rows * columns)


def square_part(weight: Tensor) -> Tensor:
    """The first n rows and columns, n = min(in, out): (..., out, in) -> (..., n, n)."""
    if weight.dim() < 2 or weight.numel() == 0:
        raise UserError(f"weight of shape {tuple(weight.shape)} has no square part: allowed is (out, in), both above 0")
    size = min(weight.shape[-2:])
    return weight[..., :size, :size]


def dense_entropy_change(weight: Tensor) -> Tensor:
    """Change in entropy log|det W| of the square part W, (..., out, in) -> (...), in nats (Theorem 3).

    -inf where W is singular.
    """
    return torch.linalg.slogdet(widen(square_part(weight))).logabsdet


def highest_entropy_change(weight: Tensor) -> Tensor:
    """At least log|det W| of a dense layer's square part, (..., out, in) -> (...), in nats.

    Far below what a reciprocal penalty can see, Hadamard's bound (the sum of log row lengths) stands for log|det W|:
    it costs n^2 instead of n^3.
    """
    bound = square_part(weight).double().norm(dim=-1).log().sum(-1).to(widen(weight).dtype)
    far = bound < FAR_BELOW
    return bound if far.all() else torch.where(far, bound, dense_entropy_change(weight))


def entropy_loss(weight: Tensor, form: str = "reciprocal", eps: float = 1e-3) -> Tensor:
    """The loss of one layer's weight before any strength: (out, in) -> () or (O, I, p, q) -> (O, I).

    `log` is minus the change in entropy; `reciprocal` is 1 / (|.| + eps) of the determinant or of c_11.
    """
    _check_form(form, eps)
    if form == "log":
        return -(dense_entropy_change(weight) if weight.dim() == 2 else conv_entropy_change(weight))
    if weight.dim() != 2:
        return 1.0 / (widen(weight)[:, :, 0, 0].abs() + eps)
    # 1 / (e^change + eps) without ever forming e^change, which underflows.
    change = dense_entropy_change(weight)
    return torch.exp(-torch.logaddexp(change, change.new_tensor(math.log(eps))))


class Entropy(WeightPenalty):
    """Entropy guidance of the weights of chosen layers.

    Args:
        strength: lambda; above 0 it raises the entropy, below 0 it lowers it.
        placement: which layers, as `placement.choose_layers` reads it.
        form: "log" or "reciprocal". eps: of the reciprocal form, above 0.
        layer_strengths: factor of the strength by layer name, each a number or one number a filter (output
            channel); 1 where none is given.
    """

    def __init__(
        self,
        strength: float,
        placement: str | int | list[str | int] = "all",
        form: str = "reciprocal",
        eps: float = 1e-3,
        layer_strengths: dict[str, float | list[float]] | None = None,
    ):
        super().__init__(strength, placement)
        _check_form(form, eps)
        self.form, self.eps, self.layer_strengths = form, eps, dict(layer_strengths or {})

    def attach(self, model: nn.Module, input_shape: tuple[int, int, int] | None = None) -> None:
        super().attach(model, input_shape)
        unknown = [name for name in self.layer_strengths if name not in self.names]
        if unknown:
            raise UserError(f"layer_strengths.{unknown[0]} is no placed layer: allowed are {', '.join(self.names)}")
        for name, layer in self.layers(model).items():
            if layer.weight.dim() == 2 and dense_entropy_change(layer.weight.detach()).isinf():
                raise UserError(f"placement={name}: the square part of its weight is singular, its entropy change -inf")
            self._check_factors(name, layer.weight)

    def _check_factors(self, name: str, weight: Tensor) -> None:
        factors = self.layer_strengths.get(name, 1.0)
        if is_number(factors):
            return
        if not isinstance(factors, list | tuple) or not all(map(is_number, factors)):
            raise UserError(f"layer_strengths.{name}={factors} is not allowed: a number, or one for each filter")
        if weight.dim() != 4 or len(factors) != len(weight):
            raise UserError(
                f"layer_strengths.{name} has {len(factors)} numbers: allowed is one, or one for each of a "
                f"convolution's filters; its weight is {tuple(weight.shape)}"
            )

    def unit_penalty(self, model: nn.Module) -> Tensor:
        return torch.stack(list(self._losses(model))).sum()

    def has_no_gradient(self, steps: dict[str, float]) -> bool:
        if self.form != "reciprocal":
            return False
        seen = [steps.get(f"{name}/highest_entropy_change", math.inf) for name in self.names]
        return all(change < math.log(self.eps) - OVERFLOW for change in seen)

    def penalty_measurements(self, model: nn.Module) -> dict[str, float]:
        """The penalty, the norm of its gradient, and the mean change in entropy of each placed layer."""
        penalty, layers = self.penalty(model), self.layers(model)
        moved = [each for layer in layers.values() for each in trained(layer) if each.requires_grad]
        gradients = torch.autograd.grad(penalty, moved, allow_unused=True) if moved else []
        norms = [gradient.norm() for gradient in gradients if gradient is not None]
        values = {"penalty": penalty.item(), "gradient_norm": torch.stack(norms).norm().item() if norms else 0.0}
        with torch.no_grad():
            for name, layer in layers.items():
                dense = layer.weight.dim() == 2
                change = dense_entropy_change(layer.weight) if dense else conv_entropy_change(layer.weight).mean()
                values[f"{name}/entropy_change"] = change.item()
        return values

    def _losses(self, model: nn.Module) -> Iterator[Tensor]:
        for name, layer in self.layers(model).items():
            loss = entropy_loss(layer.weight, self.form, self.eps)
            factor = torch.as_tensor(self.layer_strengths.get(name, 1.0), dtype=loss.dtype, device=loss.device)
            yield (loss * (factor[:, None] if factor.dim() else factor)).sum()


class ConstantPenalty(Regularizer):
    """The control: what a reciprocal penalty is where |.| is 0, strength / eps, and no gradient at all.

    Whatever it changes, it changes through the early stopping that watches a loss in float32.
    """

    def __init__(self, strength: float, eps: float = 1e-3):
        _check_form("reciprocal", eps)
        self.strength, self.eps = check_strength(strength), eps

    def unit_penalty(self, model: nn.Module) -> Tensor:
        return torch.tensor(1.0 / self.eps, device=next(model.parameters()).device)

    def has_no_gradient(self, steps: dict[str, float]) -> bool:
        return True

    def penalty_measurements(self, model: nn.Module) -> dict[str, float]:
        """The penalty; its gradient is 0 by construction."""
        return {"penalty": self.penalty(model).item(), "gradient_norm": 0.0}


def _check_form(form: str, eps: float) -> None:
    choice("form", form, FORMS)
    require("eps", eps, lambda value: is_number(value) and value > 0, "a number above 0")
