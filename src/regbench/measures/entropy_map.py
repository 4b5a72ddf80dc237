"""Entropy maps: how much each filter of each layer changes the entropy of what passes it.

Source: Meni et al., "Entropy-based Guidance of Deep Neural Networks", Corollary 6 and Figures 1, 8 and 9.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from regbench.errors import UserError
from regbench.regularizers.entropy import conv_entropy_change, dense_entropy_change
from regbench.regularizers.parts.placement import choose_layers

if TYPE_CHECKING:
    import pandas as pd


@torch.no_grad()
def entropy_map(network: nn.Module | Mapping[str, Tensor | np.ndarray]) -> dict[str, np.ndarray]:
    """Change in entropy, in nats, of each filter by layer, in the order in which the model defines them.

    Args:
        network: a model, or its weights by layer name: (O, I, p, q) of convolutions, (out, in) of dense layers.

    Returns:
        By layer: log|c_11| of its O * I filters, or the one log|det W| of a dense layer. A filter whose c_11 is
        exactly 0 has -inf.
    """
    if isinstance(network, nn.Module):
        weights = {name: layer.weight for name, layer in choose_layers(network, "all").items()}
    else:
        weights = {name: torch.as_tensor(weight) for name, weight in network.items()}
    return {name: _changes(name, weight) for name, weight in weights.items()}


def _changes(name: str, weight: Tensor) -> np.ndarray:
    if weight.dim() not in (2, 4):
        raise UserError(f"weight {name} of shape {tuple(weight.shape)}: allowed are (O, I, p, q) and (out, in)")
    change = dense_entropy_change(weight) if weight.dim() == 2 else conv_entropy_change(weight)
    return change.float().cpu().numpy().reshape(-1)


def summarise(changes: Mapping[str, np.ndarray]) -> "pd.DataFrame":
    """A line a layer: number (from 1), name, filters, mean, lowest, quartiles and highest, in nats; outliers.

    `outliers` is the share of filters beyond 1.5 box lengths, as the box plots draw them.
    """
    lines = []
    for number, (name, values) in enumerate(changes.items(), start=1):
        low, first, median, third, high = np.percentile(values, [0, 25, 50, 75, 100])
        numbers = {"mean": values.mean(), "lowest": low, "first_quartile": first}
        numbers |= {"median": median, "third_quartile": third, "highest": high}
        reach = 1.5 * (third - first)
        numbers["outliers"] = ((values < first - reach) | (values > third + reach)).mean()
        lines.append({"number": number, "layer": name, "filters": values.size, **numbers})
    import pandas as pd  # here: who trains has no need of it

    return pd.DataFrame(lines)


def highest_layers(changes: Mapping[str, np.ndarray], share: float = 0.25) -> list[str]:
    """The `share` of layers with the highest mean change in entropy, rounded up, in the model's order.

    A rule for the entropy paper's "Empirical" list, which it reads off its Figure 8 by eye.
    """
    means = {name: float(values.mean()) for name, values in changes.items()}
    kept = sorted(means, key=means.__getitem__, reverse=True)[: math.ceil(share * len(means))]
    return [name for name in means if name in kept]


@torch.no_grad()
def filter_positions(weight: Tensor | np.ndarray) -> np.ndarray:
    """The control: mean log|c_ij| over all filters at every position of the filter, (O, I, p, q) -> (p, q).

    Corollary 6 singles out c_11. Where the other positions look alike, c_11 tells no more than the weights' scale.
    """
    weight = torch.as_tensor(weight)
    if weight.dim() != 4:
        raise UserError(f"weight of shape {tuple(weight.shape)} is none of a 2D convolution: allowed is (O, I, p, q)")
    return weight.float().abs().log().mean((0, 1)).cpu().numpy()
