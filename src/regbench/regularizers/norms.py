"""L1 and L2: penalties on the size of weights.

Paper
    Classic; the essay on dropout and linearity compares dropout with both (L1 for sparsity, L2 for small weights).
Formula
    L1: lambda sum |w|. L2: lambda sum w^2. Over the weights, not the biases, of the placed layers.
Where
    The weights of named layers, all of them by default.
Paper settings
    None given.
Ambiguities and the choice made
    The essay writes the sum of squares without a factor 1/2, and so does the formula here.
Deviations
    Under spectral norm it is the normalised weight that is penalised, whose size the penalty hardly moves.
    Transposed convolutions (of the U-Net, of generators) are left out, whatever the placement. The penalty is added
    to the loss, as the essay says. With Adam this is not the same as weight decay in its decoupled form (AdamW).
Evidence
    results/tables/linearity.md; results/REPORT.md#lin-l1, results/REPORT.md#lin-l2, beside
    results/REPORT.md#lin-dropout.
"""

import torch
from torch import Tensor, nn

from regbench.regularizers.parts.penalty import WeightPenalty
from regbench.regularizers.parts.precision import widen
from regbench.regularizers.parts.settings import require


def norm_penalty(weights: list[Tensor], power: int) -> Tensor:
    """Sum of |w|^power over all weights, power 1 or 2: any shapes -> ()."""
    if power == 1:
        return torch.stack([widen(weight).abs().sum() for weight in weights]).sum()
    return torch.stack([widen(weight).square().sum() for weight in weights]).sum()


class NormPenalty(WeightPenalty):
    """strength times the sum of |w|^power over the weights of the placed layers.

    Args:
        strength: lambda, a finite number. power: 1 (L1) or 2 (L2).
        placement: which layers, as `placement.choose_layers` reads it.
    """

    def __init__(self, strength: float, power: int, placement: str | int | list[str | int] = "all"):
        super().__init__(strength, placement)
        self.power = require("power", power, lambda value: value in (1, 2), "1, 2", "are")

    def unit_penalty(self, model: nn.Module) -> Tensor:
        return norm_penalty([layer.weight for layer in self.layers(model).values()], self.power)

    def penalty_measurements(self, model: nn.Module) -> dict[str, float]:
        """The penalty and the mean |w|."""
        with torch.no_grad():
            sizes = torch.cat([widen(layer.weight).flatten() for layer in self.layers(model).values()]).abs()
            return {"penalty": self.penalty(model).item(), "mean_weight": sizes.mean().item()}
